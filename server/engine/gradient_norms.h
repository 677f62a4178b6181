// How large the gradients of an epoch's steps were.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "server/core/metrics.h"
#include "server/engine/compute_path.h"
#include "server/engine/layer_ranges.h"

namespace anneal {

// Sums Euclidean norms over steps: of all gradients, and of each layer's. Not thread-safe.
class GradientNorms {
 public:
  // Not `active`: Add does nothing. `ranges`: every trainable weight.
  GradientNorms(bool active, const std::vector<WeightRange>& ranges, ComputePath path);

  bool active() const { return active_; }

  // After a step's backward pass, before clipping. Allocates nothing on kFused.
  void Add(const at::Tensor& gradients);

  // Appends "gradient_norm" and "LAYER/gradient_norm", means over the steps added since the last
  // call, and begins anew. Nothing where there were none.
  void Take(std::vector<MetricValue>& metrics);

  // The sums since the last Take().
  struct Sums {
    int64_t steps = 0;
    double total = 0;
    std::vector<double> by_layer;
  };
  const Sums& sums() const { return sums_; }
  // `sums`: of the same network.
  void Restore(Sums sums) { sums_ = std::move(sums); }

 private:
  const bool active_;
  const std::vector<LayerRanges> layers_;
  const ComputePath path_;
  Sums sums_;
};

}  // namespace anneal
