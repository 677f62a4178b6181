#include "server/engine/gradient_norms.h"

#include <cmath>

namespace anneal {

GradientNorms::GradientNorms(bool active, const std::vector<WeightRange>& ranges, ComputePath path)
    : active_(active),
      layers_(active ? RangesByLayer(ranges) : std::vector<LayerRanges>()),
      path_(path) {
  sums_.by_layer.resize(layers_.size());
}

void GradientNorms::Add(const at::Tensor& gradients) {
  if (!active_) return;
  double all = 0;
  for (size_t i = 0; i < layers_.size(); ++i) {
    double squares = 0;
    for (const WeightRange& range : layers_[i].ranges)
      squares += SumOfSquares(gradients, range, path_);
    sums_.by_layer[i] += std::sqrt(squares);
    all += squares;
  }
  sums_.total += std::sqrt(all);
  ++sums_.steps;
}

void GradientNorms::Take(std::vector<MetricValue>& metrics) {
  if (sums_.steps == 0) return;
  const auto steps = static_cast<double>(sums_.steps);
  metrics.push_back({"gradient_norm", sums_.total / steps});
  for (size_t i = 0; i < layers_.size(); ++i)
    metrics.push_back({layers_[i].layer + "/gradient_norm", sums_.by_layer[i] / steps});
  sums_.steps = 0;
  sums_.total = 0;
  sums_.by_layer.assign(layers_.size(), 0);
}

}  // namespace anneal
