#include "server/spec/lr_range_test_checks.h"

#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/field_checks.h"
#include "server/spec/limits.h"
#include "server/spec/text.h"

namespace anneal {

void CheckLearningRateRangeTest(const v1::LearningRateRangeTest& test, ViolationList& violations) {
  const FieldChecks checks("lr_range_test", violations);
  const double lowest = defaults::MinLearningRate(test);
  const double highest = defaults::MaxLearningRate(test);
  const bool known = checks.Real("min_learning_rate", lowest, kPositive, "a learning rate");
  if (checks.Real("max_learning_rate", highest, kPositive, "a learning rate") && known &&
      highest <= lowest) {
    checks.Add(
        "max_learning_rate",
        absl::StrCat("is ", FormatReal(highest),
                     "; it is greater than min_learning_rate, which is ", FormatReal(lowest)));
  }
  if (test.has_steps()) {
    checks.Integer("steps", test.steps(), limits::kFewestRangeTestSteps, limits::kRangeTestSteps,
                   "the number of steps");
  }
  checks.Real("smoothing", defaults::Smoothing(test), kBelowOne, "a smoothing");
  constexpr RealRange kAboveOne{1, false, kInfinity, false, "a finite number greater than 1"};
  checks.Real("divergence_factor", defaults::DivergenceFactor(test), kAboveOne, "a factor");
}

}  // namespace anneal
