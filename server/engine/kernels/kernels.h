// The arithmetic of a training step, for every device LibTorch knows, and faster on the CPU.
//
// Layers are written against this interface and do not know where they run. AtenKernels says
// everything in ATen operations and serves CUDA. CpuKernels takes over what is hot on the CPU:
// oneDNN for matrix products and convolutions, loops of our own for the rest, nothing allocated; it
// is tested against AtenKernels.
//
// All tensors are float32, contiguous and on the kernels' device unless said otherwise; images are
// [N, H, W, C]. A matrix argument may have any shape whose last axis is the columns: [N, H, W, C]
// counts as [N*H*W, C]. Errors are exceptions (c10::Error, dnnl::error), turned into outcomes by
// the engine in one place. Not thread-safe: one object per training.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "anneal/v1/network.pb.h"
#include "server/core/random.h"

namespace anneal {

using ActivationFunction = v1::Activation::Function;

// An activation with its parameter: the slope of LEAKY_RELU, the alpha of ELU; unused by the
// others.
struct Activation {
  ActivationFunction function = v1::Activation::LINEAR;
  double parameter = 0;

  bool is_linear() const { return function == v1::Activation::LINEAR; }

  // f' cannot be computed from f(x) alone (f is not invertible): the layer must keep x.
  bool needs_input() const {
    return function == v1::Activation::GELU || function == v1::Activation::SILU ||
           function == v1::Activation::MISH || function == v1::Activation::HARD_SILU;
  }
};

// With the parameter that Keras gives the function by default.
Activation MakeActivationOf(ActivationFunction function);

// A window sliding over [H, W]: of a convolution or a pooling. Padding is what is added before
// (top, left) and after.
struct WindowGeometry {
  int64_t kernel_height = 0, kernel_width = 0;
  int64_t stride_height = 1, stride_width = 1;
  int64_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
  int64_t dilation_height = 1,
          dilation_width = 1;  // distance between the window's places; 1 for pooling
};

// The geometry that gives [input_height, input_width] the output size of `padding` (Keras: the odd
// row after the end).
WindowGeometry MakeWindow(int64_t input_height, int64_t input_width, int64_t kernel_height,
                          int64_t kernel_width, int64_t stride_height, int64_t stride_width,
                          v1::Padding padding, int64_t dilation_height = 1,
                          int64_t dilation_width = 1);

// Two-dimensional convolution over fixed tensors, given when it was made and held by it.
class ConvolutionKernel {
 public:
  virtual ~ConvolutionKernel() = default;
  // y = x (*) kernel + bias
  virtual void Forward() = 0;
  // From dy: kernel_gradient, bias_gradient, and dx where it was given.
  virtual void Backward() = 0;
};

// x [N, H, W, C], y [N, H', W', F]; kernel [KH, KW, C / groups, F]; bias [F] or undefined. For
// inference the gradients are undefined; dx is undefined also where nobody needs it.
struct ConvolutionTensors {
  at::Tensor x, kernel, bias, y;
  at::Tensor dy, kernel_gradient, bias_gradient, dx;
  int64_t groups = 1;
};

// Statistics of BatchNormalization: all [C].
struct BatchStatistics {
  at::Tensor mean;               // of the batch, or the moving one for inference
  at::Tensor inverse_deviation;  // 1 / sqrt(variance + epsilon)
};

// What the loss gives for one batch. Sums, not means.
struct LossSums {
  double loss = 0;
  int64_t correct = 0;  // the label has the largest logit (the first of equals)
};

class Kernels {
 public:
  virtual ~Kernels() = default;

  virtual at::Device device() const = 0;

  // c = op(a) op(b), where op transposes if asked. a, b, c are matrices; c is overwritten.
  virtual void Gemm(bool transpose_a, bool transpose_b, const at::Tensor& a, const at::Tensor& b,
                    at::Tensor& c) = 0;

  // y[m, c] += bias[c]. bias [columns].
  virtual void AddBias(const at::Tensor& bias, at::Tensor& y) = 0;

  // y[m, c] = f(y[m, c] + bias[c]) in place. bias [columns] or undefined.
  virtual void AddBiasAndActivate(const Activation& activation, const at::Tensor& bias,
                                  at::Tensor& y) = 0;

  // y = f(x). SOFTMAX and LOG_SOFTMAX are over the last axis.
  virtual void Activate(const Activation& activation, const at::Tensor& x, at::Tensor& y) = 0;

  // dx = dy * f'(x). x may be undefined unless activation.needs_input(). dx may be dy.
  virtual void ActivationBackward(const Activation& activation, const at::Tensor& x,
                                  const at::Tensor& y, const at::Tensor& dy, at::Tensor& dx) = 0;

  // sums[c] = sum over m of x[m, c].
  virtual void ColumnSums(const at::Tensor& x, at::Tensor& sums) = 0;

  virtual std::unique_ptr<ConvolutionKernel> MakeConvolution(const WindowGeometry& window,
                                                             const ConvolutionTensors& tensors) = 0;

  // y[n, i, j, c] = the largest x in the window; choice: uint8, shape of y: which place of the
  // window it was, row by row (the first of equals). Padding never wins. Windows have at most 255
  // places.
  virtual void MaxPool(const WindowGeometry& window, const at::Tensor& x, at::Tensor& y,
                       at::Tensor& choice) = 0;
  // dx is overwritten.
  virtual void MaxPoolBackward(const WindowGeometry& window, const at::Tensor& choice,
                               const at::Tensor& dy, at::Tensor& dx) = 0;

  // Mean of each window; padding does not count.
  virtual void AveragePool(const WindowGeometry& window, const at::Tensor& x, at::Tensor& y) = 0;
  // dx is overwritten.
  virtual void AveragePoolBackward(const WindowGeometry& window, const at::Tensor& dy,
                                   at::Tensor& dx) = 0;

  // Batch mean and biased variance of the columns of x, into statistics and into the moving
  // averages: moving = moving * momentum + batch * (1 - momentum).
  virtual void BatchStatisticsOf(const at::Tensor& x, double momentum, double epsilon,
                                 BatchStatistics& statistics, at::Tensor& moving_mean,
                                 at::Tensor& moving_variance) = 0;
  // y = (x - mean) * inverse_deviation * gamma + beta; gamma, beta [C] or undefined (1, 0).
  virtual void Normalize(const at::Tensor& x, const BatchStatistics& statistics,
                         const at::Tensor& gamma, const at::Tensor& beta, at::Tensor& y) = 0;
  // Backward through Normalize and the batch statistics (Ioffe & Szegedy 2015, section 3). The
  // gradients of gamma and beta are [C] buffers also where the layer has neither; dx may be dy, or
  // undefined.
  virtual void NormalizeBackward(const at::Tensor& x, const BatchStatistics& statistics,
                                 const at::Tensor& gamma, const at::Tensor& dy,
                                 at::Tensor& gamma_gradient, at::Tensor& beta_gradient,
                                 at::Tensor& dx) = 0;

  // Each row of x (last axis) by its own mean and biased variance: normalized = (x - mean) /
  // sqrt(variance + epsilon), y = normalized * gamma + beta. normalized: shape of x;
  // inverse_deviation [rows]; gamma, beta [C] or undefined.
  virtual void NormalizeRows(const at::Tensor& x, double epsilon, const at::Tensor& gamma,
                             const at::Tensor& beta, at::Tensor& normalized,
                             at::Tensor& inverse_deviation, at::Tensor& y) = 0;
  // The gradients of gamma and beta are [C] buffers also where the layer has neither; dx may be dy,
  // or undefined.
  virtual void NormalizeRowsBackward(const at::Tensor& normalized,
                                     const at::Tensor& inverse_deviation, const at::Tensor& gamma,
                                     const at::Tensor& dy, at::Tensor& gamma_gradient,
                                     at::Tensor& beta_gradient, at::Tensor& dx) = 0;

  // mask[e] = 0 with probability `rate`, else `kept`: a pure function of the stream and e
  // (row-major).
  virtual void DropoutMask(const RandomStream& stream, double rate, double kept,
                           at::Tensor& mask) = 0;

  // The same for each row n of the mask (first axis) by itself: of the stream at positions[n],
  // elements counted within the row.
  virtual void DropoutMaskRows(const RandomStream& stream, const std::vector<uint64_t>& positions,
                               double rate, double kept, at::Tensor& mask) = 0;

  // y[n] = x[rows[n]] for every n of the first axis of y. rows: on the CPU.
  virtual void GatherRows(const at::Tensor& x, const std::vector<int64_t>& rows, at::Tensor& y) = 0;

  // y = a * b, element by element. y may be a or b.
  virtual void Multiply(const at::Tensor& a, const at::Tensor& b, at::Tensor& y) = 0;

  // Softmax and cross-entropy in one. logits [N, classes], labels int32 [N] on the CPU.
  virtual LossSums CrossEntropy(const at::Tensor& logits, const at::Tensor& labels) = 0;
  // The same, and gradient [N, classes] = (softmax - one_hot) / N: of the batch's mean loss. May be
  // logits.
  virtual LossSums CrossEntropyAndGradient(const at::Tensor& logits, const at::Tensor& labels,
                                           at::Tensor& gradient) = 0;

  // y[n, f] = images[indices[n], f] * scale[f] + shift[f]. images: `features` bytes a sample, on
  // the CPU, as are indices (`count` of them), scale and shift ([features], or [1] for all). y
  // [count, ...].
  virtual void GatherImages(const uint8_t* images, int64_t features, const uint32_t* indices,
                            int64_t count, const at::Tensor& scale, const at::Tensor& shift,
                            at::Tensor& y) = 0;
};

std::unique_ptr<Kernels> MakeCpuKernels();
std::unique_ptr<Kernels> MakeAtenKernels(at::Device device);

}  // namespace anneal
