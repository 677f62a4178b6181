// Writes what happens to a job into the store, and tells the watchers: durable before visible, in
// order.
//
// Two threads write about one job: its worker, and whoever cancels it. If each committed and then
// published on its own, the one that committed first could publish second. So a lock per job is
// held across the commit and the publishing. The locks are a fixed array that job ids are spread
// over; two jobs that share one only wait for each other's commits, and commits of jobs that do not
// share one still go to the store together (group commit).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/job.h"
#include "server/core/metrics.h"
#include "server/core/mutex.h"
#include "server/scheduler/event_bus.h"
#include "storage/store.h"

namespace anneal {

// Thread-safe. Every call but PublishNewest is one call of the store, with its effect, its errors
// and its blocking, followed by the publishing of the events it returned.
class JobRecorder {
 public:
  // What it is given must outlive it.
  JobRecorder(Store& store, EventBus& bus) : store_(store), bus_(bus) {}

  // Returns the attempt's number.
  absl::StatusOr<int64_t> BeginAttempt(JobId id, const std::string& fingerprint);

  // OK, and nothing is published, where an earlier attempt has stored this epoch.
  absl::Status AppendEpoch(JobId id, int64_t attempt, const EpochRecord& record);

  // Returns the files that no row names any more.
  absl::StatusOr<std::vector<std::string>> AppendTrainingState(JobId id, int64_t attempt,
                                                               const TrainingStateInfo& state);

  absl::StatusOr<UpdatedJob> UpdateJob(JobId id, const JobUpdate& update);

  absl::Status AppendWarning(JobId id, const std::string& text);

  absl::Status EndAttempt(JobId id, int64_t attempt, const AttemptEnd& end);

  // Returns when it happened, as Clock::NowUs().
  absl::StatusOr<int64_t> ChangeState(JobId id, JobState from, JobState to, StopReason stop_reason,
                                      const std::string& message);

  absl::Status AppendTrialEnds(JobId sweep_id);

  // Returns the trials that it has cancelled.
  absl::StatusOr<std::vector<JobId>> CancelWaitingTrials(JobId sweep_id);

  // Publishes the newest stored event of the job, perhaps again: after a write that was committed
  // although the store answered an error, so that nobody has heard of it. Watchers read from the
  // store what came before it. Reads all the job's events: for rare use. Errors of
  // Store::ListEvents.
  absl::Status PublishNewest(JobId id);

 private:
  Mutex& OrderOf(JobId id) { return order_[static_cast<uint64_t>(id) % order_.size()]; }

  Store& store_;
  EventBus& bus_;
  std::array<Mutex, 64> order_;
};

}  // namespace anneal
