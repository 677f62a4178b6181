// An activation as a layer of its own.
#include "server/engine/layers/layers.h"

namespace anneal {
namespace {

class ActivationLayer final : public Layer {
 public:
  explicit ActivationLayer(const Activation& activation) : activation_(activation) {}

  void Forward(Kernels& kernels, LayerIo& io, Mode, const StepContext&) const override {
    kernels.Activate(activation_, io.x, io.y);
  }

  void Backward(Kernels& kernels, LayerIo& io) const override {
    if (io.dx.defined()) kernels.ActivationBackward(activation_, io.x, io.y, io.dy, io.dx);
  }

 private:
  const Activation activation_;
};

}  // namespace

std::unique_ptr<Layer> MakeActivationLayer(const Activation& activation) {
  if (activation.is_linear()) return MakeView();
  return std::make_unique<ActivationLayer>(activation);
}

}  // namespace anneal
