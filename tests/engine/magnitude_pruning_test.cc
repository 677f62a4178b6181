#include "server/engine/magnitude_pruning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "google/protobuf/text_format.h"
#include "server/engine/trainer.h"
#include "tests/engine/small_training.h"
#include "tests/engine/weight_ranges.h"

namespace anneal {
namespace {

using ::testing::ElementsAre;

v1::Pruning Parse(const std::string& text) {
  v1::Pruning spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
  return spec;
}

// Two layers of six weights and two biases each.
FlatWeights TwoLayers() {
  FlatWeights weights({{3, 2}, {2}, {2, 3}, {3}});
  weights.ranges[0].name = "first/kernel";
  weights.ranges[1].name = "first/bias";
  weights.ranges[2].name = "second/kernel";
  weights.ranges[3].name = "second/bias";
  return weights;
}

// Values whose magnitudes are in another order than their places, with equals.
std::vector<double> Values() {
  return {0.5, -0.1, 0.3, -0.3, 0.2, -0.9,          /*bias*/ 0.01, 0.02, -4,
          1,   -2,   2,   3,    0.5, /*bias*/ 0.01, 0.0,           0.03};
}

// Zhu & Gupta 2017, equation 1: s = s_f + (s_i - s_f) (1 - (t - t_0) / (n dt))^3.
TEST(SparsityAt, FollowsTheFormula) {
  v1::Pruning::PolynomialSparsity schedule =
      Parse("polynomial { final_sparsity: 0.8 begin_step: 100 end_step: 1100 }").polynomial();
  EXPECT_EQ(SparsityAt(schedule, 0), 0.0);
  EXPECT_EQ(SparsityAt(schedule, 100), 0.0);
  EXPECT_NEAR(SparsityAt(schedule, 350), 0.8 * (1 - 27.0 / 64), 1e-15);
  EXPECT_NEAR(SparsityAt(schedule, 600), 0.7, 1e-15);
  EXPECT_EQ(SparsityAt(schedule, 1100), 0.8);
  EXPECT_EQ(SparsityAt(schedule, 100'000), 0.8);
  schedule.set_initial_sparsity(0.5);
  EXPECT_EQ(SparsityAt(schedule, 100), 0.5);
  EXPECT_NEAR(SparsityAt(schedule, 600), 0.8 - 0.3 / 8, 1e-15);
  schedule.set_power(1);
  EXPECT_NEAR(SparsityAt(schedule, 600), 0.65, 1e-15);
}

TEST(MagnitudePruning, TheSmallestOfEachKernelGoAndTheFirstOfEquals) {
  const FlatWeights weights = TwoLayers();
  at::Tensor parameters = weights.Pack(Values());
  MagnitudePruning pruning(Parse("one_shot { sparsity: 0.5 }"), weights.ranges, 10);
  pruning.BeforeStep(0, parameters);
  const std::vector<double> after = weights.Unpack(parameters);
  const std::vector<double> expected = {0.5F, 0, 0, -0.3F, 0, -0.9F, 0.01F, 0.02F, -4,
                                        0,    0, 2, 3,     0, 0.01F, 0,     0.03F};
  EXPECT_EQ(after, expected);
  EXPECT_TRUE(weights.PaddingUntouched(parameters));
}

TEST(MagnitudePruning, OnlyTheNamedLayers) {
  const FlatWeights weights = TwoLayers();
  at::Tensor parameters = weights.Pack(Values());
  MagnitudePruning pruning(Parse("one_shot { threshold: 2 } layers: 'second'"), weights.ranges, 10);
  pruning.BeforeStep(0, parameters);
  const std::vector<double> after = weights.Unpack(parameters);
  EXPECT_EQ(std::vector<double>(after.begin(), after.begin() + 8),
            std::vector<double>({0.5F, -0.1F, 0.3F, -0.3F, 0.2F, -0.9F, 0.01F, 0.02F}));
  EXPECT_EQ(std::vector<double>(after.begin() + 8, after.end()),
            std::vector<double>({-4, 0, 0, 0, 3, 0, 0.01F, 0, 0.03F}));
}

TEST(MagnitudePruning, WaitsForItsStepAndThenKeepsZerosZero) {
  const FlatWeights weights = TwoLayers();
  at::Tensor parameters = weights.Pack(Values());
  MagnitudePruning pruning(Parse("one_shot { sparsity: 0.5 after_epoch: 2 }"), weights.ranges, 10);
  EXPECT_TRUE(pruning.active());
  const at::Tensor before = parameters.clone();
  for (int64_t step = 0; step < 20; ++step) {
    pruning.BeforeStep(step, parameters);
    pruning.Apply(parameters);
    ASSERT_TRUE(at::equal(parameters, before)) << step;
    EXPECT_FALSE(pruning.finished(step + 1)) << step;
  }
  pruning.BeforeStep(20, parameters);
  EXPECT_TRUE(pruning.finished(21));
  const at::Tensor zeros = parameters == 0;
  EXPECT_EQ(zeros.sum().item<int64_t>(), 7);  // six weights, and a bias that was 0
  parameters.add_(1.0);                       // what an optimizer might do
  pruning.Apply(parameters);
  EXPECT_EQ((parameters == 0).sum().item<int64_t>(), 6);
  pruning.BeforeStep(21, parameters);
  EXPECT_EQ((parameters == 0).sum().item<int64_t>(), 6);
}

TEST(MagnitudePruning, APolynomialGrowsTheSameMask) {
  const FlatWeights weights({{100, 10}});
  FlatWeights named = weights;
  named.ranges[0].name = "dense_1/kernel";
  at::manual_seed(1);
  at::Tensor parameters = at::randn({weights.total});
  MagnitudePruning pruning(
      Parse("polynomial { initial_sparsity: 0.1 final_sparsity: 0.75 begin_step: 5 end_step: 27 "
            "frequency: 10 power: 1 }"),
      named.ranges, 1);
  const at::Tensor kernel = parameters.narrow(0, weights.ranges[0].offset, 1000);
  std::vector<int64_t> zeros;
  at::Tensor mask = kernel == 0;
  for (int64_t step = 0; step < 40; ++step) {
    pruning.BeforeStep(step, parameters);
    const at::Tensor now = kernel == 0;
    EXPECT_TRUE((now.logical_or(mask) == now).all().item<bool>()) << "a zero came back at " << step;
    mask = now;
    const int64_t count = now.sum().item<int64_t>();
    if (zeros.empty() || zeros.back() != count) zeros.push_back(count);
    kernel.add_(at::randn({1000}), 0.1);
    pruning.Apply(parameters);
    EXPECT_EQ(pruning.finished(step + 1), step >= 27) << step;
  }
  // At 5, 15, 25 and 27: 0.75 - 0.65 (1 - (step - 5) / 22).
  const auto at = [](double step) {
    return std::llround(1000 * (0.75 - 0.65 * (1 - (step - 5) / 22)));
  };
  EXPECT_THAT(zeros, ElementsAre(0, 100, at(15), at(25), 750));
}

// Weights can become 0 otherwise, as by NonNeg: they must not take the places of pruned ones.
TEST(MagnitudePruning, WhatWasPrunedStaysAmongOtherZeros) {
  FlatWeights weights({{6, 1}});
  weights.ranges[0].name = "dense_1/kernel";
  at::Tensor parameters = weights.Pack({6, 5, 4, 3, 2, 1});
  MagnitudePruning pruning(
      Parse("polynomial { initial_sparsity: 0.3 final_sparsity: 0.5 end_step: 10 frequency: 10 }"),
      weights.ranges, 1);
  pruning.BeforeStep(0, parameters);
  EXPECT_THAT(weights.Unpack(parameters), ElementsAre(6, 5, 4, 3, 0, 0));
  at::Tensor kernel = parameters.narrow(0, weights.ranges[0].offset, 6);
  kernel.narrow(0, 0, 3).zero_();
  pruning.BeforeStep(10, parameters);
  kernel.add_(1.0);
  pruning.Apply(parameters);
  EXPECT_THAT(weights.Unpack(parameters), ElementsAre(0, 1, 1, 4, 0, 0));
}

// A step whose loss was still finite may leave NaN; the next one ends the training.
TEST(MagnitudePruning, NanCountsAsTheLargest) {
  FlatWeights weights({{1000, 1}});
  weights.ranges[0].name = "dense_1/kernel";
  std::vector<double> values;
  for (int i = 0; i < 1000; ++i) values.push_back(i % 2 == 0 ? std::nan("") : 1000 - i);
  at::Tensor parameters = weights.Pack(values);
  MagnitudePruning pruning(Parse("one_shot { sparsity: 0.4 }"), weights.ranges, 1);
  pruning.BeforeStep(0, parameters);
  const std::vector<double> after = weights.Unpack(parameters);
  for (size_t i = 0; i < 1000; ++i) {
    if (i % 2 == 0) {
      EXPECT_TRUE(std::isnan(after[i])) << i;
    } else {
      EXPECT_EQ(after[i], i < 200 ? values[i] : 0) << i;
    }
  }
}

absl::StatusOr<TrainingOutcome> Train(const std::string& fields, RecordingObserver& observer) {
  ProgressCell progress;
  const SystemClock clock;
  return RunTraining(SmallSpec(R"(
      input { rescale { factor: 0.00392156862745098 } }
      network {
        layers { flatten {} }
        layers { dense { units: 16 activation: RELU } }
        layers { dense { units: 4 activation: SOFTMAX } }
      }
      batch_size: 8 seed: 3 validation { split: 'test' } test { split: 'test' }
      optimizer { nadam { learning_rate: 0.003 } } )" +
                               fields),
                     std::make_shared<Dataset>(SmallDataset()), MakeCpuKernels(), "", {}, clock,
                     observer.stop.get_token(), observer, progress);
}

double FinalSparsity(const TrainingOutcome& outcome) {
  for (const MetricValue& metric : outcome.result.metrics) {
    if (metric.name == "sparsity") return metric.value;
  }
  return std::nan("");
}

TEST(MagnitudePruning, ATrainingEndsAsSparseAsAskedAndSaysSo) {
  RecordingObserver observer;
  const auto outcome =
      Train("epochs: 12 pruning { polynomial { final_sparsity: 0.8 end_step: 40 frequency: 5 } }",
            observer);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  ASSERT_EQ(observer.records.size(), 12U);
  for (size_t k = 0; k < 12; ++k) {
    // 8 steps an epoch: the last pruning is before the first step of the sixth.
    const double sparsity = observer.Metric(k, "sparsity");
    if (k < 5) {
      EXPECT_LT(sparsity, 0.8) << k;
      EXPECT_GT(sparsity, k == 0 ? 0.0 : observer.Metric(k - 1, "sparsity")) << k;
    } else {
      EXPECT_EQ(observer.Metric(k, "dense_1/sparsity"), std::round(0.8 * 128 * 16) / (128 * 16));
      EXPECT_EQ(observer.Metric(k, "dense_2/sparsity"), std::round(0.8 * 16 * 4) / (16 * 4));
    }
  }
  EXPECT_GT(observer.Metric(11, "val_accuracy"), 0.9);
  EXPECT_NEAR(FinalSparsity(*outcome), 0.8, 0.001);
}

TEST(MagnitudePruning, TheBestWeightsArePrunedOnes) {
  RecordingObserver observer;
  const auto outcome = Train(
      "epochs: 8 pruning { one_shot { sparsity: 0.98 after_epoch: 4 } } "
      "early_stopping { patience: 100 restore_best_weights: true }",
      observer);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  // The dense network was better.
  EXPECT_LT(observer.Metric(3, "val_loss"), observer.Metric(7, "val_loss"));
  EXPECT_EQ(observer.Metric(3, "sparsity"), 0.0);
  EXPECT_GT(outcome->result.best_epoch, 4);
  EXPECT_NEAR(FinalSparsity(*outcome), 0.98, 0.001);
}

// The norms that a constraint asks for are those of the weights that are left.
TEST(MagnitudePruning, AConstraintHoldsForWhatIsLeft) {
  RecordingObserver observer;
  ProgressCell progress;
  const SystemClock clock;
  const auto outcome = RunTraining(SmallSpec(R"(
      input { rescale { factor: 0.00392156862745098 } }
      network { layers { flatten {} }
                layers { dense { units: 4 activation: SOFTMAX use_bias: false
                                 kernel_constraint { unit_norm {} } } } }
      batch_size: 8 seed: 3 epochs: 2 optimizer { sgd { learning_rate: 0.5 } }
      pruning { one_shot { sparsity: 0.5 } } diagnostics { weight_norm: true } )"),
                                   std::make_shared<Dataset>(SmallDataset()), MakeCpuKernels(), "", {},
                                   clock, observer.stop.get_token(), observer, progress);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(observer.Metric(1, "sparsity"), 0.5);
  EXPECT_NEAR(observer.Metric(1, "weight_norm"), 2, 1e-5);  // four columns of norm 1
}

}  // namespace
}  // namespace anneal
