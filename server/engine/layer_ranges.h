// The trainable weights of a network by layer, and their norms.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "server/engine/compute_path.h"
#include "server/engine/weight_range.h"

namespace anneal {

// The layer of "dense_3/kernel" is "dense_3", the weight is "kernel".
std::string LayerOf(const WeightRange& range);
std::string WeightOf(const WeightRange& range);

// A layer's trainable weights, in order.
struct LayerRanges {
  std::string layer;
  std::vector<WeightRange> ranges;
};

// In the order of the layers; those without trainable weights are not there.
std::vector<LayerRanges> RangesByLayer(const std::vector<WeightRange>& ranges);

// Sum of x^2 over the range of `flat`, in double. kAten waits for the device; kFused allocates
// nothing.
double SumOfSquares(const at::Tensor& flat, const WeightRange& range, ComputePath path);

}  // namespace anneal
