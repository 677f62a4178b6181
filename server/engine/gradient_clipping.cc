#include "server/engine/gradient_clipping.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "server/engine/kernels/weight_kernels.h"

namespace anneal {
namespace {

// What takes `norm` down to `limit`: 0 for an infinite norm, NaN for NaN.
double Factor(double norm, double limit) { return norm <= limit ? 1.0 : limit / norm; }

void Scale(double factor, int64_t count, float* values) {
  if (factor != 1.0) kernels::ScaleValues(static_cast<float>(factor), count, values);
}

}  // namespace

GradientClipping::GradientClipping(const v1::Optimizer& spec,
                                   const std::vector<WeightRange>& ranges, ComputePath path)
    : path_(path) {
  if (spec.has_clipnorm()) {
    kind_ = Kind::kNorm;
    limit_ = spec.clipnorm();
  } else if (spec.has_global_clipnorm()) {
    kind_ = Kind::kGlobalNorm;
    limit_ = spec.global_clipnorm();
  } else if (spec.has_clipvalue()) {
    kind_ = Kind::kValue;
    limit_ = spec.clipvalue();
  }
  for (const WeightRange& range : ranges) ranges_.push_back({range.offset, range.count});
}

void GradientClipping::Apply(at::Tensor& gradients) const {
  if (!active()) return;
  const at::NoGradGuard no_grad;
  if (path_ == ComputePath::kFused) {
    ApplyFused(gradients.data_ptr<float>());
  } else {
    ApplyAten(gradients);
  }
}

void GradientClipping::ApplyFused(float* gradients) const {
  double factor = 1.0;
  if (kind_ == Kind::kGlobalNorm) {
    double squares = 0;
    for (const Range& range : ranges_) {
      squares += kernels::SumOfSquares(range.count, gradients + range.offset);
    }
    factor = std::isfinite(squares) ? Factor(std::sqrt(squares), limit_)
                                    : std::numeric_limits<double>::quiet_NaN();
  }
  for (const Range& range : ranges_) {
    float* const begin = gradients + range.offset;
    switch (kind_) {
      case Kind::kNorm: {
        const double norm = std::sqrt(kernels::SumOfSquares(range.count, begin));
        Scale(Factor(norm, limit_), range.count, begin);
        break;
      }
      case Kind::kGlobalNorm:
        Scale(factor, range.count, begin);
        break;
      case Kind::kValue:
        kernels::ClipValues(static_cast<float>(limit_), range.count, begin);
        break;
      case Kind::kNone:
        break;
    }
  }
}

// Everything stays on the device: nothing here waits for it.
void GradientClipping::ApplyAten(at::Tensor& gradients) const {
  at::Tensor factor;
  if (kind_ == Kind::kGlobalNorm) {
    at::Tensor squares = at::zeros({}, gradients.options().dtype(at::kDouble));
    for (const Range& range : ranges_) {
      squares.add_(gradients.narrow(0, range.offset, range.count).square().sum(at::kDouble));
    }
    const at::Tensor norm = squares.sqrt_();
    // norm - norm is 0, or NaN for what is not finite.
    factor = (at::reciprocal(norm.clamp_min(limit_)).mul_(limit_) + (norm - norm)).to(at::kFloat);
  }
  for (const Range& range : ranges_) {
    at::Tensor view = gradients.narrow(0, range.offset, range.count);
    switch (kind_) {
      case Kind::kNorm: {
        const at::Tensor norm = view.square().sum(at::kDouble).sqrt_();
        view.mul_(at::reciprocal(norm.clamp_min(limit_)).mul_(limit_).to(at::kFloat));
        break;
      }
      case Kind::kGlobalNorm:
        view.mul_(factor);
        break;
      case Kind::kValue:
        view.clamp_(-limit_, limit_);
        break;
      case Kind::kNone:
        break;
    }
  }
}

}  // namespace anneal
