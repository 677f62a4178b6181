// BatchNormalization (Ioffe & Szegedy 2015) as Keras has it: the moving variance follows the biased
// batch variance.
#include <utility>

#include "server/engine/layers/layers.h"
#include "server/spec/defaults.h"

namespace anneal {
namespace {

struct NormalizationScratch final : LayerScratch {
  BatchStatistics statistics;
  // Where the layer has no gamma or beta, their gradients are still computed (dx needs them) and
  // end here.
  at::Tensor gamma_gradient;
  at::Tensor beta_gradient;
};

v1::Initializer Constant(double value) {
  v1::Initializer initializer;
  initializer.mutable_constant()->set_value(value);
  return initializer;
}

class BatchNormalization final : public Layer {
 public:
  BatchNormalization(const v1::BatchNormalization& spec, int64_t features)
      : spec_(spec), features_(features) {}

  std::vector<ParameterSpec> Parameters() const override {
    const Fans fans{features_, features_};
    std::vector<ParameterSpec> parameters;
    if (defaults::Scale(spec_))
      parameters.push_back({"gamma", {features_}, true, Constant(1), fans});
    if (defaults::Center(spec_))
      parameters.push_back({"beta", {features_}, true, Constant(0), fans});
    parameters.push_back({"moving_mean", {features_}, false, Constant(0), fans});
    parameters.push_back({"moving_variance", {features_}, false, Constant(1), fans});
    return parameters;
  }

  void Bind(std::vector<Parameter> parameters) override {
    size_t next = 0;
    if (defaults::Scale(spec_)) gamma_ = std::move(parameters[next++]);
    if (defaults::Center(spec_)) beta_ = std::move(parameters[next++]);
    moving_mean_ = std::move(parameters[next++]);
    moving_variance_ = std::move(parameters[next++]);
  }

  void Prepare(Kernels&, LayerIo& io, Mode) const override {
    auto scratch = std::make_unique<NormalizationScratch>();
    const auto options = moving_mean_.value.options();
    scratch->statistics = {at::zeros({features_}, options), at::zeros({features_}, options)};
    scratch->gamma_gradient =
        gamma_.gradient.defined() ? gamma_.gradient : at::zeros({features_}, options);
    scratch->beta_gradient =
        beta_.gradient.defined() ? beta_.gradient : at::zeros({features_}, options);
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
    kernels.Normalize(io.x, statistics, gamma_.value, beta_.value, io.y);
  }

  void Backward(Kernels& kernels, LayerIo& io) const override {
    auto& scratch = static_cast<NormalizationScratch&>(*io.scratch);
    kernels.NormalizeBackward(io.x, scratch.statistics, gamma_.value, io.dy, scratch.gamma_gradient,
                              scratch.beta_gradient, io.dx);
  }

 private:
  const v1::BatchNormalization spec_;
  const int64_t features_;
  Parameter gamma_;
  Parameter beta_;
  Parameter moving_mean_;
  Parameter moving_variance_;
};

}  // namespace

std::unique_ptr<Layer> MakeBatchNormalization(const v1::BatchNormalization& spec,
                                              int64_t features) {
  return std::make_unique<BatchNormalization>(spec, features);
}

}  // namespace anneal
