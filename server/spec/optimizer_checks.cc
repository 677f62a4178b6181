#include "server/spec/optimizer_checks.h"

#include "server/spec/defaults.h"
#include "server/spec/field_checks.h"

namespace anneal {
namespace {

void CheckSgd(const FieldChecks& checks, const v1::Sgd& sgd) {
  checks.Real("learning_rate", defaults::LearningRate(sgd), kPositive, "a learning rate");
  const bool momentum = checks.Real("momentum", sgd.momentum(), kBelowOne, "a momentum");
  if (sgd.nesterov() && momentum && sgd.momentum() == 0) {
    checks.Add("nesterov",
               "is true, but momentum is 0; Nesterov's method needs a momentum, for example 0.9");
  }
}

template <typename AdamOrNadam>
void CheckAdam(const FieldChecks& checks, const AdamOrNadam& adam) {
  checks.Real("learning_rate", defaults::LearningRate(adam), kPositive, "a learning rate");
  checks.Real("beta_1", defaults::Beta1(adam), kBelowOne, "a decay rate");
  checks.Real("beta_2", defaults::Beta2(adam), kBelowOne, "a decay rate");
  checks.Real("epsilon", defaults::OptimizerEpsilon(adam), kPositive, "an epsilon");
}

}  // namespace

void CheckOptimizer(const v1::TrainingSpec& training, ViolationList& violations) {
  const FieldChecks checks("training.optimizer", violations);
  const v1::Optimizer& optimizer = training.optimizer();
  switch (optimizer.kind_case()) {
    case v1::Optimizer::kSgd: return CheckSgd(checks.In("sgd"), optimizer.sgd());
    case v1::Optimizer::kAdam: return CheckAdam(checks.In("adam"), optimizer.adam());
    case v1::Optimizer::kNadam: return CheckAdam(checks.In("nadam"), optimizer.nadam());
    case v1::Optimizer::KIND_NOT_SET:
      return checks.MissingKind("", v1::Optimizer::descriptor()->FindOneofByName("kind"),
                                "optimizer");
  }
}

int64_t MomentsPerParameter(const v1::Optimizer& optimizer) {
  if (optimizer.has_sgd()) return optimizer.sgd().momentum() > 0 ? 1 : 0;
  return 2;
}

}  // namespace anneal
