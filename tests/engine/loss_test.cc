#include "server/engine/loss.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>
#include <limits>
#include <memory>
#include <string>

namespace anneal {
namespace {

std::unique_ptr<Loss> Parse(const std::string& text) {
  v1::Loss spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
  return Loss::Create(spec);
}

at::Tensor OneHot(const at::Tensor& labels, int64_t classes) {
  return at::zeros({labels.size(0), classes}).scatter_(1, labels.to(at::kLong).unsqueeze(1), 1.0);
}

struct LossCase {
  std::string name;
  std::string spec;
  int64_t outputs;
  // The mean loss by torch, from outputs and the labels as targets.
  std::function<at::Tensor(const at::Tensor&, const at::Tensor&)> expected;
};

class LossTest : public ::testing::TestWithParam<LossCase> {};

TEST_P(LossTest, ValueGradientAndHitsAgreeWithAutograd) {
  const LossCase& c = GetParam();
  const at::Tensor labels = c.outputs == 1 ? at::tensor({0, 1, 1, 0, 1, 1}, at::kInt)
                                           : at::tensor({3, 0, 4, 1, 2, 3}, at::kInt);
  at::Tensor output =
      (at::randn({6, c.outputs}, at::detail::createCPUGenerator(4)) * 2).requires_grad_();
  const at::Tensor targets =
      c.outputs == 1 ? labels.unsqueeze(1).to(at::kFloat) : OneHot(labels, c.outputs);
  const at::Tensor expected = c.expected(output, targets);
  expected.backward();

  const auto loss = Parse(c.spec);
  const auto kernels = MakeCpuKernels();
  at::Tensor gradient = at::empty({6, c.outputs});
  const LossSums sums = loss->EvaluateWithGradient(*kernels, output.detach(), labels, gradient);
  EXPECT_NEAR(sums.loss / 6, expected.item<double>(), 2e-6);
  EXPECT_TRUE(at::allclose(gradient, output.grad(), 1e-5, 1e-6));
  const LossSums alone = loss->Evaluate(*kernels, output.detach(), labels);
  EXPECT_DOUBLE_EQ(alone.loss, sums.loss);
  EXPECT_EQ(alone.correct, sums.correct);
  at::Tensor in_place = output.detach().clone();
  loss->EvaluateWithGradient(*kernels, in_place, labels, in_place);
  EXPECT_TRUE(at::equal(in_place, gradient));
}

at::Tensor Smoothed(const at::Tensor& t, double smoothing, double classes) {
  return t * (1 - smoothing) + smoothing / classes;
}

INSTANTIATE_TEST_SUITE_P(
    All, LossTest,
    ::testing::Values(
        LossCase{"sparse", "sparse_categorical_crossentropy {}", 5,
                 [](const at::Tensor& output, const at::Tensor& targets) {
                   return torch::cross_entropy_loss(output, targets);
                 }},
        LossCase{"categorical", "categorical_crossentropy {}", 5,
                 [](const at::Tensor& output, const at::Tensor& targets) {
                   return torch::cross_entropy_loss(output, targets);
                 }},
        LossCase{"smoothed", "categorical_crossentropy { label_smoothing: 0.2 }", 5,
                 [](const at::Tensor& output, const at::Tensor& targets) {
                   return torch::cross_entropy_loss(output, Smoothed(targets, 0.2, 5));
                 }},
        LossCase{"binary", "binary_crossentropy {}", 5,
                 [](const at::Tensor& output, const at::Tensor& targets) {
                   return torch::binary_cross_entropy_with_logits(output, targets);
                 }},
        LossCase{"binary_one_output", "binary_crossentropy { label_smoothing: 0.1 }", 1,
                 [](const at::Tensor& output, const at::Tensor& targets) {
                   return torch::binary_cross_entropy_with_logits(output,
                                                                  Smoothed(targets, 0.1, 2));
                 }},
        LossCase{"squared", "mean_squared_error {}", 5,
                 [](const at::Tensor& output, const at::Tensor& targets) {
                   return torch::mse_loss(output, targets);
                 }},
        LossCase{"absolute", "mean_absolute_error {}", 5,
                 [](const at::Tensor& output, const at::Tensor& targets) {
                   return torch::l1_loss(output, targets);
                 }},
        LossCase{"huber", "huber {}", 5,
                 [](const at::Tensor& output, const at::Tensor& targets) {
                   return torch::huber_loss(output, targets);
                 }},
        LossCase{"huber_wide", "huber { delta: 2.5 }", 5,
                 [](const at::Tensor& output, const at::Tensor& targets) {
                   return torch::huber_loss(output, targets, at::Reduction::Mean, 2.5);
                 }}),
    [](const auto& tested) { return tested.param.name; });

TEST(Loss, AppliesTheActivationItIsExactWith) {
  const auto fused = [](const std::string& text) {
    v1::Loss spec;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec));
    return Loss::FusedActivation(spec);
  };
  EXPECT_EQ(fused("sparse_categorical_crossentropy {}"), v1::Activation::SOFTMAX);
  EXPECT_EQ(fused("sparse_categorical_crossentropy { from_logits: true }"), v1::Activation::LINEAR);
  EXPECT_EQ(fused("categorical_crossentropy {}"), v1::Activation::SOFTMAX);
  EXPECT_EQ(fused("binary_crossentropy {}"), v1::Activation::SIGMOID);
  EXPECT_EQ(fused("binary_crossentropy { from_logits: true }"), v1::Activation::LINEAR);
  EXPECT_EQ(fused("mean_squared_error {}"), v1::Activation::LINEAR);
}

TEST(Loss, ASingleOutputHitsOnTheRightSideOfOneHalf) {
  const at::Tensor labels = at::tensor({0, 1, 0, 1}, at::kInt);
  const auto kernels = MakeCpuKernels();
  const auto hits = [&](const std::string& loss, const at::Tensor& output) {
    return Parse(loss)->Evaluate(*kernels, output.view({4, 1}), labels).correct;
  };
  EXPECT_EQ(hits("binary_crossentropy {}", at::tensor({-0.1F, 0.1F, 0.3F, 0.3F})),
            3);  // logits: the boundary is 0
  EXPECT_EQ(hits("mean_squared_error {}", at::tensor({0.4F, 0.6F, 0.7F, 0.3F})),
            2);  // values: it is 0.5
}

TEST(CountTopK, CountsLabelsAmongTheLargest) {
  const at::Tensor output =
      at::tensor({0.1F, 0.5F, 0.4F, 0.9F, 0.2F, 0.3F, 1.0F, 1.0F, 1.0F}).view({3, 3});
  const at::Tensor labels = at::tensor({0, 2, 1}, at::kInt);
  EXPECT_EQ(CountTopK(output, labels, 1), 1);  // the last row: equals do not count against it
  EXPECT_EQ(CountTopK(output, labels, 2), 2);
  EXPECT_EQ(CountTopK(output, labels, 3), 3);
  const at::Tensor bad = at::full({1, 3}, std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(CountTopK(bad, at::tensor({0}, at::kInt), 3), 0);
}

}  // namespace
}  // namespace anneal
