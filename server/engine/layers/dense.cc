// y = f(x W + b). With dz = dy * f'(z): dW = x^T dz, db = column sums of dz, dx = dz W^T.
#include <utility>

#include "server/engine/layers/layers.h"
#include "server/spec/defaults.h"

namespace anneal {
namespace {

class Dense final : public Layer {
 public:
  Dense(const v1::Dense& spec, int64_t features, ActivationFunction function)
      : spec_(spec), features_(features), function_(function) {}

  std::vector<ParameterSpec> Parameters() const override {
    const Fans fans{features_, spec_.units()};
    std::vector<ParameterSpec> parameters = {
        {"kernel", {features_, spec_.units()}, true, defaults::KernelInitializer(spec_.kernel_initializer()), fans}};
    if (defaults::UseBias(spec_)) {
      parameters.push_back({"bias", {spec_.units()}, true, defaults::BiasInitializer(spec_.bias_initializer()), fans});
    }
    return parameters;
  }

  void Bind(std::vector<Parameter> parameters) override {
    kernel_ = std::move(parameters[0]);
    if (parameters.size() > 1) bias_ = std::move(parameters[1]);
  }

  void Forward(Kernels& kernels, LayerIo& io, Mode, const StepContext&) const override {
    kernels.Gemm(false, false, io.x, kernel_.value, io.y);
    kernels.AddBiasAndActivate(function_, bias_.value, io.y);
  }

  void Backward(Kernels& kernels, LayerIo& io) const override {
    if (function_ != v1::Activation::LINEAR) kernels.ActivationBackward(function_, io.y, io.dy, io.dy);
    at::Tensor kernel_gradient = kernel_.gradient;
    kernels.Gemm(true, false, io.x, io.dy, kernel_gradient);
    if (bias_.gradient.defined()) {
      at::Tensor bias_gradient = bias_.gradient;
      kernels.ColumnSums(io.dy, bias_gradient);
    }
    if (io.dx.defined()) kernels.Gemm(false, true, io.dy, kernel_.value, io.dx);
  }

 private:
  const v1::Dense spec_;
  const int64_t features_;
  const ActivationFunction function_;
  Parameter kernel_;
  Parameter bias_;
};

}  // namespace

std::unique_ptr<Layer> MakeDense(const v1::Dense& spec, int64_t features, ActivationFunction function) {
  return std::make_unique<Dense>(spec, features, function);
}

}  // namespace anneal
