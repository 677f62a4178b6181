// One training from its spec to its result.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/core/clock.h"
#include "server/core/progress.h"
#include "server/data/dataset.h"
#include "server/engine/engine.h"
#include "server/engine/kernels/kernels.h"
#include "server/spec/validated_spec.h"

namespace anneal {

// As Engine::Train, with the data in hand and the kernels chosen; `fingerprint`: of the device.
// Throws what kernels throw. Runs on the caller's thread, which it sets to one intra-op thread and
// to flushing denormal numbers.
absl::StatusOr<TrainingOutcome> RunTraining(const ValidatedSpec& spec,
                                            std::shared_ptr<const Dataset> dataset,
                                            std::unique_ptr<Kernels> kernels,
                                            const std::string& fingerprint,
                                            const std::vector<ResumePoint>& resume,
                                            const Clock& clock, std::stop_token stop,
                                            TrainingObserver& observer, ProgressCell& progress);

}  // namespace anneal
