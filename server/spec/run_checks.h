// How the training runs: batch size, epochs, early stopping, device.
#pragma once

#include <string>

#include "anneal/v1/training.pb.h"
#include "server/spec/field_checks.h"
#include "server/spec/violation_list.h"

namespace anneal {

// Batch size, epochs, early stopping, device.
void CheckRun(const v1::TrainingSpec& training, ViolationList& violations);

// The field `device` of the message that `checks` is of: "", auto, cpu or cuda:N.
void CheckDevice(const FieldChecks& checks, const std::string& device);

}  // namespace anneal
