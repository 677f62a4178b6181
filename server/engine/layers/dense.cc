// y = f(x W + b). With dz = dy * f'(z): dW = x^T dz, db = column sums of dz, dx = dz W^T.
#include <utility>

#include "server/engine/layers/activated.h"
#include "server/engine/layers/kernel_and_bias.h"
#include "server/engine/layers/layers.h"

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
    return KernelAndBias::Parameters(spec_, {features_, spec_.units()}, fans);
  }

  void Bind(std::vector<Parameter> parameters) override { weights_.Bind(std::move(parameters)); }

  void Prepare(Kernels&, LayerIo& io, Mode mode) const override {
    auto scratch = std::make_unique<DenseScratch>();
    scratch->pre_activation = activated_.AllocateInput(io, mode);
    io.scratch = std::move(scratch);
  }

  void Forward(Kernels& kernels, LayerIo& io, Mode, const StepContext&) const override {
    kernels.Gemm(false, false, io.x, weights_.kernel().value, io.y);
    activated_.Forward(kernels, weights_.bias().value,
                       static_cast<DenseScratch&>(*io.scratch).pre_activation, io.y);
  }

  void Backward(Kernels& kernels, LayerIo& io) const override {
    activated_.Backward(kernels, static_cast<DenseScratch&>(*io.scratch).pre_activation, io.y,
                        io.dy);
    at::Tensor kernel_gradient = weights_.kernel().gradient;
    kernels.Gemm(true, false, io.x, io.dy, kernel_gradient);
    if (weights_.bias().gradient.defined()) {
      at::Tensor bias_gradient = weights_.bias().gradient;
      kernels.ColumnSums(io.dy, bias_gradient);
    }
    if (io.dx.defined()) kernels.Gemm(false, true, io.dy, weights_.kernel().value, io.dx);
  }

 private:
  const v1::Dense spec_;
  const int64_t features_;
  const Activated activated_;
  KernelAndBias weights_;
};

}  // namespace

std::unique_ptr<Layer> MakeDense(const v1::Dense& spec, int64_t features,
                                 const Activation& activation) {
  return std::make_unique<Dense>(spec, features, activation);
}

}  // namespace anneal
