#include "server/core/prediction_measures.h"

#include <cfloat>
#include <cmath>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace anneal {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::FloatEq;
using testing::IsEmpty;
using testing::SizeIs;

PredictionSet Set(size_t classes, int64_t samples, bool keeps_samples = false) {
  PredictionSet set;
  set.samples = samples;
  set.keeps_samples = keeps_samples;
  for (size_t i = 0; i < classes; ++i) set.class_names.push_back("class" + std::to_string(i));
  return set;
}

// A chunk of one image.
PredictionChunk Measured(int32_t label, const std::vector<float>& deterministic,
                         const std::vector<float>& sampled) {
  const size_t classes = deterministic.size();
  const auto samples = static_cast<int64_t>(sampled.size() / classes);
  PredictionChunk chunk = MakePredictionChunk(Set(classes, samples), 0, 1);
  MeasureImage(
      {label, static_cast<int64_t>(classes), deterministic.data(), samples, sampled.data()}, 0,
      chunk);
  return chunk;
}

TEST(MakePredictionChunk, EveryVectorHasItsSize) {
  const PredictionChunk chunk = MakePredictionChunk(Set(3, 5, true), 1000, 7);
  EXPECT_EQ(chunk.begin, 1000);
  EXPECT_EQ(chunk.count, 7);
  EXPECT_THAT(chunk.facts, Each(SizeIs(7)));
  EXPECT_THAT(chunk.measures, Each(SizeIs(7)));
  EXPECT_THAT(chunk.probabilities, SizeIs(21));
  EXPECT_THAT(chunk.deviations, SizeIs(21));
  EXPECT_THAT(chunk.deterministic_probabilities, SizeIs(21));
  EXPECT_THAT(chunk.sample_probabilities, SizeIs(105));
  EXPECT_THAT(MakePredictionChunk(Set(3, 5, false), 0, 7).sample_probabilities, IsEmpty());
  EXPECT_THAT(MakePredictionChunk(Set(3, 0, true), 0, 7).sample_probabilities, IsEmpty());
}

// Two samples (1, 0) and (0.5, 0.5): p = (0.75, 0.25).
TEST(MeasureImage, ByHand) {
  const PredictionChunk chunk = Measured(1, {0.25F, 0.75F}, {1, 0, 0.5F, 0.5F});
  EXPECT_THAT(chunk.probabilities, ElementsAre(0.75F, 0.25F));
  EXPECT_THAT(chunk.deviations, ElementsAre(0.25F, 0.25F));
  EXPECT_THAT(chunk.deterministic_probabilities, ElementsAre(0.25F, 0.75F));
  EXPECT_EQ(chunk.fact(ImageFact::kLabel)[0], 1);
  EXPECT_EQ(chunk.fact(ImageFact::kPredicted)[0], 0);
  EXPECT_EQ(chunk.fact(ImageFact::kDeterministicPredicted)[0], 1);
  const double entropy = 2 * std::log(2.0) - 0.75 * std::log(3.0);
  const double expected = 0.5 * std::log(2.0);
  EXPECT_FLOAT_EQ(chunk.measure(Measure::kConfidence)[0], 0.75F);
  EXPECT_FLOAT_EQ(chunk.measure(Measure::kEntropy)[0], static_cast<float>(entropy));
  EXPECT_FLOAT_EQ(chunk.measure(Measure::kExpectedEntropy)[0], static_cast<float>(expected));
  EXPECT_FLOAT_EQ(chunk.measure(Measure::kMutualInformation)[0],
                  static_cast<float>(entropy - expected));
  // Both vote for class 0: the second one's tie goes to the first class.
  EXPECT_EQ(chunk.measure(Measure::kVariationRatio)[0], 0);
  EXPECT_FLOAT_EQ(chunk.measure(Measure::kMargin)[0], 0.5F);
  EXPECT_FLOAT_EQ(chunk.measure(Measure::kNll)[0], static_cast<float>(std::log(4.0)));
  EXPECT_FLOAT_EQ(chunk.measure(Measure::kBrier)[0], 2 * 0.75F * 0.75F);
}

// Four samples, each sure: p is their votes, the expected entropy 0, so all entropy is mutual
// information.
TEST(MeasureImage, SureSamplesThatDisagree) {
  const PredictionChunk chunk = Measured(0, {1, 0, 0}, {0, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0});
  EXPECT_THAT(chunk.probabilities, ElementsAre(0.25F, 0.5F, 0.25F));
  EXPECT_EQ(chunk.measure(Measure::kExpectedEntropy)[0], 0);
  EXPECT_FLOAT_EQ(chunk.measure(Measure::kEntropy)[0], static_cast<float>(1.5 * std::log(2.0)));
  EXPECT_EQ(chunk.measure(Measure::kMutualInformation)[0], chunk.measure(Measure::kEntropy)[0]);
  EXPECT_FLOAT_EQ(chunk.measure(Measure::kVariationRatio)[0], 0.5F);
  EXPECT_FLOAT_EQ(chunk.deviations[1], 0.5F);
  EXPECT_FLOAT_EQ(chunk.deviations[0], static_cast<float>(std::sqrt(3.0) / 4));
}

TEST(MeasureImage, WithoutSamplesItIsTheDeterministicPass) {
  const PredictionChunk chunk = Measured(2, {0.2F, 0.7F, 0.1F}, {});
  EXPECT_THAT(chunk.probabilities, ElementsAre(0.2F, 0.7F, 0.1F));
  EXPECT_THAT(chunk.deviations, Each(0.0F));
  EXPECT_EQ(chunk.measure(Measure::kExpectedEntropy)[0], chunk.measure(Measure::kEntropy)[0]);
  EXPECT_GT(chunk.measure(Measure::kEntropy)[0], 0);
  EXPECT_EQ(chunk.measure(Measure::kMutualInformation)[0], 0);
  EXPECT_EQ(chunk.measure(Measure::kVariationRatio)[0], 0);
  EXPECT_FLOAT_EQ(chunk.measure(Measure::kMargin)[0], 0.5F);
  EXPECT_FLOAT_EQ(chunk.measure(Measure::kNll)[0], static_cast<float>(std::log(10.0)));
  EXPECT_FLOAT_EQ(chunk.measure(Measure::kBrier)[0], 0.04F + 0.49F + 0.81F);
}

TEST(MeasureImage, EqualSamplesDoNotDeviateAtAll) {
  // None of these is a round number in binary, and neither is 1 / samples.
  const std::vector<float> sample = {0.1F, 0.3F, 0.59999F, 1e-5F};
  for (const int samples : {1, 2, 3, 7, 100, 4097}) {
    std::vector<float> sampled;
    for (int t = 0; t < samples; ++t) sampled.insert(sampled.end(), sample.begin(), sample.end());
    const PredictionChunk chunk = Measured(0, {0.25F, 0.25F, 0.25F, 0.25F}, sampled);
    EXPECT_EQ(chunk.probabilities, sample) << samples;
    EXPECT_THAT(chunk.deviations, Each(0.0F)) << samples;
    EXPECT_EQ(chunk.measure(Measure::kMutualInformation)[0], 0) << samples;
    EXPECT_EQ(chunk.measure(Measure::kVariationRatio)[0], 0) << samples;
    EXPECT_EQ(chunk.measure(Measure::kEntropy)[0], chunk.measure(Measure::kExpectedEntropy)[0]);
  }
}

TEST(MeasureImage, ProbabilitiesOfNoneAndOne) {
  const PredictionChunk right = Measured(1, {0, 1, 0}, {0, 1, 0, 0, 1, 0});
  for (const Measure measure :
       {Measure::kEntropy, Measure::kExpectedEntropy, Measure::kMutualInformation,
        Measure::kVariationRatio, Measure::kNll, Measure::kBrier}) {
    EXPECT_EQ(right.measure(measure)[0], 0) << MeasureName(measure);
    EXPECT_FALSE(std::signbit(right.measure(measure)[0])) << MeasureName(measure);
  }
  EXPECT_EQ(right.measure(Measure::kConfidence)[0], 1);
  EXPECT_EQ(right.measure(Measure::kMargin)[0], 1);

  const PredictionChunk wrong = Measured(0, {0, 1, 0}, {0, 1, 0, 0, 1, 0});
  EXPECT_FLOAT_EQ(wrong.measure(Measure::kNll)[0], 87.336544F);  // -log of 2^-126
  EXPECT_EQ(wrong.measure(Measure::kBrier)[0], 2);
}

TEST(MeasureImage, TheNllStopsAtTheSmallestNormalNumber) {
  for (const float p : {0.0F, FLT_TRUE_MIN, FLT_MIN / 2, FLT_MIN}) {
    const PredictionChunk chunk = Measured(0, {p, 1}, {});
    EXPECT_FLOAT_EQ(chunk.measure(Measure::kNll)[0], static_cast<float>(126 * std::log(2.0)));
  }
  const PredictionChunk chunk = Measured(0, {FLT_MIN * 2, 1}, {});
  EXPECT_FLOAT_EQ(chunk.measure(Measure::kNll)[0], static_cast<float>(125 * std::log(2.0)));
}

// So small that their squares and products are nothing in float32.
TEST(MeasureImage, SmallProbabilitiesDoNotVanishOnTheWay) {
  const PredictionChunk chunk = Measured(0, {0, 1}, {1e-30F, 1, 3e-30F, 1});
  EXPECT_FLOAT_EQ(chunk.probabilities[0], 2e-30F);
  EXPECT_FLOAT_EQ(chunk.deviations[0], 1e-30F);
  EXPECT_FLOAT_EQ(chunk.measure(Measure::kEntropy)[0],
                  static_cast<float>(2e-30 * -std::log(2e-30)));
  EXPECT_GE(chunk.measure(Measure::kMutualInformation)[0], 0);
}

TEST(MeasureImage, OneClass) {
  const PredictionChunk chunk = Measured(0, {1}, {1, 1, 1});
  EXPECT_EQ(chunk.measure(Measure::kConfidence)[0], 1);
  EXPECT_EQ(chunk.measure(Measure::kMargin)[0], 1);
  EXPECT_EQ(chunk.measure(Measure::kEntropy)[0], 0);
  EXPECT_EQ(chunk.measure(Measure::kNll)[0], 0);
  EXPECT_EQ(chunk.measure(Measure::kVariationRatio)[0], 0);
}

TEST(MeasureImage, TheFirstOfEqualsWins) {
  const PredictionChunk chunk =
      Measured(2, {0.1F, 0.45F, 0.45F}, {0.2F, 0.4F, 0.4F, 0.2F, 0.4F, 0.4F});
  EXPECT_EQ(chunk.fact(ImageFact::kPredicted)[0], 1);
  EXPECT_EQ(chunk.fact(ImageFact::kDeterministicPredicted)[0], 1);
  EXPECT_EQ(chunk.measure(Measure::kMargin)[0], 0);
  EXPECT_EQ(chunk.measure(Measure::kVariationRatio)[0], 0);  // both samples' ties: class 1
  // Two votes each for classes 0 and 2: half of the samples are with the most frequent one.
  const PredictionChunk votes =
      Measured(2, {1, 0, 0}, {0, 0.1F, 0.9F, 0.9F, 0.1F, 0, 0.1F, 0, 0.9F, 0.9F, 0, 0.1F});
  EXPECT_FLOAT_EQ(votes.measure(Measure::kVariationRatio)[0], 0.5F);
  EXPECT_EQ(votes.fact(ImageFact::kPredicted)[0], 0);
}

// Rounded to float32 the two means are equal, so the first must be the one that is predicted: what
// is stored explains itself.
TEST(MeasureImage, WhatIsPredictedIsTheLargestOfWhatIsStored) {
  const float more = std::nextafter(0.5F, 1.0F);
  std::vector<float> sampled;
  for (int t = 0; t < 64; ++t) {
    sampled.push_back(0.5F);
    sampled.push_back(t == 0 ? more : 0.5F);
  }
  const PredictionChunk chunk = Measured(0, {0.5F, 0.5F}, sampled);
  EXPECT_THAT(chunk.probabilities, ElementsAre(0.5F, 0.5F));
  EXPECT_EQ(chunk.fact(ImageFact::kPredicted)[0], 0);
}

TEST(MeasureImage, EntropyIsNeverBelowNone) {
  const float above = std::nextafter(1.0F, 2.0F);  // as a softmax may add up to
  const PredictionChunk chunk = Measured(0, {above, 0}, {above, 0, 1, 0});
  EXPECT_EQ(chunk.measure(Measure::kEntropy)[0], 0);
  EXPECT_EQ(chunk.measure(Measure::kExpectedEntropy)[0], 0);
  EXPECT_EQ(chunk.measure(Measure::kMutualInformation)[0], 0);
}

// Samples that all but agree: the difference of the two entropies is nothing but rounding, of both
// signs.
TEST(MeasureImage, MutualInformationIsNeverBelowNone) {
  for (int n = 1; n < 2000; ++n) {
    const float p = static_cast<float>(n) / 2000.0F;
    std::vector<float> sampled;
    for (int t = 0; t < 64; ++t) {
      sampled.insert(sampled.end(), {t == 0 ? std::nextafter(p, 1.0F) : p, 1 - p});
    }
    const PredictionChunk chunk = Measured(0, {p, 1 - p}, sampled);
    ASSERT_GE(chunk.measure(Measure::kMutualInformation)[0], 0) << p;
    ASSERT_LT(chunk.measure(Measure::kMutualInformation)[0], 1e-7F) << p;
  }
}

TEST(MeasureImage, NotANumberIsNotHidden) {
  const PredictionChunk chunk = Measured(0, {0.5F, 0.5F}, {std::nanf(""), 0.5F, 0.5F, 0.5F});
  EXPECT_TRUE(std::isnan(chunk.probabilities[0]));
  EXPECT_TRUE(std::isnan(chunk.deviations[0]));
  EXPECT_TRUE(std::isnan(chunk.measure(Measure::kEntropy)[0]));
  EXPECT_TRUE(std::isnan(chunk.measure(Measure::kNll)[0]));
  EXPECT_TRUE(std::isnan(chunk.measure(Measure::kBrier)[0]));
}

TEST(MeasureImage, FillsItsPlaceAndNoOther) {
  const PredictionSet set = Set(2, 2, true);
  PredictionChunk chunk = MakePredictionChunk(set, 10, 3);
  const std::vector<float> deterministic = {0.5F, 0.5F};
  const std::vector<float> sampled = {0.25F, 0.75F, 0.125F, 0.875F};
  MeasureImage({1, 2, deterministic.data(), 2, sampled.data()}, 1, chunk);
  EXPECT_THAT(chunk.sample_probabilities,
              ElementsAre(0, 0, 0, 0, 0.25F, 0.75F, 0.125F, 0.875F, 0, 0, 0, 0));
  EXPECT_THAT(chunk.probabilities, ElementsAre(0, 0, FloatEq(0.1875F), FloatEq(0.8125F), 0, 0));
  EXPECT_THAT(chunk.deviations, ElementsAre(0, 0, FloatEq(0.0625F), FloatEq(0.0625F), 0, 0));
  EXPECT_THAT(chunk.deterministic_probabilities, ElementsAre(0, 0, 0.5F, 0.5F, 0, 0));
  EXPECT_THAT(chunk.fact(ImageFact::kPredicted), ElementsAre(0, 1, 0));
  EXPECT_THAT(chunk.measure(Measure::kNll), ElementsAre(0, testing::Gt(0), 0));
}

}  // namespace
}  // namespace anneal
