// A network: its weights in flat buffers, and the forward and backward pass over preallocated
// workspaces.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/engine/kernels/kernels.h"
#include "server/engine/layer.h"
#include "server/engine/weight_range.h"
#include "server/spec/validated_spec.h"

namespace anneal {

// One weight, for whoever lists or stores them.
struct NamedWeight {
  std::string name;  // "dense_3/kernel"
  at::Tensor value;  // a view into parameters() or, where not trainable, buffers()
  bool trainable = true;
};

class Network;

// The tensors of one pass over batches of a fixed number of rows: activations, and for training
// gradients.
class Workspace {
 public:
  int64_t rows() const { return rows_; }

  // float32 [rows, ...input shape]: to be filled before Forward.
  at::Tensor& input() { return input_; }
  // float32 [rows, outputs]: without the last activation where the loss applies it.
  at::Tensor& output() { return output_; }
  // Gradient of the mean loss by the output: to be filled before Backward. May share memory with
  // nothing else.
  at::Tensor& output_gradient() { return output_gradient_; }

 private:
  friend class Network;
  int64_t rows_ = 0;
  size_t first_layer_ = 0;
  Mode mode_ = Mode::kInference;
  at::Tensor input_;
  at::Tensor output_;
  at::Tensor output_gradient_;
  std::vector<LayerIo> layers_;  // from first_layer_ on
};

// Memory that workspaces of different sizes share, because only one of them is in use at a time:
// the full batch, the last partial one. Grows to what is asked for and never shrinks.
class WorkspacePool {
 public:
  explicit WorkspacePool(at::Device device) : device_(device) {}

  // The `slot`-th buffer, at least `count` floats; the same memory for the same slot as long as it
  // is large enough.
  at::Tensor Slot(size_t slot, int64_t count);

 private:
  const at::Device device_;
  std::vector<at::Tensor> slots_;
};

// Not thread-safe. Weights live as long as the Network; workspaces must not outlive it.
class Network {
 public:
  // Makes layers and buffers and fills the weights from the spec's initializers and seed.
  static std::unique_ptr<Network> Create(const ValidatedSpec& spec,
                                         std::unique_ptr<Kernels> kernels);

  // Allocates everything that passes over `rows` samples need. To let workspaces share memory, make
  // the largest first.
  std::unique_ptr<Workspace> MakeWorkspace(int64_t rows, Mode mode, WorkspacePool& pool) const;
  // The same for the layers from `first_layer` to the one before `end_layer` alone: input() is what
  // the first of them sees, output() what the last of them gives. Not for training.
  std::unique_ptr<Workspace> MakeWorkspace(int64_t rows, Mode mode, WorkspacePool& pool,
                                           size_t first_layer, size_t end_layer) const;

  size_t layer_count() const { return layers_.size(); }
  // The first layer that differs between samples in Mode::kMonteCarlo; layer_count(): none does.
  size_t FirstActiveDropout() const;
  // Numbers of one sample in the largest of the input and all layers' outputs.
  int64_t LargestActivation() const;

  void Forward(Workspace& workspace, const StepContext& step) const;
  // The same, and shows the output of every layer that is not only a view of the one before, with
  // its index: valid during the call.
  void Forward(Workspace& workspace, const StepContext& step,
               const std::function<void(size_t layer, const at::Tensor& y)>& show) const;
  // After Forward in training and with output_gradient() filled: every gradient is overwritten.
  void Backward(Workspace& workspace) const;

  // float32 [n]: all trainable weights, 64-byte aligned each, padding between them zero and with
  // zero gradients.
  at::Tensor& parameters() { return parameters_; }
  const at::Tensor& parameters() const { return parameters_; }
  at::Tensor& gradients() { return gradients_; }
  // float32 [n]: moving averages.
  at::Tensor& buffers() { return buffers_; }

  // In the order of layers, as Keras lists them within each.
  const std::vector<NamedWeight>& weights() const { return weights_; }

  // Where the trainable ones lie in parameters() and gradients(), in the same order.
  const std::vector<WeightRange>& ranges() const { return ranges_; }

  // SHA-256 over every weight's name, shape and values, in order; hex.
  std::string WeightsSha256() const;

  Kernels& kernels() const { return *kernels_; }

 private:
  explicit Network(std::unique_ptr<Kernels> kernels) : kernels_(std::move(kernels)) {}

  std::unique_ptr<Kernels> kernels_;
  std::vector<std::unique_ptr<Layer>> layers_;
  std::vector<std::vector<int64_t>>
      shapes_;                  // of each layer's output, without the batch; [0] is the input's
  size_t first_trainable_ = 0;  // backward ends here: no layer before it has weights
  at::Tensor parameters_;
  at::Tensor gradients_;
  at::Tensor buffers_;
  std::vector<NamedWeight> weights_;
  std::vector<WeightRange> ranges_;
};

}  // namespace anneal
