// The final weights of jobs as rows. Both throw what SQLiteCpp throws.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "server/core/checkpoint_info.h"
#include "storage/connection.h"

namespace anneal {

// Inside the transaction that ends the job's last attempt.
void WriteCheckpoint(Connection& connection, JobId id, const CheckpointInfo& checkpoint,
                     int64_t now_us);

// NOT_FOUND: no such job, or it has none.
absl::StatusOr<CheckpointInfo> ReadCheckpoint(Connection& connection, JobId id);

}  // namespace anneal
