#include "server/engine/lr_range_test.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "server/engine/network.h"
#include "tests/engine/small_training.h"

namespace anneal {
namespace {

constexpr char kTraining[] = R"(
    input { rescale { factor: 0.00392156862745098 } }
    network { layers { flatten {} } layers { dense { units: 12 activation: ELU } }
              layers { batch_normalization {} } layers { dense { units: 4 activation: SOFTMAX } } }
    batch_size: 16 seed: 5 epochs: 7 )";

struct Outcome {
  absl::StatusOr<TrainingOutcome> outcome;
  ValidatedSpec spec;
  ProgressSnapshot progress;
};

Outcome RunTest(const std::string& fields, const std::string& test, bool stop = false) {
  const ValidatedSpec spec =
      SmallSpec(std::string(kTraining) + fields, "lr_range_test { " + test + " }");
  ProgressCell progress;
  const SystemClock clock;
  std::stop_source source;
  if (stop) source.request_stop();
  auto outcome = RunLearningRateRangeTest(spec, std::make_shared<Dataset>(SmallDataset()),
                                          MakeCpuKernels(), clock, source.get_token(), progress);
  return {std::move(outcome), spec, progress.Snapshot(clock.MonotonicUs())};
}

TEST(LearningRateRangeTest, GrowsExponentiallyAndPutsTheWeightsBack) {
  const Outcome run =
      RunTest("optimizer { sgd {} }", "max_learning_rate: 0.1 steps: 41 smoothing: 0.9");
  ASSERT_TRUE(run.outcome.ok()) << run.outcome.status();
  EXPECT_TRUE(run.outcome->succeeded());
  const LearningRateCurve& curve = *run.outcome->result.learning_rate_curve;
  EXPECT_FALSE(curve.diverged);
  ASSERT_EQ(curve.points.size(), 41U);
  double mean = 0;
  for (size_t n = 0; n < 41; ++n) {
    const LearningRatePoint& point = curve.points[n];
    EXPECT_EQ(point.step, static_cast<int64_t>(n) + 1);
    EXPECT_NEAR(point.learning_rate / (1e-5 * std::pow(10.0, 0.1 * static_cast<double>(n))), 1,
                1e-12);
    mean = 0.9 * mean + 0.1 * point.loss;
    EXPECT_NEAR(point.smoothed_loss, mean / (1 - std::pow(0.9, static_cast<double>(n + 1))), 1e-12);
  }
  EXPECT_EQ(run.outcome->result.epochs, 0);
  EXPECT_EQ(run.outcome->result.weights_sha256,
            Network::Create(run.spec, MakeCpuKernels())->WeightsSha256());
  EXPECT_EQ(run.progress.batch, 41);
  EXPECT_EQ(run.progress.batches, 41);
}

// The losses are those of a loop by hand, whose rate is set before each step: the first is of the
// weights as they were made, the second of weights after one step with the first rate.
TEST(LearningRateRangeTest, TakesRealSteps) {
  const ValidatedSpec spec =
      SmallSpec(R"(
      network { layers { flatten {} } layers { dense { units: 4 activation: SOFTMAX } } }
      input { rescale { factor: 0.01 } } batch_size: 30 shuffle: false optimizer { sgd {} } )",
                "lr_range_test { min_learning_rate: 0.5 max_learning_rate: 2 steps: 10 }");
  ProgressCell progress;
  const SystemClock clock;
  const auto outcome = RunLearningRateRangeTest(spec, std::make_shared<Dataset>(SmallDataset()),
                                                MakeCpuKernels(), clock, {}, progress);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  const Dataset data = SmallDataset();
  const DatasetSplit& train = *data.FindSplit("train");
  const at::Tensor images =
      at::from_blob(const_cast<uint8_t*>(train.images.data()), {60, 128}, at::kByte)
          .to(at::kFloat) *
      0.01;
  const at::Tensor labels =
      at::from_blob(const_cast<int32_t*>(train.labels.data()), {60}, at::kInt).to(at::kLong);
  const auto network = Network::Create(spec, MakeCpuKernels());
  std::vector<at::Tensor> w;
  for (const NamedWeight& weight : network->weights())
    w.push_back(weight.value.clone().requires_grad_());
  const std::vector<LearningRatePoint>& points = outcome->result.learning_rate_curve->points;
  ASSERT_GE(points.size(), 4U);
  for (size_t n = 0; n < points.size(); ++n) {
    const int64_t begin = n % 2 == 0 ? 0 : 30;
    const at::Tensor loss =
        torch::nll_loss(torch::log_softmax(images.narrow(0, begin, 30).matmul(w[0]) + w[1], 1),
                        labels.narrow(0, begin, 30));
    EXPECT_NEAR(points[n].loss, loss.item<double>(), 1e-4) << n;
    loss.backward();
    const torch::NoGradGuard guard;
    for (at::Tensor& weight : w) {
      weight.sub_(weight.grad(), points[n].learning_rate);
      weight.mutable_grad().reset();
    }
  }
}

TEST(LearningRateRangeTest, StopsWhereTheLossDiverges) {
  for (const char* end :
       {"max_learning_rate: 1e6", "max_learning_rate: 1e30 divergence_factor: 1e30"}) {
    const Outcome run =
        RunTest("optimizer { sgd { momentum: 0.9 } }", std::string(end) + " steps: 400 smoothing: 0.5");
    ASSERT_TRUE(run.outcome.ok()) << run.outcome.status();
    EXPECT_TRUE(run.outcome->succeeded()) << run.outcome->message;
    const LearningRateCurve& curve = *run.outcome->result.learning_rate_curve;
    EXPECT_TRUE(curve.diverged) << end;
    EXPECT_LT(curve.points.size(), 400U) << end;
    // The steps go through the samples many times: what is left counts all of it.
    ASSERT_GT(curve.points.size(), 10U) << end;
    EXPECT_GT(run.progress.remaining_us, 1) << end;
    EXPECT_NE(run.outcome->message.find("at a learning rate of "), std::string::npos)
        << run.outcome->message;
    for (const LearningRatePoint& point : curve.points)
      ASSERT_TRUE(std::isfinite(point.smoothed_loss));
    EXPECT_EQ(run.outcome->result.weights_sha256,
              Network::Create(run.spec, MakeCpuKernels())->WeightsSha256());
  }
}

// The schedule, early stopping and pruning are of a training; the test has its own rates, and one
// epoch by default.
TEST(LearningRateRangeTest, LeavesOutWhatBelongsToATraining) {
  const Outcome plain = RunTest("optimizer { sgd {} }", "max_learning_rate: 0.1");
  const Outcome more =
      RunTest("optimizer { sgd {} schedule { exponential_decay { decay_steps: 1 decay_rate: 0.1 } } } "
          "validation { split: 'test' } test { split: 'test' } "
          "early_stopping { patience: 1 } pruning { one_shot { sparsity: 0.9 } } "
          "diagnostics { gradient_norm: true }",
          "max_learning_rate: 0.1");
  ASSERT_TRUE(plain.outcome.ok() && more.outcome.ok());
  EXPECT_EQ(plain.outcome->result.learning_rate_curve->points.size(), 10U);  // of 4 batches
  EXPECT_EQ(plain.outcome->result.learning_rate_curve, more.outcome->result.learning_rate_curve);
}

TEST(LearningRateRangeTest, StopsWhenAsked) {
  const Outcome run = RunTest("optimizer { sgd {} }", "", /*stop=*/true);
  EXPECT_TRUE(absl::IsCancelled(run.outcome.status())) << run.outcome.status();
}

TEST(LearningRateRangeTest, ALossThatIsNoNumberFromTheStartIsDivergence) {
  const ValidatedSpec spec = SmallSpec(R"(
      network { layers { flatten {} }
                layers { dense { units: 4 activation: SOFTMAX kernel_initializer { constant { value: 3e38 } } } } }
      optimizer { sgd {} } )",
                                       "lr_range_test {}");
  ProgressCell progress;
  const SystemClock clock;
  const auto outcome = RunLearningRateRangeTest(spec, std::make_shared<Dataset>(SmallDataset()),
                                                MakeCpuKernels(), clock, {}, progress);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->stop_reason, StopReason::kDiverged);
  EXPECT_FALSE(outcome->result.learning_rate_curve.has_value());
}

}  // namespace
}  // namespace anneal
