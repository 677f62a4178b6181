// Writes of one connection, inside a transaction of the caller, which must undo everything where
// one fails. They throw what SQLiteCpp throws: call them within Connection::Guard(). Contracts are
// those of Store; `now_us` is the time of what they write.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/job.h"
#include "storage/connection.h"
#include "storage/store.h"

namespace anneal {

absl::StatusOr<CreatedJob> WriteJob(Connection& connection, const NewJob& job, int64_t now_us);
// A job that has come forward: what ends without being asked is counted anew.
void EndRestarts(Connection& connection, JobId id);

absl::StatusOr<StartedAttempt> WriteAttempt(Connection& connection, JobId id,
                                            const std::string& fingerprint, int64_t now_us);
absl::StatusOr<std::optional<JobEvent>> WriteEpoch(Connection& connection, JobId id,
                                                   int64_t attempt, const EpochRecord& record,
                                                   int64_t now_us);
absl::StatusOr<JobEvent> WriteWarning(Connection& connection, JobId id, const std::string& text,
                                      int64_t now_us);
absl::StatusOr<std::vector<JobEvent>> WriteAttemptEnd(Connection& connection, JobId id,
                                                      int64_t attempt, const AttemptEnd& end,
                                                      int64_t now_us);
absl::StatusOr<JobEvent> WriteStateChange(Connection& connection, JobId id, JobState from,
                                          JobState to, StopReason stop_reason,
                                          const std::string& message, int64_t now_us);
absl::StatusOr<std::vector<JobEvent>> WriteTrialEnds(Connection& connection, JobId sweep_id,
                                                     int64_t now_us);
absl::StatusOr<std::vector<JobEvent>> WriteTrialCancels(Connection& connection, JobId sweep_id,
                                                        int64_t now_us);
absl::StatusOr<std::vector<JobId>> WriteRecovery(Connection& connection, int64_t max_restarts,
                                                 int64_t now_us);
absl::StatusOr<UpdatedJob> WriteUpdate(Connection& connection, JobId id, const JobUpdate& update,
                                       int64_t now_us);
absl::StatusOr<std::vector<JobId>> EraseJob(Connection& connection, JobId id);

}  // namespace anneal
