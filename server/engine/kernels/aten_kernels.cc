// Kernels in ATen operations: for CUDA, and the second implementation that the CPU's is tested against. Clear rather than
// frugal: most operations allocate, which a caching allocator (CUDA has one) makes cheap.
#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "server/engine/kernels/dropout_mask.h"
#include "server/engine/kernels/kernels.h"

namespace anneal {
namespace {

constexpr double kSeluScale = 1.0507009873554805;
constexpr double kSeluAlpha = 1.6732632423543772;

// [..., C] -> [rows, C]
at::Tensor Matrix(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}); }

at::Tensor ApplyFunction(ActivationFunction function, const at::Tensor& x) {
  switch (function) {
    case v1::Activation::RELU: return at::relu(x);
    case v1::Activation::ELU: return at::elu(x);
    case v1::Activation::SELU: return at::elu(x, kSeluAlpha, kSeluScale);
    default: return x;
  }
}

// [N, H, W, C] seen as [N, C, H, W], padded as the window says.
at::Tensor PaddedImages(const WindowGeometry& window, const at::Tensor& x, double value) {
  return at::constant_pad_nd(x.permute({0, 3, 1, 2}),
                             {window.pad_left, window.pad_right, window.pad_top, window.pad_bottom}, value);
}

// Takes the padding off again: [N, C, H + p, W + p] -> [N, H, W, C].
at::Tensor CroppedImages(const WindowGeometry& window, const at::Tensor& padded, const at::Tensor& like) {
  return padded.narrow(2, window.pad_top, like.size(1)).narrow(3, window.pad_left, like.size(2)).permute({0, 2, 3, 1});
}

class AtenConvolution final : public ConvolutionKernel {
 public:
  AtenConvolution(const WindowGeometry& window, ConvolutionTensors tensors)
      : window_(window), tensors_(std::move(tensors)) {}

  void Forward() override {
    tensors_.y.copy_(at::conv2d(PaddedImages(window_, tensors_.x, 0), Weights(), Bias(), Strides()).permute({0, 2, 3, 1}));
  }

  void Backward() override {
    const bool has_bias = tensors_.bias.defined();
    const auto [dx, dw, db] = at::convolution_backward(
        tensors_.dy.permute({0, 3, 1, 2}), PaddedImages(window_, tensors_.x, 0), Weights(),
        has_bias ? at::OptionalIntArrayRef(tensors_.bias.sizes()) : at::OptionalIntArrayRef(), Strides(), {0, 0},
        {1, 1}, false, {0, 0}, 1, {tensors_.dx.defined(), true, has_bias});
    tensors_.kernel_gradient.copy_(dw.permute({2, 3, 1, 0}));
    if (has_bias) tensors_.bias_gradient.copy_(db);
    if (tensors_.dx.defined()) tensors_.dx.copy_(CroppedImages(window_, dx, tensors_.dx));
  }

 private:
  at::Tensor Weights() const { return tensors_.kernel.permute({3, 2, 0, 1}); }
  c10::optional<at::Tensor> Bias() const {
    return tensors_.bias.defined() ? c10::optional<at::Tensor>(tensors_.bias) : c10::nullopt;
  }
  std::vector<int64_t> Strides() const { return {window_.stride_height, window_.stride_width}; }

  const WindowGeometry window_;
  ConvolutionTensors tensors_;
};

class AtenKernels final : public Kernels {
 public:
  explicit AtenKernels(at::Device device) : device_(device) {}

  at::Device device() const override { return device_; }

  void Gemm(bool transpose_a, bool transpose_b, const at::Tensor& a, const at::Tensor& b, at::Tensor& c) override {
    at::Tensor out = Matrix(c);
    at::mm_out(out, transpose_a ? Matrix(a).t() : Matrix(a), transpose_b ? Matrix(b).t() : Matrix(b));
  }

  void AddBiasAndActivate(ActivationFunction function, const at::Tensor& bias, at::Tensor& y) override {
    if (bias.defined()) y.add_(bias);
    if (function != v1::Activation::LINEAR) y.copy_(ApplyFunction(function, y));
  }

  void Activate(ActivationFunction function, const at::Tensor& x, at::Tensor& y) override {
    y.copy_(ApplyFunction(function, x));
  }

  void ActivationBackward(ActivationFunction function, const at::Tensor& y, const at::Tensor& dy,
                          at::Tensor& dx) override {
    switch (function) {
      case v1::Activation::RELU: dx.copy_(dy * y.gt(0)); return;
      case v1::Activation::ELU: dx.copy_(dy * at::where(y.gt(0), at::ones_like(y), y + 1)); return;
      case v1::Activation::SELU:
        dx.copy_(dy * at::where(y.gt(0), at::full_like(y, kSeluScale), y + kSeluScale * kSeluAlpha));
        return;
      default: dx.copy_(dy); return;
    }
  }

  void ColumnSums(const at::Tensor& x, at::Tensor& sums) override { at::sum_out(sums, Matrix(x), {0}); }

  std::unique_ptr<ConvolutionKernel> MakeConvolution(const WindowGeometry& window,
                                                     const ConvolutionTensors& tensors) override {
    return std::make_unique<AtenConvolution>(window, tensors);
  }

  void MaxPool(const WindowGeometry& window, const at::Tensor& x, at::Tensor& y, at::Tensor& choice) override {
    // [N, C, H', W', KH * KW]
    const at::Tensor places = Places(window, x);
    const auto [largest, index] = places.max(4);
    y.copy_(largest.permute({0, 2, 3, 1}));
    choice.copy_(index.permute({0, 2, 3, 1}));
  }

  void MaxPoolBackward(const WindowGeometry& window, const at::Tensor& choice, const at::Tensor& dy,
                       at::Tensor& dx) override {
    at::Tensor padded = at::zeros({dx.size(0), dx.size(3), dx.size(1) + window.pad_top + window.pad_bottom,
                                   dx.size(2) + window.pad_left + window.pad_right},
                                  dx.options());
    for (int64_t h = 0; h < window.kernel_height; ++h) {
      for (int64_t w = 0; w < window.kernel_width; ++w) {
        const at::Tensor here = (dy * choice.eq(h * window.kernel_width + w)).permute({0, 3, 1, 2});
        const int64_t rows = (dy.size(1) - 1) * window.stride_height + 1;
        const int64_t columns = (dy.size(2) - 1) * window.stride_width + 1;
        padded.slice(2, h, h + rows, window.stride_height).slice(3, w, w + columns, window.stride_width).add_(here);
      }
    }
    dx.copy_(CroppedImages(window, padded, dx));
  }

  void BatchStatisticsOf(const at::Tensor& x, double momentum, double epsilon, BatchStatistics& statistics,
                         at::Tensor& moving_mean, at::Tensor& moving_variance) override {
    const at::Tensor variance = Matrix(x).var(0, /*unbiased=*/false);
    const at::Tensor mean = Matrix(x).mean(0);
    moving_mean.mul_(momentum).add_(mean, 1 - momentum);
    moving_variance.mul_(momentum).add_(variance, 1 - momentum);
    statistics.mean.copy_(mean);
    statistics.inverse_deviation.copy_((variance + epsilon).rsqrt());
  }

  void Normalize(const at::Tensor& x, const BatchStatistics& statistics, const at::Tensor& gamma,
                 const at::Tensor& beta, at::Tensor& y) override {
    at::Tensor normalized = (x - statistics.mean) * statistics.inverse_deviation;
    if (gamma.defined()) normalized.mul_(gamma);
    if (beta.defined()) normalized.add_(beta);
    y.copy_(normalized);
  }

  void NormalizeBackward(const at::Tensor& x, const BatchStatistics& statistics, const at::Tensor& gamma,
                         const at::Tensor& dy, at::Tensor& gamma_gradient, at::Tensor& beta_gradient,
                         at::Tensor& dx) override {
    const at::Tensor normalized = (x - statistics.mean) * statistics.inverse_deviation;
    const auto rows = static_cast<double>(Matrix(x).size(0));
    at::sum_out(beta_gradient, Matrix(dy), {0});
    gamma_gradient.copy_(Matrix(dy * normalized).sum(0));
    if (!dx.defined()) return;
    at::Tensor factor = statistics.inverse_deviation;
    if (gamma.defined()) factor = factor * gamma;
    dx.copy_(factor * (dy - beta_gradient / rows - normalized * (gamma_gradient / rows)));
  }

  void DropoutMask(const RandomStream& stream, double rate, at::Tensor& mask) override {
    // The same numbers on every device: drawn on the CPU and copied.
    at::Tensor host = at::empty(mask.sizes(), mask.options().device(at::kCPU));
    FillDropoutMask(stream, rate, static_cast<float*>(host.data_ptr()), host.numel());
    mask.copy_(host);
  }

  void Multiply(const at::Tensor& a, const at::Tensor& b, at::Tensor& y) override { at::mul_out(y, a, b); }

  LossSums CrossEntropy(const at::Tensor& logits, const at::Tensor& labels) override {
    const at::Tensor index = labels.to(device_, at::kLong);
    const at::Tensor log_probability = at::log_softmax(logits, 1);
    return Sums(logits, log_probability, index);
  }

  LossSums CrossEntropyAndGradient(const at::Tensor& logits, const at::Tensor& labels,
                                   at::Tensor& gradient) override {
    const at::Tensor index = labels.to(device_, at::kLong);
    const at::Tensor log_probability = at::log_softmax(logits, 1);
    const LossSums sums = Sums(logits, log_probability, index);
    at::Tensor result = log_probability.exp();
    result.scatter_add_(1, index.unsqueeze(1), at::full({index.size(0), 1}, -1.0, result.options()));
    gradient.copy_(result.div_(static_cast<double>(index.size(0))));
    return sums;
  }

  void GatherImages(const uint8_t* images, int64_t features, const uint32_t* indices, int64_t count,
                    const at::Tensor& scale, const at::Tensor& shift, at::Tensor& y) override {
    at::Tensor bytes = at::empty({count, features}, at::TensorOptions().dtype(at::kByte));
    auto* const out = static_cast<uint8_t*>(bytes.data_ptr());
    for (int64_t n = 0; n < count; ++n) {
      const uint8_t* const image = images + static_cast<int64_t>(indices[n]) * features;
      std::copy(image, image + features, out + n * features);
    }
    // Bytes travel to the device, floats are made there.
    const at::Tensor values = bytes.to(device_).to(at::kFloat);
    y.copy_((values * scale.to(device_) + shift.to(device_)).view(y.sizes()));
  }

 private:
  // Every window of x as its own axis: [N, C, H', W', KH * KW]; padding is -infinity.
  static at::Tensor Places(const WindowGeometry& window, const at::Tensor& x) {
    const at::Tensor padded = PaddedImages(window, x, -std::numeric_limits<double>::infinity());
    return padded.unfold(2, window.kernel_height, window.stride_height)
        .unfold(3, window.kernel_width, window.stride_width)
        .flatten(4);
  }

  static LossSums Sums(const at::Tensor& logits, const at::Tensor& log_probability, const at::Tensor& index) {
    const at::Tensor loss = -log_probability.gather(1, index.unsqueeze(1)).to(at::kDouble).sum();
    const at::Tensor correct = logits.argmax(1).eq(index).sum();
    return {loss.item<double>(), correct.item<int64_t>()};
  }

  const at::Device device_;
};

}  // namespace

std::unique_ptr<Kernels> MakeAtenKernels(at::Device device) { return std::make_unique<AtenKernels>(device); }

}  // namespace anneal
