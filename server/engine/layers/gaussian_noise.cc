// Adds normal noise while training: a pure function of (seed, step, layer, element).
#include <utility>

#include "server/engine/layers/layers.h"

namespace anneal {
namespace {

struct NoiseScratch final : LayerScratch {
  at::Tensor host;  // float32 on the CPU, shape of x
};

class GaussianNoise final : public Layer {
 public:
  GaussianNoise(double stddev, uint32_t index) : stddev_(stddev), index_(index) {}

  bool IsView(Mode mode) const override { return mode != Mode::kTraining || stddev_ == 0; }

  void Prepare(Kernels&, LayerIo& io, Mode) const override {
    auto scratch = std::make_unique<NoiseScratch>();
    scratch->host = at::zeros(io.x.sizes(), at::TensorOptions().dtype(at::kFloat));
    io.scratch = std::move(scratch);
  }

  void Forward(Kernels&, LayerIo& io, Mode, const StepContext& step) const override {
    at::Tensor& host = static_cast<NoiseScratch&>(*io.scratch).host;
    const RandomStream stream{step.seed, RandomPurpose::kNoise, index_,
                              static_cast<uint64_t>(step.step)};
    auto* const noise = static_cast<float*>(host.data_ptr());
    for (int64_t e = 0; e < host.numel(); ++e) {
      noise[e] = static_cast<float>(stddev_ * NormalDouble(stream, static_cast<uint32_t>(e)));
    }
    io.y.copy_(host);
    io.y.add_(io.x);
  }

  void Backward(Kernels&, LayerIo& io) const override {
    if (io.dx.defined()) io.dx.copy_(io.dy);
  }

 private:
  const double stddev_;
  const uint32_t index_;
};

}  // namespace

std::unique_ptr<Layer> MakeGaussianNoise(double stddev, uint32_t index) {
  return std::make_unique<GaussianNoise>(stddev, index);
}

}  // namespace anneal
