// Sweeps: the trials that come out, and what is refused.
#include "server/spec/sweep.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "absl/strings/numbers.h"
#include "gmock/gmock.h"
#include "server/core/random.h"
#include "server/spec/limits.h"
#include "tests/spec/job_specs.h"

namespace anneal {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::UnorderedElementsAre;

constexpr char kRate[] = "training.optimizer.sgd.learning_rate";

std::string Sweep(const std::string& block) { return GoodJob() + "sweep { " + block + " }"; }

std::vector<PlannedTrial> TrialsOf(const std::string& block) {
  const ValidationResult result = JudgeText(Sweep(block));
  EXPECT_TRUE(result.spec.has_value()) << Show(result);
  return result.spec.has_value() ? result.spec->trials() : std::vector<PlannedTrial>();
}

std::vector<std::string> Values(const std::vector<PlannedTrial>& trials, size_t parameter = 0) {
  std::vector<std::string> values;
  for (const PlannedTrial& trial : trials) values.push_back(trial.settings.at(parameter).value);
  return values;
}

double Number(const std::string& text) {
  double number = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(absl::SimpleAtod(text, &number)) << text;
  return number;
}

TEST(SweepTest, AGridGoesThroughEveryCombinationTheLastFastest) {
  const std::vector<PlannedTrial> trials = TrialsOf(
      "grid { parameters { path: 'training.optimizer.sgd.learning_rate' values: '0.1' values: "
      "'1e-2' } "
      "parameters { path: 'training.batch_size' values: '16' values: '32' values: '64' } }");
  ASSERT_THAT(trials, SizeIs(6));
  EXPECT_THAT(Values(trials, 0), ElementsAre("0.1", "0.1", "0.1", "1e-2", "1e-2", "1e-2"));
  EXPECT_THAT(Values(trials, 1), ElementsAre("16", "32", "64", "16", "32", "64"));
  for (size_t i = 0; i < trials.size(); ++i) {
    const v1::JobSpec& spec = trials[i].spec;
    EXPECT_EQ(spec.name(), absl::StrCat("good/", i + 1));
    EXPECT_EQ(spec.search_case(), v1::JobSpec::SEARCH_NOT_SET);
    EXPECT_EQ(spec.training().optimizer().sgd().learning_rate(), i < 3 ? 0.1 : 0.01);
    EXPECT_EQ(spec.training().batch_size(), 16 << i % 3);
    EXPECT_EQ(spec.training().optimizer().sgd().momentum(), 0.9);  // the rest is the file's
    EXPECT_TRUE(Judge(spec).spec.has_value());
  }
  EXPECT_EQ(trials[0].settings[0].path, kRate);
  const auto nameless =
      JudgeText(GoodJobWith({{"name: \"good\"\n", ""}}) +
                "sweep { grid { parameters { path: 'training.epochs' values: '1' } } }");
  EXPECT_EQ(nameless.spec->trials().front().spec.name(), "sweep/1");
  EXPECT_THAT(JudgeText(GoodJob()).spec->trials(), IsEmpty());
}

TEST(SweepTest, ALongerPathMayAddToWhatAnEarlierParameterSets) {
  const std::vector<PlannedTrial> trials = TrialsOf(
      "grid { parameters { path: 'training.optimizer' values: '{}' values: '{sgd { momentum: 0.5 "
      "}}' } parameters { path: 'training.optimizer.sgd.learning_rate' values: '0.25' } }");
  ASSERT_THAT(trials, SizeIs(2));
  for (const PlannedTrial& trial : trials)
    EXPECT_EQ(trial.spec.training().optimizer().sgd().learning_rate(), 0.25);
  EXPECT_EQ(trials[1].spec.training().optimizer().sgd().momentum(), 0.5);
}

TEST(SweepTest, ValuesMayBeBlocksListsAndNames) {
  const std::vector<PlannedTrial> trials = TrialsOf(
      "grid { parameters { path: 'training.optimizer' values: '{adam {}}' values: '{nadam "
      "{learning_rate: 0.5}}' }"
      " parameters { path: 'training.network.layers[1].dense.activation' values: 'SELU' values: "
      "'RELU' } }");
  ASSERT_THAT(trials, SizeIs(4));
  EXPECT_TRUE(trials[1].spec.training().optimizer().has_adam());
  EXPECT_EQ(trials[2].spec.training().optimizer().nadam().learning_rate(), 0.5);
  EXPECT_EQ(trials[2].spec.training().network().layers(1).dense().activation(),
            v1::Activation::SELU);
  // A longer path may come after one that holds it.
  EXPECT_THAT(TrialsOf("grid { parameters { path: 'training.optimizer' values: '{sgd {}}' } "
                       "parameters { path: 'training.optimizer.sgd.momentum' values: '0.5' } }"),
              SizeIs(1));
}

TEST(SweepTest, TheLastTrialOfAThousand) {
  std::string values;
  for (int i = 1; i <= 10; ++i) absl::StrAppend(&values, " values: '", i, "'");
  std::string block = "grid {";
  for (const char* path :
       {"training.epochs", "training.batch_size", "training.early_stopping.patience"})
    absl::StrAppend(&block, " parameters { path: '", path, "'", values, " }");
  const std::vector<PlannedTrial> trials = TrialsOf(block + " }");
  ASSERT_THAT(trials, SizeIs(1'000));
  // Number 1 + 100 a + 10 b + c has the values a + 1, b + 1, c + 1.
  const std::vector<TrialSetting>& settings = trials[345].settings;
  EXPECT_EQ(settings[0].value, "4");
  EXPECT_EQ(settings[1].value, "5");
  EXPECT_EQ(settings[2].value, "6");
  EXPECT_EQ(trials.back().spec.name(), "good/1000");
}

v1::Sweep::RandomParameter Parameter(const std::string& text) {
  v1::Sweep::RandomParameter parameter;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &parameter)) << text;
  return parameter;
}

// The two words of Philox that a value is made of, as a number in [0, 1).
double UnitNumber(uint64_t seed, int64_t trial, int index) {
  const auto words = RandomStream{seed, RandomPurpose::kSweep, static_cast<uint32_t>(index),
                                  static_cast<uint64_t>(trial)}
                         .Block(0);
  const uint64_t bits = uint64_t{words[0]} << 32 | words[1];
  return std::ldexp(static_cast<double>(bits >> 11), -53);
}

TEST(SweepTest, RandomRealsByTheInverseOfTheirDistribution) {
  const auto uniform = Parameter("uniform { low: -2 high: 6 }");
  const auto log_uniform = Parameter("log_uniform { low: 1e-5 high: 10 }");
  for (int64_t trial = 0; trial < 200; ++trial) {
    const double u = UnitNumber(7, trial, 3);
    EXPECT_NEAR(Number(DrawValue(uniform, false, 7, trial, 3)), -2 + 8 * u, 1e-14);
    EXPECT_NEAR(std::log10(Number(DrawValue(log_uniform, false, 7, trial, 3))), -5 + 6 * u, 1e-13);
  }
}

// The Kolmogorov-Smirnov distance of n uniform numbers from uniform is below 1.95 / sqrt(n) in all
// but one of a thousand seeds.
TEST(SweepTest, RandomValuesHaveTheirDistributions) {
  constexpr int kDraws = 4'000;
  const auto log_uniform = Parameter("log_uniform { low: 1e-4 high: 1e-1 }");
  std::vector<double> shares;
  for (int trial = 0; trial < kDraws; ++trial) {
    const double value = Number(DrawValue(log_uniform, false, 1, trial, 0));
    EXPECT_GE(value, 1e-4);
    EXPECT_LT(value, 1e-1);
    shares.push_back((std::log10(value) + 4) / 3);
  }
  std::sort(shares.begin(), shares.end());
  double distance = 0;
  for (int i = 0; i < kDraws; ++i) {
    distance = std::max({distance, shares[static_cast<size_t>(i)] - i / double{kDraws},
                         (i + 1) / double{kDraws} - shares[static_cast<size_t>(i)]});
  }
  EXPECT_LT(distance, 1.95 / std::sqrt(kDraws));

  // Whole numbers: each count is binomial; five standard deviations hold for all of them.
  const auto count = [&](const v1::Sweep::RandomParameter& parameter, bool whole) {
    std::map<std::string, int> counts;
    for (int trial = 0; trial < kDraws; ++trial) ++counts[DrawValue(parameter, whole, 2, trial, 1)];
    return counts;
  };
  const auto expect_shares = [&](const std::map<std::string, int>& counts,
                                 const std::map<std::string, double>& wanted) {
    ASSERT_EQ(counts.size(), wanted.size());
    for (const auto& [value, share] : wanted) {
      EXPECT_NEAR(counts.at(value), kDraws * share, 5 * std::sqrt(kDraws * share * (1 - share)))
          << value;
    }
  };
  expect_shares(count(Parameter("uniform { low: -1 high: 2 }"), true),
                {{"-1", .25}, {"0", .25}, {"1", .25}, {"2", .25}});
  expect_shares(count(Parameter("uniform { low: 0.5 high: 2.5 }"), true), {{"1", .5}, {"2", .5}});
  // k as often as [k, k + 1) of [1, 8): log2((k + 1) / k) / 3.
  std::map<std::string, double> by_logarithm;
  for (int k = 1; k <= 7; ++k) by_logarithm[absl::StrCat(k)] = std::log2((k + 1.0) / k) / 3;
  expect_shares(count(Parameter("log_uniform { low: 1 high: 7 }"), true), by_logarithm);
  expect_shares(count(Parameter("choice { values: 'a' values: 'b' values: 'c' }"), false),
                {{"a", 1 / 3.0}, {"b", 1 / 3.0}, {"c", 1 / 3.0}});
}

TEST(SweepTest, ExtremeRangesStayInside) {
  for (int64_t trial = 0; trial < 500; ++trial) {
    const double wide =
        Number(DrawValue(Parameter("uniform { low: -1.7e308 high: 1.7e308 }"), false, 1, trial, 0));
    EXPECT_TRUE(std::isfinite(wide) && wide >= -1.7e308 && wide < 1.7e308) << wide;
    // Two neighbours: only the lower is inside.
    EXPECT_EQ(
        DrawValue(Parameter("uniform { low: 1 high: 1.0000000000000002 }"), false, 1, trial, 0),
        "1");
    EXPECT_EQ(
        DrawValue(Parameter("log_uniform { low: 1 high: 1.0000000000000002 }"), false, 1, trial, 0),
        "1");
    EXPECT_EQ(DrawValue(Parameter("uniform { low: 5 high: 5 }"), true, 1, trial, 0), "5");
    EXPECT_EQ(DrawValue(Parameter("log_uniform { low: 5 high: 5 }"), true, 1, trial, 0), "5");
  }
}

TEST(SweepTest, AValueDependsOnSeedTrialAndParameterOnly) {
  const std::string rate =
      std::string("parameters { path: '") + kRate + "' log_uniform { low: 1e-4 high: 1 } }";
  const std::string units =
      "parameters { path: 'training.network.layers[1].dense.units' uniform { low: 10 high: 500 } }";
  const auto draw = [&](const std::string& parameters, int trials, int seed) {
    return TrialsOf(
        absl::StrCat("seed: ", seed, " random { trials: ", trials, " ", parameters, " }"));
  };
  const std::vector<PlannedTrial> both = draw(rate + units, 20, 5);
  const std::vector<std::string> rates = Values(both);
  EXPECT_EQ(Values(draw(rate, 20, 5)), rates);
  const std::vector<std::string> more = Values(draw(rate + units, 30, 5));
  EXPECT_TRUE(std::equal(rates.begin(), rates.end(), more.begin()));
  EXPECT_THAT(std::set<std::string>(more.begin(), more.end()), SizeIs(30));
  EXPECT_NE(Values(draw(rate, 20, 6)), rates);
  for (const PlannedTrial& trial : both) {
    // What is written reads back as the very number.
    EXPECT_EQ(trial.spec.training().optimizer().sgd().learning_rate(),
              Number(trial.settings[0].value));
    EXPECT_THAT(trial.settings[1].value, Not(HasSubstr(".")));
    EXPECT_EQ(absl::StrCat(trial.spec.training().network().layers(1).dense().units()),
              trial.settings[1].value);
  }
}

TEST(SweepTest, TheMonitorIsThatOfTheValidationAndItsNameSaysWhatIsBetter) {
  v1::Sweep sweep;
  EXPECT_FALSE(LargerIsBetter(sweep, "val_loss"));
  EXPECT_TRUE(LargerIsBetter(sweep, "val_accuracy"));
  EXPECT_TRUE(LargerIsBetter(sweep, "top_5_accuracy"));
  sweep.set_mode(v1::Sweep::MIN);
  EXPECT_FALSE(LargerIsBetter(sweep, "accuracy"));
  sweep.set_mode(v1::Sweep::MAX);
  EXPECT_TRUE(LargerIsBetter(sweep, "loss"));
}

struct BadSweep {
  std::string block;
  std::string field;
  std::string description;  // a part of it
};

class BadSweepTest : public testing::TestWithParam<BadSweep> {};

TEST_P(BadSweepTest, IsTheOnlyViolation) {
  const ValidationResult result = JudgeText(Sweep(GetParam().block));
  EXPECT_FALSE(result.spec.has_value());
  ASSERT_THAT(Fields(result), ElementsAre(GetParam().field)) << Show(result);
  EXPECT_THAT(result.violations[0].description, HasSubstr(GetParam().description));
}

std::string Grid(const std::string& path, const std::string& values) {
  return "grid { parameters { path: '" + path + "' " + values + " } }";
}
std::string Random(const std::string& path, const std::string& distribution) {
  return "random { trials: 3 parameters { path: '" + path + "' " + distribution + " } }";
}

INSTANTIATE_TEST_SUITE_P(
    Blocks, BadSweepTest,
    testing::Values(
        BadSweep{"", "sweep", "grid, random"},
        BadSweep{"mode: 9 " + Grid("training.epochs", "values: '1'"), "sweep.mode", "is 9"},
        BadSweep{"grid {}", "sweep.grid.parameters", "is empty"},
        BadSweep{"random { trials: 3 }", "sweep.random.parameters", "is empty"},
        BadSweep{Grid("training.epochs", ""), "sweep.grid.parameters[0].values", "is empty"},
        BadSweep{Grid("epochs", "values: '1'"), "sweep.grid.parameters[0].path",
                 "begins with \"training.\""},
        BadSweep{Grid("training", "values: '{}'"), "sweep.grid.parameters[0].path",
                 "begins with \"training.\""},
        BadSweep{Grid("name", "values: 'x'"), "sweep.grid.parameters[0].path", "is \"name\""},
        BadSweep{Grid("training.epoch", "values: '1'"), "sweep.grid.parameters[0].path",
                 "did you mean \"epochs\"?"},
        BadSweep{Grid("training.network.layers[9].dense.units", "values: '1'"),
                 "sweep.grid.parameters[0].path", "has 4 elements"},
        BadSweep{Grid("training.epochs", "values: '1' values: 'two' values: '3'"),
                 "sweep.grid.parameters[0].values[1]", "\"two\" is not a whole number"},
        BadSweep{Grid("training.epochs", "values: '1\\n\\xff'"),
                 "sweep.grid.parameters[0].values[0]", "\\x0a\\xff"},
        BadSweep{"grid { parameters { path: 'training.epochs' values: '1' } parameters { path: "
                 "'training.epochs' values: '2' } }",
                 "sweep.grid.parameters[1].path", "an earlier parameter sets already"},
        BadSweep{"grid { parameters { path: 'training.optimizer.sgd.momentum' values: '0.5' } "
                 "parameters { path: 'training.optimizer' values: '{sgd {}}' } }",
                 "sweep.grid.parameters[1].path", "the longer path comes later"},
        BadSweep{"grid { parameters { path: 'training.optimizer.sgd.momentum' values: '0.5' } "
                 "parameters { path: 'training.optimizer.adam.beta_1' values: '0.5' } }",
                 "sweep.grid.parameters[0].path", "a later parameter takes away"},
        BadSweep{"grid { parameters { path: 'training.optimizer' values: '{sgd {}}' values: "
                 "'{adam {}}' } parameters { path: 'training.optimizer.sgd.momentum' values: '0.5' "
                 "} }",
                 "sweep.grid.parameters[1].path",
                 "is \"training.optimizer.sgd.momentum\", which takes away "
                 "\"training.optimizer.adam\", which an earlier parameter sets with \"{adam {}}\""},
        BadSweep{
            "random { trials: 0 parameters { path: 'training.epochs' choice { values: '1' } } }",
            "sweep.random.trials", "is 0"},
        BadSweep{
            "random { trials: 1001 parameters { path: 'training.epochs' choice { values: '1' } } }",
            "sweep.random.trials", "from 1 to 1000"},
        BadSweep{Random("training.epochs", ""), "sweep.random.parameters[0]",
                 "uniform, log_uniform, choice"},
        BadSweep{Random("training.epochs", "choice {}"), "sweep.random.parameters[0].choice.values",
                 "is empty"},
        BadSweep{Random("training.epochs", "choice { values: '1' values: 'x' }"),
                 "sweep.random.parameters[0].choice.values[1]", "\"x\""},
        BadSweep{Random(kRate, "uniform { low: 1 high: 1 }"),
                 "sweep.random.parameters[0].uniform.high", "not greater than low"},
        BadSweep{Random(kRate, "uniform { low: 0.1 high: inf }"),
                 "sweep.random.parameters[0].uniform.high", "is Infinity"},
        BadSweep{Random(kRate, "uniform { low: nan high: 1 }"),
                 "sweep.random.parameters[0].uniform.low", "is NaN"},
        BadSweep{Random(kRate, "log_uniform { low: 0 high: 1 }"),
                 "sweep.random.parameters[0].log_uniform.low", "greater than 0"},
        BadSweep{Random("training.epochs", "uniform { low: 1.2 high: 1.8 }"),
                 "sweep.random.parameters[0].uniform", "no whole number"},
        BadSweep{Random("training.epochs", "uniform { low: 1 high: 1e300 }"),
                 "sweep.random.parameters[0].uniform", "2^53"},
        BadSweep{Random("training.device", "uniform { low: 1 high: 2 }"),
                 "sweep.random.parameters[0].uniform", "choose among values"},
        BadSweep{"monitor: 'val_los' " + Grid("training.epochs", "values: '1'"), "sweep.monitor",
                 "is \"val_los\""},
        BadSweep{"monitor: 'test_loss' " + Grid("training.epochs", "values: '1'"), "sweep.monitor",
                 "one of loss, accuracy, val_loss, val_accuracy"},
        BadSweep{Grid("training.batch_size", "values: '32' values: '0' values: '16'"),
                 "training.batch_size", "(trial 2: training.batch_size=0)"}));

TEST(SweepViolationsTest, WithoutATraining) {
  EXPECT_THAT(Fields(JudgeText("sweep { grid {} }")), ElementsAre("training"));
}

TEST(SweepViolationsTest, EverythingThatIsWrongAtOnce) {
  const ValidationResult result =
      JudgeText(GoodJobWith({{"epochs: 30", "epochs: 0"}}) +
                "sweep { monitor: 'x' grid { parameters { path: 'training.seed' values: '-1' } "
                "parameters { path: 'a' } } }");
  EXPECT_THAT(
      Fields(result),
      UnorderedElementsAre("training.epochs", "sweep.monitor", "sweep.grid.parameters[0].values[0]",
                           "sweep.grid.parameters[1].path", "sweep.grid.parameters[1].values"))
      << Show(result);
}

// What the training itself has wrong is said once, of itself.
TEST(SweepViolationsTest, TrialsDoNotRepeatWhatTheirTrainingHas) {
  const ValidationResult result = JudgeText(
      GoodJobWith({{"epochs: 30", "epochs: 0"}}) +
      "sweep { grid { parameters { path: 'training.batch_size' values: '8' values: '0' } } }");
  EXPECT_THAT(Fields(result), ElementsAre("training.epochs", "training.batch_size"));
  EXPECT_THAT(result.violations[0].description, Not(HasSubstr("trial")));
}

TEST(SweepViolationsTest, WhatManyTrialsHaveIsSaidOnce) {
  std::string values;
  for (int i = 1; i <= 50; ++i) absl::StrAppend(&values, " values: '", i, "'");
  ValidationResult result =
      JudgeText(Sweep("grid { parameters { path: 'training.batch_size' values: '0' values: '8' } "
                      "parameters { path: 'training.epochs' " +
                      values + " } }"));
  ASSERT_THAT(Fields(result), ElementsAre("training.batch_size"));
  EXPECT_THAT(result.violations[0].description,
              EndsWith("(trial 1: training.batch_size=0, training.epochs=1; and 49 more trials)"));
  // Different things in one field: three, and the number of the rest.
  result =
      JudgeText(Sweep("random { trials: 100 parameters { path: "
                      "'training.optimizer.sgd.learning_rate' uniform { low: -2 high: -1 } } }"));
  EXPECT_THAT(Fields(result), ElementsAre(kRate, kRate, kRate, kRate));
  EXPECT_THAT(result.violations.back().description, HasSubstr("97 more trials"));
}

// A thousand trials of ten thousand layers each would take seconds to judge only to be refused.
TEST(SweepViolationsTest, SomeWrongTrialsAreEnough) {
  const ValidationResult result =
      JudgeText(Sweep("random { trials: 1000 parameters { path: "
                      "'training.optimizer.sgd.learning_rate' uniform { low: -2 high: -1 } } }"));
  EXPECT_THAT(Fields(result), ElementsAre("sweep", kRate, kRate, kRate, kRate));
  EXPECT_THAT(result.violations[0].description,
              HasSubstr("makes at least 200 wrong trials; those after trial 200 are not judged"));
}

TEST(SweepTest, TrialsOfALongNameHaveItCutBetweenCharacters) {
  // 100 characters of two bytes: 195 bytes end within one.
  std::string name;
  for (int i = 0; i < 100; ++i) name += "\u00e4";
  v1::JobSpec spec = ParseJob(Sweep("grid { parameters { path: 'training.seed' values: '7' } }"));
  spec.set_name(name);
  const ValidationResult result = Judge(spec);
  ASSERT_TRUE(result.spec.has_value()) << Show(result);
  EXPECT_EQ(result.spec->trials()[0].spec.name(), name.substr(0, 194) + "/1");
  // What is wrong with the sweep's own name is said once.
  spec.set_name(name + "a");
  EXPECT_THAT(Fields(Judge(spec)), ElementsAre("name"));
  spec.set_name("a\nb");
  EXPECT_THAT(Fields(Judge(spec)), ElementsAre("name"));
}

TEST(SweepViolationsTest, ATrialMustMeasureTheMonitor) {
  const ValidationResult result = JudgeText(
      Sweep("monitor: 'val_accuracy' grid { parameters { path: 'training.early_stopping' values: "
            "'{monitor: \"loss\"}' } "
            "parameters { path: 'training.validation' values: '{fraction: 0.2}' values: '{}' } }"));
  EXPECT_FALSE(result.spec.has_value());
  EXPECT_THAT(Fields(result), testing::Each(HasSubstr("validation"))) << Show(result);
}

TEST(SweepViolationsTest, TooManyTrials) {
  std::string block = "grid {";
  for (const char* path : {"training.epochs", "training.batch_size", "training.seed"}) {
    absl::StrAppend(&block, " parameters { path: '", path, "'");
    for (int i = 1; i <= 11; ++i) absl::StrAppend(&block, " values: '", i, "'");
    block += " }";
  }
  const ValidationResult result = JudgeText(Sweep(block + " }"));
  ASSERT_THAT(Fields(result), ElementsAre("sweep.grid"));
  EXPECT_THAT(result.violations[0].description, HasSubstr("1,331 trials"));
}

// Far more combinations than numbers, parameters than are taken, and bytes than are copied.
TEST(SweepViolationsTest, WhatWouldTakeForEverIsRefusedAtOnce) {
  v1::JobSpec spec = ParseJob(GoodJob());
  for (int i = 0; i < 5'000; ++i) {
    v1::Sweep::GridParameter& parameter = *spec.mutable_sweep()->mutable_grid()->add_parameters();
    parameter.set_path(absl::StrCat("training.network.layers[", i, "]"));
    for (int j = 0; j < 100; ++j) parameter.add_values("{}");
  }
  EXPECT_THAT(Fields(Judge(spec)), testing::Contains("sweep.grid.parameters"));

  spec = ParseJob(GoodJob());
  v1::Sweep::GridParameter& parameter = *spec.mutable_sweep()->mutable_grid()->add_parameters();
  parameter.set_path("training.epochs");
  for (int i = 1; i <= 1'000; ++i) parameter.add_values(absl::StrCat(i));
  v1::Layer& layer = *spec.mutable_training()->mutable_network()->mutable_layers(2);
  layer.mutable_repeat()->set_count(1);
  for (int i = 0; i < 9'000; ++i)
    layer.mutable_repeat()->add_layers()->mutable_dropout()->set_rate(0.5);
  EXPECT_THAT(Fields(Judge(spec)), testing::Contains("sweep"));
}

TEST(SweepWarningsTest, ATrialsOwnNameIt) {
  const ValidationResult result =
      JudgeText(Sweep("grid { parameters { path: 'training.network.layers[1].dense.activation' "
                      "values: 'ELU' values: 'SELU' } "
                      "parameters { path: 'training.seed' values: '1' values: '2' } }"));
  ASSERT_TRUE(result.spec.has_value()) << Show(result);
  ASSERT_THAT(result.warnings, Not(IsEmpty()));
  EXPECT_THAT(result.warnings,
              testing::Each(AllOf(testing::StartsWith("training."), HasSubstr("(trial 3: "),
                                  HasSubstr("and 1 more trial)"))));
}

}  // namespace
}  // namespace anneal
