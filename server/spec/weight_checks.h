// Regularizers and constraints: whether their parameters make sense.
#pragma once

#include "anneal/v1/network.pb.h"
#include "server/spec/field_checks.h"

namespace anneal {

// `checks` is at the regularizer's path. A kind must be set.
void CheckRegularizer(const FieldChecks& checks, const v1::Regularizer& regularizer);

// `checks` is at the constraint's path. A kind must be set.
void CheckConstraint(const FieldChecks& checks, const v1::Constraint& constraint);

}  // namespace anneal
