#include "server/engine/gradient_norms.h"

#include <cmath>

namespace anneal {

GradientNorms::GradientNorms(bool active, const std::vector<WeightRange>& ranges, ComputePath path)
    : active_(active),
      layers_(active ? RangesByLayer(ranges) : std::vector<LayerRanges>()),
      path_(path),
      by_layer_(layers_.size()) {}

void GradientNorms::Add(const at::Tensor& gradients) {
  if (!active_) return;
  double all = 0;
  for (size_t i = 0; i < layers_.size(); ++i) {
    double squares = 0;
    for (const WeightRange& range : layers_[i].ranges)
      squares += SumOfSquares(gradients, range, path_);
    by_layer_[i] += std::sqrt(squares);
    all += squares;
  }
  total_ += std::sqrt(all);
  ++steps_;
}

void GradientNorms::Take(std::vector<MetricValue>& metrics) {
  if (steps_ == 0) return;
  const auto steps = static_cast<double>(steps_);
  metrics.push_back({"gradient_norm", total_ / steps});
  for (size_t i = 0; i < layers_.size(); ++i)
    metrics.push_back({layers_[i].layer + "/gradient_norm", by_layer_[i] / steps});
  steps_ = 0;
  total_ = 0;
  by_layer_.assign(by_layer_.size(), 0);
}

}  // namespace anneal
