// Dropout in its three forms. Masks are pure functions of (seed, step, layer, element) while
// training, and of (seed, sample, image, layer, element) in Monte Carlo mode.
#include <cmath>
#include <utility>
#include <vector>

#include "server/engine/layers/layers.h"

namespace anneal {
namespace {

struct DropoutScratch final : LayerScratch {
  at::Tensor mask;     // what an input is multiplied by; broadcast against x
  at::Tensor dropped;  // AlphaDropout: 1 where the mask is 0
  std::vector<uint64_t> positions;  // Monte Carlo: of each row's random numbers
};

class MaskingLayer : public Layer {
 public:
  MaskingLayer(double rate, uint32_t index) : rate_(rate), index_(index) {}

  bool IsDropout() const override { return true; }
  bool IsView(Mode mode) const override { return mode == Mode::kInference || rate_ == 0; }

 protected:
  static DropoutScratch& Scratch(LayerIo& io) { return static_cast<DropoutScratch&>(*io.scratch); }

  static void MakeScratch(LayerIo& io, const at::IntArrayRef& mask_shape) {
    auto scratch = std::make_unique<DropoutScratch>();
    scratch->mask = at::zeros(mask_shape, io.x.options());
    io.scratch = std::move(scratch);
  }

  // 0 with probability rate, else `kept`.
  void DrawMask(Kernels& kernels, LayerIo& io, Mode mode, const StepContext& step,
                double kept) const {
    DropoutScratch& scratch = Scratch(io);
    if (mode == Mode::kTraining) {
      kernels.DropoutMask(
          {step.seed, RandomPurpose::kDropout, index_, static_cast<uint64_t>(step.step)}, rate_,
          kept, scratch.mask);
      return;
    }
    scratch.positions.resize(static_cast<size_t>(scratch.mask.size(0)));
    for (size_t n = 0; n < scratch.positions.size(); ++n) {
      scratch.positions[n] =
          static_cast<uint64_t>(step.rows[n].image) << 32 | step.rows[n].sample;
    }
    kernels.DropoutMaskRows({step.seed, RandomPurpose::kMonteCarlo, index_, 0}, scratch.positions,
                            rate_, kept, scratch.mask);
  }

  const double rate_;

 private:
  const uint32_t index_;
};

// Inverted dropout (Srivastava et al. 2014).
class Dropout final : public MaskingLayer {
 public:
  using MaskingLayer::MaskingLayer;

  void Prepare(Kernels&, LayerIo& io, Mode) const override { MakeScratch(io, io.x.sizes()); }

  void Forward(Kernels& kernels, LayerIo& io, Mode mode,
               const StepContext& step) const override {
    DrawMask(kernels, io, mode, step, 1.0 / (1.0 - rate_));
    kernels.Multiply(io.x, Scratch(io).mask, io.y);
  }

  void Backward(Kernels& kernels, LayerIo& io) const override {
    if (io.dx.defined()) kernels.Multiply(io.dy, Scratch(io).mask, io.dx);
  }
};

// One decision for each sample and channel (Tompson et al. 2015).
class SpatialDropout2D final : public MaskingLayer {
 public:
  using MaskingLayer::MaskingLayer;

  void Prepare(Kernels&, LayerIo& io, Mode) const override {
    MakeScratch(io, {io.x.size(0), 1, 1, io.x.size(3)});
  }

  void Forward(Kernels& kernels, LayerIo& io, Mode mode,
               const StepContext& step) const override {
    DrawMask(kernels, io, mode, step, 1.0 / (1.0 - rate_));
    at::mul_out(io.y, io.x, Scratch(io).mask);
  }

  void Backward(Kernels&, LayerIo& io) const override {
    if (io.dx.defined()) at::mul_out(io.dx, io.dy, Scratch(io).mask);
  }
};

// Keeps mean and variance of self-normalizing networks (Klambauer et al. 2017, section 3). A
// dropped input becomes alpha', so y = a x + b where it is kept, a alpha' + b where it is dropped.
class AlphaDropout final : public MaskingLayer {
 public:
  AlphaDropout(double rate, uint32_t index)
      : MaskingLayer(rate, index),
        a_(1.0 / std::sqrt((1.0 - rate) * (1.0 + rate * kAlphaPrime * kAlphaPrime))),
        b_(-a_ * kAlphaPrime * rate) {}

  void Prepare(Kernels&, LayerIo& io, Mode) const override {
    MakeScratch(io, io.x.sizes());
    Scratch(io).dropped = at::zeros_like(io.x);
  }

  void Forward(Kernels& kernels, LayerIo& io, Mode mode,
               const StepContext& step) const override {
    DropoutScratch& scratch = Scratch(io);
    DrawMask(kernels, io, mode, step, a_);
    at::eq_out(scratch.dropped, scratch.mask, 0);
    kernels.Multiply(io.x, scratch.mask, io.y);
    io.y.add_(scratch.dropped, a_ * kAlphaPrime).add_(b_);
  }

  void Backward(Kernels& kernels, LayerIo& io) const override {
    if (io.dx.defined()) kernels.Multiply(io.dy, Scratch(io).mask, io.dx);
  }

 private:
  static constexpr double kAlphaPrime = -1.7580993408473766;  // -lambda * alpha of SELU
  const double a_;
  const double b_;
};

}  // namespace

std::unique_ptr<Layer> MakeDropout(double rate, uint32_t index) {
  return std::make_unique<Dropout>(rate, index);
}
std::unique_ptr<Layer> MakeSpatialDropout2D(double rate, uint32_t index) {
  return std::make_unique<SpatialDropout2D>(rate, index);
}
std::unique_ptr<Layer> MakeAlphaDropout(double rate, uint32_t index) {
  return std::make_unique<AlphaDropout>(rate, index);
}

}  // namespace anneal
