// From the stored predictions of a job to what they say together.
#pragma once

#include "absl/status/statusor.h"
#include "server/core/job.h"
#include "server/core/metrics.h"
#include "server/core/uncertainty.h"
#include "storage/store.h"

namespace anneal {

// Of all images that are stored now. Reads each once; blocks meanwhile: about 2 s for a million
// images, and as UncertaintyBuilder some 50 bytes an image. FAILED_PRECONDITION: none is stored
// yet. INVALID_ARGUMENT: options that UncertaintyBuilder does not take, rank_by that compares
// samples where the prediction has none included. DATA_LOSS: a stored label is no class. Errors of
// Store::ReadPredictions otherwise.
absl::StatusOr<Uncertainty> SummarizePredictions(Store& store, JobId id,
                                                 const UncertaintyOptions& options = {});

// The measures of the whole set as a job's result, sorted by name: accuracy, brier, ece, nll, and
// the same without dropout after "deterministic_"; without samples there are only the ones. Errors
// of SummarizePredictions.
absl::StatusOr<TrainingResult> PredictionResult(Store& store, JobId id);

}  // namespace anneal
