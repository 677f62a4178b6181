// Kernels that show a test what a training does, without a hook in the trainer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "server/engine/kernels/kernels.h"

namespace anneal {

// What a training's kernels have seen of its network. Outlives the training.
struct WatchedTraining {
  std::function<void()> before_batch;  // called before a batch is gathered, to train or to evaluate
  at::Tensor dense_kernel;             // of some Dense: a view into Network::parameters()
  at::Tensor moving_mean;              // of some BatchNormalization: a view into Network::buffers()
};

// Hands every call on to `kernels`, unchanged.
class WatchedKernels final : public Kernels {
 public:
  WatchedKernels(std::unique_ptr<Kernels> kernels, WatchedTraining& watched)
      : kernels_(std::move(kernels)), watched_(watched) {}

  at::Device device() const override { return kernels_->device(); }

  void Gemm(bool transpose_a, bool transpose_b, const at::Tensor& a, const at::Tensor& b,
            at::Tensor& c) override {
    if (!transpose_a && !transpose_b) watched_.dense_kernel = b;
    kernels_->Gemm(transpose_a, transpose_b, a, b, c);
  }
  void AddBias(const at::Tensor& bias, at::Tensor& y) override { kernels_->AddBias(bias, y); }
  void AddBiasAndActivate(const Activation& activation, const at::Tensor& bias,
                          at::Tensor& y) override {
    kernels_->AddBiasAndActivate(activation, bias, y);
  }
  void Activate(const Activation& activation, const at::Tensor& x, at::Tensor& y) override {
    kernels_->Activate(activation, x, y);
  }
  void ActivationBackward(const Activation& activation, const at::Tensor& x, const at::Tensor& y,
                          const at::Tensor& dy, at::Tensor& dx) override {
    kernels_->ActivationBackward(activation, x, y, dy, dx);
  }
  void ColumnSums(const at::Tensor& x, at::Tensor& sums) override { kernels_->ColumnSums(x, sums); }
  std::unique_ptr<ConvolutionKernel> MakeConvolution(const WindowGeometry& window,
                                                     const ConvolutionTensors& tensors) override {
    return kernels_->MakeConvolution(window, tensors);
  }
  void MaxPool(const WindowGeometry& window, const at::Tensor& x, at::Tensor& y,
               at::Tensor& choice) override {
    kernels_->MaxPool(window, x, y, choice);
  }
  void MaxPoolBackward(const WindowGeometry& window, const at::Tensor& choice, const at::Tensor& dy,
                       at::Tensor& dx) override {
    kernels_->MaxPoolBackward(window, choice, dy, dx);
  }
  void AveragePool(const WindowGeometry& window, const at::Tensor& x, at::Tensor& y) override {
    kernels_->AveragePool(window, x, y);
  }
  void AveragePoolBackward(const WindowGeometry& window, const at::Tensor& dy,
                           at::Tensor& dx) override {
    kernels_->AveragePoolBackward(window, dy, dx);
  }
  void BatchStatisticsOf(const at::Tensor& x, double momentum, double epsilon,
                         BatchStatistics& statistics, at::Tensor& moving_mean,
                         at::Tensor& moving_variance) override {
    watched_.moving_mean = moving_mean;
    kernels_->BatchStatisticsOf(x, momentum, epsilon, statistics, moving_mean, moving_variance);
  }
  void Normalize(const at::Tensor& x, const BatchStatistics& statistics, const at::Tensor& gamma,
                 const at::Tensor& beta, at::Tensor& y) override {
    kernels_->Normalize(x, statistics, gamma, beta, y);
  }
  void NormalizeBackward(const at::Tensor& x, const BatchStatistics& statistics,
                         const at::Tensor& gamma, const at::Tensor& dy, at::Tensor& gamma_gradient,
                         at::Tensor& beta_gradient, at::Tensor& dx) override {
    kernels_->NormalizeBackward(x, statistics, gamma, dy, gamma_gradient, beta_gradient, dx);
  }
  void NormalizeRows(const at::Tensor& x, double epsilon, const at::Tensor& gamma,
                     const at::Tensor& beta, at::Tensor& normalized, at::Tensor& inverse_deviation,
                     at::Tensor& y) override {
    kernels_->NormalizeRows(x, epsilon, gamma, beta, normalized, inverse_deviation, y);
  }
  void NormalizeRowsBackward(const at::Tensor& normalized, const at::Tensor& inverse_deviation,
                             const at::Tensor& gamma, const at::Tensor& dy,
                             at::Tensor& gamma_gradient, at::Tensor& beta_gradient,
                             at::Tensor& dx) override {
    kernels_->NormalizeRowsBackward(normalized, inverse_deviation, gamma, dy, gamma_gradient,
                                    beta_gradient, dx);
  }
  void DropoutMask(const RandomStream& stream, double rate, double kept,
                   at::Tensor& mask) override {
    kernels_->DropoutMask(stream, rate, kept, mask);
  }
  void DropoutMaskRows(const RandomStream& stream, const std::vector<uint64_t>& positions,
                       double rate, double kept, at::Tensor& mask) override {
    kernels_->DropoutMaskRows(stream, positions, rate, kept, mask);
  }
  void GatherRows(const at::Tensor& x, const std::vector<int64_t>& rows, at::Tensor& y) override {
    kernels_->GatherRows(x, rows, y);
  }
  void Multiply(const at::Tensor& a, const at::Tensor& b, at::Tensor& y) override {
    kernels_->Multiply(a, b, y);
  }
  LossSums CrossEntropy(const at::Tensor& logits, const at::Tensor& labels) override {
    return kernels_->CrossEntropy(logits, labels);
  }
  LossSums CrossEntropyAndGradient(const at::Tensor& logits, const at::Tensor& labels,
                                   at::Tensor& gradient) override {
    return kernels_->CrossEntropyAndGradient(logits, labels, gradient);
  }
  void GatherImages(const uint8_t* images, int64_t features, const uint32_t* indices, int64_t count,
                    const at::Tensor& scale, const at::Tensor& shift, at::Tensor& y) override {
    watched_.before_batch();
    kernels_->GatherImages(images, features, indices, count, scale, shift, y);
  }

 private:
  const std::unique_ptr<Kernels> kernels_;
  WatchedTraining& watched_;
};

}  // namespace anneal
