#include "server/core/learning_rate_curve.h"

#include <cmath>
#include <functional>

#include "gtest/gtest.h"

namespace anneal {
namespace {

// 1001 points from 1e-5 to 10; the smoothed loss is a function of the exponent.
LearningRateCurve Curve(const std::function<double(double)>& loss, int64_t points = 1001) {
  LearningRateCurve curve;
  for (int64_t n = 0; n < points; ++n) {
    const double exponent = -5.0 + 6.0 * static_cast<double>(n) / static_cast<double>(points - 1);
    const double value = loss(exponent);
    curve.points.push_back({n + 1, std::pow(10.0, exponent), value, value});
  }
  return curve;
}

double Exponent(const std::optional<double>& learning_rate) {
  return learning_rate.has_value() ? std::log10(*learning_rate) : std::nan("");
}

// Flat, then a logistic fall around 1e-3, then a rise from 1e-1 on.
TEST(Suggest, FindsTheFallTheValleyAndTheMinimum) {
  LearningRateCurve curve = Curve([](double x) {
    return 2.3 - 1 / (1 + std::exp(-4 * (x + 3))) + (x > -1 ? 3 * (x + 1) * (x + 1) : 0);
  });
  Suggest(curve);
  EXPECT_NEAR(Exponent(curve.steepest), -3, 0.02);
  // The fall goes from the first point to the minimum: its middle.
  EXPECT_NEAR(Exponent(curve.minimum_tenth), -2, 0.02);
  EXPECT_NEAR(Exponent(curve.valley), -5 + (Exponent(curve.minimum_tenth) + 1 + 5) / 2, 0.02);
}

// A saw on a falling line: no single batch decides.
TEST(Suggest, NoiseOfSinglePointsDoesNotDecide) {
  LearningRateCurve curve = Curve([](double x) {
    const double wave = 0.001 * std::cos(1e4 * x);
    return 2.3 - 1 / (1 + std::exp(-6 * (x + 2))) + wave;
  });
  Suggest(curve);
  EXPECT_NEAR(Exponent(curve.steepest), -2, 0.1);
}

TEST(Suggest, TheBeginningIsLeftOut) {
  LearningRateCurve curve =
      Curve([](double x) { return x < -4.9 ? 100 * (-4.9 - x) : 1 - 0.01 * x; });
  Suggest(curve);
  EXPECT_GT(Exponent(curve.steepest), -4.8);
  EXPECT_NEAR(Exponent(curve.minimum_tenth), 0, 1e-9);
}

// The loss jumps and falls back, more steeply than it ever fell before.
TEST(Suggest, AFallAfterAJumpIsNotTheSteepest) {
  LearningRateCurve curve = Curve([](double x) {
    return 2.3 - 1 / (1 + std::exp(-6 * (x + 3))) + (x > -1 && x < 0 ? -30 * x : 0) +
           (x > -2 ? 0.3 * (x + 2) : 0);
  });
  Suggest(curve);
  EXPECT_NEAR(Exponent(curve.steepest), -3, 0.05);
}

TEST(Suggest, NothingWhereThereIsNothingToGoBy) {
  LearningRateCurve rising = Curve([](double x) { return x; });
  Suggest(rising);
  EXPECT_FALSE(rising.steepest || rising.valley || rising.minimum_tenth);
  LearningRateCurve flat = Curve([](double) { return 1.0; });
  Suggest(flat);
  EXPECT_FALSE(flat.steepest || flat.valley || flat.minimum_tenth);
  LearningRateCurve few = Curve([](double x) { return -x; }, 9);
  Suggest(few);
  EXPECT_FALSE(few.steepest || few.valley || few.minimum_tenth);
  LearningRateCurve none;
  Suggest(none);
  EXPECT_FALSE(none.steepest || none.valley || none.minimum_tenth);
}

// Losses 5 4 9 3 2 8 1 0 7 7 7 7: the longest falling subsequence has six points and ends at the
// eighth, so it counts as from the second on: 1 + int(6 / 3) + int(6 / 6) = 4, the fifth point.
TEST(Suggest, TheValleyByHand) {
  LearningRateCurve curve;
  int64_t step = 0;
  for (const double loss : {5.0, 4.0, 9.0, 3.0, 2.0, 8.0, 1.0, 0.0, 7.0, 7.0, 7.0, 7.0}) {
    ++step;
    curve.points.push_back({step, static_cast<double>(step), loss, loss});
  }
  Suggest(curve);
  EXPECT_EQ(curve.valley, 5.0);
  EXPECT_EQ(curve.minimum_tenth, 0.8);
}

TEST(Suggest, AHundredThousandPointsAreQuick) {
  LearningRateCurve curve = Curve([](double x) { return std::cos(1e5 * x) - 0.1 * x; }, 100'000);
  Suggest(curve);
  EXPECT_TRUE(curve.valley.has_value());
}

}  // namespace
}  // namespace anneal
