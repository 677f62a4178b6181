#include "server/spec/weight_checks.h"

#include "server/spec/defaults.h"

namespace anneal {

void CheckRegularizer(const FieldChecks& checks, const v1::Regularizer& regularizer) {
  constexpr const char* kFactor = "a regularizer's factor";
  switch (regularizer.kind_case()) {
    case v1::Regularizer::kL1:
      checks.In("l1").Real("factor", defaults::Factor(regularizer.l1()), kNotNegative, kFactor);
      break;
    case v1::Regularizer::kL2:
      checks.In("l2").Real("factor", defaults::Factor(regularizer.l2()), kNotNegative, kFactor);
      break;
    case v1::Regularizer::kL1L2: {
      const FieldChecks both = checks.In("l1_l2");
      both.Real("l1", regularizer.l1_l2().l1(), kNotNegative, kFactor);
      both.Real("l2", regularizer.l1_l2().l2(), kNotNegative, kFactor);
      break;
    }
    case v1::Regularizer::KIND_NOT_SET:
      checks.MissingKind("", v1::Regularizer::descriptor()->FindOneofByName("kind"), "regularizer");
      break;
  }
}

void CheckConstraint(const FieldChecks& checks, const v1::Constraint& constraint) {
  switch (constraint.kind_case()) {
    case v1::Constraint::kMaxNorm:
      checks.In("max_norm")
          .Real("max_value", defaults::MaxValue(constraint.max_norm()), kPositive,
                "a largest norm");
      break;
    case v1::Constraint::kNonNeg:
    case v1::Constraint::kUnitNorm: break;
    case v1::Constraint::KIND_NOT_SET:
      checks.MissingKind("", v1::Constraint::descriptor()->FindOneofByName("kind"), "constraint");
      break;
  }
}

}  // namespace anneal
