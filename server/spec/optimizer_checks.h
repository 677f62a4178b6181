// The optimizer: whether its hyper-parameters make sense.
#pragma once

#include <cstdint>

#include "anneal/v1/training.pb.h"
#include "server/spec/violation_list.h"

namespace anneal {

// Checks training.optimizer, its schedule included. A kind must be set.
void CheckOptimizer(const v1::TrainingSpec& training, ViolationList& violations);

// The learning rate that training begins with and that the schedule, if any, changes. 0 where no
// optimizer is named.
double LearningRateOf(const v1::Optimizer& optimizer);

// The field of the optimizer that is named: "adam". Empty where none is.
const char* OptimizerName(const v1::Optimizer& optimizer);

// Numbers the optimizer keeps for each trainable parameter: velocities, moments, accumulators.
int64_t MomentsPerParameter(const v1::Optimizer& optimizer);

}  // namespace anneal
