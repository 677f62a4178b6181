// A layer that computes nothing: Flatten (in [N, H, W, C] flattening moves no data), a linear
// activation, a softmax that the loss has taken over.
#include <stdexcept>

#include "server/engine/layers/layers.h"

namespace anneal {
namespace {

class View final : public Layer {
 public:
  bool IsView(Mode) const override { return true; }
  void Forward(Kernels&, LayerIo&, Mode, const StepContext&) const override {
    throw std::logic_error("a view has no forward pass");
  }
  void Backward(Kernels&, LayerIo&) const override {
    throw std::logic_error("a view has no backward pass");
  }
};

}  // namespace

std::unique_ptr<Layer> MakeView() { return std::make_unique<View>(); }

}  // namespace anneal
