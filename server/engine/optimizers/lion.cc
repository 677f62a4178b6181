// Lion: every weight moves by the learning rate, in the direction of a momentum's sign.
#include <ATen/ATen.h>

#include "server/engine/kernels/optimizer_kernels.h"
#include "server/engine/optimizers/optimizers.h"
#include "server/spec/defaults.h"

namespace anneal::internal {
namespace {

class Lion final : public Optimizer {
 public:
  Lion(const v1::Lion& spec, const OptimizerSetting& setting)
      : Optimizer(defaults::LearningRate(spec), setting, 1),
        constants_{.share_1 = static_cast<float>(1.0 - defaults::Beta1(spec)),
                   .share_2 = static_cast<float>(1.0 - defaults::Beta2(spec))},
        sign_(Scratch(setting)) {}

 private:
  void Update(at::Tensor& parameters, const at::Tensor& gradients) override {
    const float rate = static_cast<float>(learning_rate_);
    if (fused()) {
      kernels::LionStep(rate, constants_, count_, parameters.data_ptr<float>(),
                        gradients.data_ptr<float>(), moment(0));
      return;
    }
    sign_.copy_(moments_[0]);
    Blend(sign_, constants_.share_1, gradients);
    // LibTorch's sign of NaN is 0, which would hide it. Two factors, so that even the smallest
    // number grows past 1; infinities, zeros and NaN stay what they are.
    sign_.mul_(0x1p126F).mul_(0x1p126F).clamp_(-1.0F, 1.0F);
    parameters.add_(sign_, -rate);
    Blend(moments_[0], constants_.share_2, gradients);
  }

  const kernels::MomentConstants constants_;
  at::Tensor sign_;
};

}  // namespace

std::unique_ptr<Optimizer> MakeLion(const v1::Lion& spec, const OptimizerSetting& setting) {
  return std::make_unique<Lion>(spec, setting);
}

}  // namespace anneal::internal
