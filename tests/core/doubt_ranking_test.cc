#include "server/core/doubt_ranking.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"

namespace anneal {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Surest first: right, right, wrong, right, wrong. Of the 3 x 2 pairs the wrong one is in more
// doubt in all but one.
TEST(DoubtRanking, ByHand) {
  const DoubtRanking ranking({0.4F, 0.1F, 0.5F, 0.2F, 0.3F}, {0, 0, 1, 0, 1}, false);
  EXPECT_EQ(ranking.images(), 5u);
  const double wrong[] = {0, 0, 1, 1, 2};
  const float thresholds[] = {0.1F, 0.2F, 0.3F, 0.4F, 0.5F};
  for (size_t k = 1; k <= 5; ++k) {
    EXPECT_EQ(ranking.Wrong(k), wrong[k - 1]);
    EXPECT_EQ(ranking.Threshold(k), thresholds[k - 1]);
  }
  EXPECT_DOUBLE_EQ(ranking.MeanRisk(), (0 + 0 + 1.0 / 3 + 1.0 / 4 + 2.0 / 5) / 5);
  EXPECT_DOUBLE_EQ(*ranking.Auroc(), 5.0 / 6);
}

TEST(DoubtRanking, WhereLargeIsSureItRunsTheOtherWay) {
  const std::vector<float> doubt = {-1.5F, 0, 3, 1e-40F, -1e-40F, 1e30F};
  std::vector<float> sure = doubt;
  for (float& value : sure) value = -value;
  const std::vector<uint8_t> wrong = {1, 0, 1, 0, 1, 1};
  const DoubtRanking a(doubt, wrong, false);
  const DoubtRanking b(sure, wrong, true);
  EXPECT_EQ(a.MeanRisk(), b.MeanRisk());
  EXPECT_EQ(a.Auroc(), b.Auroc());
  for (size_t k = 1; k <= 6; ++k) {
    EXPECT_EQ(a.Wrong(k), b.Wrong(k));
    EXPECT_EQ(a.Threshold(k), -b.Threshold(k));
  }
  EXPECT_EQ(a.Threshold(1), -1.5F);
  EXPECT_EQ(a.Threshold(2), -1e-40F);
  EXPECT_EQ(b.Threshold(6), -1e30F);
}

TEST(DoubtRanking, TheThresholdOfNoneIsNotNegative) {
  const DoubtRanking sure({0.0F, 0.5F}, {0, 1}, true);
  EXPECT_EQ(sure.Threshold(2), 0);
  EXPECT_FALSE(std::signbit(sure.Threshold(2)));
}

// The mean over all orders of the images, each of which breaks the ties in its own way.
TEST(DoubtRanking, TiesAreTheMeanOverAllTheirOrders) {
  const std::vector<float> values = {0.5F, 0.5F, 0.1F, 0.5F, 0.9F, 0.9F};
  const std::vector<uint8_t> wrong = {1, 0, 0, 1, 0, 1};
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::vector<double> expected(values.size(), 0.0);
  double mean_risk = 0;
  double orders = 0;
  do {
    std::vector<size_t> sorted = order;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [&](size_t a, size_t b) { return values[a] < values[b]; });
    double found = 0;
    for (size_t k = 0; k < sorted.size(); ++k) {
      found += wrong[sorted[k]];
      expected[k] += found;
      mean_risk += found / static_cast<double>(k + 1) / static_cast<double>(sorted.size());
    }
    ++orders;
  } while (std::next_permutation(order.begin(), order.end()));
  ASSERT_EQ(orders, 720);

  const DoubtRanking ranking(values, wrong, false);
  for (size_t k = 1; k <= values.size(); ++k) {
    EXPECT_NEAR(ranking.Wrong(k), expected[k - 1] / orders, 1e-12) << k;
  }
  EXPECT_NEAR(ranking.MeanRisk(), mean_risk / orders, 1e-12);
  // And in the same way for every order of the images, to the bit.
  const DoubtRanking other({0.9F, 0.5F, 0.1F, 0.5F, 0.9F, 0.5F}, {1, 0, 0, 1, 0, 1}, false);
  EXPECT_EQ(other.MeanRisk(), ranking.MeanRisk());
  EXPECT_EQ(other.Auroc(), ranking.Auroc());
}

TEST(DoubtRanking, AllEqualSaysNothing) {
  const DoubtRanking ranking({2, 2, 2, 2}, {1, 0, 0, 0}, false);
  EXPECT_EQ(ranking.Auroc(), 0.5);
  EXPECT_EQ(ranking.Wrong(1), 0.25);
  EXPECT_EQ(ranking.Wrong(4), 1);
  EXPECT_EQ(ranking.MeanRisk(), 0.25);
  EXPECT_EQ(ranking.Threshold(1), 2);
}

TEST(DoubtRanking, NoneAndMinusNoneAreEqual) {
  const DoubtRanking ranking({0.0F, -0.0F}, {0, 1}, false);
  EXPECT_EQ(ranking.Auroc(), 0.5);
}

TEST(DoubtRanking, NoRocOfOneKind) {
  EXPECT_FALSE(DoubtRanking({1, 2}, {0, 0}, false).Auroc().has_value());
  EXPECT_FALSE(DoubtRanking({1, 2}, {1, 1}, false).Auroc().has_value());
  EXPECT_EQ(DoubtRanking({1, 2}, {0, 0}, false).MeanRisk(), 0);
  EXPECT_EQ(DoubtRanking({1, 2}, {1, 1}, false).MeanRisk(), 1);
  EXPECT_EQ(DoubtRanking({1}, {1}, false).Wrong(1), 1);
}

TEST(DoubtRanking, NotANumberIsTheGreatestDoubt) {
  for (const bool large_is_sure : {false, true}) {
    const float sign = large_is_sure ? -1.0F : 1.0F;
    const DoubtRanking ranking({kNaN, sign * kInfinity, -kNaN, sign * -kInfinity}, {1, 1, 0, 0},
                               large_is_sure);
    EXPECT_EQ(ranking.Threshold(1), sign * -kInfinity);
    EXPECT_EQ(ranking.Threshold(2), sign * kInfinity);
    EXPECT_TRUE(std::isnan(ranking.Threshold(3)));
    EXPECT_TRUE(std::isnan(ranking.Threshold(4)));
    EXPECT_EQ(ranking.Wrong(2), 1);
    EXPECT_EQ(ranking.Wrong(3), 1.5);
  }
}

}  // namespace
}  // namespace anneal
