#include "server/engine/magnitude_pruning.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "server/engine/layer_ranges.h"
#include "server/spec/defaults.h"

namespace anneal {

double SparsityAt(const v1::Pruning::PolynomialSparsity& schedule, int64_t step) {
  const double length = static_cast<double>(schedule.end_step() - schedule.begin_step());
  const double done =
      std::clamp(static_cast<double>(step - schedule.begin_step()) / length, 0.0, 1.0);
  return schedule.final_sparsity() + (schedule.initial_sparsity() - schedule.final_sparsity()) *
                                         std::pow(1.0 - done, defaults::Power(schedule));
}

MagnitudePruning::MagnitudePruning(const v1::Pruning& spec, const std::vector<WeightRange>& ranges,
                                   int64_t batches)
    : spec_(spec) {
  if (!active()) return;
  const std::set<std::string> names(spec_.layers().begin(), spec_.layers().end());
  for (const WeightRange& range : ranges) {
    if (WeightOf(range) != "kernel") continue;
    if (names.empty() || names.contains(LayerOf(range))) kernels_.push_back(range);
  }
  last_step_ = spec_.has_one_shot() ? spec_.one_shot().after_epoch() * batches
                                    : spec_.polynomial().end_step();
}

bool MagnitudePruning::IsDue(int64_t step) const {
  if (spec_.has_one_shot()) return step == last_step_;
  const v1::Pruning::PolynomialSparsity& schedule = spec_.polynomial();
  if (step < schedule.begin_step() || step > schedule.end_step()) return false;
  return step == schedule.end_step() ||
         (step - schedule.begin_step()) % defaults::Frequency(schedule) == 0;
}

void MagnitudePruning::BeforeStep(int64_t step, at::Tensor& parameters) {
  if (!active() || !IsDue(step)) return;
  const at::NoGradGuard no_grad;
  if (!mask_.defined()) mask_ = at::ones_like(parameters);
  for (const WeightRange& kernel : kernels_) Prune(kernel, step, parameters);
  Apply(parameters);
}

// What orders a kernel's weights: |w|, but below everything what was pruned before (other weights
// may be 0 too), and above everything NaN, which is no order to sort by.
std::vector<float> MagnitudePruning::Magnitudes(const WeightRange& kernel, const float* w) const {
  const at::Tensor mask = mask_.narrow(0, kernel.offset, kernel.count).to(at::kCPU).contiguous();
  const float* const kept = mask.data_ptr<float>();
  std::vector<float> magnitude(static_cast<size_t>(kernel.count));
  for (size_t i = 0; i < magnitude.size(); ++i) {
    magnitude[i] = kept[i] == 0       ? -1.0F
                   : std::isnan(w[i]) ? std::numeric_limits<float>::infinity()
                                      : std::abs(w[i]);
  }
  return magnitude;
}

void MagnitudePruning::Prune(const WeightRange& kernel, int64_t step, at::Tensor& parameters) {
  const at::Tensor weights =
      parameters.narrow(0, kernel.offset, kernel.count).to(at::kCPU).contiguous();
  const float* const w = weights.data_ptr<float>();
  const auto count = static_cast<size_t>(kernel.count);
  at::Tensor kept = at::ones({kernel.count}, at::TensorOptions().dtype(at::kFloat));
  float* const keep = kept.data_ptr<float>();
  if (spec_.has_one_shot() && spec_.one_shot().amount_case() == v1::Pruning::OneShot::kThreshold) {
    const auto threshold = static_cast<float>(spec_.one_shot().threshold());
    for (size_t i = 0; i < count; ++i) keep[i] = std::abs(w[i]) <= threshold ? 0.0F : 1.0F;
  } else {
    const double sparsity =
        spec_.has_one_shot() ? spec_.one_shot().sparsity() : SparsityAt(spec_.polynomial(), step);
    const auto pruned = static_cast<ptrdiff_t>(std::llround(sparsity * static_cast<double>(count)));
    const std::vector<float> magnitude = Magnitudes(kernel, w);
    std::vector<uint32_t> order(count);
    std::iota(order.begin(), order.end(), uint32_t{0});
    std::nth_element(order.begin(), order.begin() + pruned, order.end(),
                     [&magnitude](uint32_t a, uint32_t b) {
                       return magnitude[a] != magnitude[b] ? magnitude[a] < magnitude[b] : a < b;
                     });
    for (ptrdiff_t i = 0; i < pruned; ++i) keep[order[static_cast<size_t>(i)]] = 0.0F;
  }
  mask_.narrow(0, kernel.offset, kernel.count).copy_(kept);
}

void MagnitudePruning::Apply(at::Tensor& parameters) const {
  if (mask_.defined()) parameters.mul_(mask_);
}

}  // namespace anneal
