// Whether the network's end fits the data set, the loss and the metrics, and whether there is
// anything to train.
#pragma once

#include <vector>

#include "anneal/v1/training.pb.h"
#include "server/core/dataset_info.h"
#include "server/spec/expansion.h"
#include "server/spec/shapes.h"
#include "server/spec/violation_list.h"

namespace anneal {

// The output must be [classes], one number for each class; for binary crossentropy on two classes
// also [1], with which top_k_accuracy means nothing. `dataset` is null where it is not known.
void CheckOutputShape(const v1::TrainingSpec& training, const Expansion& expansion,
                      const Shape& output, const DatasetInfo* dataset, ViolationList& violations);

// Losses on probabilities are computed on logits: the SOFTMAX or SIGMOID that makes the
// probabilities is fused into the loss. So it must be the very last thing the network does exactly
// where the loss expects probabilities (from_logits false). Other losses take any end.
void CheckEnd(const v1::TrainingSpec& training, const Expansion& expansion,
              ViolationList& violations);

// At least one layer has weights that training changes.
void CheckTrainable(const Expansion& expansion, ViolationList& violations);

}  // namespace anneal
