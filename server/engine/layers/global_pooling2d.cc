// Pooling of each channel over the whole image: [N, H, W, C] -> [N, C].
#include <utility>

#include "server/engine/layers/layers.h"

namespace anneal {
namespace {

// [N, H, W, C] as [N, H * W, C].
at::Tensor Places(const at::Tensor& x) { return x.view({x.size(0), -1, x.size(3)}); }

struct GlobalMaxScratch final : LayerScratch {
  at::Tensor choice;  // int64 [N, 1, C]: the place of the largest
  at::Tensor largest;
};

class GlobalMaxPooling2D final : public Layer {
 public:
  void Prepare(Kernels&, LayerIo& io, Mode) const override {
    auto scratch = std::make_unique<GlobalMaxScratch>();
    scratch->choice = at::zeros({io.y.size(0), 1, io.y.size(1)}, io.y.options().dtype(at::kLong));
    scratch->largest = io.y.unsqueeze(1);
    io.scratch = std::move(scratch);
  }

  void Forward(Kernels&, LayerIo& io, Mode, const StepContext&) const override {
    auto& scratch = static_cast<GlobalMaxScratch&>(*io.scratch);
    at::max_out(scratch.largest, scratch.choice, Places(io.x), 1, true);
  }

  void Backward(Kernels&, LayerIo& io) const override {
    if (!io.dx.defined()) return;
    io.dx.zero_();
    Places(io.dx).scatter_(1, static_cast<GlobalMaxScratch&>(*io.scratch).choice,
                           io.dy.unsqueeze(1));
  }
};

class GlobalAveragePooling2D final : public Layer {
 public:
  void Forward(Kernels&, LayerIo& io, Mode, const StepContext&) const override {
    at::mean_out(io.y, Places(io.x), {1});
  }

  void Backward(Kernels&, LayerIo& io) const override {
    if (!io.dx.defined()) return;
    at::Tensor places = Places(io.dx);
    places.copy_(io.dy.unsqueeze(1).expand(places.sizes()));
    places.div_(static_cast<double>(places.size(1)));
  }
};

}  // namespace

std::unique_ptr<Layer> MakeGlobalMaxPooling2D() { return std::make_unique<GlobalMaxPooling2D>(); }
std::unique_ptr<Layer> MakeGlobalAveragePooling2D() {
  return std::make_unique<GlobalAveragePooling2D>();
}

}  // namespace anneal
