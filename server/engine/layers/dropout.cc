// Inverted dropout (Srivastava et al. 2014). The mask is a pure function of (seed, step, layer, element).
#include "server/engine/layers/layers.h"

namespace anneal {
namespace {

struct DropoutScratch final : LayerScratch {
  at::Tensor mask;  // shape of x
};

class Dropout final : public Layer {
 public:
  Dropout(double rate, uint32_t index) : rate_(rate), index_(index) {}

  bool IsView(Mode mode) const override { return mode == Mode::kInference || rate_ == 0; }

  void Prepare(Kernels&, LayerIo& io, Mode) const override {
    auto scratch = std::make_unique<DropoutScratch>();
    scratch->mask = at::zeros_like(io.x);
    io.scratch = std::move(scratch);
  }

  void Forward(Kernels& kernels, LayerIo& io, Mode, const StepContext& step) const override {
    at::Tensor& mask = static_cast<DropoutScratch&>(*io.scratch).mask;
    kernels.DropoutMask({step.seed, RandomPurpose::kDropout, index_, static_cast<uint64_t>(step.step)}, rate_, mask);
    kernels.Multiply(io.x, mask, io.y);
  }

  void Backward(Kernels& kernels, LayerIo& io) const override {
    if (io.dx.defined()) kernels.Multiply(io.dy, static_cast<DropoutScratch&>(*io.scratch).mask, io.dx);
  }

 private:
  const double rate_;
  const uint32_t index_;
};

}  // namespace

std::unique_ptr<Layer> MakeDropout(double rate, uint32_t index) { return std::make_unique<Dropout>(rate, index); }

}  // namespace anneal
