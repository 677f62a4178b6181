// How much memory and work a training takes, estimated from shapes alone. All arithmetic saturates.
#pragma once

#include <cstdint>
#include <vector>

#include "anneal/v1/training.pb.h"
#include "server/spec/validated_spec.h"
#include "server/spec/violation_list.h"

namespace anneal {

// In bytes; single precision throughout. Without the data set, which all jobs share.
struct MemoryEstimate {
  int64_t weights = 0;  // trainable and not
  int64_t gradients = 0;
  int64_t moments = 0;       // the optimizer's
  int64_t best_weights = 0;  // a second copy, for restore_best_weights
  int64_t pruning_mask = 0;  // which weights are kept
  int64_t activations = 0;   // a batch's inputs, and every layer's outputs and their gradients

  int64_t total() const;
};

// Layers whose shapes are not known count as nothing.
MemoryEstimate EstimateMemory(const v1::TrainingSpec& training,
                              const std::vector<ResolvedLayer>& layers);

// Floating-point operations of the forward pass of one sample, a multiplication and an addition
// counted as two: 2 * inputs * outputs for Dense, 2 * kernel height * kernel width * channels /
// groups * filters * H' * W' for Conv2D. The other layers, biases and activations are negligible
// and not counted.
int64_t FlopsPerSample(const std::vector<ResolvedLayer>& layers);

// Adds a violation where a training would need more than limits::kMemoryBytes.
void CheckMemory(const v1::TrainingSpec& training, const std::vector<ResolvedLayer>& layers,
                 ViolationList& violations);

}  // namespace anneal
