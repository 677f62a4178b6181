// BatchNormalization (Ioffe & Szegedy 2015) as Keras has it: the moving variance follows the biased
// batch variance.
#include <utility>

#include "server/engine/layers/gamma_and_beta.h"
#include "server/engine/layers/layers.h"
#include "server/spec/defaults.h"

namespace anneal {
namespace {

struct NormalizationScratch final : LayerScratch {
  BatchStatistics statistics;
  at::Tensor gamma_gradient;  // see GammaAndBeta
  at::Tensor beta_gradient;
};

class BatchNormalization final : public Layer {
 public:
  BatchNormalization(const v1::BatchNormalization& spec, int64_t features)
      : spec_(spec), features_(features) {}

  std::vector<ParameterSpec> Parameters() const override {
    std::vector<ParameterSpec> parameters = GammaAndBeta::Parameters(spec_, features_);
    const Fans fans{features_, features_};
    parameters.push_back({"moving_mean", {features_}, false, ConstantInitializer(0), fans});
    parameters.push_back({"moving_variance", {features_}, false, ConstantInitializer(1), fans});
    return parameters;
  }

  void Bind(std::vector<Parameter> parameters) override {
    const size_t next = affine_.Bind(spec_, parameters);
    moving_mean_ = std::move(parameters[next]);
    moving_variance_ = std::move(parameters[next + 1]);
  }

  void Prepare(Kernels&, LayerIo& io, Mode) const override {
    auto scratch = std::make_unique<NormalizationScratch>();
    const auto options = moving_mean_.value.options();
    scratch->statistics = {at::zeros({features_}, options), at::zeros({features_}, options)};
    scratch->gamma_gradient = affine_.GammaGradient(features_, io.x);
    scratch->beta_gradient = affine_.BetaGradient(features_, io.x);
    io.scratch = std::move(scratch);
  }

  void Forward(Kernels& kernels, LayerIo& io, Mode mode, const StepContext&) const override {
    BatchStatistics& statistics = static_cast<NormalizationScratch&>(*io.scratch).statistics;
    if (mode == Mode::kTraining) {
      at::Tensor moving_mean = moving_mean_.value;
      at::Tensor moving_variance = moving_variance_.value;
      kernels.BatchStatisticsOf(io.x, defaults::Momentum(spec_), defaults::Epsilon(spec_),
                                statistics, moving_mean, moving_variance);
    } else {
      statistics.mean.copy_(moving_mean_.value);
      statistics.inverse_deviation.copy_(moving_variance_.value)
          .add_(defaults::Epsilon(spec_))
          .rsqrt_();
    }
    kernels.Normalize(io.x, statistics, affine_.gamma(), affine_.beta(), io.y);
  }

  void Backward(Kernels& kernels, LayerIo& io) const override {
    auto& scratch = static_cast<NormalizationScratch&>(*io.scratch);
    kernels.NormalizeBackward(io.x, scratch.statistics, affine_.gamma(), io.dy,
                              scratch.gamma_gradient, scratch.beta_gradient, io.dx);
  }

 private:
  const v1::BatchNormalization spec_;
  const int64_t features_;
  GammaAndBeta affine_;
  Parameter moving_mean_;
  Parameter moving_variance_;
};

}  // namespace

std::unique_ptr<Layer> MakeBatchNormalization(const v1::BatchNormalization& spec,
                                              int64_t features) {
  return std::make_unique<BatchNormalization>(spec, features);
}

}  // namespace anneal
