#include "server/engine/reduce_on_plateau.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace anneal {
namespace {

using Spec = v1::LearningRateSchedule::ReduceOnPlateau;

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

double Number(const std::string& text) { return std::strtod(text.c_str(), nullptr); }

TEST(ReduceOnPlateau, DoesWhatKerasDid) {
  std::ifstream file(ANNEAL_KERAS_REFERENCE "/reduce_on_plateau.csv");
  ASSERT_TRUE(file.is_open());
  int cases = 0;
  int reductions = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    SCOPED_TRACE(line);
    const std::vector<std::string> fields = Split(line, ',');
    ASSERT_EQ(fields.size(), 8U);
    Spec spec;
    spec.set_monitor(fields[0] == "max" ? "val_accuracy" : "val_loss");
    spec.set_patience(std::strtoll(fields[1].c_str(), nullptr, 10));
    spec.set_min_delta(Number(fields[2]));
    spec.set_cooldown(std::strtoll(fields[3].c_str(), nullptr, 10));
    spec.set_factor(Number(fields[4]));
    spec.set_min_learning_rate(Number(fields[5]));
    ReduceOnPlateau plateau(spec);
    const std::vector<std::string> values = Split(fields[6], ' ');
    const std::vector<std::string> rates = Split(fields[7], ' ');
    ASSERT_EQ(values.size(), rates.size());
    double rate = 0.5;
    for (size_t i = 0; i < values.size(); ++i) {
      if (const std::optional<double> next = plateau.OnEpoch(Number(values[i]), rate)) {
        EXPECT_LT(*next, rate);
        rate = *next;
        ++reductions;
      }
      ASSERT_EQ(rate, Number(rates[i])) << "epoch " << i + 1;
    }
    ++cases;
  }
  EXPECT_EQ(cases, 72 * 12);
  EXPECT_GT(reductions, 1000);
}

TEST(ReduceOnPlateau, Defaults) {
  ReduceOnPlateau plateau((Spec()));
  EXPECT_EQ(plateau.OnEpoch(1.0, 0.01), std::nullopt);
  // An improvement of less than 1e-4 is none.
  for (int epoch = 0; epoch < 9; ++epoch) {
    EXPECT_EQ(plateau.OnEpoch(1.0 - 0.9e-4, 0.01), std::nullopt) << epoch;
  }
  EXPECT_EQ(plateau.OnEpoch(1.0, 0.01), std::optional<double>(0.01 * 0.1));
}

TEST(ReduceOnPlateau, TheNameSaysWhatIsBetter) {
  const auto falling_reduces = [](const char* monitor) {
    Spec spec;
    spec.set_monitor(monitor);
    spec.set_patience(1);
    ReduceOnPlateau plateau(spec);
    EXPECT_FALSE(plateau.OnEpoch(1.0, 0.1).has_value());
    return plateau.OnEpoch(0.5, 0.1).has_value();
  };
  EXPECT_FALSE(falling_reduces(""));
  EXPECT_FALSE(falling_reduces("loss"));
  EXPECT_FALSE(falling_reduces("val_loss"));
  EXPECT_TRUE(falling_reduces("accuracy"));
  EXPECT_TRUE(falling_reduces("val_accuracy"));
  EXPECT_TRUE(falling_reduces("val_top_5_accuracy"));
}

TEST(ReduceOnPlateau, NeverBelowTheLowestRate) {
  Spec spec;
  spec.set_patience(1);
  spec.set_factor(0.5);
  spec.set_min_learning_rate(0.03);
  ReduceOnPlateau plateau(spec);
  EXPECT_EQ(plateau.OnEpoch(1.0, 0.1), std::nullopt);
  EXPECT_EQ(plateau.OnEpoch(1.0, 0.1), std::optional<double>(0.05));
  EXPECT_EQ(plateau.OnEpoch(1.0, 0.05), std::optional<double>(0.03));
  EXPECT_EQ(plateau.OnEpoch(1.0, 0.03), std::nullopt);
  EXPECT_EQ(plateau.OnEpoch(1.0, 0.02), std::nullopt);  // someone else's doing
}

}  // namespace
}  // namespace anneal
