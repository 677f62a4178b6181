// Shape inference: what each layer receives and passes on, and how many parameters that gives it.
//
// A shape may be known in part, because a violation elsewhere left a size or the whole shape open.
// Inference goes on with what is known (a Dense has `units` outputs whatever its input), so that
// later mistakes are found too, and reports nothing that follows only from something unknown.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "server/spec/expansion.h"
#include "server/spec/validated_spec.h"
#include "server/spec/violation_list.h"

namespace anneal {

// Without the batch: {H, W, C} or {features}. A size that is not known is kUnknownSize; nullopt:
// not even the rank is.
inline constexpr int64_t kUnknownSize = -1;
using Shape = std::optional<std::vector<int64_t>>;

// Sets the shapes and parameter counts of all layers and returns the shape of the network's output.
// Adds a violation, once for each layer as written, where one does not fit its input. Where a shape
// is not known in full, the layer's entry is only in part set.
Shape InferShapes(const Shape& input, Expansion& expansion, ViolationList& violations);

// Sum over the layers, trainable and not; saturates.
int64_t TotalParameters(const std::vector<ResolvedLayer>& layers);

// Adds a violation, and returns false, where the network has more parameters than
// limits::kParameters.
bool CheckParameters(const std::vector<ResolvedLayer>& layers, ViolationList& violations);

}  // namespace anneal
