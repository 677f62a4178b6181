// An activation as a layer of its own.
#include "server/engine/layers/layers.h"

namespace anneal {
namespace {

class ActivationLayer final : public Layer {
 public:
  explicit ActivationLayer(ActivationFunction function) : function_(function) {}

  void Forward(Kernels& kernels, LayerIo& io, Mode, const StepContext&) const override {
    kernels.Activate(function_, io.x, io.y);
  }

  void Backward(Kernels& kernels, LayerIo& io) const override {
    if (io.dx.defined()) kernels.ActivationBackward(function_, io.y, io.dy, io.dx);
  }

 private:
  const ActivationFunction function_;
};

}  // namespace

std::unique_ptr<Layer> MakeActivation(ActivationFunction function) {
  if (function == v1::Activation::LINEAR) return MakeView();
  return std::make_unique<ActivationLayer>(function);
}

}  // namespace anneal
