// The metrics that early stopping and reduce_on_plateau watch.
#pragma once

#include <string>

#include "anneal/v1/training.pb.h"
#include "server/spec/field_checks.h"

namespace anneal {

// `checks` is at the message whose field `monitor` says `name`, or says nothing and has it by
// default. It must be measured after every epoch: val_* only with validation.
void CheckMonitor(const FieldChecks& checks, const std::string& name, bool is_default,
                  const v1::TrainingSpec& training);

}  // namespace anneal
