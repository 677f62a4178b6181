// A smaller learning rate when progress stops: Keras 3's ReduceLROnPlateau.
#pragma once

#include <cstdint>
#include <optional>

#include "anneal/v1/optimizer.pb.h"

namespace anneal {

// Judges one number an epoch. An epoch improves when it is the first, or when its value beats the
// best so far by more than min_delta. After `patience` epochs in a row without improvement
// (patience 0 and 1 alike: after the first one) the rate is multiplied by `factor`, but not below
// min_learning_rate; a rate that is there already stays, and patience stays used up. Then, for
// `cooldown` epochs less one, epochs may improve but none counts as waiting, exactly as in Keras,
// whose counter goes down before the first epoch of rest is looked at.
//
// Larger is better where the monitored name ends in "accuracy", else smaller. NaN as in
// EarlyStopping: it never improves on a number, and nothing improves on a NaN that came first.
// Not thread-safe.
class ReduceOnPlateau {
 public:
  explicit ReduceOnPlateau(const v1::LearningRateSchedule::ReduceOnPlateau& spec);

  // After an epoch, in order: the value of the monitored metric, and the rate it was trained with.
  // Returns the rate to go on with where it changes.
  std::optional<double> OnEpoch(double value, double learning_rate);

  // All that it remembers; the rate is the optimizer's.
  struct State {
    std::optional<double> best;
    int64_t wait = 0;
    int64_t rest = 0;  // epochs of cooldown left
  };
  const State& state() const { return state_; }
  void Restore(const State& state) { state_ = state; }

 private:
  const bool maximize_;
  const double factor_;
  const int64_t patience_;
  const double min_delta_;
  const int64_t cooldown_;
  const double min_learning_rate_;

  State state_;
};

}  // namespace anneal
