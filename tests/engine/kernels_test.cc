// CpuKernels against AtenKernels, which say the same in other words, and both against autograd.
#include "server/engine/kernels/kernels.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "server/engine/kernels/cpu_loops.h"

namespace anneal {
namespace {

// Normal numbers, the same in every run.
at::Tensor Random(std::vector<int64_t> shape, int64_t seed, double scale = 1.0) {
  at::Generator generator = at::detail::createCPUGenerator(static_cast<uint64_t>(seed));
  return at::randn(shape, generator, at::TensorOptions().dtype(at::kFloat)) * scale;
}

::testing::AssertionResult Near(const at::Tensor& a, const at::Tensor& b, double tolerance) {
  if (a.sizes() != b.sizes())
    return ::testing::AssertionFailure() << "shapes " << a.sizes() << " and " << b.sizes();
  const double largest = (a - b).abs().max().item<double>();
  const double scale = std::max(1.0, b.abs().max().item<double>());
  if (std::isfinite(largest) && largest <= tolerance * scale) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "differ by " << largest << " where values reach " << scale;
}

TEST(Exponential, AgreesWithTheLibraryToTwoUnits) {
  at::globalContext().setFlushDenormal(false);  // an earlier test's training has set it
  for (float x = -86.0F; x < 88.0F; x += 0.00731F) {
    const double exact = std::exp(static_cast<double>(x));
    EXPECT_NEAR(cpu::Exp(x) / exact, 1.0, 2.4e-7) << x;
  }
  for (float x = -20.0F; x <= 0.0F; x += 0.000917F) {
    const double exact = std::expm1(static_cast<double>(x));
    EXPECT_NEAR(cpu::Expm1OfNonPositive(x), exact, std::abs(exact) * 2.4e-7) << x;
  }
  for (const float tiny : {-1e-3F, -1e-6F, -1e-12F, -1e-30F, -0.0F}) {
    EXPECT_FLOAT_EQ(cpu::Expm1OfNonPositive(tiny), std::expm1(tiny));
  }
}

TEST(Exponential, KeepsNanAndSaturates) {
  EXPECT_TRUE(std::isnan(cpu::Exp(std::numeric_limits<float>::quiet_NaN())));
  EXPECT_TRUE(std::isnan(cpu::Expm1OfNonPositive(std::numeric_limits<float>::quiet_NaN())));
  EXPECT_LT(cpu::Exp(-std::numeric_limits<float>::infinity()), 1e-37F);
  EXPECT_FLOAT_EQ(cpu::Expm1OfNonPositive(-std::numeric_limits<float>::infinity()), -1.0F);
}

// Each activation as torch has it, or as its definition says.
at::Tensor Expected(ActivationFunction function, const at::Tensor& x) {
  switch (function) {
    case v1::Activation::RELU:
      return torch::relu(x);
    case v1::Activation::RELU6:
      return torch::relu6(x);
    case v1::Activation::LEAKY_RELU:
      return torch::leaky_relu(x, 0.2);
    case v1::Activation::ELU:
      return torch::elu(x);
    case v1::Activation::SELU:
      return torch::selu(x);
    case v1::Activation::CELU:
      return torch::celu(x);
    case v1::Activation::GELU:
      return x * 0.5 * (1 + torch::erf(x / std::sqrt(2.0)));
    case v1::Activation::SILU:
      return x * torch::sigmoid(x);
    case v1::Activation::MISH:
      return x * torch::tanh(torch::log1p(torch::exp(x)));
    case v1::Activation::SOFTPLUS:
      return torch::log1p(torch::exp(x));
    case v1::Activation::SOFTSIGN:
      return x / (1 + torch::abs(x));
    case v1::Activation::TANH:
      return torch::tanh(x);
    case v1::Activation::SIGMOID:
      return 1 / (1 + torch::exp(-x));
    case v1::Activation::HARD_SIGMOID:
      return torch::clamp(x / 6 + 0.5, 0, 1);
    case v1::Activation::HARD_SILU:
      return x * torch::clamp(x / 6 + 0.5, 0, 1);
    case v1::Activation::EXPONENTIAL:
      return torch::exp(x);
    case v1::Activation::SOFTMAX:
      return torch::softmax(x, -1);
    case v1::Activation::LOG_SOFTMAX:
      return torch::log_softmax(x, -1);
    default:
      return x * 1.0;
  }
}

class ActivationTest : public ::testing::TestWithParam<ActivationFunction> {};

TEST_P(ActivationTest, ForwardAndBackwardAgreeWithAutograd) {
  const Activation activation = MakeActivationOf(GetParam());
  for (const auto& kernels : {MakeCpuKernels(), MakeAtenKernels(at::kCPU)}) {
    const at::Tensor z = Random({7, 101}, 1, 3.0);
    const at::Tensor bias = Random({101}, 2);
    at::Tensor input = (z + bias).requires_grad_();
    const at::Tensor expected = Expected(GetParam(), input);
    at::Tensor y = z.clone();
    kernels->AddBiasAndActivate(activation, bias, y);
    EXPECT_TRUE(Near(y, expected.detach(), 2e-6));
    at::Tensor activated = at::empty_like(z);
    kernels->Activate(activation, input.detach(), activated);
    EXPECT_TRUE(Near(activated, expected.detach(), 2e-6));

    const at::Tensor dy = Random({7, 101}, 3);
    expected.backward(dy);
    const at::Tensor x = activation.needs_input() ? input.detach() : at::Tensor();
    at::Tensor dx = at::empty_like(dy);
    kernels->ActivationBackward(activation, x, y, dy, dx);
    EXPECT_TRUE(Near(dx, input.grad(), 2e-6));
    at::Tensor in_place = dy.clone();
    kernels->ActivationBackward(activation, x, y, in_place, in_place);
    EXPECT_TRUE(at::equal(in_place, dx));
  }
}

std::vector<ActivationFunction> AllFunctions() {
  std::vector<ActivationFunction> functions;
  const auto* const descriptor = v1::Activation::Function_descriptor();
  for (int k = 0; k < descriptor->value_count(); ++k) {
    functions.push_back(static_cast<ActivationFunction>(descriptor->value(k)->number()));
  }
  return functions;
}

INSTANTIATE_TEST_SUITE_P(All, ActivationTest, ::testing::ValuesIn(AllFunctions()),
                         [](const auto& tested) {
                           return v1::Activation::Function_Name(tested.param);
                         });

TEST(Gemm, AllTranspositions) {
  for (const auto& kernels : {MakeCpuKernels(), MakeAtenKernels(at::kCPU)}) {
    for (const auto& [m, n, k] : {std::tuple<int64_t, int64_t, int64_t>{32, 100, 100},
                                  {1, 10, 3},
                                  {5, 1, 300},
                                  {33, 65, 17}}) {
      const at::Tensor a = Random({m, k}, 4);
      const at::Tensor b = Random({k, n}, 5);
      const at::Tensor expected = at::mm(a.to(at::kDouble), b.to(at::kDouble)).to(at::kFloat);
      for (const bool ta : {false, true}) {
        for (const bool tb : {false, true}) {
          at::Tensor c = at::full({m, n}, 7.0F);
          kernels->Gemm(ta, tb, ta ? a.t().contiguous() : a, tb ? b.t().contiguous() : b, c);
          EXPECT_TRUE(Near(c, expected, 1e-5)) << m << " " << n << " " << k << " " << ta << tb;
        }
      }
    }
  }
}

TEST(ColumnSums, AgreesWithASumInDouble) {
  for (const auto& kernels : {MakeCpuKernels(), MakeAtenKernels(at::kCPU)}) {
    for (const int64_t columns : {1, 10, 64, 100, 129}) {
      const at::Tensor x = Random({3, 11, 7, columns}, 6) + 5.0;
      at::Tensor sums = at::empty({columns});
      kernels->ColumnSums(x, sums);
      EXPECT_TRUE(Near(sums, x.reshape({-1, columns}).to(at::kDouble).sum(0).to(at::kFloat), 1e-6));
    }
  }
}

struct ConvolutionCase {
  int64_t batch, height, width, channels, filters, kernel_height, kernel_width, stride_height,
      stride_width;
  v1::Padding padding;
  bool bias;
  int64_t dilation = 1;
  int64_t groups = 1;
};

class ConvolutionTest : public ::testing::TestWithParam<ConvolutionCase> {};

TEST_P(ConvolutionTest, ForwardAndBackwardAgreeWithAutograd) {
  const ConvolutionCase& c = GetParam();
  const WindowGeometry window =
      MakeWindow(c.height, c.width, c.kernel_height, c.kernel_width, c.stride_height,
                 c.stride_width, c.padding, c.dilation, c.dilation);
  at::Tensor x = Random({c.batch, c.height, c.width, c.channels}, 7).requires_grad_();
  at::Tensor kernel =
      Random({c.kernel_height, c.kernel_width, c.channels / c.groups, c.filters}, 8, 0.2)
          .requires_grad_();
  at::Tensor bias = Random({c.filters}, 9).requires_grad_();
  const at::Tensor padded = torch::constant_pad_nd(
      x.permute({0, 3, 1, 2}),
      {window.pad_left, window.pad_right, window.pad_top, window.pad_bottom}, 0);
  const at::Tensor expected =
      torch::conv2d(padded, kernel.permute({3, 2, 0, 1}), c.bias ? bias : at::Tensor(),
                    {c.stride_height, c.stride_width}, at::IntArrayRef({0, 0}),
                    {c.dilation, c.dilation}, c.groups)
          .permute({0, 2, 3, 1});
  const at::Tensor dy = Random(expected.sizes().vec(), 10);
  expected.backward(dy);

  for (const auto& kernels : {MakeCpuKernels(), MakeAtenKernels(at::kCPU)}) {
    for (const bool needs_dx : {true, false}) {
      ConvolutionTensors tensors;
      tensors.groups = c.groups;
      tensors.x = x.detach().contiguous();
      tensors.kernel = kernel.detach();
      if (c.bias) tensors.bias = bias.detach();
      tensors.y = at::empty(expected.sizes().vec());
      tensors.dy = dy.contiguous();
      tensors.kernel_gradient = at::full_like(tensors.kernel, 3.0F);
      if (c.bias) tensors.bias_gradient = at::full({c.filters}, 3.0F);
      if (needs_dx) tensors.dx = at::full_like(tensors.x, 3.0F);
      const auto convolution = kernels->MakeConvolution(window, tensors);
      for (int run = 0; run < 2; ++run) {  // nothing may pile up from one step to the next
        convolution->Forward();
        convolution->Backward();
      }
      EXPECT_TRUE(Near(tensors.y, expected.detach().contiguous(), 1e-5));
      EXPECT_TRUE(Near(tensors.kernel_gradient, kernel.grad(), 1e-5));
      if (c.bias) {
        EXPECT_TRUE(Near(tensors.bias_gradient, bias.grad(), 1e-5));
      }
      if (needs_dx) {
        EXPECT_TRUE(Near(tensors.dx, x.grad(), 1e-5));
      }
    }
    // Inference: the same y, no gradients.
    ConvolutionTensors tensors;
    tensors.groups = c.groups;
    tensors.x = x.detach().contiguous();
    tensors.kernel = kernel.detach();
    if (c.bias) tensors.bias = bias.detach();
    tensors.y = at::empty(expected.sizes().vec());
    kernels->MakeConvolution(window, tensors)->Forward();
    EXPECT_TRUE(Near(tensors.y, expected.detach().contiguous(), 1e-5));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ConvolutionTest,
    ::testing::Values(ConvolutionCase{4, 8, 8, 3, 32, 3, 3, 1, 1, v1::VALID, true},
                      ConvolutionCase{2, 7, 9, 5, 6, 3, 2, 1, 1, v1::SAME, true},
                      ConvolutionCase{3, 8, 7, 16, 16, 3, 3, 2, 2, v1::SAME, false},
                      ConvolutionCase{2, 9, 9, 4, 8, 5, 5, 3, 2, v1::VALID, true},
                      ConvolutionCase{1, 4, 4, 1, 1, 1, 1, 1, 1, v1::VALID, true},
                      ConvolutionCase{2, 6, 6, 2, 3, 4, 4, 1, 1, v1::SAME, true},
                      ConvolutionCase{2, 9, 8, 4, 6, 3, 3, 1, 1, v1::VALID, true, 2, 1},
                      ConvolutionCase{2, 9, 8, 4, 6, 3, 3, 1, 1, v1::SAME, true, 3, 1},
                      ConvolutionCase{2, 8, 8, 8, 12, 3, 3, 1, 1, v1::SAME, true, 1, 4},
                      ConvolutionCase{2, 8, 8, 6, 6, 3, 3, 2, 2, v1::SAME, false, 1, 6}));

struct PoolCase {
  int64_t batch, height, width, channels, pool_height, pool_width, stride_height, stride_width;
  v1::Padding padding;
};

class MaxPoolTest : public ::testing::TestWithParam<PoolCase> {};

TEST_P(MaxPoolTest, ForwardAndBackwardAgreeWithAutograd) {
  const PoolCase& c = GetParam();
  const WindowGeometry window = MakeWindow(c.height, c.width, c.pool_height, c.pool_width,
                                           c.stride_height, c.stride_width, c.padding);
  at::Tensor x = (Random({c.batch, c.height, c.width, c.channels}, 11) - 3.0)
                     .requires_grad_();  // mostly negative
  const at::Tensor padded =
      torch::constant_pad_nd(x.permute({0, 3, 1, 2}),
                             {window.pad_left, window.pad_right, window.pad_top, window.pad_bottom},
                             -std::numeric_limits<double>::infinity());
  const at::Tensor expected =
      torch::max_pool2d(padded, {c.pool_height, c.pool_width}, {c.stride_height, c.stride_width})
          .permute({0, 2, 3, 1});
  const at::Tensor dy = Random(expected.sizes().vec(), 12);
  expected.backward(dy);
  for (const auto& kernels : {MakeCpuKernels(), MakeAtenKernels(at::kCPU)}) {
    at::Tensor y = at::empty(expected.sizes().vec());
    at::Tensor choice = at::empty(expected.sizes().vec(), at::kByte);
    at::Tensor dx = at::full(x.sizes(), 3.0F);
    kernels->MaxPool(window, x.detach().contiguous(), y, choice);
    kernels->MaxPoolBackward(window, choice, dy.contiguous(), dx);
    EXPECT_TRUE(at::equal(y, expected.detach().contiguous()));
    EXPECT_TRUE(Near(dx, x.grad(), 1e-6));
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, MaxPoolTest,
                         ::testing::Values(PoolCase{3, 8, 8, 32, 2, 2, 2, 2, v1::VALID},
                                           PoolCase{2, 7, 9, 5, 2, 2, 2, 2, v1::VALID},
                                           PoolCase{2, 7, 9, 5, 2, 2, 2, 2, v1::SAME},
                                           PoolCase{2, 9, 9, 3, 3, 3, 2, 2, v1::SAME},
                                           PoolCase{1, 6, 5, 17, 3, 2, 1, 1, v1::VALID},
                                           PoolCase{1, 6, 6, 2, 2, 2, 3, 3, v1::VALID}));

TEST_P(MaxPoolTest, AverageForwardAndBackwardAgreeWithAutograd) {
  const PoolCase& c = GetParam();
  const WindowGeometry window = MakeWindow(c.height, c.width, c.pool_height, c.pool_width,
                                           c.stride_height, c.stride_width, c.padding);
  at::Tensor x = Random({c.batch, c.height, c.width, c.channels}, 21).requires_grad_();
  // Sum over the padded image divided by the sum of ones over it: padding does not count.
  const auto sums = [&](const at::Tensor& images) {
    const at::Tensor padded = torch::constant_pad_nd(
        images.permute({0, 3, 1, 2}),
        {window.pad_left, window.pad_right, window.pad_top, window.pad_bottom}, 0);
    return torch::avg_pool2d(padded, {c.pool_height, c.pool_width},
                             {c.stride_height, c.stride_width})
        .permute({0, 2, 3, 1});
  };
  const at::Tensor expected = sums(x) / sums(at::ones_like(x.detach()));
  const at::Tensor dy = Random(expected.sizes().vec(), 22);
  expected.backward(dy);
  for (const auto& kernels : {MakeCpuKernels(), MakeAtenKernels(at::kCPU)}) {
    at::Tensor y = at::empty(expected.sizes().vec());
    at::Tensor dx = at::full(x.sizes(), 3.0F);
    kernels->AveragePool(window, x.detach().contiguous(), y);
    kernels->AveragePoolBackward(window, dy.contiguous(), dx);
    EXPECT_TRUE(Near(y, expected.detach().contiguous(), 1e-6));
    EXPECT_TRUE(Near(dx, x.grad(), 1e-6));
  }
}

TEST(LayerNormalization, ForwardAndBackwardAgreeWithAutograd) {
  for (const bool affine : {true, false}) {
    for (const int64_t features : {1, 7, 64}) {
      // The oracle in double: in float, torch's own rounding is larger than what is to be seen.
      const at::Tensor x = Random({4, 3, features}, 23, 2.0) + 3.0;
      const at::Tensor gamma = Random({features}, 24) + 1.0;
      const at::Tensor beta = Random({features}, 25);
      const at::Tensor dy = Random(x.sizes().vec(), 26);
      at::Tensor exact_x = x.to(at::kDouble).requires_grad_();
      at::Tensor exact_gamma = gamma.to(at::kDouble).requires_grad_();
      at::Tensor exact_beta = beta.to(at::kDouble).requires_grad_();
      const at::Tensor expected =
          affine ? torch::layer_norm(exact_x, {features}, exact_gamma, exact_beta, 1e-3)
                 : torch::layer_norm(exact_x, {features}, {}, {}, 1e-3);
      expected.backward(dy.to(at::kDouble));
      for (const auto& kernels : {MakeCpuKernels(), MakeAtenKernels(at::kCPU)}) {
        const at::Tensor gamma_or_none = affine ? gamma : at::Tensor();
        const at::Tensor beta_or_none = affine ? beta : at::Tensor();
        at::Tensor normalized = at::empty(x.sizes());
        at::Tensor inverse_deviation = at::empty({12});
        at::Tensor y = at::empty(x.sizes());
        kernels->NormalizeRows(x, 1e-3, gamma_or_none, beta_or_none, normalized, inverse_deviation,
                               y);
        EXPECT_TRUE(Near(y, expected.detach().to(at::kFloat), 1e-5));
        at::Tensor gamma_gradient = at::empty({features});
        at::Tensor beta_gradient = at::empty({features});
        at::Tensor dx = dy.clone();  // in place
        kernels->NormalizeRowsBackward(normalized, inverse_deviation, gamma_or_none, dx,
                                       gamma_gradient, beta_gradient, dx);
        EXPECT_TRUE(Near(dx, exact_x.grad().to(at::kFloat), 1e-5));
        if (affine) {
          EXPECT_TRUE(Near(gamma_gradient, exact_gamma.grad().to(at::kFloat), 1e-5));
          EXPECT_TRUE(Near(beta_gradient, exact_beta.grad().to(at::kFloat), 1e-5));
        }
      }
    }
  }
}

TEST(MaxPool, TheFirstOfEqualsGetsTheGradient) {
  for (const auto& kernels : {MakeCpuKernels(), MakeAtenKernels(at::kCPU)}) {
    const WindowGeometry window = MakeWindow(2, 2, 2, 2, 2, 2, v1::VALID);
    const at::Tensor x = at::zeros({1, 2, 2, 1});
    at::Tensor y = at::empty({1, 1, 1, 1});
    at::Tensor choice = at::empty({1, 1, 1, 1}, at::kByte);
    at::Tensor dx = at::empty({1, 2, 2, 1});
    kernels->MaxPool(window, x, y, choice);
    kernels->MaxPoolBackward(window, choice, at::ones({1, 1, 1, 1}), dx);
    EXPECT_EQ(dx.flatten()[0].item<float>(), 1.0F);
    EXPECT_EQ(dx.sum().item<float>(), 1.0F);
  }
}

TEST(BatchNormalization, ForwardBackwardAndMovingAveragesAgreeWithAutograd) {
  for (const bool affine : {true, false}) {
    for (const int64_t features : {1, 10, 64, 100}) {
      at::Tensor x = (Random({8, 5, 3, features}, 13, 2.0) + 4.0).requires_grad_();
      at::Tensor gamma = (Random({features}, 14) + 1.0).requires_grad_();
      at::Tensor beta = Random({features}, 15).requires_grad_();
      const double epsilon = 1e-3;
      const at::Tensor rows = x.reshape({-1, features});
      const at::Tensor mean = rows.mean(0);
      const at::Tensor variance = (rows - mean).pow(2).mean(0);
      at::Tensor expected = (x - mean) / (variance + epsilon).sqrt();
      if (affine) expected = expected * gamma + beta;
      const at::Tensor dy = Random(x.sizes().vec(), 16);
      expected.backward(dy);

      for (const auto& kernels : {MakeCpuKernels(), MakeAtenKernels(at::kCPU)}) {
        BatchStatistics statistics{at::empty({features}), at::empty({features})};
        at::Tensor moving_mean = at::full({features}, 0.5F);
        at::Tensor moving_variance = at::full({features}, 2.0F);
        const at::Tensor gamma_or_none = affine ? gamma.detach() : at::Tensor();
        const at::Tensor beta_or_none = affine ? beta.detach() : at::Tensor();
        at::Tensor y = at::empty(x.sizes());
        kernels->BatchStatisticsOf(x.detach(), 0.9, epsilon, statistics, moving_mean,
                                   moving_variance);
        kernels->Normalize(x.detach(), statistics, gamma_or_none, beta_or_none, y);
        EXPECT_TRUE(Near(y, expected.detach(), 1e-5));
        EXPECT_TRUE(Near(moving_mean, 0.5 * 0.9 + mean.detach() * 0.1, 1e-6));
        EXPECT_TRUE(Near(moving_variance, 2.0 * 0.9 + variance.detach() * 0.1, 1e-6));

        at::Tensor gamma_gradient = at::empty({features});
        at::Tensor beta_gradient = at::empty({features});
        at::Tensor dx = dy.clone();  // in place
        kernels->NormalizeBackward(x.detach(), statistics, gamma_or_none, dx, gamma_gradient,
                                   beta_gradient, dx);
        EXPECT_TRUE(Near(dx, x.grad(), 1e-5));
        if (affine) {
          EXPECT_TRUE(Near(gamma_gradient, gamma.grad(), 1e-5));
          EXPECT_TRUE(Near(beta_gradient, beta.grad(), 1e-5));
        }
      }
      x.mutable_grad().reset();
    }
  }
}

TEST(CrossEntropy, LossGradientAndHitsAgreeWithAutograd) {
  const at::Tensor labels = at::tensor({3, 0, 9, 9, 1}, at::kInt);
  at::Tensor logits = Random({5, 10}, 17, 4.0).requires_grad_();
  const at::Tensor expected = torch::nll_loss(torch::log_softmax(logits, 1), labels.to(at::kLong));
  expected.backward();
  const int64_t hits = logits.argmax(1).eq(labels).sum().item<int64_t>();
  for (const auto& kernels : {MakeCpuKernels(), MakeAtenKernels(at::kCPU)}) {
    at::Tensor gradient = at::empty({5, 10});
    const LossSums sums = kernels->CrossEntropyAndGradient(logits.detach(), labels, gradient);
    EXPECT_NEAR(sums.loss / 5, expected.item<double>(), 1e-5);
    EXPECT_EQ(sums.correct, hits);
    EXPECT_TRUE(Near(gradient, logits.grad(), 1e-6));
    const LossSums alone = kernels->CrossEntropy(logits.detach(), labels);
    EXPECT_DOUBLE_EQ(alone.loss, sums.loss);
    EXPECT_EQ(alone.correct, sums.correct);
  }
}

TEST(CrossEntropy, SurvivesHugeLogitsAndShowsNan) {
  const at::Tensor labels = at::tensor({0, 1}, at::kInt);
  for (const auto& kernels : {MakeCpuKernels(), MakeAtenKernels(at::kCPU)}) {
    at::Tensor gradient = at::empty({2, 2});
    const LossSums huge = kernels->CrossEntropyAndGradient(
        at::tensor({1e30F, -1e30F, 1e4F, 1e4F}).view({2, 2}), labels, gradient);
    EXPECT_NEAR(huge.loss, std::log(2.0), 1e-6);
    EXPECT_TRUE(gradient.isfinite().all().item<bool>());
    const LossSums bad = kernels->CrossEntropyAndGradient(
        at::tensor({std::numeric_limits<float>::quiet_NaN(), 0.0F, 0.0F, 0.0F}).view({2, 2}),
        labels, gradient);
    EXPECT_TRUE(std::isnan(bad.loss));
    const LossSums infinite = kernels->CrossEntropyAndGradient(
        at::tensor({std::numeric_limits<float>::infinity(), 0.0F, 0.0F, 0.0F}).view({2, 2}), labels,
        gradient);
    EXPECT_FALSE(std::isfinite(infinite.loss));
  }
}

TEST(DropoutMask, IsAFunctionOfStreamAndElementAndHasTheRightRate) {
  const RandomStream stream{42, RandomPurpose::kDropout, 3, 17};
  at::Tensor first = at::empty({100003});
  at::Tensor second = at::empty({1000});
  at::Tensor other = at::empty({1000});
  const auto cpu = MakeCpuKernels();
  cpu->DropoutMask(stream, 0.25, 1 / 0.75, first);
  MakeAtenKernels(at::kCPU)->DropoutMask(stream, 0.25, 1 / 0.75, second);
  EXPECT_TRUE(at::equal(first.narrow(0, 0, 1000), second));  // whatever the size, on every device
  cpu->DropoutMask({42, RandomPurpose::kDropout, 3, 18}, 0.25, 1 / 0.75, other);
  EXPECT_FALSE(at::equal(second, other));

  const double dropped = first.eq(0).to(at::kDouble).mean().item<double>();
  EXPECT_NEAR(dropped, 0.25, 4 * std::sqrt(0.25 * 0.75 / 100003));  // four standard errors
  EXPECT_TRUE(
      at::logical_or(first.eq(0), first.eq(static_cast<float>(1 / 0.75))).all().item<bool>());
}

TEST(GatherImages, ConvertsTheRowsAskedFor) {
  std::vector<uint8_t> images(5 * 3072);
  for (size_t k = 0; k < images.size(); ++k)
    images[k] = static_cast<uint8_t>((k * 7 + k / 3072) % 256);
  const std::vector<uint32_t> indices = {4, 0, 4};
  const at::Tensor bytes = at::from_blob(images.data(), {5, 3072}, at::kByte).to(at::kFloat);
  const at::Tensor picked = bytes.index_select(0, at::tensor({4, 0, 4}, at::kLong));
  for (const auto& kernels : {MakeCpuKernels(), MakeAtenKernels(at::kCPU)}) {
    at::Tensor y = at::empty({3, 32, 32, 3});
    kernels->GatherImages(images.data(), 3072, indices.data(), 3, at::tensor({0.5F}),
                          at::tensor({-1.0F}), y);
    EXPECT_TRUE(at::equal(y.view({3, 3072}), picked * 0.5 - 1.0));
    const at::Tensor scale = Random({3072}, 18);
    const at::Tensor shift = Random({3072}, 19);
    kernels->GatherImages(images.data(), 3072, indices.data(), 3, scale, shift, y);
    EXPECT_TRUE(Near(y.view({3, 3072}), picked * scale + shift, 1e-6));
  }
}

}  // namespace
}  // namespace anneal
