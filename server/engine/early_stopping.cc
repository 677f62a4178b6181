#include "server/engine/early_stopping.h"

#include <cmath>
#include <string_view>

#include "server/spec/defaults.h"

namespace anneal {
namespace {

bool Maximize(const v1::EarlyStopping& spec) {
  if (spec.mode() != v1::EarlyStopping::AUTO) return spec.mode() == v1::EarlyStopping::MAX;
  return std::string_view(defaults::Monitor(spec)).ends_with("accuracy");
}

}  // namespace

EarlyStopping::EarlyStopping(const v1::EarlyStopping& spec)
    : maximize_(Maximize(spec)),
      min_delta_(std::abs(spec.min_delta())),
      patience_(spec.patience()),
      start_from_epoch_(spec.start_from_epoch()) {}

EarlyStopping::Decision EarlyStopping::OnEpoch(int64_t epoch, double value) {
  if (epoch - 1 < start_from_epoch_) return {};
  const bool improved = !best_value_.has_value() || (maximize_ ? value - min_delta_ > *best_value_
                                                               : value + min_delta_ < *best_value_);
  if (improved) {
    best_value_ = value;
    best_epoch_ = epoch;
    wait_ = 0;
    return {.improved = true, .stop = false};
  }
  ++wait_;
  return {.improved = false, .stop = wait_ >= patience_};
}

}  // namespace anneal
