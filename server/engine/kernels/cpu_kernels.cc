// Kernels on the CPU: tensors in, plain loops (cpu_loops.h) and oneDNN underneath.
//
// What is not here runs as AtenKernels says it. Matrix products go to dnnl_sgemm and not to the
// BLAS LibTorch links: its kernels are generated for the processor at hand, where OpenBLAS chooses
// among those it knew when it was released.
#include <dnnl.h>

#include <cmath>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>

#include "server/engine/kernels/aten_kernels.h"
#include "server/engine/kernels/cpu_loops.h"
#include "server/engine/kernels/onednn_convolution.h"

namespace anneal {
namespace {

int64_t Columns(const at::Tensor& x) { return x.size(-1); }
int64_t Rows(const at::Tensor& x) { return x.numel() / x.size(-1); }
float* Data(const at::Tensor& x) { return static_cast<float*>(x.data_ptr()); }
float* DataOrNull(const at::Tensor& x) { return x.defined() ? Data(x) : nullptr; }

// The loop that computes an activation, where there is one.
std::optional<cpu::Function> ToLoop(const Activation& activation) {
  switch (activation.function) {
    case v1::Activation::LINEAR:
      return cpu::Function::kLinear;
    case v1::Activation::RELU:
      return cpu::Function::kRelu;
    case v1::Activation::ELU:
      if (activation.parameter == 1.0) return cpu::Function::kElu;
      return std::nullopt;
    case v1::Activation::CELU:
      return cpu::Function::kElu;
    case v1::Activation::SELU:
      return cpu::Function::kSelu;
    default:
      return std::nullopt;
  }
}

cpu::Pool MakePool(const WindowGeometry& window, const at::Tensor& x, const at::Tensor& y) {
  return {x.size(0),
          x.size(1),
          x.size(2),
          x.size(3),
          y.size(1),
          y.size(2),
          window.kernel_height,
          window.kernel_width,
          window.stride_height,
          window.stride_width,
          window.pad_top,
          window.pad_left};
}

class CpuKernels final : public AtenKernels {
 public:
  CpuKernels() : AtenKernels(at::kCPU) {}

  void Gemm(bool transpose_a, bool transpose_b, const at::Tensor& a, const at::Tensor& b,
            at::Tensor& c) override {
    const int64_t m = Rows(c);
    const int64_t n = Columns(c);
    const int64_t k = transpose_a ? Rows(a) : Columns(a);
    const dnnl_status_t status =
        dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1.0F, Data(a),
                   Columns(a), Data(b), Columns(b), 0.0F, Data(c), n);
    if (status == dnnl_out_of_memory) throw std::bad_alloc();
    if (status != dnnl_success) {
      throw std::runtime_error("oneDNN's matrix product failed with status " +
                               std::to_string(status));
    }
  }

  void AddBias(const at::Tensor& bias, at::Tensor& y) override {
    cpu::AddBiasAndActivate(cpu::Function::kLinear, Data(bias), Data(y), Rows(y), Columns(y));
  }

  void AddBiasAndActivate(const Activation& activation, const at::Tensor& bias,
                          at::Tensor& y) override {
    const std::optional<cpu::Function> loop = ToLoop(activation);
    if (!loop.has_value()) return AtenKernels::AddBiasAndActivate(activation, bias, y);
    cpu::AddBiasAndActivate(*loop, DataOrNull(bias), Data(y), Rows(y), Columns(y));
  }

  void Activate(const Activation& activation, const at::Tensor& x, at::Tensor& y) override {
    const std::optional<cpu::Function> loop = ToLoop(activation);
    if (!loop.has_value()) return AtenKernels::Activate(activation, x, y);
    cpu::Activate(*loop, Data(x), Data(y), x.numel());
  }

  void ActivationBackward(const Activation& activation, const at::Tensor& x, const at::Tensor& y,
                          const at::Tensor& dy, at::Tensor& dx) override {
    const std::optional<cpu::Function> loop = ToLoop(activation);
    if (!loop.has_value()) return AtenKernels::ActivationBackward(activation, x, y, dy, dx);
    cpu::ActivationBackward(*loop, Data(y), Data(dy), Data(dx), y.numel());
  }

  void ColumnSums(const at::Tensor& x, at::Tensor& sums) override {
    cpu::ColumnSums(Data(x), Data(sums), Rows(x), Columns(x));
  }

  std::unique_ptr<ConvolutionKernel> MakeConvolution(const WindowGeometry& window,
                                                     const ConvolutionTensors& tensors) override {
    return MakeOnednnConvolution(window, tensors);
  }

  void MaxPool(const WindowGeometry& window, const at::Tensor& x, at::Tensor& y,
               at::Tensor& choice) override {
    cpu::MaxPool(MakePool(window, x, y), Data(x), Data(y),
                 static_cast<uint8_t*>(choice.data_ptr()));
  }

  void MaxPoolBackward(const WindowGeometry& window, const at::Tensor& choice, const at::Tensor& dy,
                       at::Tensor& dx) override {
    cpu::MaxPoolBackward(MakePool(window, dx, dy), static_cast<const uint8_t*>(choice.data_ptr()),
                         Data(dy), Data(dx));
  }

  void AveragePool(const WindowGeometry& window, const at::Tensor& x, at::Tensor& y) override {
    cpu::AveragePool(MakePool(window, x, y), Data(x), Data(y));
  }

  void AveragePoolBackward(const WindowGeometry& window, const at::Tensor& dy,
                           at::Tensor& dx) override {
    cpu::AveragePoolBackward(MakePool(window, dx, dy), Data(dy), Data(dx));
  }

  void BatchStatisticsOf(const at::Tensor& x, double momentum, double epsilon,
                         BatchStatistics& statistics, at::Tensor& moving_mean,
                         at::Tensor& moving_variance) override {
    float* const mean = Data(statistics.mean);
    float* const inverse = Data(statistics.inverse_deviation);
    cpu::MeanAndVariance(Data(x), Rows(x), Columns(x), mean, inverse);
    float* const moving_m = Data(moving_mean);
    float* const moving_v = Data(moving_variance);
    const auto keep = static_cast<float>(momentum);
    const auto take = static_cast<float>(1.0 - momentum);
    for (int64_t c = 0; c < Columns(x); ++c) {
      moving_m[c] = moving_m[c] * keep + mean[c] * take;
      moving_v[c] = moving_v[c] * keep + inverse[c] * take;
      inverse[c] = 1.0F / std::sqrt(inverse[c] + static_cast<float>(epsilon));
    }
  }

  void Normalize(const at::Tensor& x, const BatchStatistics& statistics, const at::Tensor& gamma,
                 const at::Tensor& beta, at::Tensor& y) override {
    cpu::Normalize(Data(x), Data(statistics.mean), Data(statistics.inverse_deviation),
                   DataOrNull(gamma), DataOrNull(beta), Data(y), Rows(x), Columns(x));
  }

  void NormalizeBackward(const at::Tensor& x, const BatchStatistics& statistics,
                         const at::Tensor& gamma, const at::Tensor& dy, at::Tensor& gamma_gradient,
                         at::Tensor& beta_gradient, at::Tensor& dx) override {
    cpu::NormalizeBackward(Data(x), Data(statistics.mean), Data(statistics.inverse_deviation),
                           DataOrNull(gamma), Data(dy), Data(gamma_gradient), Data(beta_gradient),
                           DataOrNull(dx), Rows(x), Columns(x));
  }

  void NormalizeRows(const at::Tensor& x, double epsilon, const at::Tensor& gamma,
                     const at::Tensor& beta, at::Tensor& normalized, at::Tensor& inverse_deviation,
                     at::Tensor& y) override {
    cpu::NormalizeRows(Data(x), static_cast<float>(epsilon), DataOrNull(gamma), DataOrNull(beta),
                       Data(normalized), Data(inverse_deviation), Data(y), Rows(x), Columns(x));
  }

  void NormalizeRowsBackward(const at::Tensor& normalized, const at::Tensor& inverse_deviation,
                             const at::Tensor& gamma, const at::Tensor& dy,
                             at::Tensor& gamma_gradient, at::Tensor& beta_gradient,
                             at::Tensor& dx) override {
    cpu::NormalizeRowsBackward(Data(normalized), Data(inverse_deviation), DataOrNull(gamma),
                               Data(dy), Data(gamma_gradient), Data(beta_gradient), DataOrNull(dx),
                               Rows(dy), Columns(dy));
  }

  void Multiply(const at::Tensor& a, const at::Tensor& b, at::Tensor& y) override {
    cpu::Multiply(Data(a), Data(b), Data(y), y.numel());
  }

  LossSums CrossEntropy(const at::Tensor& logits, const at::Tensor& labels) override {
    return CrossEntropyLoop(logits, labels, nullptr);
  }

  LossSums CrossEntropyAndGradient(const at::Tensor& logits, const at::Tensor& labels,
                                   at::Tensor& gradient) override {
    return CrossEntropyLoop(logits, labels, Data(gradient));
  }

  void GatherRows(const at::Tensor& x, const std::vector<int64_t>& rows, at::Tensor& y) override {
    const int64_t width = y.numel() / y.size(0);
    for (size_t n = 0; n < rows.size(); ++n) {
      std::memcpy(Data(y) + static_cast<int64_t>(n) * width, Data(x) + rows[n] * width,
                  static_cast<size_t>(width) * sizeof(float));
    }
  }

  void GatherImages(const uint8_t* images, int64_t features, const uint32_t* indices, int64_t count,
                    const at::Tensor& scale, const at::Tensor& shift, at::Tensor& y) override {
    float* const out = Data(y);
    const float* const scales = Data(scale);
    const float* const shifts = Data(shift);
    for (int64_t n = 0; n < count; ++n) {
      const uint8_t* const image = images + static_cast<int64_t>(indices[n]) * features;
      if (scale.numel() == 1) {
        cpu::ConvertBytes(image, scales[0], shifts[0], out + n * features, features);
      } else {
        cpu::ConvertBytes(image, scales, shifts, out + n * features, features);
      }
    }
  }

 private:
  static LossSums CrossEntropyLoop(const at::Tensor& logits, const at::Tensor& labels,
                                   float* gradient) {
    LossSums sums;
    const int64_t rows = Rows(logits);
    const int64_t classes = Columns(logits);
    const auto* const label = static_cast<const int32_t*>(labels.data_ptr());
    const float factor = 1.0F / static_cast<float>(rows);
    for (int64_t row = 0; row < rows; ++row) {
      const float* const line = Data(logits) + row * classes;
      int64_t largest = 0;
      for (int64_t k = 1; k < classes; ++k) {
        if (line[k] > line[largest]) largest = k;
      }
      sums.correct += largest == label[row] ? 1 : 0;
      sums.loss += static_cast<double>(
          cpu::CrossEntropyRow(line, classes, label[row], factor,
                               gradient == nullptr ? nullptr : gradient + row * classes));
    }
    return sums;
  }
};

}  // namespace

std::unique_ptr<Kernels> MakeCpuKernels() { return std::make_unique<CpuKernels>(); }

}  // namespace anneal
