// Every kernel in ATen operations.
#pragma once

#include <memory>

#include "server/engine/kernels/kernels.h"

namespace anneal {

// For CUDA, and what CpuKernels inherits where it has nothing faster.
class AtenKernels : public Kernels {
 public:
  explicit AtenKernels(at::Device device) : device_(device) {}

  at::Device device() const override { return device_; }
  void Gemm(bool transpose_a, bool transpose_b, const at::Tensor& a, const at::Tensor& b,
            at::Tensor& c) override;
  void AddBias(const at::Tensor& bias, at::Tensor& y) override;
  void AddBiasAndActivate(const Activation& activation, const at::Tensor& bias,
                          at::Tensor& y) override;
  void Activate(const Activation& activation, const at::Tensor& x, at::Tensor& y) override;
  void ActivationBackward(const Activation& activation, const at::Tensor& x, const at::Tensor& y,
                          const at::Tensor& dy, at::Tensor& dx) override;
  void ColumnSums(const at::Tensor& x, at::Tensor& sums) override;
  std::unique_ptr<ConvolutionKernel> MakeConvolution(const WindowGeometry& window,
                                                     const ConvolutionTensors& tensors) override;
  void MaxPool(const WindowGeometry& window, const at::Tensor& x, at::Tensor& y,
               at::Tensor& choice) override;
  void MaxPoolBackward(const WindowGeometry& window, const at::Tensor& choice, const at::Tensor& dy,
                       at::Tensor& dx) override;
  void AveragePool(const WindowGeometry& window, const at::Tensor& x, at::Tensor& y) override;
  void AveragePoolBackward(const WindowGeometry& window, const at::Tensor& dy,
                           at::Tensor& dx) override;
  void BatchStatisticsOf(const at::Tensor& x, double momentum, double epsilon,
                         BatchStatistics& statistics, at::Tensor& moving_mean,
                         at::Tensor& moving_variance) override;
  void Normalize(const at::Tensor& x, const BatchStatistics& statistics, const at::Tensor& gamma,
                 const at::Tensor& beta, at::Tensor& y) override;
  void NormalizeBackward(const at::Tensor& x, const BatchStatistics& statistics,
                         const at::Tensor& gamma, const at::Tensor& dy, at::Tensor& gamma_gradient,
                         at::Tensor& beta_gradient, at::Tensor& dx) override;
  void NormalizeRows(const at::Tensor& x, double epsilon, const at::Tensor& gamma,
                     const at::Tensor& beta, at::Tensor& normalized, at::Tensor& inverse_deviation,
                     at::Tensor& y) override;
  void NormalizeRowsBackward(const at::Tensor& normalized, const at::Tensor& inverse_deviation,
                             const at::Tensor& gamma, const at::Tensor& dy,
                             at::Tensor& gamma_gradient, at::Tensor& beta_gradient,
                             at::Tensor& dx) override;
  void DropoutMask(const RandomStream& stream, double rate, double kept, at::Tensor& mask) override;
  void DropoutMaskRows(const RandomStream& stream, const std::vector<uint64_t>& positions,
                       double rate, double kept, at::Tensor& mask) override;
  void GatherRows(const at::Tensor& x, const std::vector<int64_t>& rows, at::Tensor& y) override;
  void Multiply(const at::Tensor& a, const at::Tensor& b, at::Tensor& y) override;
  LossSums CrossEntropy(const at::Tensor& logits, const at::Tensor& labels) override;
  LossSums CrossEntropyAndGradient(const at::Tensor& logits, const at::Tensor& labels,
                                   at::Tensor& gradient) override;
  void GatherImages(const uint8_t* images, int64_t features, const uint32_t* indices, int64_t count,
                    const at::Tensor& scale, const at::Tensor& shift, at::Tensor& y) override;

 private:
  const at::Device device_;
};

}  // namespace anneal
