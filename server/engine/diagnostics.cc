#include "server/engine/diagnostics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "server/core/status_macros.h"
#include "server/engine/compute_path.h"
#include "server/spec/defaults.h"

namespace anneal {
namespace {

constexpr int64_t kRows = 128;

// What one layer's outputs add up to.
struct Activations {
  double count = 0;
  double sum = 0;
  double squares = 0;
  at::Tensor alive;  // bool [units]: some output was not 0

  void Add(const at::Tensor& y) {
    const at::Tensor values = y.to(at::kDouble);
    count += static_cast<double>(values.numel());
    sum += values.sum().item<double>();
    squares += values.square().sum().item<double>();
    const at::Tensor seen = (y != 0).reshape({-1, y.size(-1)}).any(0);
    alive = alive.defined() ? alive.logical_or(seen) : seen;
  }
};

}  // namespace

Diagnostics::Diagnostics(const ValidatedSpec& spec, const Network& network,
                         const InputPreparation& preparation, const SampleRange& samples)
    : asked_(spec.training().diagnostics()),
      pruned_(spec.training().has_pruning()),
      spec_(spec),
      network_(network),
      preparation_(preparation),
      samples_(samples),
      pool_(network.kernels().device()),
      layers_(RangesByLayer(network.ranges())) {
  samples_.count = std::min(samples_.count, defaults::Samples(asked_));
}

absl::Status Diagnostics::Measure(const std::stop_token& stop, std::vector<MetricValue>& metrics) {
  if (asked_.activations()) RETURN_IF_ERROR(MeasureActivations(stop, metrics));
  if (asked_.weight_norm()) MeasureWeightNorms(metrics);
  if (asked_.distinct_units()) CountDistinctUnits(metrics);
  if (asked_.has_sparsity() || pruned_) MeasureSparsity(metrics);
  return absl::OkStatus();
}

absl::Status Diagnostics::MeasureActivations(const std::stop_token& stop,
                                             std::vector<MetricValue>& metrics) {
  std::vector<Activations> layers(spec_.layers().size());
  std::vector<uint32_t> indices(static_cast<size_t>(kRows));
  std::unique_ptr<Workspace> workspace;
  for (int64_t done = 0; done < samples_.count; done += kRows) {
    if (stop.stop_requested()) return absl::CancelledError("stopped while measuring activations");
    const int64_t rows = std::min(kRows, samples_.count - done);
    if (workspace == nullptr || workspace->rows() != rows)
      workspace = network_.MakeWorkspace(rows, Mode::kInference, pool_);
    std::iota(indices.begin(), indices.end(), static_cast<uint32_t>(samples_.begin + done));
    preparation_.Prepare(network_.kernels(), *samples_.split, indices.data(), workspace->input());
    network_.Forward(*workspace, StepContext{},
                     [&](size_t layer, const at::Tensor& y) { layers[layer].Add(y); });
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    const Activations& each = layers[i];
    if (each.count == 0) continue;  // only a view of the layer before
    const std::string& name = spec_.layers()[i].name;
    const double mean = each.sum / each.count;
    // NaN stays NaN: std::max takes its first argument when nothing is less.
    const double variance = std::max(each.squares / each.count - mean * mean, 0.0);
    metrics.push_back({name + "/activation_mean", mean});
    metrics.push_back({name + "/activation_std", std::sqrt(variance)});
    metrics.push_back(
        {name + "/dead_units", each.alive.logical_not().to(at::kDouble).mean().item<double>()});
  }
  return absl::OkStatus();
}

void Diagnostics::MeasureWeightNorms(std::vector<MetricValue>& metrics) const {
  const ComputePath path = PathFor(network_.kernels().device());
  double all = 0;
  for (const LayerRanges& layer : layers_) {
    double squares = 0;
    for (const WeightRange& range : layer.ranges)
      squares += SumOfSquares(network_.parameters(), range, path);
    metrics.push_back({layer.layer + "/weight_norm", std::sqrt(squares)});
    all += squares;
  }
  metrics.push_back({"weight_norm", std::sqrt(all)});
}

void Diagnostics::MeasureSparsity(std::vector<MetricValue>& metrics) const {
  int64_t all = 0;
  int64_t all_small = 0;
  for (const LayerRanges& layer : layers_) {
    for (const WeightRange& range : layer.ranges) {
      if (WeightOf(range) != "kernel") continue;
      const int64_t small = (network_.parameters().narrow(0, range.offset, range.count).abs() <=
                             asked_.sparsity().threshold())
                                .sum()
                                .item<int64_t>();
      metrics.push_back({layer.layer + "/sparsity",
                         static_cast<double>(small) / static_cast<double>(range.count)});
      all += range.count;
      all_small += small;
    }
  }
  if (all > 0)
    metrics.push_back({"sparsity", static_cast<double>(all_small) / static_cast<double>(all)});
}

void Diagnostics::CountDistinctUnits(std::vector<MetricValue>& metrics) const {
  for (const LayerRanges& layer : layers_) {
    if (WeightOf(layer.ranges.front()) != "kernel") continue;
    // A unit is a column of the kernel above its entry of the bias.
    std::vector<at::Tensor> parts;
    for (const WeightRange& range : layer.ranges) {
      parts.push_back(network_.parameters()
                          .narrow(0, range.offset, range.count)
                          .reshape({-1, range.shape.back()}));
    }
    const at::Tensor units = at::cat(parts).t().to(at::kCPU).contiguous();
    const auto* const bytes = static_cast<const char*>(units.data_ptr());
    const size_t width = static_cast<size_t>(units.size(1)) * sizeof(float);
    std::set<std::string_view> distinct;
    for (int64_t unit = 0; unit < units.size(0); ++unit)
      distinct.emplace(bytes + static_cast<size_t>(unit) * width, width);
    metrics.push_back({layer.layer + "/distinct_units", static_cast<double>(distinct.size())});
  }
}

}  // namespace anneal
