#include "server/engine/reduce_on_plateau.h"

#include <algorithm>
#include <string_view>

#include "server/spec/defaults.h"

namespace anneal {

ReduceOnPlateau::ReduceOnPlateau(const v1::LearningRateSchedule::ReduceOnPlateau& spec)
    : maximize_(std::string_view(defaults::Monitor(spec)).ends_with("accuracy")),
      factor_(defaults::Factor(spec)),
      patience_(defaults::Patience(spec)),
      min_delta_(defaults::MinDelta(spec)),
      cooldown_(spec.cooldown()),
      min_learning_rate_(spec.min_learning_rate()) {}

std::optional<double> ReduceOnPlateau::OnEpoch(double value, double learning_rate) {
  if (rest_ > 0) {
    --rest_;
    wait_ = 0;
  }
  const bool improved =
      !best_.has_value() || (maximize_ ? value - min_delta_ > *best_ : value + min_delta_ < *best_);
  if (improved) {
    best_ = value;
    wait_ = 0;
    return std::nullopt;
  }
  if (rest_ > 0) return std::nullopt;
  ++wait_;
  if (wait_ < patience_ || !(learning_rate > min_learning_rate_)) return std::nullopt;
  wait_ = 0;
  rest_ = cooldown_;
  return std::max(learning_rate * factor_, min_learning_rate_);
}

}  // namespace anneal
