// Whether a training's pruning can be done as it is asked for.
#pragma once

#include <cstdint>

#include "anneal/v1/training.pb.h"
#include "server/spec/expansion.h"
#include "server/spec/violation_list.h"

namespace anneal {

// `training_samples`: 0 where it is not known. Without `pruning` there is nothing to check.
void CheckPruning(const v1::TrainingSpec& training, const Expansion& expansion,
                  int64_t training_samples, ViolationList& violations);

}  // namespace anneal
