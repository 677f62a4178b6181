// What a list of predictions is sorted by, as requests say it.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "storage/store.h"

namespace anneal {

// "entropy desc": image, label, predicted, deterministic_predicted or a measure, then asc (as where
// nothing is said) or desc in any case, white space between. "" is "image". INVALID_ARGUMENT: what
// there is instead.
absl::StatusOr<PredictionOrder> ParsePredictionOrder(std::string_view order_by);

}  // namespace anneal
