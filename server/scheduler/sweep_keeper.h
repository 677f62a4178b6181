// What becomes of a sweep, from what becomes of its trials.
//
// A sweep takes no worker. It is QUEUED until its first trial begins or it is cancelled, RUNNING
// (one attempt, also over restarts of the daemon) or CANCELLING until the last trial has ended, and
// then SUCCEEDED where at least one
// trial has, FAILED where none has, CANCELLED where all were cancelled or the sweep itself was.
//
// Nothing of this is kept in memory. Settle() looks at the sweep and its trials as stored, and
// takes the steps that are missing; each is one transaction that does nothing where it was done
// before. So it may be called at any time, by several threads at once, and after the daemon died
// between any two steps.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/core/clock.h"
#include "server/core/job.h"
#include "server/scheduler/job_recorder.h"
#include "storage/store.h"

namespace anneal {

// Thread-safe.
class SweepKeeper {
 public:
  // Called for each trial that is now CANCELLED or CANCELLING in the store because its sweep was
  // cancelled: takes it out of the queue, or stops its worker.
  using Withdraw = std::function<void(JobId trial, JobState state)>;

  // What it is given must outlive it.
  SweepKeeper(Store& store, JobRecorder& recorder, const Clock& clock, Withdraw withdraw)
      : store_(store), recorder_(recorder), clock_(clock), withdraw_(std::move(withdraw)) {}

  // Brings the sweep `id` in step with its trials: begins it, tells of trials that have ended, ends
  // it; where it is CANCELLING, cancels the trials that have not ended. Blocks for commits. OK
  // where there is no such sweep (any more). Errors of the store.
  absl::Status Settle(JobId id);

  // To be called before a sweep is cancelled: QUEUED -> RUNNING, so that it is CANCELLING until all
  // its trials have ended, and tells of each. OK for every other job and state, and where there is
  // no such job. Errors of the store.
  absl::Status BeginIfQueued(JobId id);

  // Settle(), again while the store cannot write, for at most `retry_us` or until `stop` is
  // requested. What is not settled then is at the next change of one of its trials, or at the next
  // start.
  void SettleWithRetries(JobId id, int64_t retry_us, const std::stop_token& stop);

 private:
  enum class Next { kDone, kLookAgain };

  absl::StatusOr<Next> Step(const Job& sweep, const std::vector<TrialRow>& trials);
  absl::StatusOr<Next> CancelTrials(JobId id, const std::vector<TrialRow>& trials);
  absl::StatusOr<Next> End(const Job& sweep, const std::vector<TrialRow>& trials);

  Store& store_;
  JobRecorder& recorder_;
  const Clock& clock_;
  const Withdraw withdraw_;
};

}  // namespace anneal
