// How a sweep's trials compare.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "anneal/v1/job.pb.h"
#include "anneal/v1/result.pb.h"
#include "server/core/job.h"
#include "storage/store.h"

namespace anneal {

// Best first; of equal ones, which share a rank (the next is as many below), the lower number
// first; those without a value last, with rank 0.
v1::SweepResult Rank(const std::string& monitor, bool larger_is_better,
                     std::vector<TrialRow> trials);

// Of the sweep `id`, whose spec is `spec`, as its trials stand now. Errors of Store::ListTrials.
absl::StatusOr<v1::SweepResult> SweepResultOf(Store& store, JobId id, const v1::JobSpec& spec);

}  // namespace anneal
