// Whether the network's end fits the data set and the loss, and whether there is anything to train.
#pragma once

#include <vector>

#include "anneal/v1/training.pb.h"
#include "server/core/dataset_info.h"
#include "server/spec/expansion.h"
#include "server/spec/shapes.h"
#include "server/spec/violation_list.h"

namespace anneal {

// The output must be [classes]: one probability, or logit, for each class. `dataset` is null where
// it is not known.
void CheckOutputShape(const Expansion& expansion, const Shape& output, const DatasetInfo* dataset,
                      ViolationList& violations);

// SOFTMAX is fused into the loss: it may only be the very last thing the network does, and it must
// be there exactly when the loss expects probabilities (from_logits false).
void CheckSoftmax(const v1::TrainingSpec& training, const Expansion& expansion,
                  ViolationList& violations);

// At least one layer has weights that training changes.
void CheckTrainable(const Expansion& expansion, ViolationList& violations);

}  // namespace anneal
