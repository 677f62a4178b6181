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
  if (state_.rest > 0) {
    --state_.rest;
    state_.wait = 0;
  }
  const bool improved =
      !state_.best.has_value() || (maximize_ ? value - min_delta_ > *state_.best : value + min_delta_ < *state_.best);
  if (improved) {
    state_.best = value;
    state_.wait = 0;
    return std::nullopt;
  }
  if (state_.rest > 0) return std::nullopt;
  ++state_.wait;
  if (state_.wait < patience_ || !(learning_rate > min_learning_rate_)) return std::nullopt;
  state_.wait = 0;
  state_.rest = cooldown_;
  return std::max(learning_rate * factor_, min_learning_rate_);
}

}  // namespace anneal
