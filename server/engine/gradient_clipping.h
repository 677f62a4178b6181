// Keeps gradients from being too large: clipnorm, clipvalue and global_clipnorm of Keras 3.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "anneal/v1/optimizer.pb.h"
#include "server/engine/compute_path.h"
#include "server/engine/weight_range.h"

namespace anneal {

// Applied to the gradients (a regularizer's included) before Optimizer::Step.
//
//   clipnorm c         each weight's g *= c / max(|g|, c), |g| its Euclidean norm
//   clipvalue c        every g = min(max(g, -c), c)
//   global_clipnorm c  all g *= c / max(|all g|, c)
//
// What need not be clipped keeps its bits. What is not finite, as in Keras: under clipnorm, a NaN
// makes its weight's whole gradient NaN, an infinity makes the weight's finite gradients 0 and
// itself NaN; under clipvalue, NaN stays and an infinity becomes +-c; under global_clipnorm, either
// makes everything NaN. Norms are summed in double on the fused path, so that they are finite for
// all finite gradients.
//
// Not thread-safe, but keeps nothing from call to call.
class GradientClipping {
 public:
  // Without any of the three, Apply does nothing. `ranges`: every trainable weight.
  GradientClipping(const v1::Optimizer& spec, const std::vector<WeightRange>& ranges,
                   ComputePath path);

  // Whether Apply does anything.
  bool active() const { return kind_ != Kind::kNone; }

  // In place. gradients: float32, one-dimensional, contiguous, long enough for every range; on the
  // CPU for kFused. kFused allocates nothing.
  void Apply(at::Tensor& gradients) const;

 private:
  enum class Kind { kNone, kNorm, kValue, kGlobalNorm };
  struct Range {
    int64_t offset;
    int64_t count;
  };

  void ApplyFused(float* gradients) const;
  void ApplyAten(at::Tensor& gradients) const;

  Kind kind_ = Kind::kNone;
  double limit_ = 0;  // c
  std::vector<Range> ranges_;
  const ComputePath path_;
};

}  // namespace anneal
