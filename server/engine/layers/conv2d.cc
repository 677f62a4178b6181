// y = f(x (*) W + b), by a convolution kernel made over the workspace's tensors.
#include <utility>

#include "server/engine/layers/layers.h"
#include "server/spec/defaults.h"

namespace anneal {
namespace {

struct ConvolutionScratch final : LayerScratch {
  std::unique_ptr<ConvolutionKernel> convolution;
};

class Conv2D final : public Layer {
 public:
  Conv2D(const v1::Conv2D& spec, const std::vector<int64_t>& input_shape, ActivationFunction function)
      : spec_(spec), channels_(input_shape[2]), function_(function) {
    const defaults::Size kernel = defaults::KernelSize(spec);
    const defaults::Size strides = defaults::Strides(spec);
    window_ = MakeWindow(input_shape[0], input_shape[1], kernel.height, kernel.width, strides.height, strides.width,
                         spec.padding());
  }

  std::vector<ParameterSpec> Parameters() const override {
    const int64_t field = window_.kernel_height * window_.kernel_width;
    const Fans fans{field * channels_, field * spec_.filters()};
    std::vector<ParameterSpec> parameters = {
        {"kernel",
         {window_.kernel_height, window_.kernel_width, channels_, spec_.filters()},
         true,
         defaults::KernelInitializer(spec_.kernel_initializer()),
         fans}};
    if (defaults::UseBias(spec_)) {
      parameters.push_back({"bias", {spec_.filters()}, true, defaults::BiasInitializer(spec_.bias_initializer()), fans});
    }
    return parameters;
  }

  void Bind(std::vector<Parameter> parameters) override {
    kernel_ = std::move(parameters[0]);
    if (parameters.size() > 1) bias_ = std::move(parameters[1]);
  }

  void Prepare(Kernels& kernels, LayerIo& io, Mode) const override {
    auto scratch = std::make_unique<ConvolutionScratch>();
    scratch->convolution = kernels.MakeConvolution(
        window_, {io.x, kernel_.value, bias_.value, io.y, io.dy, kernel_.gradient, bias_.gradient, io.dx});
    io.scratch = std::move(scratch);
  }

  void Forward(Kernels& kernels, LayerIo& io, Mode, const StepContext&) const override {
    static_cast<ConvolutionScratch&>(*io.scratch).convolution->Forward();
    if (function_ != v1::Activation::LINEAR) kernels.AddBiasAndActivate(function_, at::Tensor(), io.y);
  }

  void Backward(Kernels& kernels, LayerIo& io) const override {
    if (function_ != v1::Activation::LINEAR) kernels.ActivationBackward(function_, io.y, io.dy, io.dy);
    static_cast<ConvolutionScratch&>(*io.scratch).convolution->Backward();
  }

 private:
  const v1::Conv2D spec_;
  const int64_t channels_;
  const ActivationFunction function_;
  WindowGeometry window_;
  Parameter kernel_;
  Parameter bias_;
};

}  // namespace

std::unique_ptr<Layer> MakeConv2D(const v1::Conv2D& spec, const std::vector<int64_t>& input_shape,
                                  ActivationFunction function) {
  return std::make_unique<Conv2D>(spec, input_shape, function);
}

}  // namespace anneal
