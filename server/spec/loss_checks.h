// The loss and the metrics, and what they ask of the network's output.
#pragma once

#include <cstdint>
#include <vector>

#include "anneal/v1/training.pb.h"
#include "server/core/dataset_info.h"
#include "server/spec/violation_list.h"

namespace anneal {

// What a loss computes with.
struct LossNeeds {
  // The activation that must end the network: SOFTMAX or SIGMOID, which is fused into the loss.
  // LINEAR: none must.
  v1::Activation::Function activation = v1::Activation::LINEAR;
  // The outputs are logits: SOFTMAX and SIGMOID must not end the network.
  bool from_logits = false;
};

// A loss without a kind needs nothing.
LossNeeds NeedsOf(const v1::Loss& loss);

// How many outputs the network may have for so many classes; the usual number first.
std::vector<int64_t> OutputsFor(const v1::Loss& loss, int64_t classes);

// Checks `loss` and `metrics` by themselves and against the classes; `dataset` is null where it is
// not known. Whether the network's end fits the loss is judged elsewhere (output_checks.h).
void CheckLoss(const v1::TrainingSpec& training, const DatasetInfo* dataset,
               ViolationList& violations);
void CheckMetrics(const v1::TrainingSpec& training, const DatasetInfo* dataset,
                  ViolationList& violations);

}  // namespace anneal
