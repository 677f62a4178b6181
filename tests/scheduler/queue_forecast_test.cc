#include "server/scheduler/queue_forecast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::Eq;
using testing::Optional;

constexpr int64_t kSecond = 1'000'000;

// 1000 flops a second: half of 20,000 is left, in 10 s.
const RunningWork kHalfDone{20'000, 0.5, 10 * kSecond};

TEST(QueueForecastTest, TheRateIsTheMedianOfThoseThatCanBeTold) {
  EXPECT_EQ(WorkRate({}), std::nullopt);
  EXPECT_EQ(WorkRate({{0, 0.5, kSecond}, {1'000, 0.5, 0}, {1'000, 0, kSecond}}), std::nullopt);
  EXPECT_THAT(WorkRate({kHalfDone}), Optional(Eq(1'000.0)));
  EXPECT_THAT(WorkRate({kHalfDone, {100, 1, kSecond}, {1e9, 1, kSecond}, {0, 1, 0}}),
              Optional(Eq(1'000.0)));
}

TEST(QueueForecastTest, JobsAreTakenInOrderByTheWorkerThatIsFreeFirst) {
  // Free after 10 s and 4 s; jobs of 3, 5 and 1 s.
  EXPECT_THAT(ForecastStartsUs(2, {kHalfDone, {8'000, 0.5, 4 * kSecond}}, {3'000, 5'000, 1'000},
                               1'000.0),
              ElementsAre(Optional(4 * kSecond), Optional(7 * kSecond), Optional(10 * kSecond)));
}

TEST(QueueForecastTest, AWorkerThatIsFreeBeginsNow) {
  EXPECT_THAT(ForecastStartsUs(2, {kHalfDone}, {3'000, 1'000}, 1'000.0),
              ElementsAre(Optional(0), Optional(3 * kSecond)));
}

TEST(QueueForecastTest, WhatIsNotKnownIsNotTold) {
  EXPECT_THAT(ForecastStartsUs(1, {{0, 0, 0}}, {1'000}, 1'000.0), ElementsAre(std::nullopt));
  EXPECT_THAT(ForecastStartsUs(1, {kHalfDone}, {0, 1'000}, 1'000.0),
              ElementsAre(Optional(10 * kSecond), std::nullopt))
      << "how long the first takes is not known";
  EXPECT_THAT(ForecastStartsUs(1, {}, {1'000, 1'000}, std::nullopt),
              ElementsAre(Optional(0), std::nullopt));
  // One that has only begun is taken to need all its work.
  EXPECT_THAT(ForecastStartsUs(1, {{5'000, 1, 0}}, {1'000}, 1'000.0),
              ElementsAre(Optional(5 * kSecond)));
}

TEST(QueueForecastTest, HugeWorkIsNoOverflow) {
  EXPECT_THAT(ForecastStartsUs(1, {}, {1e300, 1e300, 1}, 1.0),
              ElementsAre(Optional(0), std::nullopt, std::nullopt));
}

}  // namespace
}  // namespace anneal
