// The activation at the end of a layer with weights.
#pragma once

#include "server/engine/layer.h"

namespace anneal {

// f in place over a layer's output, and back. An f whose derivative needs its input gets a copy of
// that.
class Activated {
 public:
  explicit Activated(const Activation& activation) : activation_(activation) {}

  // The copy's memory for a training workspace; undefined where none is needed.
  at::Tensor AllocateInput(const LayerIo& io, Mode mode) const {
    return mode == Mode::kTraining && activation_.needs_input() ? at::zeros_like(io.y)
                                                                : at::Tensor();
  }

  // y = f(y + bias); `input` as AllocateInput made it; bias may be undefined.
  void Forward(Kernels& kernels, const at::Tensor& bias, at::Tensor& input, at::Tensor& y) const {
    if (!input.defined()) {
      if (bias.defined() || !activation_.is_linear())
        kernels.AddBiasAndActivate(activation_, bias, y);
      return;
    }
    if (bias.defined()) kernels.AddBias(bias, y);
    input.copy_(y);
    kernels.Activate(activation_, input, y);
  }

  // dy becomes the gradient by f's input.
  void Backward(Kernels& kernels, const at::Tensor& input, const at::Tensor& y,
                at::Tensor& dy) const {
    if (!activation_.is_linear()) kernels.ActivationBackward(activation_, input, y, dy, dy);
  }

 private:
  const Activation activation_;
};

}  // namespace anneal
