// Learning-rate schedules: whether their parameters make sense.
#pragma once

#include "anneal/v1/training.pb.h"
#include "server/spec/field_checks.h"

namespace anneal {

// `checks` is at the path of training.optimizer.schedule, which must be present.
void CheckSchedule(const FieldChecks& checks, const v1::TrainingSpec& training);

}  // namespace anneal
