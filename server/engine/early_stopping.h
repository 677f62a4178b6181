// When to stop: Keras 3's EarlyStopping, without the model.
#pragma once

#include <cstdint>
#include <optional>

#include "anneal/v1/training.pb.h"

namespace anneal {

// Judges one number an epoch. Keeps no weights: with restore_best_weights the caller copies them
// whenever a decision says `improved` and puts the copy back at the end, however the training ended
// (as Keras 3 does).
//
// An epoch improves when it is the first one judged, or when its value beats the best so far by
// more than |min_delta|. Training stops after `patience` judged epochs in a row without improvement
// (patience 0 and 1 alike: after the first one). Epochs before start_from_epoch, which counts from
// 0 as in Keras, are neither judged nor counted.
//
// NaN compares as false with everything, so a NaN never improves on a number; but the first judged
// epoch sets the best whatever it is, and after a NaN there nothing ever improves. Not thread-safe.
class EarlyStopping {
 public:
  struct Decision {
    bool improved = false;  // these weights are the best so far
    bool stop = false;
  };

  // Mode AUTO: MAX where the monitored name ends in "accuracy", else MIN.
  explicit EarlyStopping(const v1::EarlyStopping& spec);

  // `epoch` counts from 1, as EpochRecord does; call in order, once an epoch.
  Decision OnEpoch(int64_t epoch, double value);

  // From 1; 0: none judged yet.
  int64_t best_epoch() const { return best_epoch_; }
  // Empty: none judged yet.
  std::optional<double> best_value() const { return best_value_; }
  // Judged epochs since the best.
  int64_t wait() const { return wait_; }

  // As it was when these were read: judging goes on from there.
  void Restore(std::optional<double> best_value, int64_t best_epoch, int64_t wait) {
    best_value_ = best_value;
    best_epoch_ = best_epoch;
    wait_ = wait;
  }

 private:
  const bool maximize_;
  const double min_delta_;  // at least 0
  const int64_t patience_;
  const int64_t start_from_epoch_;

  std::optional<double> best_value_;
  int64_t best_epoch_ = 0;
  int64_t wait_ = 0;
};

}  // namespace anneal
