#include "server/engine/layer_ranges.h"

#include <ATen/ATen.h>

#include "server/engine/kernels/weight_kernels.h"

namespace anneal {

std::string LayerOf(const WeightRange& range) {
  return range.name.substr(0, range.name.rfind('/'));
}

std::string WeightOf(const WeightRange& range) {
  return range.name.substr(range.name.rfind('/') + 1);
}

std::vector<LayerRanges> RangesByLayer(const std::vector<WeightRange>& ranges) {
  std::vector<LayerRanges> layers;
  for (const WeightRange& range : ranges) {
    std::string layer = LayerOf(range);
    if (layers.empty() || layers.back().layer != layer) layers.push_back({std::move(layer), {}});
    layers.back().ranges.push_back(range);
  }
  return layers;
}

double SumOfSquares(const at::Tensor& flat, const WeightRange& range, ComputePath path) {
  if (path == ComputePath::kFused) {
    return kernels::SumOfSquares(range.count, flat.data_ptr<float>() + range.offset);
  }
  return flat.narrow(0, range.offset, range.count).to(at::kDouble).square_().sum().item<double>();
}

}  // namespace anneal
