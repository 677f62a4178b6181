// Reads of one connection, inside a transaction of the caller. They throw what SQLiteCpp throws:
// call them within Connection::Guard(). Contracts are those of Store.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/job.h"
#include "storage/connection.h"
#include "storage/store.h"

namespace anneal {

absl::Status NoSuchJob(JobId id);

// What changes of a job are judged by.
struct StateRow {
  JobState state = JobState::kQueued;
  int64_t attempt_count = 0;
};

// Nothing where there is no such job.
std::optional<StateRow> ReadState(Connection& connection, JobId id);

// NOT_FOUND. ABORTED: the job is not active, or `attempt` is not its open one.
absl::Status CheckAttemptOpen(Connection& connection, JobId id, int64_t attempt);

absl::StatusOr<Job> ReadJob(Connection& connection, JobId id);
std::vector<Job> ReadJobs(Connection& connection, const JobQuery& query);
std::vector<Job> ReadQueued(Connection& connection);
std::vector<JobDeadline> ReadDeadlines(Connection& connection);
std::vector<JobId> ReadTrialIds(Connection& connection, JobId sweep_id);
std::vector<TrialRow> ReadTrials(Connection& connection, const TrialQuery& query);
std::vector<JobId> ReadOpenSweeps(Connection& connection);
absl::StatusOr<std::vector<EpochRecord>> ReadEpochs(Connection& connection,
                                                    const EpochQuery& query);
std::vector<LastEpoch> ReadLastEpochs(Connection& connection, const std::vector<JobId>& ids);
absl::StatusOr<std::vector<JobEvent>> ReadEvents(Connection& connection, JobId id,
                                                 int64_t after_sequence, int64_t limit);

}  // namespace anneal
