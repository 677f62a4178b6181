// RMSprop, Adagrad and Adadelta: each divides a gradient by the root of what its square has been,
// with epsilon under the root. None corrects for having begun at zero.
#include <ATen/ATen.h>

#include "server/engine/kernels/optimizer_kernels.h"
#include "server/engine/optimizers/optimizers.h"
#include "server/spec/defaults.h"

namespace anneal::internal {
namespace {

// moments_: the mean square, or with centered the variance and the mean; with momentum last the
// velocity. kernels/optimizer_kernels.cc says why the variance.
class RmsProp final : public Optimizer {
 public:
  RmsProp(const v1::RmsProp& spec, const OptimizerSetting& setting)
      : Optimizer(defaults::LearningRate(spec), setting,
                  1 + (spec.centered() ? 1 : 0) + (spec.momentum() != 0 ? 1 : 0)),
        rho_(defaults::Rho(spec)),
        momentum_(static_cast<float>(spec.momentum())),
        epsilon_(AtLeastNormal(defaults::OptimizerEpsilon(spec))),
        centered_(spec.centered()),
        scratch_(Scratch(setting)) {}

 private:
  void Update(at::Tensor& parameters, const at::Tensor& gradients) override {
    const kernels::RmsPropConstants constants{
        .learning_rate = static_cast<float>(learning_rate_),
        .share = static_cast<float>(1.0 - rho_),
        .variance_share = static_cast<float>(rho_ * (1.0 - rho_)),
        .momentum = momentum_,
        .epsilon = epsilon_};
    if (!fused()) {
      Aten(constants, parameters, gradients);
      return;
    }
    kernels::RmsPropStep(constants, count_, parameters.data_ptr<float>(),
                         gradients.data_ptr<float>(), moment(0), centered_ ? moment(1) : nullptr,
                         momentum_ != 0 ? moment(moments_.size() - 1) : nullptr);
  }

  void Aten(const kernels::RmsPropConstants& constants, at::Tensor& parameters,
            const at::Tensor& gradients) {
    at::Tensor& square = moments_[0];
    if (centered_) {
      at::sub_out(scratch_, gradients, moments_[1]);
      square.add_(square, -constants.share).addcmul_(scratch_, scratch_, constants.variance_share);
      moments_[1].add_(scratch_, constants.share);
    } else {
      BlendSquare(square, constants.share, gradients);
    }
    scratch_.copy_(square).add_(constants.epsilon).sqrt_();
    if (momentum_ != 0) {
      moments_.back().mul_(momentum_).addcdiv_(gradients, scratch_, constants.learning_rate);
      parameters.sub_(moments_.back());
    } else {
      parameters.addcdiv_(gradients, scratch_, -constants.learning_rate);
    }
  }

  const double rho_;
  const float momentum_;
  const float epsilon_;
  const bool centered_;
  at::Tensor scratch_;
};

class Adagrad final : public Optimizer {
 public:
  Adagrad(const v1::Adagrad& spec, const OptimizerSetting& setting)
      : Optimizer(defaults::LearningRate(spec), setting, 1),
        epsilon_(AtLeastNormal(defaults::OptimizerEpsilon(spec))),
        scratch_(Scratch(setting)) {
    moments_[0].fill_(defaults::InitialAccumulatorValue(spec));
  }

 private:
  void Update(at::Tensor& parameters, const at::Tensor& gradients) override {
    const float rate = static_cast<float>(learning_rate_);
    if (fused()) {
      kernels::AdagradStep(rate, epsilon_, count_, parameters.data_ptr<float>(),
                           gradients.data_ptr<float>(), moment(0));
      return;
    }
    moments_[0].addcmul_(gradients, gradients);
    scratch_.copy_(moments_[0]).add_(epsilon_).sqrt_();
    parameters.addcdiv_(gradients, scratch_, -rate);
  }

  const float epsilon_;
  at::Tensor scratch_;
};

class Adadelta final : public Optimizer {
 public:
  Adadelta(const v1::Adadelta& spec, const OptimizerSetting& setting)
      : Optimizer(defaults::LearningRate(spec), setting, 2),
        rho_(defaults::Rho(spec)),
        epsilon_(AtLeastNormal(defaults::OptimizerEpsilon(spec))),
        change_(Scratch(setting)),
        root_(Scratch(setting)) {}

 private:
  void Update(at::Tensor& parameters, const at::Tensor& gradients) override {
    const kernels::AdadeltaConstants constants{.learning_rate = static_cast<float>(learning_rate_),
                                               .share = static_cast<float>(1.0 - rho_),
                                               .epsilon = epsilon_};
    if (fused()) {
      kernels::AdadeltaStep(constants, count_, parameters.data_ptr<float>(),
                            gradients.data_ptr<float>(), moment(0), moment(1));
      return;
    }
    BlendSquare(moments_[0], constants.share, gradients);
    change_.copy_(moments_[1]).add_(epsilon_).sqrt_().mul_(gradients);
    root_.copy_(moments_[0]).add_(epsilon_).sqrt_();
    change_.div_(root_);
    BlendSquare(moments_[1], constants.share, change_);
    parameters.add_(change_, -constants.learning_rate);
  }

  const double rho_;
  const float epsilon_;
  at::Tensor change_;
  at::Tensor root_;
};

}  // namespace

std::unique_ptr<Optimizer> MakeRmsProp(const v1::RmsProp& spec, const OptimizerSetting& setting) {
  return std::make_unique<RmsProp>(spec, setting);
}

std::unique_ptr<Optimizer> MakeAdagrad(const v1::Adagrad& spec, const OptimizerSetting& setting) {
  return std::make_unique<Adagrad>(spec, setting);
}

std::unique_ptr<Optimizer> MakeAdadelta(const v1::Adadelta& spec, const OptimizerSetting& setting) {
  return std::make_unique<Adadelta>(spec, setting);
}

}  // namespace anneal::internal
