#include "server/engine/weight_penalties.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "google/protobuf/text_format.h"
#include "tests/engine/counting_info.h"
#include "tests/engine/weight_ranges.h"

namespace anneal {
namespace {

constexpr ComputePath kPaths[] = {ComputePath::kFused, ComputePath::kAten};

v1::Regularizer Parse(const std::string& text) {
  v1::Regularizer spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
  return spec;
}

struct Factors {
  std::string text;
  double l1;
  double l2;
};

// One weight each.
const Factors kFactors[] = {
    {"l1 {}", 0.01, 0},
    {"l1 { factor: 0.3 }", 0.3, 0},
    {"", 0, 0},
    {"l2 {}", 0, 0.01},
    {"l2 { factor: 0.5 }", 0, 0.5},
    {"l1_l2 {}", 0, 0},
    {"l1_l2 { l1: 0.2 l2: 0.7 }", 0.2, 0.7},
    {"l1_l2 { l2: 0.4 }", 0, 0.4},
};

FlatWeights Weights() {
  FlatWeights weights({{33, 7}, {5}, {100}, {3, 3, 4, 11}, {1}, {17}, {1000}, {16, 16}});
  for (size_t i = 0; i < weights.ranges.size(); ++i) {
    weights.ranges[i].regularizer = Parse(kFactors[i].text);
  }
  return weights;
}

TEST(WeightPenalties, AgreesWithAutograd) {
  const FlatWeights weights = Weights();
  ASSERT_EQ(weights.ranges.size(), std::size(kFactors));
  at::manual_seed(3);
  const at::Tensor parameters = at::randn({weights.total});
  parameters.slice(0, 0, weights.total, 5).zero_();  // where |w| has a corner
  const at::Tensor before = at::randn({weights.total});

  at::Tensor leaf = parameters.to(at::kDouble).requires_grad_();
  at::Tensor expected = at::zeros({}, at::kDouble);
  for (size_t i = 0; i < weights.ranges.size(); ++i) {
    const at::Tensor w = leaf.narrow(0, weights.ranges[i].offset, weights.ranges[i].count);
    expected = expected + kFactors[i].l1 * w.abs().sum() + kFactors[i].l2 * w.pow(2).sum();
  }
  expected.backward();
  const double sum = expected.item<double>();
  EXPECT_GT(sum, 100.0);

  for (const ComputePath path : kPaths) {
    SCOPED_TRACE(path == ComputePath::kFused ? "fused" : "ATen");
    const WeightPenalties penalties(weights.ranges, path);
    EXPECT_TRUE(penalties.active());
    at::Tensor gradients = before.clone();
    const double tolerance = path == ComputePath::kFused ? 1e-9 : 1e-6;
    EXPECT_NEAR(penalties.AddGradients(parameters, gradients), sum, tolerance * sum);
    EXPECT_NEAR(penalties.Penalty(parameters), sum, tolerance * sum);
    const at::Tensor added = gradients.to(at::kDouble) - before;
    EXPECT_LT((added - leaf.grad()).abs().max().item<double>(), 1e-6);
    // Nothing at all outside of what is penalized.
    EXPECT_TRUE((added == 0).logical_or(leaf.grad() != 0).all().item<bool>());
  }
}

TEST(WeightPenalties, NoneAtAll) {
  FlatWeights weights({{10}, {3}});
  weights.ranges[1].regularizer = Parse("l2 { factor: 0 }");
  const at::Tensor parameters = at::ones({weights.total});
  at::Tensor gradients = at::zeros({weights.total});
  for (const ComputePath path : kPaths) {
    const WeightPenalties penalties(weights.ranges, path);
    EXPECT_FALSE(penalties.active());
    EXPECT_EQ(penalties.AddGradients(parameters, gradients), 0.0);
    EXPECT_EQ(penalties.Penalty(parameters), 0.0);
    EXPECT_TRUE(at::equal(gradients, at::zeros({weights.total})));
  }
}

// A float sum of a million hundredths is off in the third digit.
TEST(WeightPenalties, SumsInDouble) {
  FlatWeights weights({Shape{1'000'000}});
  weights.ranges[0].regularizer = Parse("l1_l2 { l1: 1 l2: 1 }");
  const at::Tensor parameters = at::full({weights.total}, 0.01F);
  const double w = 0.01F;
  for (const ComputePath path : kPaths) {
    EXPECT_NEAR(WeightPenalties(weights.ranges, path).Penalty(parameters), 1e6 * (w + w * w), 1e-4);
  }
}

// A weight whose square float cannot hold.
TEST(WeightPenalties, HugeWeights) {
  FlatWeights weights({Shape{3}});
  weights.ranges[0].regularizer = Parse("l1_l2 { l1: 1 l2: 0 }");
  const at::Tensor parameters = weights.Pack({3e38, -3e38, 0});
  for (const ComputePath path : kPaths) {
    EXPECT_NEAR(WeightPenalties(weights.ranges, path).Penalty(parameters), 6e38, 1e32);
  }
  weights.ranges[0].regularizer = Parse("l2 { factor: 1 }");
  for (const ComputePath path : kPaths) {
    EXPECT_NEAR(WeightPenalties(weights.ranges, path).Penalty(parameters), 18e76, 1e70);
  }
}

TEST(WeightPenalties, NanShowsInTheSum) {
  FlatWeights weights({Shape{40}});
  weights.ranges[0].regularizer = Parse("l2 {}");
  at::Tensor parameters = at::ones({weights.total});
  parameters[weights.ranges[0].offset + 17] = NAN;
  at::Tensor gradients = at::zeros({weights.total});
  for (const ComputePath path : kPaths) {
    const WeightPenalties penalties(weights.ranges, path);
    EXPECT_TRUE(std::isnan(penalties.AddGradients(parameters, gradients)));
    EXPECT_TRUE(std::isnan(penalties.Penalty(parameters)));
    EXPECT_EQ(at::isnan(gradients).sum().item<int64_t>(), 1);
  }
}

TEST(WeightPenalties, AllocatesNothing) {
  const FlatWeights weights = Weights();
  const WeightPenalties penalties(weights.ranges, ComputePath::kFused);
  const at::Tensor parameters = at::ones({weights.total});
  at::Tensor gradients = at::zeros({weights.total});
  const auto info = std::make_shared<CountingInfo>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, info);
  penalties.AddGradients(parameters, gradients);
  penalties.Penalty(parameters);
  EXPECT_EQ(info->allocations, 0);
}

}  // namespace
}  // namespace anneal
