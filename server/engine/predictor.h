// One prediction job from its checkpoint to its last chunk.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "server/core/clock.h"
#include "server/core/progress.h"
#include "server/data/dataset.h"
#include "server/engine/engine.h"
#include "server/engine/kernels/kernels.h"
#include "server/spec/validated_prediction.h"

namespace anneal {

// Images of one chunk: as many as make some 50,000 passes, which take seconds; at most 4,096.
int64_t ChunkImages(const PredictionSet& set);

// Estimated need of memory beside the data set, in bytes: the checkpoint three times (the file, its
// tensors, the network), the blocks' activations and masks, a chunk.
int64_t PredictionBytes(const ValidatedPrediction& prediction);

// As Engine::Predict, with the data in hand and the kernels chosen. Throws what kernels
// throw. Runs on the caller's thread, which it sets as RunTraining does.
absl::StatusOr<TrainingOutcome> RunPrediction(const ValidatedPrediction& prediction,
                                              const std::string& checkpoint_path, int64_t stored,
                                              std::shared_ptr<const Dataset> dataset,
                                              std::unique_ptr<Kernels> kernels,
                                              const Clock& clock, std::stop_token stop,
                                              PredictionObserver& observer,
                                              ProgressCell& progress);

}  // namespace anneal
