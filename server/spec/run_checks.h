// How the training runs: loss, batch size, epochs, early stopping, device.
#pragma once

#include "anneal/v1/training.pb.h"
#include "server/spec/violation_list.h"

namespace anneal {

// Whether the network's last activation fits the loss is judged elsewhere (output_checks.h).
void CheckRun(const v1::TrainingSpec& training, ViolationList& violations);

}  // namespace anneal
