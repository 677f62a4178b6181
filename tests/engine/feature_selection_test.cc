#include "server/engine/feature_selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "google/protobuf/text_format.h"
#include "server/core/random.h"
#include "server/engine/input_preparation.h"
#include "server/engine/trainer.h"
#include "tests/engine/small_training.h"

namespace anneal {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;

LabelledRows Rows(std::vector<std::pair<int32_t, std::vector<float>>> samples) {
  LabelledRows rows;
  rows.samples = static_cast<int64_t>(samples.size());
  rows.features = static_cast<int64_t>(samples[0].second.size());
  for (const auto& [label, values] : samples)
    rows.classes = std::max<int64_t>(rows.classes, label + 1);
  rows.each = [samples = std::move(samples)](const auto& use) {
    for (const auto& [label, values] : samples) use(label, values.data());
  };
  return rows;
}

TEST(ScoreFeatures, VarianceIsThePopulations) {
  const LabelledRows rows = Rows({{0, {1, 5}}, {0, {2, 5}}, {1, {3, 5}}, {1, {4, 5}}});
  EXPECT_THAT(ScoreFeatures(v1::SelectFeatures::VARIANCE, rows),
              ElementsAre(DoubleNear(1.25, 1e-12), 0.0));
}

// One-way analysis of variance by hand: class means 2 and 6, mean 4; between 3 * 4 + 3 * 4 = 24,
// within 2 + 8 = 10; (24 / 1) / (10 / 4) = 9.6. Then: the same mean in both classes; no change at
// all; change between classes alone.
TEST(ScoreFeatures, FScore) {
  const LabelledRows rows = Rows({{0, {1, 1, 7, 2}},
                                  {0, {2, 2, 7, 2}},
                                  {0, {3, 3, 7, 2}},
                                  {1, {4, 3, 7, 5}},
                                  {1, {6, 2, 7, 5}},
                                  {1, {8, 1, 7, 5}}});
  EXPECT_THAT(ScoreFeatures(v1::SelectFeatures::F_SCORE, rows),
              ElementsAre(DoubleNear(9.6, 1e-12), DoubleNear(0, 1e-12), 0.0,
                          std::numeric_limits<double>::infinity()));
}

// A class between others that has no samples does not count.
TEST(ScoreFeatures, FScoreOfClassesWithSamples) {
  const LabelledRows rows = Rows({{0, {1}}, {0, {2}}, {0, {3}}, {2, {4}}, {2, {6}}, {2, {8}}});
  EXPECT_THAT(ScoreFeatures(v1::SelectFeatures::F_SCORE, rows),
              ElementsAre(DoubleNear(9.6, 1e-12)));
}

// In nats: the label itself tells ln 2; a constant and an independent value nothing; a value that
// tells half of the samples apart from the rest: H(y) - H(y | x) with x = 1 on half of class 1:
// ln 2 - 3/4 (-(2/3) ln(2/3) - (1/3) ln(1/3)).
TEST(ScoreFeatures, MutualInformation) {
  const LabelledRows rows =
      Rows({{0, {-3, 9, 0, 0}}, {0, {-3, 9, 1, 0}}, {1, {0.5, 9, 0, 0}}, {1, {0.5, 9, 1, 1}}});
  const double conditional = 0.75 * (-2.0 / 3 * std::log(2.0 / 3) - 1.0 / 3 * std::log(1.0 / 3));
  EXPECT_THAT(ScoreFeatures(v1::SelectFeatures::MUTUAL_INFORMATION, rows),
              ElementsAre(DoubleNear(std::log(2.0), 1e-12), 0.0, DoubleNear(0, 1e-12),
                          DoubleNear(std::log(2.0) - conditional, 1e-12)));
}

// Bins of equal width from smallest to largest keep all 256 bytes apart, under any affine map.
TEST(ScoreFeatures, MutualInformationOfBytesIsExact) {
  std::vector<std::pair<int32_t, std::vector<float>>> samples;
  std::vector<std::vector<double>> joint(256, std::vector<double>(3));
  for (uint32_t n = 0; n < 2000; ++n) {
    const auto words = RandomStream{3, RandomPurpose::kSynthetic, 0, 0}.Block(n);
    const auto label = static_cast<int32_t>(words[0] % 3);
    const uint32_t byte =
        n < 2 ? n * 255 : (words[1] % 128 + 64 * static_cast<uint32_t>(label)) % 256;
    const auto value = static_cast<float>(byte);
    samples.push_back({label, {value, value * 0.00392156862745098F - 7.3F}});
    joint[byte][static_cast<size_t>(label)] += 1.0 / 2000;
  }
  double expected = 0;
  for (const auto& row : joint) {
    for (size_t y = 0; y < 3; ++y) {
      if (row[y] == 0) continue;
      double of_label = 0;
      for (const auto& other : joint) of_label += other[y];
      expected += row[y] * std::log(row[y] / ((row[0] + row[1] + row[2]) * of_label));
    }
  }
  EXPECT_THAT(ScoreFeatures(v1::SelectFeatures::MUTUAL_INFORMATION, Rows(samples)),
              ElementsAre(DoubleNear(expected, 1e-9), DoubleNear(expected, 1e-9)));
}

// Counts are held for some features at a time: with so many classes, for fewer than there are.
TEST(ScoreFeatures, MutualInformationGoesThroughFeaturesInBlocks) {
  constexpr int32_t kClasses = 1000;  // 65 features a block
  std::vector<std::pair<int32_t, std::vector<float>>> samples;
  for (const int32_t label : {0, kClasses - 1}) {
    std::vector<float> values(200);
    for (size_t f = 0; f < values.size(); ++f)
      values[f] = f % 3 == 0 ? static_cast<float>(label) : 1.0F;
    samples.emplace_back(label, values);
  }
  const std::vector<double> scores =
      ScoreFeatures(v1::SelectFeatures::MUTUAL_INFORMATION, Rows(samples));
  ASSERT_EQ(scores.size(), 200U);
  for (size_t f = 0; f < scores.size(); ++f)
    EXPECT_NEAR(scores[f], f % 3 == 0 ? std::log(2.0) : 0, 1e-12) << f;
}

// As where a factor is beyond single precision: such features are not chosen before others.
TEST(ScoreFeatures, WhatIsNotFiniteIsNotChosen) {
  const float infinite = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const LabelledRows rows = Rows({{0, {infinite, nan, 1, 0}},
                                  {0, {-infinite, 1, 2, 0}},
                                  {1, {infinite, nan, 8, 0}},
                                  {1, {0, nan, 9, 1}}});
  for (const auto score : {v1::SelectFeatures::VARIANCE, v1::SelectFeatures::F_SCORE}) {
    EXPECT_THAT(LargestScores(ScoreFeatures(score, rows), 2), ElementsAre(2, 3))
        << v1::SelectFeatures::Score_Name(score);
  }
  for (const double each : ScoreFeatures(v1::SelectFeatures::MUTUAL_INFORMATION, rows))
    EXPECT_TRUE(each >= 0 && each <= std::log(2.0) + 1e-12) << each;
}

TEST(LargestScores, NanIsTheSmallest) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(LargestScores({nan, 1, nan, -5, nan, 3}, 3), ElementsAre(1, 3, 5));
  EXPECT_THAT(LargestScores({nan, nan, nan}, 2), ElementsAre(0, 1));
}

TEST(LargestScores, AscendingIndicesAndTheFirstOfEquals) {
  const double infinite = std::numeric_limits<double>::infinity();
  EXPECT_THAT(LargestScores({1, 5, 3, 5, infinite, 3}, 4), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(LargestScores({2, 2, 2}, 2), ElementsAre(0, 1));
}

google::protobuf::RepeatedPtrField<v1::InputStep> Steps(const std::string& text) {
  v1::TrainingSpec spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec));
  return spec.input();
}

TEST(InputPreparation, SelectsOnTheTrainingSamplesAndScalesAfterwards) {
  // Four features, four samples, the last held out: there the first feature changes most.
  DatasetSplit split;
  split.images = {9, 10, 0, 100, 9, 10, 6, 60, 9, 13, 3, 20, 255, 0, 0, 0};
  split.labels = {0, 1, 0, 1};
  const InputPreparation preparation = InputPreparation::Fit(
      Steps("input { rescale { factor: 2 } } input { select_features { score: VARIANCE k: 2 } } "
            "input { standardize {} }"),
      {1, 2, 2}, {&split, 0, 3});
  EXPECT_TRUE(at::equal(preparation.selected(), at::tensor({2, 3}, at::kLong)));
  at::Tensor prepared = at::empty({2, 2});
  const uint32_t indices[] = {0, 3};
  preparation.Prepare(*MakeCpuKernels(), split, indices, prepared);
  // (0, 6, 3): mean 3, deviation sqrt(6). (100, 60, 20): 60, sqrt(3200 / 3).
  const double narrow = std::sqrt(6.0);
  const double wide = std::sqrt(3200.0 / 3);
  const at::Tensor expected =
      at::tensor({-3 / narrow, 40 / wide, -3 / narrow, -60 / wide}, at::kDouble).view({2, 2});
  EXPECT_LT((prepared - expected).abs().max().item<double>(), 1e-5);
}

// Class k brightens a quarter of the image: the 16 best features tell the classes apart.
TEST(InputPreparation, ATrainingOnSelectedFeaturesLearns) {
  for (const char* score : {"F_SCORE", "MUTUAL_INFORMATION"}) {
    RecordingObserver observer;
    ProgressCell progress;
    const SystemClock clock;
    const auto outcome =
        RunTraining(SmallSpec(std::string("input { rescale { factor: 0.00392156862745098 } } ") +
                              "input { select_features { k: 16 score: " + score + R"( } }
                  network { layers { dense { units: 16 activation: RELU } }
                            layers { dense { units: 4 activation: SOFTMAX } } }
                  optimizer { nadam { learning_rate: 0.01 } } batch_size: 8 seed: 1 epochs: 20
                  validation { split: 'test' })"),
                    std::make_shared<Dataset>(SmallDataset()), MakeCpuKernels(), "", {}, clock,
                    observer.stop.get_token(), observer, progress);
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    EXPECT_GT(observer.Metric(19, "val_accuracy"), 0.7) << score;
  }
}

}  // namespace
}  // namespace anneal
