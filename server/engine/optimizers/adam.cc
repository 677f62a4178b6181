// Adam and those that grew out of it: AdamW, Adamax and Nadam.
#include <ATen/ATen.h>

#include <cmath>

#include "server/engine/kernels/optimizer_kernels.h"
#include "server/engine/optimizers/optimizers.h"
#include "server/spec/defaults.h"

namespace anneal::internal {
namespace {

// What the three share: two moments and their constants, and a buffer for the ATen path's
// denominators.
class TwoMoments : public Optimizer {
 protected:
  template <typename Spec>
  TwoMoments(const Spec& spec, const OptimizerSetting& setting, int moment_count)
      : Optimizer(defaults::LearningRate(spec), setting, moment_count),
        constants_{.share_1 = static_cast<float>(1.0 - defaults::Beta1(spec)),
                   .share_2 = static_cast<float>(1.0 - defaults::Beta2(spec))},
        beta_1_(1.0 - constants_.share_1),
        beta_2_(1.0 - constants_.share_2),
        epsilon_(AtLeastNormal(defaults::OptimizerEpsilon(spec))),
        denominator_(Scratch(setting)) {}

  // ATen path: m and v.
  void UpdateMoments(const at::Tensor& gradients) {
    Blend(moments_[0], constants_.share_1, gradients);
    BlendSquare(moments_[1], constants_.share_2, gradients);
  }

  const kernels::MomentConstants constants_;
  const double beta_1_;  // both what the shares leave, so that corrections fit the moments
  const double beta_2_;
  const float epsilon_;
  at::Tensor denominator_;
};

class Adam final : public TwoMoments {
 public:
  // An Adam or AdamW.
  template <typename Spec>
  Adam(const Spec& spec, const OptimizerSetting& setting)
      : TwoMoments(spec, setting, spec.amsgrad() ? 3 : 2), amsgrad_(spec.amsgrad()) {}

 private:
  void Update(at::Tensor& parameters, const at::Tensor& gradients) override {
    const double t = static_cast<double>(step_);
    const double step_size =
        learning_rate_ * std::sqrt(1.0 - std::pow(beta_2_, t)) / (1.0 - std::pow(beta_1_, t));
    if (!fused()) {
      UpdateMoments(gradients);
      if (amsgrad_) at::maximum_out(moments_[2], moments_[2], moments_[1]);
      at::sqrt_out(denominator_, moments_.back());
      denominator_.add_(epsilon_);
      parameters.addcdiv_(moments_[0], denominator_, -step_size);
      return;
    }
    const kernels::AdamConstants constants{
        .moments = constants_, .step_size = static_cast<float>(step_size), .epsilon = epsilon_};
    if (amsgrad_) {
      kernels::AmsgradStep(constants, count_, parameters.data_ptr<float>(),
                           gradients.data_ptr<float>(), moment(0), moment(1), moment(2));
    } else {
      kernels::AdamStep(constants, count_, parameters.data_ptr<float>(),
                        gradients.data_ptr<float>(), moment(0), moment(1));
    }
  }

  const bool amsgrad_;
};

class Adamax final : public TwoMoments {
 public:
  Adamax(const v1::Adamax& spec, const OptimizerSetting& setting) : TwoMoments(spec, setting, 2) {}

 private:
  void Update(at::Tensor& parameters, const at::Tensor& gradients) override {
    const double t = static_cast<double>(step_);
    const double step_size = learning_rate_ / (1.0 - std::pow(beta_1_, t));
    if (!fused()) {
      Blend(moments_[0], constants_.share_1, gradients);
      at::abs_out(denominator_, gradients);
      moments_[1].mul_(beta_2_);
      at::maximum_out(moments_[1], moments_[1], denominator_);
      denominator_.copy_(moments_[1]).add_(epsilon_);
      parameters.addcdiv_(moments_[0], denominator_, -step_size);
      return;
    }
    kernels::AdamaxStep({.share_1 = constants_.share_1,
                         .beta_2 = static_cast<float>(beta_2_),
                         .step_size = static_cast<float>(step_size),
                         .epsilon = epsilon_},
                        count_, parameters.data_ptr<float>(), gradients.data_ptr<float>(),
                        moment(0), moment(1));
  }
};

class Nadam final : public TwoMoments {
 public:
  Nadam(const v1::Nadam& spec, const OptimizerSetting& setting)
      : TwoMoments(spec, setting, 2), scheduled_beta_1_(defaults::Beta1(spec)) {}

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
      UpdateMoments(gradients);
      at::sqrt_out(denominator_, moments_[1]);
      denominator_.mul_(root_scale).add_(epsilon_);
      parameters.addcdiv_(moments_[0], denominator_, -momentum_step);
      parameters.addcdiv_(gradients, denominator_, -gradient_step);
      return;
    }
    kernels::NadamStep({.moments = constants_,
                        .momentum_step = static_cast<float>(momentum_step),
                        .gradient_step = static_cast<float>(gradient_step),
                        .root_scale = root_scale,
                        .epsilon = epsilon_},
                       count_, parameters.data_ptr<float>(), gradients.data_ptr<float>(), moment(0),
                       moment(1));
  }

  const double scheduled_beta_1_;  // as the spec says
};

}  // namespace

std::unique_ptr<Optimizer> MakeAdam(const v1::Adam& spec, const OptimizerSetting& setting) {
  return std::make_unique<Adam>(spec, setting);
}

std::unique_ptr<Optimizer> MakeAdamW(const v1::AdamW& spec, const OptimizerSetting& setting) {
  return std::make_unique<Adam>(spec, setting);
}

std::unique_ptr<Optimizer> MakeAdamax(const v1::Adamax& spec, const OptimizerSetting& setting) {
  return std::make_unique<Adamax>(spec, setting);
}

std::unique_ptr<Optimizer> MakeNadam(const v1::Nadam& spec, const OptimizerSetting& setting) {
  return std::make_unique<Nadam>(spec, setting);
}

}  // namespace anneal::internal
