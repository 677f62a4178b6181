#include "server/spec/schedule_checks.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/limits.h"
#include "server/spec/monitor_checks.h"
#include "server/spec/text.h"

namespace anneal {
namespace {

using Schedule = v1::LearningRateSchedule;

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();
constexpr RealRange kShare{0, true, 1, true, "from 0 to 1"};
constexpr RealRange kAtLeastOne{1, true, kInfinity, false, "a finite number, at least 1"};

void CheckSteps(const FieldChecks& checks, const char* field, int64_t steps) {
  checks.Integer(field, steps, 1, kNoLimit, "the number of steps");
}

template <typename ExponentialOrInverse>
void CheckDecay(const FieldChecks& checks, const ExponentialOrInverse& decay) {
  CheckSteps(checks, "decay_steps", decay.decay_steps());
  checks.Real("decay_rate", decay.decay_rate(), kPositive, "a decay rate");
}

void CheckPolynomial(const FieldChecks& checks, const Schedule::PolynomialDecay& decay) {
  CheckSteps(checks, "decay_steps", decay.decay_steps());
  checks.Real("end_learning_rate", defaults::EndLearningRate(decay), kNotNegative,
              "a last learning rate");
  checks.Real("power", defaults::Power(decay), kPositive, "a power");
}

void CheckPiecewise(const FieldChecks& checks, const Schedule::PiecewiseConstantDecay& decay) {
  if (decay.boundaries().empty()) {
    checks.Add("boundaries", "is empty; name at least one step after which the rate changes");
  } else if (decay.boundaries_size() > limits::kBoundaries) {
    return checks.Add("boundaries", absl::StrCat("has ", decay.boundaries_size(),
                                                 " entries; at most ", limits::kBoundaries));
  }
  if (!decay.boundaries().empty() && decay.values_size() != decay.boundaries_size()) {
    checks.Add("values",
               absl::StrCat("has ", decay.values_size(), " entries, and boundaries has ",
                            decay.boundaries_size(),
                            "; each value follows one boundary, and before the first one the "
                            "optimizer's learning_rate holds"));
  }
  for (int i = 0; i < decay.boundaries_size(); ++i) {
    const std::string field = absl::StrCat("boundaries[", i, "]");
    const int64_t boundary = decay.boundaries(i);
    if (!checks.Integer(field.c_str(), boundary, 0, kNoLimit, "a boundary")) continue;
    if (i == 0 || boundary > decay.boundaries(i - 1)) continue;
    checks.Add(field.c_str(), absl::StrCat("is ", boundary, " after ", decay.boundaries(i - 1),
                                           "; boundaries increase"));
  }
  const int values = std::min<int>(decay.values_size(), limits::kBoundaries);
  for (int i = 0; i < values; ++i) {
    const std::string field = absl::StrCat("values[", i, "]");
    checks.Real(field.c_str(), decay.values(i), kPositive, "a learning rate");
  }
}

void CheckCosine(const FieldChecks& checks, const Schedule::CosineDecay& decay) {
  CheckSteps(checks, "decay_steps", decay.decay_steps());
  checks.Real("alpha", decay.alpha(), kShare, "an alpha");
  const bool steps =
      checks.Integer("warmup_steps", decay.warmup_steps(), 0, kNoLimit, "the number of steps");
  if (steps && decay.warmup_steps() != 0 && decay.warmup_target() == 0) {
    checks.Add("warmup_target",
               absl::StrCat("is missing, but warmup_steps is ", decay.warmup_steps(),
                            "; name the learning rate that the warm-up leads to"));
    return;
  }
  if (decay.warmup_target() == 0) return;
  checks.Real("warmup_target", decay.warmup_target(), kPositive, "a learning rate");
  if (steps && decay.warmup_steps() == 0) {
    checks.Add("warmup_steps",
               absl::StrCat("is missing, but warmup_target is ", FormatReal(decay.warmup_target()),
                            "; say in how many steps it is reached"));
  }
}

void CheckRestarts(const FieldChecks& checks, const Schedule::CosineDecayRestarts& decay) {
  CheckSteps(checks, "first_decay_steps", decay.first_decay_steps());
  checks.Real("t_mul", defaults::TMul(decay), kAtLeastOne, "a factor of the length");
  checks.Real("m_mul", defaults::MMul(decay), kPositive, "a factor of the height");
  checks.Real("alpha", decay.alpha(), kShare, "an alpha");
}

void CheckPlateau(const FieldChecks& checks, const Schedule::ReduceOnPlateau& plateau,
                  const v1::TrainingSpec& training) {
  CheckMonitor(checks, defaults::Monitor(plateau), plateau.monitor().empty(), training);
  checks.Real("factor", defaults::Factor(plateau), kBetweenZeroAndOne, "a factor");
  checks.Integer("patience", defaults::Patience(plateau), 0, kNoLimit, "a patience");
  checks.Real("min_delta", defaults::MinDelta(plateau), kNotNegative, "a smallest improvement");
  checks.Integer("cooldown", plateau.cooldown(), 0, kNoLimit, "a cooldown");
  checks.Real("min_learning_rate", plateau.min_learning_rate(), kNotNegative,
              "a smallest learning rate");
}

}  // namespace

void CheckSchedule(const FieldChecks& checks, const v1::TrainingSpec& training) {
  const Schedule& schedule = training.optimizer().schedule();
  switch (schedule.kind_case()) {
    case Schedule::kExponentialDecay:
      return CheckDecay(checks.In("exponential_decay"), schedule.exponential_decay());
    case Schedule::kInverseTimeDecay:
      return CheckDecay(checks.In("inverse_time_decay"), schedule.inverse_time_decay());
    case Schedule::kPolynomialDecay:
      return CheckPolynomial(checks.In("polynomial_decay"), schedule.polynomial_decay());
    case Schedule::kPiecewiseConstantDecay:
      return CheckPiecewise(checks.In("piecewise_constant_decay"),
                            schedule.piecewise_constant_decay());
    case Schedule::kCosineDecay:
      return CheckCosine(checks.In("cosine_decay"), schedule.cosine_decay());
    case Schedule::kCosineDecayRestarts:
      return CheckRestarts(checks.In("cosine_decay_restarts"), schedule.cosine_decay_restarts());
    case Schedule::kOneCycle: return;
    case Schedule::kReduceOnPlateau:
      return CheckPlateau(checks.In("reduce_on_plateau"), schedule.reduce_on_plateau(), training);
    case Schedule::KIND_NOT_SET:
      return checks.MissingKind("", Schedule::descriptor()->FindOneofByName("kind"), "schedule");
  }
}

}  // namespace anneal
