#include "server/engine/learning_rate_schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "google/protobuf/text_format.h"

namespace anneal {
namespace {

std::unique_ptr<LearningRateSchedule> Make(const std::string& text, double initial,
                                           int64_t total_steps = 0) {
  v1::LearningRateSchedule spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
  return LearningRateSchedule::Create(spec, initial, total_steps);
}

TEST(LearningRateSchedule, DoesWhatKerasDid) {
  std::ifstream file(ANNEAL_KERAS_REFERENCE "/schedules.csv");
  ASSERT_TRUE(file.is_open());
  int schedules = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    const size_t semicolon = line.find(';');
    ASSERT_NE(semicolon, std::string::npos);
    const std::string text = line.substr(0, semicolon);
    SCOPED_TRACE(text);
    const auto schedule = Make(text, 0.4);
    std::stringstream rates(line.substr(semicolon + 1));
    int64_t step = 0;
    for (std::string rate; std::getline(rates, rate, ','); ++step) {
      const double expected = std::strtod(rate.c_str(), nullptr);
      EXPECT_NEAR(schedule->At(step), expected, 1e-12 + 1e-9 * std::abs(expected)) << step;
    }
    EXPECT_EQ(step, 48);
    ++schedules;
  }
  EXPECT_EQ(schedules, 18);
}

TEST(LearningRateSchedule, ConstantWithoutAKindAndUntilAPlateau) {
  for (const char* text : {"", "reduce_on_plateau { factor: 0.5 }"}) {
    const auto schedule = Make(text, 0.3, 10);
    for (const int64_t step : {int64_t{0}, int64_t{1}, int64_t{1000}, int64_t{1} << 60}) {
      EXPECT_EQ(schedule->At(step), 0.3);
    }
  }
}

// The rates along the cycle as one list, made from the three straight lines point by point, in
// whole steps: the rate rises by (max - start) / half a step, falls by the same, and falls by
// (start - last) / (n - 2 half) a step at the end.
std::vector<double> OneCycleByIncrements(double highest, int64_t n) {
  const int64_t last_steps = n / 10 + 1;
  const int64_t half = (n - last_steps) / 2;
  const double start = highest / 10;
  std::vector<double> rates;
  double rate = start;
  for (int64_t i = 0; i < half; ++i, rate += (highest - start) / static_cast<double>(half)) {
    rates.push_back(rate);
  }
  for (int64_t i = 0; i < half; ++i, rate -= (highest - start) / static_cast<double>(half)) {
    rates.push_back(rate);
  }
  const int64_t rest = n - 2 * half;
  for (int64_t i = 0; i < rest; ++i, rate -= (start - start / 1000) / static_cast<double>(rest)) {
    rates.push_back(rate);
  }
  return rates;
}

TEST(LearningRateSchedule, OneCycle) {
  for (const int64_t n : {1, 2, 3, 4, 5, 9, 10, 11, 19, 20, 21, 100, 101, 5280}) {
    const auto schedule = Make("one_cycle {}", 0.05, n);
    const std::vector<double> expected = OneCycleByIncrements(0.05, n);
    ASSERT_EQ(expected.size(), static_cast<size_t>(n));
    for (int64_t step = 0; step < n; ++step) {
      ASSERT_NEAR(schedule->At(step), expected[static_cast<size_t>(step)], 1e-13)
          << "step " << step << " of " << n;
    }
    EXPECT_DOUBLE_EQ(schedule->At(0), 0.005) << n;
    for (const int64_t after : {n, n + 1, n * 100}) EXPECT_DOUBLE_EQ(schedule->At(after), 5e-6);
  }
}

TEST(LearningRateSchedule, OneCyclesCorners) {
  // 1000 steps: the last 101, two times 449 before.
  const auto schedule = Make("one_cycle {}", 2.0, 1000);
  EXPECT_DOUBLE_EQ(schedule->At(449), 2.0);
  EXPECT_LT(schedule->At(448), 2.0);
  EXPECT_LT(schedule->At(450), 2.0);
  EXPECT_DOUBLE_EQ(schedule->At(898), 0.2);
  EXPECT_NEAR(schedule->At(999), 0.2 - (0.2 - 2e-4) * 101 / 102, 1e-12);
}

// Where runs begin the logarithm is on the edge: the rate must be the run's first, not the last of
// the run before, which is 0.
TEST(LearningRateSchedule, RestartsBeginWhereRunsEnd) {
  for (const double factor : {1.0, 1.5, 2.0, 3.0, 10.0}) {
    const auto schedule =
        Make("cosine_decay_restarts { first_decay_steps: 1024 m_mul: 0.5 t_mul: " +
                 std::to_string(factor) + " }",
             0.8);
    double begin = 0;
    double length = 1024;
    double height = 0.8;
    for (int run = 0; run < 8 && begin < 1e12; ++run) {
      EXPECT_NEAR(schedule->At(static_cast<int64_t>(begin)), height, 1e-9) << factor << ' ' << run;
      EXPECT_NEAR(schedule->At(static_cast<int64_t>(begin + length / 2)), height / 2, 1e-9)
          << factor << ' ' << run;
      begin += length;
      length *= factor;
      height /= 2;
      EXPECT_LT(schedule->At(static_cast<int64_t>(begin) - 1), 1e-5) << factor << ' ' << run;
    }
  }
}

TEST(LearningRateSchedule, ExtremeNumbersStayFinite) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  for (const char* text :
       {"cosine_decay_restarts { first_decay_steps: 1 t_mul: 1e300 }",
        "cosine_decay_restarts { first_decay_steps: 1 t_mul: 1.0000000000001 }",
        "cosine_decay_restarts { first_decay_steps: 9223372036854775807 }",
        "polynomial_decay { decay_steps: 1 cycle: true }",
        "polynomial_decay { decay_steps: 9223372036854775807 cycle: true }",
        "cosine_decay { decay_steps: 1 warmup_steps: 9223372036854775807 warmup_target: 1 }",
        "inverse_time_decay { decay_steps: 1 decay_rate: 1e300 }",
        "exponential_decay { decay_steps: 1 decay_rate: 0.5 }", "one_cycle {}"}) {
    for (const int64_t total : {int64_t{0}, kMax}) {
      const auto schedule = Make(text, 0.1, total);
      for (const int64_t step : {int64_t{0}, int64_t{1}, int64_t{1000000}, kMax - 1, kMax}) {
        const double rate = schedule->At(step);
        EXPECT_TRUE(rate >= 0.0 && rate <= 1.0) << text << ' ' << step << ' ' << rate;
      }
    }
  }
}

}  // namespace
}  // namespace anneal
