// One attempt of one job, from BeginAttempt to EndAttempt.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anneal/v1/job.pb.h"
#include "server/core/clock.h"
#include "server/core/dataset_info.h"
#include "server/core/job.h"
#include "server/engine/engine.h"
#include "server/scheduler/artifact_folder.h"
#include "server/scheduler/attempt_ending.h"
#include "server/scheduler/deadline_keeper.h"
#include "server/scheduler/job_recorder.h"
#include "server/scheduler/running_job.h"
#include "server/scheduler/stored_models.h"
#include "server/scheduler/sweep_keeper.h"
#include "storage/store.h"

namespace anneal {

// Thread-safe.
class AttemptRunner {
 public:
  enum class Result {
    kDone,        // nothing is left to do: it ended, was paused, or was not QUEUED any more
    kQueueAgain,  // it is QUEUED: it was interrupted, or stopped before it began
    kRetry,       // it is QUEUED: it failed for a reason that can pass, and is tried again in a while
    kTryLater,    // it is QUEUED: the store could not begin the attempt now
  };

  // What it is given must outlive it. `storage_retry_us`, `max_restarts`: as in Scheduler::Options.
  AttemptRunner(Store& store, JobRecorder& recorder, SweepKeeper& sweeps, Engine& engine,
                const DatasetCatalog& catalog, const ArtifactFolder& artifacts,
                DeadlineKeeper& deadlines, const Clock& clock, int64_t storage_retry_us,
                int64_t max_restarts)
      : store_(store),
        recorder_(recorder),
        sweeps_(sweeps),
        engine_(engine),
        catalog_(catalog),
        artifacts_(artifacts),
        models_(store),
        deadlines_(deadlines),
        clock_(clock),
        storage_retry_us_(storage_retry_us),
        max_restarts_(max_restarts) {}

  // Blocks until the training or prediction has ended and its end is stored; never throws. A
  // trial's sweep is settled when it has begun and when it has ended. `job.stop` ends the training,
  // `shutdown` the retrying of its last write: what is then left RUNNING is found by
  // Store::RecoverInterrupted at the next start.
  //
  // A job whose time is over (RunningJob::expired) FAILED (DEADLINE). An attempt that fails because of
  // trouble with storage goes back to the queue, unless it is one too many of those that ended without
  // being asked since the job last came forward.
  //
  // A training goes on from the states that earlier attempts have kept. Their files are removed
  // when it has SUCCEEDED or FAILED, and those that the store does not know when an attempt begins
  // and ends.
  //
  // A store that cannot begin the attempt for good (its rows of this job are damaged) gives kDone
  // with a warning to the watchers: the other jobs go on, and this one is tried again at the next
  // start.
  Result Run(RunningJob& job, const std::stop_token& shutdown);

 private:
  absl::StatusOr<int64_t> Adopt(RunningJob& job);
  Result CannotBegin(JobId id, const absl::Status& status);
  AttemptEnding RunToEnd(const Job& stored, int64_t attempt, RunningJob& job);
  AttemptEnding Expired(JobId id) const;
  AttemptEnding TryAgain(const Job& stored, AttemptEnding ending) const;
  AttemptEnding RunGuarded(const Job& stored, int64_t attempt, RunningJob& job);
  AttemptEnding RunKind(const Job& stored, int64_t attempt, RunningJob& job);
  AttemptEnding Train(const v1::JobSpec& spec, int64_t attempt, RunningJob& job);
  absl::StatusOr<std::vector<ResumePoint>> FindStates(RunningJob& job);
  void RemoveStates(JobId id, JobState state);
  AttemptEnding Predict(const v1::JobSpec& spec, int64_t attempt, RunningJob& job);
  Result WriteEnd(JobId id, int64_t attempt, const AttemptEnding& ending,
                  const std::stop_token& shutdown);

  Store& store_;
  JobRecorder& recorder_;
  SweepKeeper& sweeps_;
  Engine& engine_;
  const DatasetCatalog& catalog_;
  const ArtifactFolder& artifacts_;
  const StoredModels models_;
  DeadlineKeeper& deadlines_;
  const Clock& clock_;
  const int64_t storage_retry_us_;
  const int64_t max_restarts_;
};

}  // namespace anneal
