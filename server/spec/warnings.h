// What is legal but unwise. Each warning begins with a field path and a colon, and has a reason
// that can be looked up.
#pragma once

#include <string>
#include <vector>

#include "server/spec/validated_spec.h"
#include "server/spec/warning_list.h"

namespace anneal {

// All warnings, those about the data first, then network and training.
std::vector<std::string> FindWarnings(const ValidatedSpec& spec);

// Inputs, splits (data_warnings.cc).
void WarnAboutData(const ValidatedSpec& spec, WarningList& warnings);

// Initializers, biases, layers that are one (network_warnings.cc).
void WarnAboutNetwork(const ValidatedSpec& spec, WarningList& warnings);

// Activations, dropouts, noise, normalizations, the network's end (layer_warnings.cc).
void WarnAboutLayers(const ValidatedSpec& spec, WarningList& warnings);

// Optimizer, batch size, early stopping (training_warnings.cc).
void WarnAboutTraining(const ValidatedSpec& spec, WarningList& warnings);

// The learning rate's schedule (schedule_warnings.cc).
void WarnAboutSchedule(const ValidatedSpec& spec, WarningList& warnings);

}  // namespace anneal
