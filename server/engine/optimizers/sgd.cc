// Gradient descent, plain and with momentum. The velocity holds the learning rate, as in Keras:
// after a change of rate, the steps of before go on at their own.
#include <ATen/ATen.h>

#include "server/engine/kernels/optimizer_kernels.h"
#include "server/engine/optimizers/optimizers.h"
#include "server/spec/defaults.h"

namespace anneal::internal {
namespace {

class Sgd final : public Optimizer {
 public:
  Sgd(const v1::Sgd& spec, const OptimizerSetting& setting)
      : Optimizer(defaults::LearningRate(spec), setting, spec.momentum() != 0 ? 1 : 0),
        momentum_(static_cast<float>(spec.momentum())),
        nesterov_(spec.nesterov()) {}

 private:
  void Update(at::Tensor& parameters, const at::Tensor& gradients) override {
    const float rate = static_cast<float>(learning_rate_);
    if (fused()) {
      Fused(rate, parameters.data_ptr<float>(), gradients.data_ptr<float>());
    } else {
      Aten(rate, parameters, gradients);
    }
  }

  void Fused(float rate, float* parameters, const float* gradients) {
    if (moments_.empty()) {
      kernels::SgdStep(rate, count_, parameters, gradients);
    } else if (nesterov_) {
      kernels::SgdNesterovStep(rate, momentum_, count_, parameters, gradients, moment(0));
    } else {
      kernels::SgdMomentumStep(rate, momentum_, count_, parameters, gradients, moment(0));
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
};

}  // namespace

std::unique_ptr<Optimizer> MakeSgd(const v1::Sgd& spec, const OptimizerSetting& setting) {
  return std::make_unique<Sgd>(spec, setting);
}

}  // namespace anneal::internal
