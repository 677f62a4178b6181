// Pooling over windows: the largest value (its gradient goes to the place it came from) or the
// mean.
#include <utility>

#include "server/engine/layers/layers.h"
#include "server/spec/defaults.h"

namespace anneal {
namespace {

struct PoolingScratch final : LayerScratch {
  at::Tensor choice;  // uint8, shape of y
};

template <typename Spec>
WindowGeometry PoolingWindow(const Spec& spec, const std::vector<int64_t>& input_shape) {
  const defaults::Size pool = defaults::PoolSize(spec);
  const defaults::Size strides = defaults::Strides(spec);
  return MakeWindow(input_shape[0], input_shape[1], pool.height, pool.width, strides.height,
                    strides.width, spec.padding());
}

class MaxPooling2D final : public Layer {
 public:
  explicit MaxPooling2D(const WindowGeometry& window) : window_(window) {}

  void Prepare(Kernels&, LayerIo& io, Mode) const override {
    auto scratch = std::make_unique<PoolingScratch>();
    scratch->choice = at::zeros(io.y.sizes(), io.y.options().dtype(at::kByte));
    io.scratch = std::move(scratch);
  }

  void Forward(Kernels& kernels, LayerIo& io, Mode, const StepContext&) const override {
    kernels.MaxPool(window_, io.x, io.y, static_cast<PoolingScratch&>(*io.scratch).choice);
  }

  void Backward(Kernels& kernels, LayerIo& io) const override {
    if (io.dx.defined()) {
      kernels.MaxPoolBackward(window_, static_cast<PoolingScratch&>(*io.scratch).choice, io.dy,
                              io.dx);
    }
  }

 private:
  const WindowGeometry window_;
};

class AveragePooling2D final : public Layer {
 public:
  explicit AveragePooling2D(const WindowGeometry& window) : window_(window) {}

  void Forward(Kernels& kernels, LayerIo& io, Mode, const StepContext&) const override {
    kernels.AveragePool(window_, io.x, io.y);
  }

  void Backward(Kernels& kernels, LayerIo& io) const override {
    if (io.dx.defined()) kernels.AveragePoolBackward(window_, io.dy, io.dx);
  }

 private:
  const WindowGeometry window_;
};

}  // namespace

std::unique_ptr<Layer> MakeMaxPooling2D(const v1::MaxPooling2D& spec,
                                        const std::vector<int64_t>& input_shape) {
  return std::make_unique<MaxPooling2D>(PoolingWindow(spec, input_shape));
}

std::unique_ptr<Layer> MakeAveragePooling2D(const v1::AveragePooling2D& spec,
                                            const std::vector<int64_t>& input_shape) {
  return std::make_unique<AveragePooling2D>(PoolingWindow(spec, input_shape));
}

}  // namespace anneal
