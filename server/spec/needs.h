// What a job is expected to need, from shapes alone: what the queue admits and forecasts by.
#pragma once

#include "server/core/job.h"
#include "server/spec/validated_prediction.h"
#include "server/spec/validated_spec.h"

namespace anneal {

// Memory as in the summary (estimate.h). Work: a backward pass counts as two forward passes, so that
// a trained sample costs three, a validated one one. Of a sweep: of its training as the file has it,
// which stands for each trial.
JobNeeds NeedsOf(const ValidatedSpec& spec);

// Every sample of every image, and once without dropout. That what comes before the first dropout is
// computed once is not counted.
JobNeeds NeedsOf(const ValidatedPrediction& prediction);

}  // namespace anneal
