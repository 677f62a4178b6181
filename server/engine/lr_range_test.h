// Which learning rates a training can take: the range test (Smith 2017).
#pragma once

#include <memory>
#include <stop_token>

#include "absl/status/statusor.h"
#include "server/core/clock.h"
#include "server/core/progress.h"
#include "server/data/dataset.h"
#include "server/engine/engine.h"
#include "server/engine/kernels/kernels.h"
#include "server/spec/validated_spec.h"

namespace anneal {

// Takes steps with a learning rate that grows exponentially, as v1::LearningRateRangeTest says, and
// records the loss of each. The result has the curve with its suggestions, no epochs, and the hash
// of the weights, which are put back to what they were. Where the loss is no number from the first
// step on, the outcome is kDiverged. CANCELLED, threads and exceptions as in trainer.h.
absl::StatusOr<TrainingOutcome> RunLearningRateRangeTest(const ValidatedSpec& spec,
                                                         std::shared_ptr<const Dataset> dataset,
                                                         std::unique_ptr<Kernels> kernels,
                                                         const Clock& clock, std::stop_token stop,
                                                         ProgressCell& progress);

}  // namespace anneal
