// What weights are held to after every step: MaxNorm, NonNeg and UnitNorm of Keras 3.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "server/engine/compute_path.h"
#include "server/engine/weight_range.h"

namespace anneal {

//   MaxNorm   w *= min(norm, max_value) / (1e-7 + norm)
//   NonNeg    w = max(w, 0)
//   UnitNorm  w /= 1e-7 + norm
//
// The norm is Euclidean, over the weights that lead into one unit: over all axes but the last, or
// over the only one. As in Keras, MaxNorm also shortens what is short enough by a factor of
// 1 - 1e-7 / norm, and weights that are all zero stay so. Norms are summed in double on the fused
// path. Not thread-safe.
class WeightConstraints {
 public:
  // Ranges without a constraint are left out.
  WeightConstraints(const std::vector<WeightRange>& ranges, ComputePath path);

  // Whether Apply does anything.
  bool active() const { return !constrained_.empty(); }

  // In place. parameters: float32, one-dimensional, contiguous, long enough for every range; on
  // the CPU for kFused. kFused allocates nothing.
  void Apply(at::Tensor& parameters);

 private:
  struct Constrained {
    int64_t offset;
    int64_t rows;
    int64_t columns;  // norms
    v1::Constraint::KindCase kind;
    double max_value;  // of MaxNorm
  };

  void ApplyFused(const Constrained& constrained, float* weights);

  std::vector<Constrained> constrained_;
  std::vector<double> columns_;  // kFused: norms, then factors; as long as the longest needs
  const ComputePath path_;
};

}  // namespace anneal
