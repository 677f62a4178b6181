// How the training runs: batch size, epochs, early stopping, device.
#pragma once

#include "anneal/v1/training.pb.h"
#include "server/spec/violation_list.h"

namespace anneal {

// Batch size, epochs, early stopping, device.
void CheckRun(const v1::TrainingSpec& training, ViolationList& violations);

}  // namespace anneal
