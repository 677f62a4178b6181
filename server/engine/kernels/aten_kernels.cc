// Clear rather than frugal: some operations allocate, which a caching allocator (CUDA has one)
// makes cheap. What a CPU step is likely to run writes into given memory (the _out forms).
#include "server/engine/kernels/aten_kernels.h"

#include <algorithm>
#include <limits>

#include "server/engine/kernels/dropout_mask.h"

namespace anneal {
namespace {

constexpr double kSeluScale = 1.0507009873554805;
constexpr double kSeluAlpha = 1.6732632423543772;

// [..., C] -> [rows, C]
at::Tensor Matrix(const at::Tensor& x) { return x.reshape({-1, x.size(-1)}); }

LossSums Sums(const at::Tensor& logits, const at::Tensor& log_probability,
              const at::Tensor& index) {
  const at::Tensor loss = -log_probability.gather(1, index.unsqueeze(1)).to(at::kDouble).sum();
  const at::Tensor correct = logits.argmax(1).eq(index).sum();
  return {loss.item<double>(), correct.item<int64_t>()};
}

}  // namespace

void AtenKernels::Gemm(bool transpose_a, bool transpose_b, const at::Tensor& a, const at::Tensor& b,
                       at::Tensor& c) {
  at::Tensor out = Matrix(c);
  at::mm_out(out, transpose_a ? Matrix(a).t() : Matrix(a), transpose_b ? Matrix(b).t() : Matrix(b));
}

void AtenKernels::AddBias(const at::Tensor& bias, at::Tensor& y) { y.add_(bias); }

void AtenKernels::AddBiasAndActivate(const Activation& activation, const at::Tensor& bias,
                                     at::Tensor& y) {
  if (bias.defined()) AddBias(bias, y);
  if (!activation.is_linear()) Activate(activation, y, y);
}

void AtenKernels::Activate(const Activation& activation, const at::Tensor& x, at::Tensor& y) {
  switch (activation.function) {
    case v1::Activation::RELU:
      at::clamp_min_out(y, x, 0);
      return;
    case v1::Activation::RELU6:
      at::clamp_out(y, x, 0, 6);
      return;
    case v1::Activation::LEAKY_RELU:
      at::leaky_relu_out(y, x, activation.parameter);
      return;
    case v1::Activation::ELU:
      at::elu_out(y, x, activation.parameter);
      return;
    case v1::Activation::SELU:
      at::elu_out(y, x, kSeluAlpha, kSeluScale);
      return;
    case v1::Activation::CELU:
      at::elu_out(y, x, 1.0);
      return;  // with alpha 1 the two are one function
    case v1::Activation::GELU:
      at::gelu_out(y, x);
      return;
    case v1::Activation::SILU:
      at::silu_out(y, x);
      return;
    case v1::Activation::MISH:
      at::mish_out(y, x);
      return;
    case v1::Activation::SOFTPLUS:
      at::softplus_out(y, x, 1, std::numeric_limits<float>::max());
      return;
    case v1::Activation::SOFTSIGN:
      y.copy_(x / (x.abs() + 1));
      return;
    case v1::Activation::TANH:
      at::tanh_out(y, x);
      return;
    case v1::Activation::SIGMOID:
      at::sigmoid_out(y, x);
      return;
    case v1::Activation::HARD_SIGMOID:
      at::hardsigmoid_out(y, x);
      return;
    case v1::Activation::HARD_SILU:
      at::hardswish_out(y, x);
      return;
    case v1::Activation::EXPONENTIAL:
      at::exp_out(y, x);
      return;
    case v1::Activation::SOFTMAX:
      y.copy_(at::softmax(x, -1));
      return;
    case v1::Activation::LOG_SOFTMAX:
      y.copy_(at::log_softmax(x, -1));
      return;
    default:
      y.copy_(x);
      return;
  }
}

void AtenKernels::ActivationBackward(const Activation& activation, const at::Tensor& x,
                                     const at::Tensor& y, const at::Tensor& dy, at::Tensor& dx) {
  switch (activation.function) {
    case v1::Activation::RELU:
      at::threshold_backward_out(dx, dy, y, 0);
      return;
    case v1::Activation::RELU6:
      dx.copy_(dy * at::logical_and(y.gt(0), y.lt(6)));
      return;
    case v1::Activation::LEAKY_RELU:
      dx.copy_(dy * at::where(y.gt(0), at::ones_like(y), at::full_like(y, activation.parameter)));
      return;
    case v1::Activation::ELU:
      at::elu_backward_out(dx, dy, activation.parameter, 1, 1, true, y);
      return;
    case v1::Activation::SELU:
      at::elu_backward_out(dx, dy, kSeluAlpha, kSeluScale, 1, true, y);
      return;
    case v1::Activation::CELU:
      at::elu_backward_out(dx, dy, 1, 1, 1, true, y);
      return;
    case v1::Activation::GELU:
      at::gelu_backward_out(dx, dy, x);
      return;
    case v1::Activation::SILU:
      at::silu_backward_out(dx, dy, x);
      return;
    case v1::Activation::MISH:
      dx.copy_(at::mish_backward(dy, x));
      return;
    case v1::Activation::SOFTPLUS:
      dx.copy_(dy * -at::expm1(-y));
      return;  // sigmoid(x) = 1 - exp(-softplus(x))
    case v1::Activation::SOFTSIGN:
      dx.copy_(dy * (1 - y.abs()).square());
      return;
    case v1::Activation::TANH:
      at::tanh_backward_out(dx, dy, y);
      return;
    case v1::Activation::SIGMOID:
      at::sigmoid_backward_out(dx, dy, y);
      return;
    case v1::Activation::HARD_SIGMOID:
      dx.copy_(dy * at::logical_and(y.gt(0), y.lt(1)) / 6);
      return;
    case v1::Activation::HARD_SILU:
      dx.copy_(at::hardswish_backward(dy, x));
      return;
    case v1::Activation::EXPONENTIAL:
      at::mul_out(dx, dy, y);
      return;
    case v1::Activation::SOFTMAX:
      dx.copy_(y * (dy - (dy * y).sum(-1, true)));
      return;
    case v1::Activation::LOG_SOFTMAX:
      dx.copy_(dy - y.exp() * dy.sum(-1, true));
      return;
    default:
      dx.copy_(dy);
      return;
  }
}

void AtenKernels::ColumnSums(const at::Tensor& x, at::Tensor& sums) {
  at::sum_out(sums, Matrix(x), {0});
}

void AtenKernels::BatchStatisticsOf(const at::Tensor& x, double momentum, double epsilon,
                                    BatchStatistics& statistics, at::Tensor& moving_mean,
                                    at::Tensor& moving_variance) {
  const at::Tensor variance = Matrix(x).var(0, /*unbiased=*/false);
  const at::Tensor mean = Matrix(x).mean(0);
  moving_mean.mul_(momentum).add_(mean, 1 - momentum);
  moving_variance.mul_(momentum).add_(variance, 1 - momentum);
  statistics.mean.copy_(mean);
  statistics.inverse_deviation.copy_((variance + epsilon).rsqrt());
}

void AtenKernels::Normalize(const at::Tensor& x, const BatchStatistics& statistics,
                            const at::Tensor& gamma, const at::Tensor& beta, at::Tensor& y) {
  at::Tensor normalized = (x - statistics.mean) * statistics.inverse_deviation;
  if (gamma.defined()) normalized.mul_(gamma);
  if (beta.defined()) normalized.add_(beta);
  y.copy_(normalized);
}

void AtenKernels::NormalizeBackward(const at::Tensor& x, const BatchStatistics& statistics,
                                    const at::Tensor& gamma, const at::Tensor& dy,
                                    at::Tensor& gamma_gradient, at::Tensor& beta_gradient,
                                    at::Tensor& dx) {
  const at::Tensor normalized = (x - statistics.mean) * statistics.inverse_deviation;
  const auto rows = static_cast<double>(Matrix(x).size(0));
  at::sum_out(beta_gradient, Matrix(dy), {0});
  gamma_gradient.copy_(Matrix(dy * normalized).sum(0));
  if (!dx.defined()) return;
  at::Tensor factor = statistics.inverse_deviation;
  if (gamma.defined()) factor = factor * gamma;
  dx.copy_(factor * (dy - beta_gradient / rows - normalized * (gamma_gradient / rows)));
}

void AtenKernels::NormalizeRows(const at::Tensor& x, double epsilon, const at::Tensor& gamma,
                                const at::Tensor& beta, at::Tensor& normalized,
                                at::Tensor& inverse_deviation, at::Tensor& y) {
  const at::Tensor rows = Matrix(x);
  const at::Tensor centered = rows - rows.mean(1, true);
  inverse_deviation.copy_((centered.square().mean(1) + epsilon).rsqrt());
  normalized.copy_((centered * inverse_deviation.unsqueeze(1)).view(x.sizes()));
  y.copy_(normalized);
  if (gamma.defined()) y.mul_(gamma);
  if (beta.defined()) y.add_(beta);
}

void AtenKernels::NormalizeRowsBackward(const at::Tensor& normalized,
                                        const at::Tensor& inverse_deviation,
                                        const at::Tensor& gamma, const at::Tensor& dy,
                                        at::Tensor& gamma_gradient, at::Tensor& beta_gradient,
                                        at::Tensor& dx) {
  const at::Tensor hat = Matrix(normalized);
  const at::Tensor upstream = Matrix(dy);
  at::sum_out(beta_gradient, upstream, {0});
  gamma_gradient.copy_((upstream * hat).sum(0));
  if (!dx.defined()) return;
  const at::Tensor scaled = gamma.defined() ? upstream * gamma : upstream;
  const at::Tensor projected = scaled - scaled.mean(1, true) - hat * (scaled * hat).mean(1, true);
  dx.copy_((projected * inverse_deviation.unsqueeze(1)).view(dx.sizes()));
}

void AtenKernels::DropoutMask(const RandomStream& stream, double rate, double kept,
                              at::Tensor& mask) {
  if (mask.is_cpu()) {
    FillDropoutMask(stream, rate, kept, static_cast<float*>(mask.data_ptr()), mask.numel());
    return;
  }
  // The same numbers on every device: drawn on the CPU and copied.
  at::Tensor host = at::empty(mask.sizes(), mask.options().device(at::kCPU));
  FillDropoutMask(stream, rate, kept, static_cast<float*>(host.data_ptr()), host.numel());
  mask.copy_(host);
}

void AtenKernels::DropoutMaskRows(const RandomStream& stream,
                                  const std::vector<uint64_t>& positions, double rate, double kept,
                                  at::Tensor& mask) {
  at::Tensor host = mask.is_cpu() ? mask : at::empty(mask.sizes(), mask.options().device(at::kCPU));
  const int64_t width = mask.numel() / mask.size(0);
  RandomStream row = stream;
  for (size_t n = 0; n < positions.size(); ++n) {
    row.position = positions[n];
    FillDropoutMask(row, rate, kept,
                    static_cast<float*>(host.data_ptr()) + static_cast<int64_t>(n) * width, width);
  }
  if (!mask.is_cpu()) mask.copy_(host);
}

void AtenKernels::GatherRows(const at::Tensor& x, const std::vector<int64_t>& rows,
                             at::Tensor& y) {
  at::index_select_out(y, x, 0, at::tensor(rows, at::kLong).to(x.device()));
}

void AtenKernels::Multiply(const at::Tensor& a, const at::Tensor& b, at::Tensor& y) {
  at::mul_out(y, a, b);
}

LossSums AtenKernels::CrossEntropy(const at::Tensor& logits, const at::Tensor& labels) {
  const at::Tensor index = labels.to(device_, at::kLong);
  return Sums(logits, at::log_softmax(logits, 1), index);
}

LossSums AtenKernels::CrossEntropyAndGradient(const at::Tensor& logits, const at::Tensor& labels,
                                              at::Tensor& gradient) {
  const at::Tensor index = labels.to(device_, at::kLong);
  const at::Tensor log_probability = at::log_softmax(logits, 1);
  const LossSums sums = Sums(logits, log_probability, index);
  at::Tensor result = log_probability.exp();
  result.scatter_add_(1, index.unsqueeze(1), at::full({index.size(0), 1}, -1.0, result.options()));
  gradient.copy_(result.div_(static_cast<double>(index.size(0))));
  return sums;
}

void AtenKernels::GatherImages(const uint8_t* images, int64_t features, const uint32_t* indices,
                               int64_t count, const at::Tensor& scale, const at::Tensor& shift,
                               at::Tensor& y) {
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

std::unique_ptr<Kernels> MakeAtenKernels(at::Device device) {
  return std::make_unique<AtenKernels>(device);
}

}  // namespace anneal
