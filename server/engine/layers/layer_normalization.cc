// LayerNormalization (Ba et al. 2016) over the last axis.
#include <utility>

#include "server/engine/layers/layers.h"
#include "server/spec/defaults.h"

namespace anneal {
namespace {

struct NormalizationScratch final : LayerScratch {
  at::Tensor normalized;         // shape of x
  at::Tensor inverse_deviation;  // [rows]
  // Where the layer has no gamma or beta, their gradients are still computed and end here.
  at::Tensor gamma_gradient;
  at::Tensor beta_gradient;
};

v1::Initializer Constant(double value) {
  v1::Initializer initializer;
  initializer.mutable_constant()->set_value(value);
  return initializer;
}

class LayerNormalization final : public Layer {
 public:
  LayerNormalization(const v1::LayerNormalization& spec, int64_t features)
      : spec_(spec), features_(features) {}

  std::vector<ParameterSpec> Parameters() const override {
    const Fans fans{features_, features_};
    std::vector<ParameterSpec> parameters;
    if (defaults::Scale(spec_))
      parameters.push_back({"gamma", {features_}, true, Constant(1), fans});
    if (defaults::Center(spec_))
      parameters.push_back({"beta", {features_}, true, Constant(0), fans});
    return parameters;
  }

  void Bind(std::vector<Parameter> parameters) override {
    size_t next = 0;
    if (defaults::Scale(spec_)) gamma_ = std::move(parameters[next++]);
    if (defaults::Center(spec_)) beta_ = std::move(parameters[next++]);
  }

  void Prepare(Kernels&, LayerIo& io, Mode) const override {
    auto scratch = std::make_unique<NormalizationScratch>();
    const auto options = io.x.options();
    scratch->normalized = at::zeros_like(io.x);
    scratch->inverse_deviation = at::zeros({io.x.numel() / features_}, options);
    scratch->gamma_gradient =
        gamma_.gradient.defined() ? gamma_.gradient : at::zeros({features_}, options);
    scratch->beta_gradient =
        beta_.gradient.defined() ? beta_.gradient : at::zeros({features_}, options);
    io.scratch = std::move(scratch);
  }

  void Forward(Kernels& kernels, LayerIo& io, Mode, const StepContext&) const override {
    auto& scratch = static_cast<NormalizationScratch&>(*io.scratch);
    kernels.NormalizeRows(io.x, defaults::Epsilon(spec_), gamma_.value, beta_.value,
                          scratch.normalized, scratch.inverse_deviation, io.y);
  }

  void Backward(Kernels& kernels, LayerIo& io) const override {
    auto& scratch = static_cast<NormalizationScratch&>(*io.scratch);
    kernels.NormalizeRowsBackward(scratch.normalized, scratch.inverse_deviation, gamma_.value,
                                  io.dy, scratch.gamma_gradient, scratch.beta_gradient, io.dx);
  }

 private:
  const v1::LayerNormalization spec_;
  const int64_t features_;
  Parameter gamma_;
  Parameter beta_;
};

}  // namespace

std::unique_ptr<Layer> MakeLayerNormalization(const v1::LayerNormalization& spec,
                                              int64_t features) {
  return std::make_unique<LayerNormalization>(spec, features);
}

}  // namespace anneal
