// Penalties on large weights: the L1 and L2 regularizers of Keras 3.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "server/engine/compute_path.h"
#include "server/engine/weight_range.h"

namespace anneal {

// A penalty is l1 sum |w| + l2 sum w^2 (no half) over a weight that has a regularizer; it is added
// to the loss as it is, not divided by the batch. Its gradient is l1 sign(w) + 2 l2 w, with
// sign(0) = 0.
//
// Thread-safe after construction. On kFused nothing is allocated; on kAten a sum waits for the
// device.
class WeightPenalties {
 public:
  // Ranges without a regularizer, or with one of factors 0, are left out.
  WeightPenalties(const std::vector<WeightRange>& ranges, ComputePath path);

  // Whether any weight is penalized: otherwise both functions do nothing and return 0.
  bool active() const { return !penalized_.empty(); }

  // Adds the penalties' gradients to `gradients`; returns the penalties' sum at `parameters`.
  // Both: float32, one-dimensional, contiguous, long enough for every range; on the CPU for kFused.
  double AddGradients(const at::Tensor& parameters, at::Tensor& gradients) const;

  // The sum alone.
  double Penalty(const at::Tensor& parameters) const;

 private:
  struct Penalized {
    int64_t offset;
    int64_t count;
    double l1;
    double l2;
  };

  // `gradients` may be null.
  double Compute(const at::Tensor& parameters, at::Tensor* gradients) const;

  std::vector<Penalized> penalized_;
  const ComputePath path_;
};

}  // namespace anneal
