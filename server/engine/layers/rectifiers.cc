// Rectifiers with parameters: ReLU with bounds, PReLU (He et al. 2015), RReLU (Xu et al. 2015).
#include <limits>
#include <utility>

#include "server/engine/layers/layers.h"
#include "server/spec/defaults.h"

namespace anneal {
namespace {

class ReLU final : public Layer {
 public:
  explicit ReLU(const v1::ReLU& spec)
      : max_value_(spec.has_max_value() ? spec.max_value()
                                        : std::numeric_limits<double>::infinity()),
        negative_slope_(spec.negative_slope()),
        threshold_(spec.threshold()) {}

  void Forward(Kernels&, LayerIo& io, Mode, const StepContext&) const override {
    const at::Tensor below = (io.x - threshold_) * negative_slope_;
    io.y.copy_(at::where(io.x.ge(threshold_), io.x.clamp_max(max_value_), below));
  }

  // 1 between threshold and max_value, 0 above, negative_slope below.
  void Backward(Kernels&, LayerIo& io) const override {
    if (!io.dx.defined()) return;
    const at::Tensor inside = io.x.lt(max_value_).to(at::kFloat);
    io.dx.copy_(io.dy *
                at::where(io.x.gt(threshold_), inside, at::full_like(io.x, negative_slope_)));
  }

 private:
  const double max_value_;
  const double negative_slope_;
  const double threshold_;
};

class PReLU final : public Layer {
 public:
  PReLU(const v1::PReLU& spec, std::vector<int64_t> input_shape)
      : spec_(spec), shape_(std::move(input_shape)) {
    if (spec.share_height_and_width()) shape_ = {1, 1, shape_[2]};
  }

  std::vector<ParameterSpec> Parameters() const override {
    const int64_t features = shape_.back();
    return {{"alpha",
             shape_,
             true,
             defaults::BiasInitializer(spec_.alpha_initializer()),
             {features, features}}};
  }

  void Bind(std::vector<Parameter> parameters) override { alpha_ = std::move(parameters[0]); }

  void Forward(Kernels&, LayerIo& io, Mode, const StepContext&) const override {
    io.y.copy_(at::where(io.x.gt(0), io.x, io.x * alpha_.value));
  }

  void Backward(Kernels&, LayerIo& io) const override {
    // Summed over the batch, and over the axes that share a slope.
    const at::Tensor each = io.dy * io.x.clamp_max(0);
    alpha_.gradient.copy_(
        (spec_.share_height_and_width() ? each.sum({0, 1, 2}) : each.sum(0)).view(shape_));
    if (io.dx.defined()) {
      io.dx.copy_(io.dy * at::where(io.x.gt(0), at::ones_like(io.x), alpha_.value.expand_as(io.x)));
    }
  }

 private:
  const v1::PReLU spec_;
  std::vector<int64_t> shape_;
  Parameter alpha_;
};

struct SlopeScratch final : LayerScratch {
  at::Tensor slope;  // shape of x
};

class RReLU final : public Layer {
 public:
  RReLU(const v1::RReLU& spec, uint32_t index)
      : lower_(defaults::Lower(spec)), upper_(defaults::Upper(spec)), index_(index) {}

  void Prepare(Kernels&, LayerIo& io, Mode) const override {
    auto scratch = std::make_unique<SlopeScratch>();
    scratch->slope = at::zeros_like(io.x);
    io.scratch = std::move(scratch);
  }

  void Forward(Kernels&, LayerIo& io, Mode mode, const StepContext& step) const override {
    at::Tensor& slope = static_cast<SlopeScratch&>(*io.scratch).slope;
    if (mode == Mode::kTraining) {
      at::Tensor host = at::empty(slope.sizes(), at::TensorOptions().dtype(at::kFloat));
      DrawSlopes(step, static_cast<float*>(host.data_ptr()), host.numel());
      slope.copy_(host);
    } else {
      slope.fill_((lower_ + upper_) / 2);
    }
    io.y.copy_(at::where(io.x.gt(0), io.x, io.x * slope));
  }

  void Backward(Kernels&, LayerIo& io) const override {
    if (!io.dx.defined()) return;
    const at::Tensor& slope = static_cast<SlopeScratch&>(*io.scratch).slope;
    io.dx.copy_(io.dy * at::where(io.x.gt(0), at::ones_like(io.x), slope));
  }

 private:
  void DrawSlopes(const StepContext& step, float* slopes, int64_t count) const {
    const RandomStream stream{step.seed, RandomPurpose::kNoise, index_,
                              static_cast<uint64_t>(step.step)};
    for (int64_t e = 0; e < count; ++e) {
      const uint32_t bits = stream.Block(static_cast<uint32_t>(e / 4))[static_cast<size_t>(e % 4)];
      slopes[e] =
          static_cast<float>(lower_ + (upper_ - lower_) * static_cast<double>(UniformFloat(bits)));
    }
  }

  const double lower_;
  const double upper_;
  const uint32_t index_;
};

}  // namespace

std::unique_ptr<Layer> MakeReLU(const v1::ReLU& spec) { return std::make_unique<ReLU>(spec); }
std::unique_ptr<Layer> MakePReLU(const v1::PReLU& spec, const std::vector<int64_t>& input_shape) {
  return std::make_unique<PReLU>(spec, input_shape);
}
std::unique_ptr<Layer> MakeRReLU(const v1::RReLU& spec, uint32_t index) {
  return std::make_unique<RReLU>(spec, index);
}

}  // namespace anneal
