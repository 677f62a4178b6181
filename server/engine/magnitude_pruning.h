// Sparse weights by magnitude: the smallest are set to 0 and stay there (Han et al. 2015; with a
// sparsity that grows while training: Zhu & Gupta 2017).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "anneal/v1/training.pb.h"
#include "server/engine/weight_range.h"

namespace anneal {

// The share of weights that the schedule asks to be 0 before step `step` (from 0): see
// v1::Pruning.PolynomialSparsity. Pure.
double SparsityAt(const v1::Pruning::PolynomialSparsity& schedule, int64_t step);

// Each kernel is pruned for itself: of n weights the round(sparsity n) with the smallest |w|, the
// first of equals. What was pruned before goes first, so a mask only grows; NaN counts as the
// largest. Not thread-safe.
class MagnitudePruning {
 public:
  // A spec without a schedule: never active. `ranges`: every trainable weight; kernels of the
  // spec's layers are pruned. `batches`: steps in an epoch.
  MagnitudePruning(const v1::Pruning& spec, const std::vector<WeightRange>& ranges,
                   int64_t batches);

  bool active() const { return spec_.schedule_case() != v1::Pruning::SCHEDULE_NOT_SET; }

  // Whether no more pruning follows after `steps` steps.
  bool finished(int64_t steps) const { return steps > last_step_; }

  // Before step `step` (from 0): prunes where the schedule says so. parameters: float32, the flat
  // buffer that the ranges lie in, always the same one. Throws c10::Error where memory is short.
  void BeforeStep(int64_t step, at::Tensor& parameters);

  // After the optimizer's step: what was pruned is 0 again. Does nothing before the first pruning,
  // and allocates nothing on the CPU.
  void Apply(at::Tensor& parameters) const;

  // What has been pruned: float32, the shape of the parameters, 0 where pruned, else 1; undefined
  // before the first pruning.
  const at::Tensor& mask() const { return mask_; }
  void Restore(const at::Tensor& mask) { mask_ = mask; }

 private:
  bool IsDue(int64_t step) const;
  std::vector<float> Magnitudes(const WeightRange& kernel, const float* w) const;
  void Prune(const WeightRange& kernel, int64_t step, at::Tensor& parameters);

  const v1::Pruning spec_;
  std::vector<WeightRange> kernels_;
  int64_t last_step_ = 0;  // before which weights are pruned for the last time
  at::Tensor mask_;  // see mask()
};

}  // namespace anneal
