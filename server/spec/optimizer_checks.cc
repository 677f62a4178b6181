#include "server/spec/optimizer_checks.h"

#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/field_checks.h"
#include "server/spec/schedule_checks.h"

namespace anneal {
namespace {

void CheckSgd(const FieldChecks& checks, const v1::Sgd& sgd) {
  const bool momentum = checks.Real("momentum", sgd.momentum(), kBelowOne, "a momentum");
  if (sgd.nesterov() && momentum && sgd.momentum() == 0) {
    checks.Add("nesterov",
               "is true, but momentum is 0; Nesterov's method needs a momentum, for example 0.9");
  }
}

template <typename Optimizer>
void CheckEpsilon(const FieldChecks& checks, const Optimizer& optimizer) {
  checks.Real("epsilon", defaults::OptimizerEpsilon(optimizer), kPositive, "an epsilon");
}

template <typename Optimizer>
void CheckBetas(const FieldChecks& checks, const Optimizer& optimizer) {
  checks.Real("beta_1", defaults::Beta1(optimizer), kBelowOne, "a decay rate");
  checks.Real("beta_2", defaults::Beta2(optimizer), kBelowOne, "a decay rate");
  CheckEpsilon(checks, optimizer);
}

void CheckHyperParameters(const FieldChecks& checks, const v1::Optimizer& optimizer) {
  constexpr const char* kDecayRate = "a decay rate";
  switch (optimizer.kind_case()) {
    case v1::Optimizer::kSgd: return CheckSgd(checks, optimizer.sgd());
    case v1::Optimizer::kRmsprop:
      checks.Real("rho", defaults::Rho(optimizer.rmsprop()), kBelowOne, kDecayRate);
      checks.Real("momentum", optimizer.rmsprop().momentum(), kBelowOne, "a momentum");
      return CheckEpsilon(checks, optimizer.rmsprop());
    case v1::Optimizer::kAdagrad:
      checks.Real("initial_accumulator_value",
                  defaults::InitialAccumulatorValue(optimizer.adagrad()), kNotNegative,
                  "an initial value");
      return CheckEpsilon(checks, optimizer.adagrad());
    case v1::Optimizer::kAdadelta:
      checks.Real("rho", defaults::Rho(optimizer.adadelta()), kBelowOne, kDecayRate);
      return CheckEpsilon(checks, optimizer.adadelta());
    case v1::Optimizer::kAdam: return CheckBetas(checks, optimizer.adam());
    case v1::Optimizer::kAdamw: return CheckBetas(checks, optimizer.adamw());
    case v1::Optimizer::kAdamax: return CheckBetas(checks, optimizer.adamax());
    case v1::Optimizer::kNadam: return CheckBetas(checks, optimizer.nadam());
    case v1::Optimizer::kLion:
      checks.Real("beta_1", defaults::Beta1(optimizer.lion()), kBetweenZeroAndOne, kDecayRate);
      checks.Real("beta_2", defaults::Beta2(optimizer.lion()), kBelowOne, kDecayRate);
      return;
    case v1::Optimizer::KIND_NOT_SET: return;
  }
}

void CheckClipping(const FieldChecks& checks, const v1::Optimizer& optimizer) {
  struct Clipping {
    const char* field;
    bool present;
    double value;
  };
  const Clipping clippings[] = {
      {"clipnorm", optimizer.has_clipnorm(), optimizer.clipnorm()},
      {"clipvalue", optimizer.has_clipvalue(), optimizer.clipvalue()},
      {"global_clipnorm", optimizer.has_global_clipnorm(), optimizer.global_clipnorm()}};
  const char* first = nullptr;
  for (const Clipping& clipping : clippings) {
    if (!clipping.present) continue;
    checks.Real(clipping.field, clipping.value, kPositive, "a limit of the gradients");
    if (first != nullptr) {
      checks.Add(clipping.field,
                 absl::StrCat("is set, and so is ", first,
                              "; at most one of clipnorm, clipvalue and global_clipnorm is"));
    } else {
      first = clipping.field;
    }
  }
}

}  // namespace

void CheckOptimizer(const v1::TrainingSpec& training, ViolationList& violations) {
  const FieldChecks checks("training.optimizer", violations);
  const v1::Optimizer& optimizer = training.optimizer();
  if (optimizer.kind_case() == v1::Optimizer::KIND_NOT_SET) {
    checks.MissingKind("", v1::Optimizer::descriptor()->FindOneofByName("kind"), "optimizer");
  } else {
    const FieldChecks kind = checks.In(OptimizerName(optimizer));
    kind.Real("learning_rate", LearningRateOf(optimizer), kPositive, "a learning rate");
    CheckHyperParameters(kind, optimizer);
  }
  checks.Real("weight_decay", defaults::WeightDecay(optimizer), kNotNegative, "a weight decay");
  CheckClipping(checks, optimizer);
  if (optimizer.has_schedule()) CheckSchedule(checks.In("schedule"), training);
}

double LearningRateOf(const v1::Optimizer& optimizer) {
  switch (optimizer.kind_case()) {
    case v1::Optimizer::kSgd: return defaults::LearningRate(optimizer.sgd());
    case v1::Optimizer::kRmsprop: return defaults::LearningRate(optimizer.rmsprop());
    case v1::Optimizer::kAdagrad: return defaults::LearningRate(optimizer.adagrad());
    case v1::Optimizer::kAdadelta: return defaults::LearningRate(optimizer.adadelta());
    case v1::Optimizer::kAdam: return defaults::LearningRate(optimizer.adam());
    case v1::Optimizer::kAdamw: return defaults::LearningRate(optimizer.adamw());
    case v1::Optimizer::kAdamax: return defaults::LearningRate(optimizer.adamax());
    case v1::Optimizer::kNadam: return defaults::LearningRate(optimizer.nadam());
    case v1::Optimizer::kLion: return defaults::LearningRate(optimizer.lion());
    case v1::Optimizer::KIND_NOT_SET: break;
  }
  return 0;
}

const char* OptimizerName(const v1::Optimizer& optimizer) {
  const auto* const field = optimizer.GetReflection()->GetOneofFieldDescriptor(
      optimizer, v1::Optimizer::descriptor()->FindOneofByName("kind"));
  return field == nullptr ? "" : field->name().c_str();
}

int64_t MomentsPerParameter(const v1::Optimizer& optimizer) {
  switch (optimizer.kind_case()) {
    case v1::Optimizer::kSgd: return optimizer.sgd().momentum() > 0 ? 1 : 0;
    case v1::Optimizer::kRmsprop:  // mean square, velocity, mean
      return 1 + (optimizer.rmsprop().momentum() > 0 ? 1 : 0) +
             (optimizer.rmsprop().centered() ? 1 : 0);
    case v1::Optimizer::kAdagrad:
    case v1::Optimizer::kLion: return 1;
    case v1::Optimizer::kAdam: return optimizer.adam().amsgrad() ? 3 : 2;
    case v1::Optimizer::kAdamw: return optimizer.adamw().amsgrad() ? 3 : 2;
    case v1::Optimizer::kAdadelta:
    case v1::Optimizer::kAdamax:
    case v1::Optimizer::kNadam: return 2;
    case v1::Optimizer::KIND_NOT_SET: break;
  }
  return 2;
}

}  // namespace anneal
