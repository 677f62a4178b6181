// y = f(x (*) W + b), by a convolution kernel made over the workspace's tensors.
#include <utility>

#include "server/engine/layers/activated.h"
#include "server/engine/layers/kernel_and_bias.h"
#include "server/engine/layers/layers.h"
#include "server/spec/defaults.h"

namespace anneal {
namespace {

struct ConvolutionScratch final : LayerScratch {
  std::unique_ptr<ConvolutionKernel> convolution;
  at::Tensor pre_activation;  // see Activated
};

class Conv2D final : public Layer {
 public:
  Conv2D(const v1::Conv2D& spec, const std::vector<int64_t>& input_shape,
         const Activation& activation)
      : spec_(spec), channels_(input_shape[2] / defaults::Groups(spec)), activated_(activation) {
    const defaults::Size kernel = defaults::KernelSize(spec);
    const defaults::Size strides = defaults::Strides(spec);
    const defaults::Size dilation = defaults::DilationRate(spec);
    window_ =
        MakeWindow(input_shape[0], input_shape[1], kernel.height, kernel.width, strides.height,
                   strides.width, spec.padding(), dilation.height, dilation.width);
  }

  std::vector<ParameterSpec> Parameters() const override {
    const int64_t field = window_.kernel_height * window_.kernel_width;
    // Keras counts the filters of all groups.
    const Fans fans{field * channels_, field * spec_.filters()};
    return KernelAndBias::Parameters(
        spec_, {window_.kernel_height, window_.kernel_width, channels_, spec_.filters()}, fans);
  }

  void Bind(std::vector<Parameter> parameters) override { weights_.Bind(std::move(parameters)); }

  void Prepare(Kernels& kernels, LayerIo& io, Mode mode) const override {
    auto scratch = std::make_unique<ConvolutionScratch>();
    scratch->convolution = kernels.MakeConvolution(
        window_,
        {io.x, weights_.kernel().value, weights_.bias().value, io.y, io.dy,
         weights_.kernel().gradient, weights_.bias().gradient, io.dx, defaults::Groups(spec_)});
    scratch->pre_activation = activated_.AllocateInput(io, mode);
    io.scratch = std::move(scratch);
  }

  void Forward(Kernels& kernels, LayerIo& io, Mode, const StepContext&) const override {
    auto& scratch = static_cast<ConvolutionScratch&>(*io.scratch);
    scratch.convolution->Forward();  // with the bias
    activated_.Forward(kernels, at::Tensor(), scratch.pre_activation, io.y);
  }

  void Backward(Kernels& kernels, LayerIo& io) const override {
    auto& scratch = static_cast<ConvolutionScratch&>(*io.scratch);
    activated_.Backward(kernels, scratch.pre_activation, io.y, io.dy);
    scratch.convolution->Backward();
  }

 private:
  const v1::Conv2D spec_;
  const int64_t channels_;  // of one group
  const Activated activated_;
  WindowGeometry window_;
  KernelAndBias weights_;
};

}  // namespace

std::unique_ptr<Layer> MakeConv2D(const v1::Conv2D& spec, const std::vector<int64_t>& input_shape,
                                  const Activation& activation) {
  return std::make_unique<Conv2D>(spec, input_shape, activation);
}

}  // namespace anneal
