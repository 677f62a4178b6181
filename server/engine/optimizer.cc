// Two ways to take a step, one arithmetic: on the CPU a fused loop over raw memory
// (kernels/optimizer_kernels.h), on other devices a handful of in-place operations of ATen. Both
// are given the same constants, computed once a step.
//
// LibTorch's own optimizers are not used: torch::optim walks over a list of tensors with several
// temporaries each (nine times slower for a deep network of small layers), puts Adam's epsilon and
// SGD's learning rate elsewhere than Keras does, and has no Nadam.
#include "server/engine/optimizer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "server/engine/kernels/optimizer_kernels.h"
#include "server/spec/defaults.h"

namespace anneal {
namespace {

using internal::OptimizerPath;

float AtLeastNormal(double epsilon) {
  return std::max(static_cast<float>(epsilon), std::numeric_limits<float>::min());
}

class Sgd final : public Optimizer {
 public:
  Sgd(const v1::Sgd& spec, int64_t count, at::Device device, OptimizerPath path)
      : Optimizer(defaults::LearningRate(spec), count, device, spec.momentum() != 0 ? 1 : 0),
        momentum_(static_cast<float>(spec.momentum())),
        nesterov_(spec.nesterov()),
        path_(path) {}

 private:
  void Update(at::Tensor& parameters, const at::Tensor& gradients) override {
    const float rate = static_cast<float>(learning_rate_);
    if (path_ == OptimizerPath::kFused) {
      Fused(rate, parameters.data_ptr<float>(), gradients.data_ptr<float>());
    } else {
      Aten(rate, parameters, gradients);
    }
  }

  void Fused(float rate, float* parameters, const float* gradients) {
    if (moments_.empty()) {
      kernels::SgdStep(rate, count_, parameters, gradients);
    } else if (nesterov_) {
      kernels::SgdNesterovStep(rate, momentum_, count_, parameters, gradients,
                               moments_[0].data_ptr<float>());
    } else {
      kernels::SgdMomentumStep(rate, momentum_, count_, parameters, gradients,
                               moments_[0].data_ptr<float>());
    }
  }

  void Aten(float rate, at::Tensor& parameters, const at::Tensor& gradients) {
    if (moments_.empty()) {
      parameters.add_(gradients, -rate);
      return;
    }
    moments_[0].mul_(momentum_).add_(gradients, -rate);
    if (nesterov_) {
      parameters.add_(moments_[0], momentum_).add_(gradients, -rate);
    } else {
      parameters.add_(moments_[0]);
    }
  }

  const float momentum_;
  const bool nesterov_;
  const OptimizerPath path_;
};

// What Adam and Nadam share: the two moments, and a buffer for the ATen path's denominators.
class TwoMoments : public Optimizer {
 protected:
  template <typename AdamOrNadam>
  TwoMoments(const AdamOrNadam& spec, int64_t count, at::Device device, OptimizerPath path)
      : Optimizer(defaults::LearningRate(spec), count, device, 2),
        beta_1_(static_cast<float>(defaults::Beta1(spec))),
        beta_2_(static_cast<float>(defaults::Beta2(spec))),
        epsilon_(AtLeastNormal(defaults::OptimizerEpsilon(spec))) {
    if (path == OptimizerPath::kAten) {
      denominator_ = at::empty({count}, at::TensorOptions().dtype(at::kFloat).device(device));
    }
  }

  bool fused() const { return !denominator_.defined(); }

  kernels::MomentConstants moment_constants() const {
    return {.beta_1 = static_cast<float>(beta_1_),
            .one_minus_beta_1 = static_cast<float>(1.0 - beta_1_),
            .beta_2 = static_cast<float>(beta_2_),
            .one_minus_beta_2 = static_cast<float>(1.0 - beta_2_)};
  }

  // ATen path: both moments, then denominator_ = root_scale sqrt(v) + epsilon.
  void UpdateMoments(const at::Tensor& gradients, float root_scale) {
    moments_[0].mul_(beta_1_).add_(gradients, 1.0 - beta_1_);
    moments_[1].mul_(beta_2_).addcmul_(gradients, gradients, 1.0 - beta_2_);
    at::sqrt_out(denominator_, moments_[1]);
    denominator_.mul_(root_scale).add_(epsilon_);
  }

  const double beta_1_;  // both exactly a float
  const double beta_2_;
  const float epsilon_;
  at::Tensor denominator_;
};

class Adam final : public TwoMoments {
 public:
  Adam(const v1::Adam& spec, int64_t count, at::Device device, OptimizerPath path)
      : TwoMoments(spec, count, device, path) {}

 private:
  void Update(at::Tensor& parameters, const at::Tensor& gradients) override {
    const double t = static_cast<double>(step_);
    const double step_size =
        learning_rate_ * std::sqrt(1.0 - std::pow(beta_2_, t)) / (1.0 - std::pow(beta_1_, t));
    if (!fused()) {
      UpdateMoments(gradients, 1.0F);
      parameters.addcdiv_(moments_[0], denominator_, -step_size);
      return;
    }
    kernels::AdamStep({.moments = moment_constants(),
                       .step_size = static_cast<float>(step_size),
                       .epsilon = epsilon_},
                      count_, parameters.data_ptr<float>(), gradients.data_ptr<float>(),
                      moments_[0].data_ptr<float>(), moments_[1].data_ptr<float>());
  }
};

class Nadam final : public TwoMoments {
 public:
  Nadam(const v1::Nadam& spec, int64_t count, at::Device device, OptimizerPath path)
      : TwoMoments(spec, count, device, path), scheduled_beta_1_(defaults::Beta1(spec)) {}

 private:
  // u_t
  double Momentum(double t) const { return scheduled_beta_1_ * (1.0 - 0.5 * std::pow(0.96, t)); }

  void Update(at::Tensor& parameters, const at::Tensor& gradients) override {
    const double t = static_cast<double>(step_);
    const double momentum = Momentum(t);
    const double next_momentum = Momentum(t + 1.0);
    momentum_product_ *= momentum;
    const double momentum_step =
        learning_rate_ * next_momentum / (1.0 - momentum_product_ * next_momentum);
    const double gradient_step = learning_rate_ * (1.0 - momentum) / (1.0 - momentum_product_);
    const float root_scale = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(beta_2_, t)));
    if (!fused()) {
      UpdateMoments(gradients, root_scale);
      parameters.addcdiv_(moments_[0], denominator_, -momentum_step);
      parameters.addcdiv_(gradients, denominator_, -gradient_step);
      return;
    }
    kernels::NadamStep({.moments = moment_constants(),
                        .momentum_step = static_cast<float>(momentum_step),
                        .gradient_step = static_cast<float>(gradient_step),
                        .root_scale = root_scale,
                        .epsilon = epsilon_},
                       count_, parameters.data_ptr<float>(), gradients.data_ptr<float>(),
                       moments_[0].data_ptr<float>(), moments_[1].data_ptr<float>());
  }

  const double scheduled_beta_1_;  // as the spec says
};

}  // namespace

Optimizer::Optimizer(double learning_rate, int64_t count, at::Device device, int moment_count)
    : learning_rate_(learning_rate), count_(count), device_(device) {
  for (int i = 0; i < moment_count; ++i) {
    moments_.push_back(at::zeros({count}, at::TensorOptions().dtype(at::kFloat).device(device)));
  }
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
  Update(parameters, gradients);
}

std::unique_ptr<Optimizer> internal::CreateOptimizer(const v1::Optimizer& spec, int64_t count,
                                                     at::Device device, OptimizerPath path) {
  TORCH_CHECK(path == OptimizerPath::kAten || device.is_cpu(),
              "the fused loops need CPU memory, not ", device);
  switch (spec.kind_case()) {
    case v1::Optimizer::kSgd:
      return std::make_unique<Sgd>(spec.sgd(), count, device, path);
    case v1::Optimizer::kAdam:
      return std::make_unique<Adam>(spec.adam(), count, device, path);
    case v1::Optimizer::kNadam:
      return std::make_unique<Nadam>(spec.nadam(), count, device, path);
    case v1::Optimizer::KIND_NOT_SET:
      break;
  }
  TORCH_CHECK(false, "an optimizer spec without a kind");
}

std::unique_ptr<Optimizer> Optimizer::Create(const v1::Optimizer& spec, int64_t count,
                                             at::Device device) {
  return internal::CreateOptimizer(spec, count, device,
                                   device.is_cpu() ? OptimizerPath::kFused : OptimizerPath::kAten);
}

}  // namespace anneal
