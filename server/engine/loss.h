// What training minimizes, fused with the network's last activation where that is more exact.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>

#include "anneal/v1/training.pb.h"
#include "server/engine/kernels/kernels.h"

namespace anneal {

// The formulas are in proto/anneal/v1/training.proto. Not thread-safe.
class Loss {
 public:
  static std::unique_ptr<Loss> Create(const v1::Loss& spec);
  virtual ~Loss() = default;

  // The activation that the loss applies itself where a network ends in it: SOFTMAX for the
  // categorical cross-entropies, SIGMOID for the binary one; LINEAR: none. On logits,
  // log(softmax(x)) neither overflows nor loses digits.
  static ActivationFunction FusedActivation(const v1::Loss& spec);

  // Sum of the loss over the rows, and the number of rows whose label is hit: the largest output
  // (the first of equals), or for a single output the right side of 1/2. output: float32 [N,
  // outputs], without the fused activation; labels: int32 [N] on the CPU.
  virtual LossSums Evaluate(Kernels& kernels, const at::Tensor& output,
                            const at::Tensor& labels) const = 0;

  // The same, and the gradient of the mean loss by the output: [N, outputs]; may be `output`.
  virtual LossSums EvaluateWithGradient(Kernels& kernels, const at::Tensor& output,
                                        const at::Tensor& labels, at::Tensor& gradient) const = 0;
};

// Rows whose label's output is among the k largest. Equals of the label's output do not count
// against it.
int64_t CountTopK(const at::Tensor& output, const at::Tensor& labels, int64_t k);

}  // namespace anneal
