// The optimizer: whether its hyper-parameters make sense.
#pragma once

#include <cstdint>

#include "anneal/v1/training.pb.h"
#include "server/spec/violation_list.h"

namespace anneal {

// Checks training.optimizer, which must be present.
void CheckOptimizer(const v1::TrainingSpec& training, ViolationList& violations);

// Numbers the optimizer keeps for each trainable parameter: the velocity, or the two moments.
int64_t MomentsPerParameter(const v1::Optimizer& optimizer);

}  // namespace anneal
