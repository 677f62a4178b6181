// What the daemon remembers: jobs, attempts, epochs, events.
//
// Promises of every implementation:
//  - A call that returned OK is durable: it survives kill -9 and power loss.
//  - Each mutation is one transaction, which also writes the event that tells of it; the event is returned, to be
//    published after the commit (durable before visible).
//  - State changes are made WHERE state = the expected one: of two that race, one gets ABORTED.
//  - Thread-safe. Mutations block until committed (one writer, group commit); reads never wait for a writer.
//
// Errors of every call: UNAVAILABLE (busy, may pass), RESOURCE_EXHAUSTED (disk full), DATA_LOSS (the database is
// damaged), INTERNAL (the rest). Those of single calls are named there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/job.h"
#include "server/core/metrics.h"

namespace anneal {

struct NewJob {
  std::string name;
  int32_t priority = 0;
  std::string spec;         // serialized anneal.v1.JobSpec
  std::string spec_sha256;  // hex
  std::string request_id;   // "": none
  std::vector<std::string> warnings;  // become Warning events after the first
};

struct CreatedJob {
  Job job;
  bool created = false;  // false: `request_id` was known, `job` is the one made then, nothing was written
  std::vector<JobEvent> events;
};

struct StartedAttempt {
  int64_t attempt = 0;
  JobEvent event;
};

// How an attempt ends. The job goes from `from` to `to`.
struct AttemptEnd {
  JobState from = JobState::kRunning;
  JobState to = JobState::kSucceeded;
  StopReason stop_reason = StopReason::kNone;  // kNone unless `to` is terminal
  std::string message;
  std::string outcome;  // "SUCCEEDED", "FAILED", "CANCELLED", "INTERRUPTED"
  std::optional<TrainingResult> result;  // only where `to` is terminal
};

struct JobQuery {
  std::vector<JobState> states;  // empty: all
  std::string name_contains;     // case-sensitive; empty: all
  JobId before_id = 0;           // only ids below; 0: from the newest
  int64_t limit = 50;
};

struct EpochQuery {
  JobId job_id = 0;
  int64_t after_epoch = 0;
  std::vector<std::string> metrics;  // empty: all
  int64_t limit = 1000;              // epochs
};

// The epoch stored last of a job: the one with the greatest number.
struct LastEpoch {
  JobId job_id = 0;
  EpochRecord record;
};

class Store {
 public:
  virtual ~Store() = default;

  // --- mutations ---

  // QUEUED. With a request_id seen before: the job made then. ALREADY_EXISTS: that id was used for another spec.
  virtual absl::StatusOr<CreatedJob> CreateJob(const NewJob& job) = 0;

  // QUEUED -> RUNNING, with a new attempt. ABORTED: it is no longer QUEUED. NOT_FOUND.
  virtual absl::StatusOr<StartedAttempt> BeginAttempt(JobId id, const std::string& fingerprint) = 0;

  // Stores the epoch (time_us and attempt are filled in here). Nothing is returned where this epoch
  // is already stored, by an earlier attempt: the first row stays. The job must be active and
  // `attempt` its open one, else ABORTED. NOT_FOUND.
  virtual absl::StatusOr<std::optional<JobEvent>> AppendEpoch(JobId id, int64_t attempt,
                                                              const EpochRecord& record) = 0;

  // NOT_FOUND.
  virtual absl::StatusOr<JobEvent> AppendWarning(JobId id, const std::string& text) = 0;

  // Ends the attempt and changes the state; a result becomes an event before that of the state.
  // ABORTED: the state is not `end.from`, or `attempt` is not the open one. NOT_FOUND. INTERNAL: no
  // transition leads from `end.from` to `end.to`, or it does not leave the active states.
  virtual absl::StatusOr<std::vector<JobEvent>> EndAttempt(JobId id, int64_t attempt,
                                                           const AttemptEnd& end) = 0;

  // A change of state outside attempts' begin and end, such as RUNNING -> CANCELLING or QUEUED -> CANCELLED.
  // ABORTED: the state is not `from`. NOT_FOUND. INTERNAL: no transition leads from `from` to `to`,
  // or an attempt would begin or end with it (exactly one of them is active).
  virtual absl::StatusOr<JobEvent> ChangeState(JobId id, JobState from, JobState to,
                                               StopReason stop_reason,
                                               const std::string& message) = 0;

  // What an earlier process left active: kInterrupt is applied to each, open attempts end INTERRUPTED. To be called
  // once, before anything else runs. Returns the jobs it changed.
  virtual absl::StatusOr<std::vector<JobId>> RecoverInterrupted() = 0;

  // With all its rows. FAILED_PRECONDITION: the job has not ended. NOT_FOUND.
  virtual absl::Status DeleteJob(JobId id) = 0;

  // --- reads ---

  // With attempts and result. NOT_FOUND.
  virtual absl::StatusOr<Job> GetJob(JobId id) = 0;

  // Newest first, without spec, attempts and result.
  virtual absl::StatusOr<std::vector<Job>> ListJobs(const JobQuery& query) = 0;

  // Every QUEUED job in the order it will run: priority descending, then id. Without spec, attempts and result.
  virtual absl::StatusOr<std::vector<Job>> ListQueued() = 0;

  // In order. NOT_FOUND where there is no such job.
  virtual absl::StatusOr<std::vector<EpochRecord>> ListEpochs(const EpochQuery& query) = 0;

  // By job id. Ids without an epoch, or without a job, are left out.
  virtual absl::StatusOr<std::vector<LastEpoch>> ListLastEpochs(const std::vector<JobId>& ids) = 0;

  // Events with sequence > `after_sequence`, in order, at most `limit`. NOT_FOUND where there is no such job.
  virtual absl::StatusOr<std::vector<JobEvent>> ListEvents(JobId id, int64_t after_sequence,
                                                           int64_t limit) = 0;
};

}  // namespace anneal
