#include "server/core/uncertainty.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/prediction_measures.h"

namespace anneal {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;

PredictionSet Set(int64_t classes, int64_t samples) {
  PredictionSet set;
  set.job_id = 7;
  set.samples = samples;
  for (int64_t i = 0; i < classes; ++i) set.class_names.push_back("class" + std::to_string(i));
  return set;
}

// Of two classes, by the probability of class 1.
struct Image {
  int32_t label = 0;
  float deterministic = 0;
  std::vector<float> samples;
};

PredictionChunk ChunkOf(const PredictionSet& set, int64_t begin, const std::vector<Image>& images) {
  PredictionChunk chunk = MakePredictionChunk(set, begin, static_cast<int64_t>(images.size()));
  for (size_t i = 0; i < images.size(); ++i) {
    const std::vector<float> deterministic = {1 - images[i].deterministic, images[i].deterministic};
    std::vector<float> sampled;
    for (const float p : images[i].samples) sampled.insert(sampled.end(), {1 - p, p});
    MeasureImage({images[i].label, 2, deterministic.data(), set.samples, sampled.data()},
                 static_cast<int64_t>(i), chunk);
  }
  // As Store::ReadPredictions gives them.
  chunk.deviations.clear();
  chunk.sample_probabilities.clear();
  return chunk;
}

const MeasureSummary* Find(const SetMeasures& set, Measure measure) {
  for (const MeasureSummary& summary : set.measures) {
    if (summary.measure == measure) return &summary;
  }
  return nullptr;
}

// Confidences 1, 0.875 (wrong), 0.75, 0.75 (wrong): means of two samples each.
std::vector<Image> FourImages() {
  return {{1, 0.25F, {1, 1}},
          {0, 0.125F, {0.75F, 1}},
          {0, 0.375F, {0.25F, 0.25F}},
          {1, 0.0F, {0.5F, 0.0F}}};
}

TEST(Uncertainty, ByHandWithDropout) {
  const PredictionSet set = Set(2, 2);
  UncertaintyBuilder builder(set, {4, Measure::kConfidence});
  builder.Add(ChunkOf(set, 0, FourImages()));
  const Uncertainty uncertainty = builder.Finish();
  EXPECT_EQ(uncertainty.set.job_id, 7);
  EXPECT_EQ(uncertainty.set.stored, 4);
  ASSERT_TRUE(uncertainty.monte_carlo.has_value());
  const SetMeasures& measures = *uncertainty.monte_carlo;
  EXPECT_EQ(measures.accuracy, 0.5);
  // p of the labels: 1, 1/8, 3/4, 1/4.
  EXPECT_NEAR(measures.nll, (std::log(8.0) + std::log(4.0 / 3) + std::log(4.0)) / 4, 1e-7);
  EXPECT_DOUBLE_EQ(measures.brier, 2 * (49.0 / 64 + 1.0 / 16 + 9.0 / 16) / 4);

  ASSERT_EQ(measures.bins.size(), 4u);
  EXPECT_EQ(measures.bins[0].images, 0);
  EXPECT_EQ(measures.bins[0].lower, 0);
  EXPECT_EQ(measures.bins[0].accuracy, 0);
  EXPECT_EQ(measures.bins[0].confidence, 0);
  EXPECT_EQ(measures.bins[1].images, 0);
  // 0.75 is the upper edge of the third bin and belongs to it.
  EXPECT_EQ(measures.bins[2].images, 2);
  EXPECT_EQ(measures.bins[2].upper, 0.75);
  EXPECT_EQ(measures.bins[2].accuracy, 0.5);
  EXPECT_EQ(measures.bins[2].confidence, 0.75);
  EXPECT_EQ(measures.bins[3].images, 2);
  EXPECT_EQ(measures.bins[3].accuracy, 0.5);
  EXPECT_EQ(measures.bins[3].confidence, 0.9375);
  EXPECT_DOUBLE_EQ(measures.ece, 0.5 * 0.25 + 0.5 * 0.4375);

  // Of 4 images: 4, 3.8 -> 4, 3.6 -> 4, 3.2 -> 4, 2.
  ASSERT_EQ(measures.coverages.size(), 5u);
  const double coverages[] = {1, 0.95, 0.9, 0.8, 0.5};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_DOUBLE_EQ(measures.coverages[i].coverage, coverages[i]);
    EXPECT_EQ(measures.coverages[i].images, i < 4 ? 4 : 2);
    EXPECT_EQ(measures.coverages[i].accuracy, 0.5);
    EXPECT_EQ(measures.coverages[i].threshold, i < 4 ? 0.75 : 0.875);
  }
  // The risks of the best 1, 2, 3, 4; the third and fourth are tied, one of them wrong.
  EXPECT_THAT(measures.aurc, Optional(DoubleEq((0 + 1.0 / 2 + 1.5 / 3 + 2.0 / 4) / 4)));

  ASSERT_EQ(measures.measures.size(), kMeasureCount);
  for (size_t i = 0; i < kMeasureCount; ++i)
    EXPECT_EQ(measures.measures[i].measure, kAllMeasures[i]);
  const MeasureSummary& confidence = *Find(measures, Measure::kConfidence);
  EXPECT_THAT(confidence.right, Optional(0.875));
  EXPECT_THAT(confidence.wrong, Optional(0.8125));
  // Wrong 0.875 and 0.75 against right 1 and 0.75: more doubt in 2, a tie in 1, less in 1.
  EXPECT_THAT(confidence.auroc, Optional(2.5 / 4));
  const MeasureSummary& information = *Find(measures, Measure::kMutualInformation);
  EXPECT_THAT(information.right, Optional(0.0));
  EXPECT_GT(*information.wrong, 0);
  EXPECT_THAT(information.auroc, Optional(1.0));
  EXPECT_TRUE(Find(measures, Measure::kNll)->wrong.has_value());
  EXPECT_FALSE(Find(measures, Measure::kNll)->auroc.has_value());
  EXPECT_FALSE(Find(measures, Measure::kBrier)->auroc.has_value());
}

TEST(Uncertainty, ByHandWithoutDropout) {
  const PredictionSet set = Set(2, 2);
  UncertaintyBuilder builder(set, {});
  builder.Add(ChunkOf(set, 0, FourImages()));
  // Predicted 0 each; labels 1, 0, 0, 1; p of the labels 1/4, 7/8, 5/8, 0; confidences 3/4, 7/8,
  // 5/8, 1.
  const SetMeasures measures = builder.Finish().deterministic;
  EXPECT_EQ(measures.accuracy, 0.5);
  EXPECT_NEAR(measures.nll,
              (std::log(4.0) + std::log(8.0 / 7) + std::log(1.6) + 126 * std::log(2.0)) / 4, 1e-6);
  EXPECT_DOUBLE_EQ(measures.brier, 2 * (9.0 / 16 + 1.0 / 64 + 9.0 / 64 + 1) / 4);
  EXPECT_EQ(measures.bins.size(), 15u);
  EXPECT_THAT(Find(measures, Measure::kConfidence)->right, Optional(0.75));
  EXPECT_THAT(Find(measures, Measure::kConfidence)->wrong, Optional(0.875));
  EXPECT_THAT(Find(measures, Measure::kConfidence)->auroc, Optional(0.25));
  EXPECT_THAT(measures.aurc, Optional(DoubleEq((1 + 0.5 + 2.0 / 3 + 0.5) / 4)));
  EXPECT_EQ(measures.measures.size(), 5u);
  for (const Measure measure : kAllMeasures) {
    EXPECT_EQ(Find(measures, measure) != nullptr, !NeedsSamples(measure)) << MeasureName(measure);
  }
}

TEST(Uncertainty, RankedByWhatOnlySamplesHave) {
  const PredictionSet set = Set(2, 2);
  UncertaintyBuilder builder(set, {15, Measure::kMutualInformation});
  builder.Add(ChunkOf(set, 0, FourImages()));
  const Uncertainty uncertainty = builder.Finish();
  // Both right ones have none of it.
  EXPECT_EQ(uncertainty.monte_carlo->coverages.back().accuracy, 1);
  EXPECT_EQ(uncertainty.monte_carlo->coverages.back().threshold, 0);
  EXPECT_THAT(uncertainty.monte_carlo->aurc, Optional(DoubleEq((1.0 / 3 + 2.0 / 4) / 4)));
  EXPECT_THAT(uncertainty.deterministic.coverages, IsEmpty());
  EXPECT_FALSE(uncertainty.deterministic.aurc.has_value());
  EXPECT_EQ(uncertainty.deterministic.accuracy, 0.5);
}

TEST(Uncertainty, WithoutSamplesThereIsOneSide) {
  const PredictionSet set = Set(2, 0);
  UncertaintyBuilder builder(set, {15, Measure::kMargin});
  builder.Add(ChunkOf(set, 0, {{1, 0.75F, {}}, {0, 0.75F, {}}, {1, 0.625F, {}}}));
  const Uncertainty uncertainty = builder.Finish();
  EXPECT_FALSE(uncertainty.monte_carlo.has_value());
  EXPECT_DOUBLE_EQ(uncertainty.deterministic.accuracy, 2.0 / 3);
  EXPECT_EQ(uncertainty.deterministic.coverages.back().images, 2);
  EXPECT_EQ(uncertainty.deterministic.coverages.back().accuracy, 0.5);
  EXPECT_EQ(uncertainty.deterministic.coverages.back().threshold, 0.5);
}

TEST(Uncertainty, OneKindOnly) {
  const PredictionSet set = Set(2, 0);
  UncertaintyBuilder right(set, {});
  right.Add(ChunkOf(set, 0, {{1, 1, {}}}));
  const SetMeasures all_right = right.Finish().deterministic;
  EXPECT_EQ(all_right.accuracy, 1);
  EXPECT_EQ(all_right.nll, 0);
  EXPECT_EQ(all_right.ece, 0);
  EXPECT_EQ(all_right.aurc, 0.0);
  for (const MeasureSummary& summary : all_right.measures) {
    EXPECT_TRUE(summary.right.has_value());
    EXPECT_FALSE(summary.wrong.has_value());
    EXPECT_FALSE(summary.auroc.has_value());
  }
  UncertaintyBuilder wrong(set, {});
  wrong.Add(ChunkOf(set, 0, {{0, 1, {}}, {0, 1, {}}}));
  const SetMeasures all_wrong = wrong.Finish().deterministic;
  EXPECT_EQ(all_wrong.accuracy, 0);
  EXPECT_EQ(all_wrong.brier, 2);
  EXPECT_EQ(all_wrong.ece, 1);
  EXPECT_EQ(all_wrong.aurc, 1.0);
  EXPECT_EQ(all_wrong.coverages.back().images, 1);
  for (const MeasureSummary& summary : all_wrong.measures) {
    EXPECT_FALSE(summary.right.has_value());
    EXPECT_TRUE(summary.wrong.has_value());
  }
}

TEST(Uncertainty, ChunksAddUp) {
  const PredictionSet set = Set(2, 2);
  UncertaintyBuilder whole(set, {});
  whole.Add(ChunkOf(set, 0, FourImages()));
  UncertaintyBuilder parts(set, {});
  const std::vector<Image> images = FourImages();
  parts.Add(ChunkOf(set, 0, {images[0]}));
  parts.Add(ChunkOf(set, 1, {images[1], images[2], images[3]}));
  EXPECT_EQ(parts.images(), 4);
  const Uncertainty a = whole.Finish();
  const Uncertainty b = parts.Finish();
  EXPECT_EQ(a.monte_carlo->ece, b.monte_carlo->ece);
  EXPECT_EQ(a.monte_carlo->aurc, b.monte_carlo->aurc);
  EXPECT_EQ(a.monte_carlo->nll, b.monte_carlo->nll);
  EXPECT_EQ(a.deterministic.brier, b.deterministic.brier);
}

// Every confidence is in the bin whose edges say so, however those are rounded.
TEST(Uncertainty, BinsAreAsTheirEdgesSay) {
  for (const int64_t bins : {1, 2, 3, 7, 10, 15, 49, 1000}) {
    const PredictionSet set = Set(2, 0);
    UncertaintyBuilder builder(set, {bins, Measure::kConfidence});
    std::vector<Image> images;
    for (int64_t i = 0; i <= bins; ++i) {
      const auto edge = static_cast<float>(static_cast<double>(i) / static_cast<double>(bins));
      for (const float p : {std::nextafter(edge, 0.0F), edge, std::nextafter(edge, 1.0F)}) {
        images.push_back({1, p, {}});
      }
    }
    builder.Add(ChunkOf(set, 0, images));
    const SetMeasures measures = builder.Finish().deterministic;
    ASSERT_EQ(measures.bins.size(), static_cast<size_t>(bins));
    EXPECT_EQ(measures.bins.front().lower, 0);
    EXPECT_EQ(measures.bins.back().upper, 1);
    int64_t all = 0;
    for (const CalibrationBin& bin : measures.bins) {
      all += bin.images;
      int64_t between = 0;
      for (const Image& image : images) {
        const auto p = static_cast<double>(std::max(image.deterministic, 1 - image.deterministic));
        between += bin.lower < p && p <= bin.upper ? 1 : 0;
      }
      EXPECT_EQ(bin.images, between) << bins << " bins, from " << bin.lower;
    }
    EXPECT_EQ(all, static_cast<int64_t>(images.size()));
  }
}

TEST(Uncertainty, ConfidencesOfNoneAndAboveOneHaveTheirBin) {
  PredictionSet set = Set(1, 0);
  UncertaintyBuilder builder(set, {10, Measure::kConfidence});
  PredictionChunk chunk = MakePredictionChunk(set, 0, 2);
  const float none = 0;
  const float above = std::nextafter(1.0F, 2.0F);
  MeasureImage({0, 1, &none, 0, nullptr}, 0, chunk);
  MeasureImage({0, 1, &above, 0, nullptr}, 1, chunk);
  builder.Add(chunk);
  const SetMeasures measures = builder.Finish().deterministic;
  EXPECT_EQ(measures.bins.front().images, 1);
  EXPECT_EQ(measures.bins.back().images, 1);
}

TEST(Uncertainty, NotANumberIsToldAndBreaksNothing) {
  const PredictionSet set = Set(2, 0);
  UncertaintyBuilder builder(set, {});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  builder.Add(ChunkOf(set, 0, {{1, 0.75F, {}}, {1, nan, {}}, {0, 0.75F, {}}}));
  const SetMeasures measures = builder.Finish().deterministic;
  EXPECT_TRUE(std::isnan(measures.nll));
  EXPECT_TRUE(std::isnan(measures.ece));
  EXPECT_EQ(measures.bins.front().images, 1);
  EXPECT_EQ(measures.coverages.back().threshold, 0.75);
  EXPECT_TRUE(std::isnan(measures.coverages.front().threshold));
}

// 0.95, 0.9 and 0.8 are not exact in binary; rounding up must not notice.
TEST(Uncertainty, CoveragesAreRoundedUpExactly) {
  const PredictionSet set = Set(2, 0);
  for (const int64_t images : {1, 2, 3, 20, 100, 340, 999}) {
    UncertaintyBuilder builder(set, {});
    builder.Add(
        ChunkOf(set, 0, std::vector<Image>(static_cast<size_t>(images), Image{1, 0.75F, {}})));
    const SetMeasures measures = builder.Finish().deterministic;
    const int64_t percents[] = {100, 95, 90, 80, 50};
    for (size_t i = 0; i < 5; ++i) {
      const int64_t answered = measures.coverages[i].images;
      EXPECT_GE(answered * 100, percents[i] * images);
      EXPECT_LT((answered - 1) * 100, percents[i] * images);
    }
  }
}

TEST(Measures, WhichIsWhat) {
  EXPECT_FALSE(IsKnownWithoutLabel(Measure::kNll));
  EXPECT_FALSE(IsKnownWithoutLabel(Measure::kBrier));
  EXPECT_TRUE(IsKnownWithoutLabel(Measure::kMutualInformation));
  EXPECT_TRUE(NeedsSamples(Measure::kVariationRatio));
  EXPECT_FALSE(NeedsSamples(Measure::kEntropy));
  EXPECT_TRUE(LargeIsSure(Measure::kMargin));
  EXPECT_FALSE(LargeIsSure(Measure::kEntropy));
}

}  // namespace
}  // namespace anneal
