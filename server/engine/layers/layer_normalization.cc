// LayerNormalization (Ba et al. 2016) over the last axis.
#include <utility>

#include "server/engine/layers/gamma_and_beta.h"
#include "server/engine/layers/layers.h"
#include "server/spec/defaults.h"

namespace anneal {
namespace {

struct NormalizationScratch final : LayerScratch {
  at::Tensor normalized;         // shape of x
  at::Tensor inverse_deviation;  // [rows]
  at::Tensor gamma_gradient;     // see GammaAndBeta
  at::Tensor beta_gradient;
};

class LayerNormalization final : public Layer {
 public:
  LayerNormalization(const v1::LayerNormalization& spec, int64_t features)
      : spec_(spec), features_(features) {}

  std::vector<ParameterSpec> Parameters() const override {
    return GammaAndBeta::Parameters(spec_, features_);
  }

  void Bind(std::vector<Parameter> parameters) override { affine_.Bind(spec_, parameters); }

  void Prepare(Kernels&, LayerIo& io, Mode) const override {
    auto scratch = std::make_unique<NormalizationScratch>();
    const auto options = io.x.options();
    scratch->normalized = at::zeros_like(io.x);
    scratch->inverse_deviation = at::zeros({io.x.numel() / features_}, options);
    scratch->gamma_gradient = affine_.GammaGradient(features_, io.x);
    scratch->beta_gradient = affine_.BetaGradient(features_, io.x);
    io.scratch = std::move(scratch);
  }

  void Forward(Kernels& kernels, LayerIo& io, Mode, const StepContext&) const override {
    auto& scratch = static_cast<NormalizationScratch&>(*io.scratch);
    kernels.NormalizeRows(io.x, defaults::Epsilon(spec_), affine_.gamma(), affine_.beta(),
                          scratch.normalized, scratch.inverse_deviation, io.y);
  }

  void Backward(Kernels& kernels, LayerIo& io) const override {
    auto& scratch = static_cast<NormalizationScratch&>(*io.scratch);
    kernels.NormalizeRowsBackward(scratch.normalized, scratch.inverse_deviation, affine_.gamma(),
                                  io.dy, scratch.gamma_gradient, scratch.beta_gradient, io.dx);
  }

 private:
  const v1::LayerNormalization spec_;
  const int64_t features_;
  GammaAndBeta affine_;
};

}  // namespace

std::unique_ptr<Layer> MakeLayerNormalization(const v1::LayerNormalization& spec,
                                              int64_t features) {
  return std::make_unique<LayerNormalization>(spec, features);
}

}  // namespace anneal
