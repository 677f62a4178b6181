// Two ways to take a step, one arithmetic: on the CPU a fused loop over raw memory
// (kernels/optimizer_kernels.h), on other devices a handful of in-place operations of ATen. Both
// are given the same constants, computed once a step. The optimizers themselves are in optimizers/,
// a family a file; here is what they share.
//
// LibTorch's own optimizers are not used: torch::optim walks over a list of tensors with several
// temporaries each (nine times slower for a deep network of small layers), puts Adam's epsilon and
// SGD's learning rate elsewhere than Keras does, and has only half of Keras's.
#include "server/engine/optimizer.h"

#include <ATen/ATen.h>

#include "server/engine/kernels/optimizer_kernels.h"
#include "server/engine/optimizers/optimizers.h"
#include "server/spec/defaults.h"

namespace anneal {

Optimizer::Optimizer(double learning_rate, const internal::OptimizerSetting& setting,
                     int moment_count)
    : count_(setting.count),
      device_(setting.device),
      learning_rate_(learning_rate),
      fused_(setting.path == ComputePath::kFused),
      weight_decay_(setting.weight_decay) {
  for (int i = 0; i < moment_count; ++i) {
    moments_.push_back(at::zeros({count_}, at::TensorOptions().dtype(at::kFloat).device(device_)));
  }
}

at::Tensor internal::Scratch(const OptimizerSetting& setting) {
  if (setting.path == ComputePath::kFused) return {};
  return at::empty({setting.count}, at::TensorOptions().dtype(at::kFloat).device(setting.device));
}

void internal::Blend(at::Tensor& mean, float share, const at::Tensor& values) {
  mean.add_(mean, -share).add_(values, share);
}

void internal::BlendSquare(at::Tensor& mean, float share, const at::Tensor& values) {
  mean.add_(mean, -share).addcmul_(values, values, share);
}

void Optimizer::Step(at::Tensor& parameters, const at::Tensor& gradients) {
  for (const at::Tensor* buffer : {static_cast<const at::Tensor*>(&parameters), &gradients}) {
    TORCH_CHECK(buffer->scalar_type() == at::kFloat && buffer->dim() == 1 &&
                    buffer->numel() == count_ && buffer->is_contiguous() &&
                    buffer->device().type() == device_.type(),
                "the optimizer needs contiguous float32 [", count_, "] on ", device_, ", not ",
                buffer->is_contiguous() ? "" : "strided ", buffer->scalar_type(), " ",
                buffer->sizes(), " on ", buffer->device());
  }
  const at::NoGradGuard no_grad;
  ++step_;
  if (weight_decay_ > 0.0) {
    // Never w *= 1 - decay: in float that factor would round the decay to a multiple of 6e-8.
    const float decay = static_cast<float>(learning_rate_ * weight_decay_);
    if (fused_) {
      kernels::DecayWeights(decay, count_, parameters.data_ptr<float>());
    } else {
      parameters.add_(parameters, -decay);
    }
  }
  Update(parameters, gradients);
}

std::unique_ptr<Optimizer> internal::CreateOptimizer(const v1::Optimizer& spec, int64_t count,
                                                     at::Device device, ComputePath path) {
  TORCH_CHECK(path == ComputePath::kAten || device.is_cpu(),
              "the fused loops need CPU memory, not ", device);
  const OptimizerSetting setting{
      .count = count, .device = device, .path = path, .weight_decay = defaults::WeightDecay(spec)};
  switch (spec.kind_case()) {
    case v1::Optimizer::kSgd:
      return MakeSgd(spec.sgd(), setting);
    case v1::Optimizer::kRmsprop:
      return MakeRmsProp(spec.rmsprop(), setting);
    case v1::Optimizer::kAdagrad:
      return MakeAdagrad(spec.adagrad(), setting);
    case v1::Optimizer::kAdadelta:
      return MakeAdadelta(spec.adadelta(), setting);
    case v1::Optimizer::kAdam:
      return MakeAdam(spec.adam(), setting);
    case v1::Optimizer::kAdamw:
      return MakeAdamW(spec.adamw(), setting);
    case v1::Optimizer::kAdamax:
      return MakeAdamax(spec.adamax(), setting);
    case v1::Optimizer::kNadam:
      return MakeNadam(spec.nadam(), setting);
    case v1::Optimizer::kLion:
      return MakeLion(spec.lion(), setting);
    case v1::Optimizer::KIND_NOT_SET:
      break;
  }
  TORCH_CHECK(false, "an optimizer spec without a kind");
}

std::unique_ptr<Optimizer> Optimizer::Create(const v1::Optimizer& spec, int64_t count,
                                             at::Device device) {
  return internal::CreateOptimizer(spec, count, device, PathFor(device));
}

}  // namespace anneal
