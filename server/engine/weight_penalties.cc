#include "server/engine/weight_penalties.h"

#include <ATen/ATen.h>

#include "server/engine/kernels/weight_kernels.h"
#include "server/spec/defaults.h"

namespace anneal {

WeightPenalties::WeightPenalties(const std::vector<WeightRange>& ranges, ComputePath path)
    : path_(path) {
  for (const WeightRange& range : ranges) {
    Penalized penalized{range.offset, range.count, 0.0, 0.0};
    switch (range.regularizer.kind_case()) {
      case v1::Regularizer::kL1:
        penalized.l1 = defaults::Factor(range.regularizer.l1());
        break;
      case v1::Regularizer::kL2:
        penalized.l2 = defaults::Factor(range.regularizer.l2());
        break;
      case v1::Regularizer::kL1L2:
        penalized.l1 = range.regularizer.l1_l2().l1();
        penalized.l2 = range.regularizer.l1_l2().l2();
        break;
      case v1::Regularizer::KIND_NOT_SET:
        break;
    }
    if (penalized.l1 != 0 || penalized.l2 != 0) penalized_.push_back(penalized);
  }
}

double WeightPenalties::AddGradients(const at::Tensor& parameters, at::Tensor& gradients) const {
  return Compute(parameters, &gradients);
}

double WeightPenalties::Penalty(const at::Tensor& parameters) const {
  return Compute(parameters, nullptr);
}

double WeightPenalties::Compute(const at::Tensor& parameters, at::Tensor* gradients) const {
  if (!active()) return 0.0;
  const at::NoGradGuard no_grad;
  if (path_ == ComputePath::kFused) {
    const float* weights = parameters.data_ptr<float>();
    float* into = gradients == nullptr ? nullptr : gradients->data_ptr<float>();
    double penalty = 0;
    for (const Penalized& p : penalized_) {
      const kernels::WeightSums sums =
          into == nullptr ? kernels::SumWeights(p.count, weights + p.offset)
                          : kernels::AddPenaltyGradients(static_cast<float>(p.l1),
                                                         static_cast<float>(2.0 * p.l2), p.count,
                                                         weights + p.offset, into + p.offset);
      // Each only where it counts: the square of a large weight may be infinite.
      if (p.l1 != 0) penalty += p.l1 * sums.absolutes;
      if (p.l2 != 0) penalty += p.l2 * sums.squares;
    }
    return penalty;
  }
  at::Tensor penalty = at::zeros({}, parameters.options().dtype(at::kDouble));
  for (const Penalized& p : penalized_) {
    const at::Tensor weights = parameters.narrow(0, p.offset, p.count);
    if (p.l1 != 0) {
      penalty.add_(weights.abs().sum(at::kDouble), p.l1);
      if (gradients != nullptr) gradients->narrow(0, p.offset, p.count).add_(weights.sign(), p.l1);
    }
    if (p.l2 != 0) {
      penalty.add_(weights.to(at::kDouble).square_().sum(), p.l2);
      if (gradients != nullptr) gradients->narrow(0, p.offset, p.count).add_(weights, 2.0 * p.l2);
    }
  }
  return penalty.item<double>();
}

}  // namespace anneal
