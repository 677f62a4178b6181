// What requests say of a job besides its spec: judged and converted.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "anneal/v1/job_service.pb.h"
#include "server/core/job.h"
#include "server/core/job_update.h"
#include "server/spec/validated_spec.h"
#include "storage/store.h"

namespace anneal {

inline constexpr int32_t kMinPriority = -1000;
inline constexpr int32_t kMaxPriority = 1000;
inline constexpr int64_t kMaxRequestIdBytes = 100;
inline constexpr int64_t kMaxOwnerBytes = 100;

// Fills in priority, request id, owner, labels and limits, and adds what is wrong with them.
void ReadJobRequest(const v1::CreateJobRequest& request, NewJob& job,
                    std::vector<Violation>& violations);

// What is asked to change; adds what is wrong with it, as a request for nothing.
JobUpdate ReadJobUpdate(const v1::UpdateJobRequest& request, std::vector<Violation>& violations);

// Fills in owner and labels ("key", "key=value") of a list, and adds what is wrong with them.
void ReadListRequest(const v1::ListJobsRequest& request, JobQuery& query,
                     std::vector<Violation>& violations);

}  // namespace anneal
