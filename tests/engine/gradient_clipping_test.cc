#include "server/engine/gradient_clipping.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
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

v1::Optimizer Parse(const std::string& text) {
  v1::Optimizer spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
  return spec;
}

TEST(GradientClipping, DoesWhatKerasDid) {
  const FlatWeights weights = RecordedWeights();
  const std::vector<Recorded> all = ReadRecorded(ANNEAL_KERAS_REFERENCE "/clipping.csv");
  ASSERT_EQ(all.size(), 21U);
  int changed = 0;
  for (const Recorded& recorded : all) {
    for (const ComputePath path : kPaths) {
      SCOPED_TRACE(recorded.option + (path == ComputePath::kFused ? ", fused" : ", ATen"));
      const GradientClipping clipping(Parse(recorded.option), weights.ranges, path);
      EXPECT_TRUE(clipping.active());
      at::Tensor gradients = weights.Pack(recorded.before);
      clipping.Apply(gradients);
      EXPECT_TRUE(weights.PaddingUntouched(gradients));
      const std::vector<double> after = weights.Unpack(gradients);
      ASSERT_EQ(after.size(), recorded.after.size());
      for (size_t i = 0; i < after.size(); ++i) {
        const double expected = recorded.after[i];
        if (std::isnan(expected)) {
          EXPECT_TRUE(std::isnan(after[i])) << i;
        } else {
          EXPECT_NEAR(after[i], expected, 3e-7 * std::abs(expected)) << i;
        }
        changed += after[i] != recorded.before[i];
      }
    }
  }
  EXPECT_GT(changed, 1000);
}

TEST(GradientClipping, WhatIsSmallEnoughKeepsItsBits) {
  const FlatWeights weights({{1000}, {7, 3}});
  at::manual_seed(1);
  const at::Tensor before = at::randn({weights.total}) * 0.01F;
  for (const char* text : {"", "clipnorm: 10", "clipvalue: 1", "global_clipnorm: 10"}) {
    const GradientClipping clipping(Parse(text), weights.ranges, ComputePath::kFused);
    at::Tensor gradients = before.clone();
    clipping.Apply(gradients);
    EXPECT_TRUE(at::equal(gradients, before)) << text;
  }
  EXPECT_FALSE(GradientClipping(Parse("sgd {}"), weights.ranges, ComputePath::kFused).active());
}

TEST(GradientClipping, NormsAfterwards) {
  const FlatWeights weights({{1001}, {70, 30}, {1}});
  at::manual_seed(2);
  for (const ComputePath path : kPaths) {
    const at::Tensor before = at::randn({weights.total});
    at::Tensor each = before.clone();
    at::Tensor all = before.clone();
    GradientClipping(Parse("clipnorm: 0.25"), weights.ranges, path).Apply(each);
    GradientClipping(Parse("global_clipnorm: 0.25"), weights.ranges, path).Apply(all);
    double squares = 0;
    for (const WeightRange& range : weights.ranges) {
      const auto norm = [&](const at::Tensor& flat) {
        return flat.narrow(0, range.offset, range.count).to(at::kDouble).norm().item<double>();
      };
      EXPECT_NEAR(norm(each), std::min(norm(before), 0.25), 1e-7);
      squares += norm(all) * norm(all);
    }
    EXPECT_NEAR(std::sqrt(squares), 0.25, 1e-7);
  }
}

// Whose squares float cannot hold.
TEST(GradientClipping, HugeFiniteGradients) {
  const FlatWeights weights({Shape{4}});
  for (const char* text : {"clipnorm: 1", "global_clipnorm: 1"}) {
    at::Tensor gradients = weights.Pack({3e30, -3e30, 3e30, 3e30});
    GradientClipping(Parse(text), weights.ranges, ComputePath::kFused).Apply(gradients);
    for (const double g : weights.Unpack(gradients)) EXPECT_NEAR(std::abs(g), 0.5, 1e-6) << text;
  }
}

TEST(GradientClipping, NoWeights) {
  for (const ComputePath path : kPaths) {
    for (const char* text : {"clipnorm: 1", "clipvalue: 1", "global_clipnorm: 1"}) {
      at::Tensor gradients = at::ones({16});
      GradientClipping(Parse(text), {}, path).Apply(gradients);
      EXPECT_TRUE(at::equal(gradients, at::ones({16})));
    }
  }
}

TEST(GradientClipping, AllocatesNothing) {
  const FlatWeights weights = RecordedWeights();
  at::Tensor gradients = at::ones({weights.total});
  for (const char* text : {"clipnorm: 0.5", "clipvalue: 0.5", "global_clipnorm: 0.5"}) {
    const GradientClipping clipping(Parse(text), weights.ranges, ComputePath::kFused);
    const auto info = std::make_shared<CountingInfo>();
    const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, info);
    clipping.Apply(gradients);
    EXPECT_EQ(info->allocations, 0) << text;
    at::empty({10});
    EXPECT_EQ(info->allocations, 1);  // the counter counts
  }
}

}  // namespace
}  // namespace anneal
