#include "server/engine/early_stopping.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace anneal {
namespace {

using Mode = v1::EarlyStopping::Mode;

v1::EarlyStopping Spec(Mode mode, int64_t patience, double min_delta = 0,
                       int64_t start_from_epoch = 0) {
  v1::EarlyStopping spec;
  spec.set_mode(mode);
  spec.set_patience(patience);
  spec.set_min_delta(min_delta);
  spec.set_start_from_epoch(start_from_epoch);
  return spec;
}

struct Played {
  int64_t stopped = 0;            // epoch, from 1; 0: reached the end
  std::vector<int64_t> improved;  // epochs
  int64_t best_epoch = 0;
};

Played Play(const v1::EarlyStopping& spec, const std::vector<double>& values) {
  EarlyStopping stopping(spec);
  Played run;
  for (size_t i = 0; i < values.size() && run.stopped == 0; ++i) {
    const int64_t epoch = static_cast<int64_t>(i) + 1;
    const EarlyStopping::Decision decision = stopping.OnEpoch(epoch, values[i]);
    EXPECT_FALSE(decision.improved && decision.stop);
    if (decision.improved) run.improved.push_back(epoch);
    if (decision.stop) run.stopped = epoch;
  }
  run.best_epoch = stopping.best_epoch();
  return run;
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

TEST(EarlyStopping, DoesWhatKerasDid) {
  std::ifstream file(ANNEAL_KERAS_REFERENCE "/early_stopping.csv");
  ASSERT_TRUE(file.is_open());
  int cases = 0;
  int stopped = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    SCOPED_TRACE(line);
    const std::vector<std::string> fields = Split(line, ',');
    ASSERT_EQ(fields.size(), 8U);
    std::vector<double> values;
    for (const std::string& value : Split(fields[4], ' '))
      values.push_back(std::strtod(value.c_str(), nullptr));
    const Played run = Play(
        Spec(fields[0] == "min" ? v1::EarlyStopping::MIN : v1::EarlyStopping::MAX,
             std::stoll(fields[1]), std::strtod(fields[2].c_str(), nullptr), std::stoll(fields[3])),
        values);
    // Keras counts epochs from 0 and the file says -1 for none.
    EXPECT_EQ(run.stopped - 1, std::stoll(fields[5]));
    EXPECT_EQ(run.best_epoch - 1, std::stoll(fields[6]));
    EXPECT_EQ((run.improved.empty() ? 0 : run.improved.back()) - 1, std::stoll(fields[7]));
    ++cases;
    stopped += run.stopped > 0;
  }
  EXPECT_GT(stopped, 100);
  EXPECT_GT(cases - stopped, 100);
}

// Without min_delta an epoch improves when it is below all that went before, and training stops at
// the first epoch that lies `patience` (at least 1) after the lowest so far.
TEST(EarlyStopping, AgreesWithTheDefinitionOnRandomCurves) {
  std::mt19937 random(5);
  std::uniform_int_distribution<int> step(-4, 3);
  for (int curve = 0; curve < 500; ++curve) {
    std::vector<double> values;
    double value = 0;
    for (int i = 0; i < 60; ++i) values.push_back(value += step(random));
    const int64_t patience = curve % 7;
    const size_t start = static_cast<size_t>(curve % 5);

    int64_t stop = 0;
    int64_t best = 0;
    for (size_t i = start; i < values.size() && stop == 0; ++i) {
      size_t lowest = start;  // the first of the lowest up to here
      for (size_t j = start; j <= i; ++j) {
        if (values[j] < values[lowest]) lowest = j;
      }
      best = static_cast<int64_t>(lowest) + 1;
      if (i > lowest && static_cast<int64_t>(i - lowest) >= patience)
        stop = static_cast<int64_t>(i) + 1;
    }
    const Played down =
        Play(Spec(v1::EarlyStopping::MIN, patience, 0, static_cast<int64_t>(start)), values);
    EXPECT_EQ(down.stopped, stop) << curve;
    EXPECT_EQ(down.best_epoch, best) << curve;
    // Upside down, the same.
    for (double& v : values) v = -v;
    const Played up =
        Play(Spec(v1::EarlyStopping::MAX, patience, 0, static_cast<int64_t>(start)), values);
    EXPECT_EQ(up.stopped, stop) << curve;
    EXPECT_EQ(up.best_epoch, best) << curve;
  }
}

TEST(EarlyStopping, AutoLooksAtTheName) {
  const auto maximizes = [](const std::string& monitor) {
    v1::EarlyStopping spec = Spec(v1::EarlyStopping::AUTO, 1);
    spec.set_monitor(monitor);
    return Play(spec, {1.0, 2.0}).best_epoch == 2;
  };
  EXPECT_FALSE(maximizes(""));  // val_loss
  EXPECT_FALSE(maximizes("loss"));
  EXPECT_FALSE(maximizes("val_loss"));
  EXPECT_TRUE(maximizes("accuracy"));
  EXPECT_TRUE(maximizes("val_accuracy"));
  EXPECT_TRUE(maximizes("val_top_k_categorical_accuracy"));
}

TEST(EarlyStopping, ModeBeatsTheName) {
  v1::EarlyStopping spec = Spec(v1::EarlyStopping::MIN, 1);
  spec.set_monitor("val_accuracy");
  EXPECT_EQ(Play(spec, {1.0, 2.0}).best_epoch, 1);
  spec.set_mode(v1::EarlyStopping::MAX);
  spec.set_monitor("val_loss");
  EXPECT_EQ(Play(spec, {1.0, 2.0}).best_epoch, 2);
}

TEST(EarlyStopping, NothingJudgedYet) {
  EarlyStopping stopping(Spec(v1::EarlyStopping::MIN, 0, 0, 3));
  for (int64_t epoch = 1; epoch <= 3; ++epoch) {
    const EarlyStopping::Decision decision = stopping.OnEpoch(epoch, 1.0);
    EXPECT_FALSE(decision.improved);
    EXPECT_FALSE(decision.stop);
    EXPECT_EQ(stopping.best_epoch(), 0);
    EXPECT_FALSE(stopping.best_value().has_value());
  }
  EXPECT_TRUE(stopping.OnEpoch(4, 9.0).improved);
  EXPECT_EQ(stopping.best_epoch(), 4);
  EXPECT_EQ(stopping.best_value(), 9.0);
}

TEST(EarlyStopping, HugePatienceNeverStops) {
  EarlyStopping stopping(Spec(v1::EarlyStopping::MIN, std::numeric_limits<int64_t>::max()));
  for (int64_t epoch = 1; epoch <= 1000; ++epoch) EXPECT_FALSE(stopping.OnEpoch(epoch, 1.0).stop);
  EXPECT_EQ(stopping.wait(), 999);
}

}  // namespace
}  // namespace anneal
