// y = f(x W + b). With dz = dy * f'(z): dW = x^T dz, db = column sums of dz, dx = dz W^T.
#include <utility>

#include "server/engine/layers/activated.h"
#include "server/engine/layers/layers.h"
#include "server/spec/defaults.h"

namespace anneal {
namespace {

struct DenseScratch final : LayerScratch {
  at::Tensor pre_activation;  // see Activated
};

class Dense final : public Layer {
 public:
  Dense(const v1::Dense& spec, int64_t features, const Activation& activation)
      : spec_(spec), features_(features), activated_(activation) {}

  std::vector<ParameterSpec> Parameters() const override {
    const Fans fans{features_, spec_.units()};
    std::vector<ParameterSpec> parameters = {
        {"kernel",
         {features_, spec_.units()},
         true,
         defaults::KernelInitializer(spec_.kernel_initializer()),
         fans,
         spec_.kernel_regularizer(),
         spec_.kernel_constraint()}};
    if (defaults::UseBias(spec_)) {
      parameters.push_back({"bias",
                            {spec_.units()},
                            true,
                            defaults::BiasInitializer(spec_.bias_initializer()),
                            fans,
                            spec_.bias_regularizer(),
                            spec_.bias_constraint()});
    }
    return parameters;
  }

  void Bind(std::vector<Parameter> parameters) override {
    kernel_ = std::move(parameters[0]);
    if (parameters.size() > 1) bias_ = std::move(parameters[1]);
  }

  void Prepare(Kernels&, LayerIo& io, Mode mode) const override {
    auto scratch = std::make_unique<DenseScratch>();
    scratch->pre_activation = activated_.AllocateInput(io, mode);
    io.scratch = std::move(scratch);
  }

  void Forward(Kernels& kernels, LayerIo& io, Mode, const StepContext&) const override {
    kernels.Gemm(false, false, io.x, kernel_.value, io.y);
    activated_.Forward(kernels, bias_.value, static_cast<DenseScratch&>(*io.scratch).pre_activation,
                       io.y);
  }

  void Backward(Kernels& kernels, LayerIo& io) const override {
    activated_.Backward(kernels, static_cast<DenseScratch&>(*io.scratch).pre_activation, io.y,
                        io.dy);
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
  const Activated activated_;
  Parameter kernel_;
  Parameter bias_;
};

}  // namespace

std::unique_ptr<Layer> MakeDense(const v1::Dense& spec, int64_t features,
                                 const Activation& activation) {
  return std::make_unique<Dense>(spec, features, activation);
}

}  // namespace anneal
