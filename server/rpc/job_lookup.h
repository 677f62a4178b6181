// Job ids as requests name them, and what is said of those that name no job.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/job.h"

namespace anneal {

// NOT_FOUND, reason JOB_NOT_FOUND. `id`: as the client wrote it.
absl::Status JobNotFound(const std::string& id);

// JobNotFound for what is no job id.
absl::StatusOr<JobId> RequireJobId(const std::string& id);

// An error about the job `id`, with the reason that clients can tell apart: JOB_NOT_FOUND, and
// `precondition` of FAILED_PRECONDITION.
absl::Status AboutJob(const std::string& id, const absl::Status& status,
                      std::string_view precondition);

}  // namespace anneal
