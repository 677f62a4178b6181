// How the training runs: loss, batch size, epochs, early stopping, device.
#pragma once

#include "anneal/v1/training.pb.h"
#include "server/spec/violation_list.h"

namespace anneal {

// That there is one. Whether the network's end fits it is judged elsewhere (output_checks.h).
void CheckLoss(const v1::TrainingSpec& training, ViolationList& violations);

// Batch size, epochs, early stopping, device.
void CheckRun(const v1::TrainingSpec& training, ViolationList& violations);

}  // namespace anneal
