#include "server/engine/network.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/engine/initializers.h"
#include "server/engine/loss.h"
#include "server/engine/sha256.h"

namespace anneal {
namespace {

constexpr int64_t kAlignedFloats = 16;  // 64 bytes

int64_t Aligned(int64_t floats) {
  return (floats + kAlignedFloats - 1) / kAlignedFloats * kAlignedFloats;
}

int64_t Product(const std::vector<int64_t>& shape) {
  int64_t product = 1;
  for (const int64_t side : shape) product *= side;
  return product;
}

std::vector<int64_t> WithBatch(int64_t rows, const std::vector<int64_t>& shape) {
  std::vector<int64_t> sizes = {rows};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  return sizes;
}

at::Tensor Zeros(int64_t count, at::Device device) {
  return at::zeros({count}, at::TensorOptions().dtype(at::kFloat).device(device));
}

}  // namespace

at::Tensor WorkspacePool::Slot(size_t slot, int64_t count) {
  if (slots_.size() <= slot) slots_.resize(slot + 1);
  at::Tensor& tensor = slots_[slot];
  if (!tensor.defined() || tensor.numel() < count) tensor = Zeros(count, device_);
  return tensor.narrow(0, 0, count);
}

std::unique_ptr<Network> Network::Create(const ValidatedSpec& spec,
                                         std::unique_ptr<Kernels> kernels) {
  std::unique_ptr<Network> network(new Network(std::move(kernels)));
  const at::Device device = network->kernels_->device();

  network->shapes_.push_back(spec.layers().front().input_shape);
  for (const ResolvedLayer& resolved : spec.layers()) {
    const auto index = static_cast<uint32_t>(network->layers_.size());
    // Only the last layer's activation can be the loss's.
    const bool activation_in_loss =
        &resolved == &spec.layers().back() &&
        FinalActivation(*resolved.layer) == Loss::FusedActivation(spec.training().loss());
    network->layers_.push_back(
        MakeLayer(*resolved.layer, resolved.input_shape, activation_in_loss, index));
    network->shapes_.push_back(resolved.output_shape);
  }

  // Offsets first, then the buffers, then the views.
  std::vector<std::vector<ParameterSpec>> parameters;
  int64_t trainable = 0;
  int64_t moving = 0;
  network->first_trainable_ = network->layers_.size();
  for (size_t i = 0; i < network->layers_.size(); ++i) {
    parameters.push_back(network->layers_[i]->Parameters());
    for (const ParameterSpec& parameter : parameters.back()) {
      (parameter.trainable ? trainable : moving) += Aligned(Product(parameter.shape));
      if (parameter.trainable) network->first_trainable_ = std::min(network->first_trainable_, i);
    }
  }
  network->parameters_ = Zeros(trainable, device);
  network->gradients_ = Zeros(trainable, device);
  network->buffers_ = Zeros(moving, device);

  int64_t next_trainable = 0;
  int64_t next_moving = 0;
  for (size_t i = 0; i < network->layers_.size(); ++i) {
    std::vector<Parameter> bound;
    for (const ParameterSpec& parameter : parameters[i]) {
      const int64_t count = Product(parameter.shape);
      int64_t& next = parameter.trainable ? next_trainable : next_moving;
      const auto view = [&](const at::Tensor& flat) {
        return flat.narrow(0, next, count).view(parameter.shape);
      };
      Parameter weight;
      weight.value = view(parameter.trainable ? network->parameters_ : network->buffers_);
      if (parameter.trainable) weight.gradient = view(network->gradients_);
      const int64_t offset = next;
      next += Aligned(count);

      at::Tensor initial = at::empty(parameter.shape, at::TensorOptions().dtype(at::kFloat));
      Initialize(parameter.initializer, parameter.shape, parameter.fans, spec.training().seed(),
                 static_cast<uint32_t>(network->weights_.size()),
                 static_cast<float*>(initial.data_ptr()));
      weight.value.copy_(initial);
      network->weights_.push_back({absl::StrCat(spec.layers()[i].name, "/", parameter.name),
                                   weight.value, parameter.trainable});
      if (parameter.trainable) {
        network->ranges_.push_back({network->weights_.back().name, offset, count, parameter.shape,
                                    parameter.regularizer, parameter.constraint});
      }
      bound.push_back(std::move(weight));
    }
    network->layers_[i]->Bind(std::move(bound));
  }
  return network;
}

std::unique_ptr<Workspace> Network::MakeWorkspace(int64_t rows, Mode mode,
                                                  WorkspacePool& pool) const {
  return MakeWorkspace(rows, mode, pool, 0, layers_.size());
}

std::unique_ptr<Workspace> Network::MakeWorkspace(int64_t rows, Mode mode, WorkspacePool& pool,
                                                  size_t first_layer, size_t end_layer) const {
  auto workspace = std::make_unique<Workspace>();
  workspace->rows_ = rows;
  workspace->first_layer_ = first_layer;
  workspace->mode_ = mode;
  const bool training = mode == Mode::kTraining;
  const auto tensor = [&](size_t slot, size_t shape) {
    const std::vector<int64_t> sizes = WithBatch(rows, shapes_[shape]);
    return pool.Slot(slot, Product(sizes)).view(sizes);
  };

  // Training keeps every activation; inference needs only a layer's input and output, so two
  // buffers take turns. A third (training: two more) holds gradients, which also live only from one
  // layer to the one before.
  size_t activation_slot = 0;
  workspace->input_ = tensor(0, first_layer);
  at::Tensor current = workspace->input_;
  for (size_t i = first_layer; i < end_layer; ++i) {
    LayerIo io;
    io.x = current;
    if (layers_[i]->IsView(mode)) {
      io.y = current.view(WithBatch(rows, shapes_[i + 1]));
    } else {
      activation_slot = training ? activation_slot + 1 : 1 - activation_slot;
      io.y = tensor(activation_slot, i + 1);
    }
    current = io.y;
    workspace->layers_.push_back(std::move(io));
  }
  workspace->output_ = current;

  if (training) {
    const size_t gradient_slot = activation_slot + 1;
    size_t turn = 0;
    at::Tensor gradient = tensor(gradient_slot, layers_.size());
    workspace->output_gradient_ = gradient;
    for (size_t i = layers_.size(); i-- > 0;) {
      LayerIo& io = workspace->layers_[i];
      io.dy = gradient;
      if (i <= first_trainable_) continue;
      if (layers_[i]->IsView(mode)) {
        io.dx = gradient.view(io.x.sizes());
      } else {
        turn = 1 - turn;
        io.dx = tensor(gradient_slot + turn, i);
      }
      gradient = io.dx;
    }
  }
  for (size_t i = first_layer; i < end_layer; ++i) {
    if (!layers_[i]->IsView(mode))
      layers_[i]->Prepare(*kernels_, workspace->layers_[i - first_layer], mode);
  }
  return workspace;
}

size_t Network::FirstActiveDropout() const {
  size_t layer = 0;
  while (layer < layers_.size() &&
         (!layers_[layer]->IsDropout() || layers_[layer]->IsView(Mode::kMonteCarlo))) {
    ++layer;
  }
  return layer;
}

int64_t Network::LargestActivation() const {
  int64_t largest = 0;
  for (const std::vector<int64_t>& shape : shapes_) largest = std::max(largest, Product(shape));
  return largest;
}

void Network::Forward(Workspace& workspace, const StepContext& step) const {
  for (size_t k = 0; k < workspace.layers_.size(); ++k) {
    const Layer& layer = *layers_[workspace.first_layer_ + k];
    if (!layer.IsView(workspace.mode_))
      layer.Forward(*kernels_, workspace.layers_[k], workspace.mode_, step);
  }
}

void Network::Forward(Workspace& workspace, const StepContext& step,
                      const std::function<void(size_t, const at::Tensor&)>& show) const {
  for (size_t k = 0; k < workspace.layers_.size(); ++k) {
    const size_t i = workspace.first_layer_ + k;
    if (layers_[i]->IsView(workspace.mode_)) continue;
    layers_[i]->Forward(*kernels_, workspace.layers_[k], workspace.mode_, step);
    show(i, workspace.layers_[k].y);
  }
}

void Network::Backward(Workspace& workspace) const {
  for (size_t i = layers_.size(); i-- > first_trainable_;) {
    if (!layers_[i]->IsView(workspace.mode_)) layers_[i]->Backward(*kernels_, workspace.layers_[i]);
  }
}

std::string Network::WeightsSha256() const {
  Sha256 digest;
  for (const NamedWeight& weight : weights_) {
    const std::string header =
        absl::StrCat(weight.name, " [", absl::StrJoin(weight.value.sizes().vec(), ", "), "]\n");
    digest.Add(header.data(), header.size());
    const at::Tensor values = weight.value.to(at::kCPU).contiguous();
    digest.Add(values.data_ptr(), values.nbytes());
  }
  return digest.Hex();
}

}  // namespace anneal
