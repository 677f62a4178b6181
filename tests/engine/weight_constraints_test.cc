#include "server/engine/weight_constraints.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

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

v1::Constraint Parse(const std::string& text) {
  v1::Constraint spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
  return spec;
}

FlatWeights Constrained(FlatWeights weights, const std::string& text) {
  for (WeightRange& range : weights.ranges) range.constraint = Parse(text);
  return weights;
}

TEST(WeightConstraints, DoesWhatKerasDid) {
  const std::vector<Recorded> all = ReadRecorded(ANNEAL_KERAS_REFERENCE "/constraints.csv");
  ASSERT_EQ(all.size(), 8U);
  int changed = 0;
  for (const Recorded& recorded : all) {
    const FlatWeights weights = Constrained(RecordedWeights(), recorded.option);
    for (const ComputePath path : kPaths) {
      SCOPED_TRACE(recorded.option + (path == ComputePath::kFused ? ", fused" : ", ATen"));
      WeightConstraints constraints(weights.ranges, path);
      EXPECT_TRUE(constraints.active());
      at::Tensor parameters = weights.Pack(recorded.before);
      constraints.Apply(parameters);
      EXPECT_TRUE(weights.PaddingUntouched(parameters));
      const std::vector<double> after = weights.Unpack(parameters);
      ASSERT_EQ(after.size(), recorded.after.size());
      for (size_t i = 0; i < after.size(); ++i) {
        EXPECT_NEAR(after[i], recorded.after[i], 3e-7 * std::abs(recorded.after[i])) << i;
        changed += std::abs(after[i] - recorded.before[i]) > 1e-3 * std::abs(after[i]);
      }
    }
  }
  EXPECT_GT(changed, 500);
}

// Column by column of a matrix with more columns than a vector register, against at::norm.
TEST(WeightConstraints, EveryColumnHasItsNorm) {
  at::manual_seed(4);
  for (const int64_t columns : {1, 2, 15, 16, 17, 200}) {
    for (const ComputePath path : kPaths) {
      FlatWeights weights({Shape{50, columns}});
      const at::Tensor before = at::randn({weights.total}) * 0.3F;
      const auto norms = [&](const at::Tensor& flat) {
        return flat.narrow(0, weights.ranges[0].offset, weights.ranges[0].count)
            .view({50, columns})
            .to(at::kDouble)
            .norm(2, 0);
      };
      weights.ranges[0].constraint = Parse("max_norm { max_value: 2 }");
      at::Tensor limited = before.clone();
      WeightConstraints(weights.ranges, path).Apply(limited);
      EXPECT_TRUE(at::allclose(norms(limited), norms(before).clamp_max(2.0), 1e-6, 0));

      weights.ranges[0].constraint = Parse("unit_norm {}");
      at::Tensor unit = before.clone();
      WeightConstraints(weights.ranges, path).Apply(unit);
      EXPECT_TRUE(at::allclose(norms(unit), at::ones({columns}, at::kDouble), 1e-6, 0));
    }
  }
}

TEST(WeightConstraints, OnlyWeightsThatHaveOne) {
  FlatWeights weights({{10, 4}, {4}, {9}});
  weights.ranges[1].constraint = Parse("non_neg {}");
  at::manual_seed(5);
  const at::Tensor before = at::randn({weights.total});
  for (const ComputePath path : kPaths) {
    at::Tensor parameters = before.clone();
    WeightConstraints(weights.ranges, path).Apply(parameters);
    at::Tensor expected = before.clone();
    expected.narrow(0, weights.ranges[1].offset, 4).clamp_min_(0);
    EXPECT_TRUE(at::equal(parameters, expected));
    EXPECT_FALSE(at::equal(parameters, before));
  }
  EXPECT_FALSE(WeightConstraints({}, ComputePath::kFused).active());
}

TEST(WeightConstraints, NanStaysInItsUnit) {
  for (const char* text : {"max_norm {}", "unit_norm {}", "non_neg {}"}) {
    for (const ComputePath path : kPaths) {
      SCOPED_TRACE(text);
      const FlatWeights weights = Constrained(FlatWeights({Shape{20, 3}}), text);
      at::Tensor parameters = at::ones({weights.total});
      parameters[weights.ranges[0].offset + 7] = NAN;  // row 2, column 1
      WeightConstraints(weights.ranges, path).Apply(parameters);
      const at::Tensor nan = at::isnan(parameters.narrow(0, weights.ranges[0].offset, 60));
      EXPECT_EQ(nan.sum().item<int64_t>(), std::string(text) == "non_neg {}" ? 1 : 20);
      EXPECT_TRUE(nan.view({20, 3}).select(1, 1)[2].item<bool>());
    }
  }
}

TEST(WeightConstraints, AllocatesNothing) {
  for (const char* text : {"max_norm {}", "unit_norm {}", "non_neg {}"}) {
    const FlatWeights weights = Constrained(RecordedWeights(), text);
    WeightConstraints constraints(weights.ranges, ComputePath::kFused);
    at::Tensor parameters = at::ones({weights.total});
    const auto info = std::make_shared<CountingInfo>();
    const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, info);
    constraints.Apply(parameters);
    EXPECT_EQ(info->allocations, 0);
  }
}

}  // namespace
}  // namespace anneal
