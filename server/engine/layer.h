// One layer of a network: explicit forward and backward over tensors that are allocated once per
// job.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "anneal/v1/network.pb.h"
#include "server/engine/initializers.h"
#include "server/engine/kernels/kernels.h"

namespace anneal {

enum class Mode {
  kTraining,   // dropout and noise active, BatchNormalization uses and updates statistics of the
               // batch
  kInference,  // neither; no gradients
  kMonteCarlo,  // as kInference, but dropout of every kind is active: masks are of (sample, image)
};

// A weight as a layer asks for it. The network places all of them in flat buffers.
struct ParameterSpec {
  std::string name;  // "kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"
  std::vector<int64_t> shape;
  bool trainable = true;        // false: a moving average, kept in the buffers, has no gradient
  v1::Initializer initializer;  // kind set
  Fans fans;
  v1::Regularizer regularizer = {};  // kind not set: none
  v1::Constraint constraint = {};
};

// Where a layer finds a weight: views into the network's flat buffers.
struct Parameter {
  at::Tensor value;
  at::Tensor gradient;  // undefined where not trainable
};

// What a layer keeps for one workspace: masks, statistics, primitives.
class LayerScratch {
 public:
  virtual ~LayerScratch() = default;
};

// The tensors of one layer in one workspace. Fixed for the workspace's life, so that kernels can be
// made over them.
struct LayerIo {
  at::Tensor x;  // float32 [N, ...input shape]
  at::Tensor y;  // float32 [N, ...output shape]
  at::Tensor
      dy;  // gradient of the mean loss by y; undefined in inference. Backward may overwrite it
  at::Tensor dx;  // undefined in inference, and where no layer before has weights
  std::unique_ptr<LayerScratch> scratch;
};

// Whose mask a row of a batch gets in kMonteCarlo.
struct MonteCarloRow {
  uint32_t sample = 0;
  uint32_t image = 0;  // index in the split; 0 for all where the masks are consistent
};

// What differs from step to step.
struct StepContext {
  uint64_t seed = 0;
  int64_t step = 0;  // from 0, over all epochs: the position of dropout's random numbers
  const MonteCarloRow* rows = nullptr;  // in kMonteCarlo: one for each row of the batch
};

// Holds its weights' views; all else is in the workspace, so one network can have several.
class Layer {
 public:
  virtual ~Layer() = default;

  // In the order Keras lists them. Empty: no weights.
  virtual std::vector<ParameterSpec> Parameters() const { return {}; }

  // Gives the views, in the order of Parameters().
  virtual void Bind(std::vector<Parameter>) {}

  // Dropout of some kind: what differs between samples in kMonteCarlo.
  virtual bool IsDropout() const { return false; }

  // y is x, only seen otherwise (and dy is dx): Forward and Backward are not called.
  virtual bool IsView(Mode) const { return false; }

  // Makes io.scratch. Called once per workspace, after Bind.
  virtual void Prepare(Kernels&, LayerIo&, Mode) const {}

  // y from x.
  virtual void Forward(Kernels& kernels, LayerIo& io, Mode mode, const StepContext& step) const = 0;

  // From dy, after Forward in kTraining: the weights' gradients (overwritten, not added to) and dx
  // if it is defined.
  virtual void Backward(Kernels& kernels, LayerIo& io) const = 0;
};

// The activation that a layer ends in: of Dense, Conv2D and Activation; LINEAR for all others.
ActivationFunction FinalActivation(const v1::Layer& spec);

// The layer that `spec` describes (never a repeat). `activation_in_loss`: its final activation is
// left out, because the loss applies it. `index` identifies the layer's random numbers.
std::unique_ptr<Layer> MakeLayer(const v1::Layer& spec, const std::vector<int64_t>& input_shape,
                                 bool activation_in_loss, uint32_t index);

}  // namespace anneal
