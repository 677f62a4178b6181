// Initializers: whether their parameters make sense.
#pragma once

#include "anneal/v1/network.pb.h"
#include "server/spec/field_checks.h"

namespace anneal {

// `checks` is at the initializer's path. A kind must be set.
void CheckInitializer(const FieldChecks& checks, const v1::Initializer& initializer);

}  // namespace anneal
