// What people do to jobs that were submitted, and what time does.
//
// The WorkList's lock is never held during a call of the store. The queue in it is therefore only
// nearly in step with the store, and made so that nothing bad comes of it. One in the queue that has
// ended or is PAUSED in the store, a ghost, is dropped when a worker takes it (BeginAttempt answers
// ABORTED): ghosts are a blemish. One that is QUEUED in the store and not in the queue would never
// run: that must not be. So whoever can race looks again after its own step, and where it cannot
// see, it leaves a ghost:
//
//   Submit  puts the job into the queue, reads its state, and takes it out again if it has ended
//           or is PAUSED. What it knows of the job may have been changed meanwhile: it looks again;
//   Cancel  stores CANCELLED, then takes the job out of the queue, for good;
//   Pause   stores PAUSED, takes the job out, reads its state, and puts it back unless it is
//           still PAUSED or has ended: Resume may have been between the two;
//   Resume  stores QUEUED, then does what Submit does;
//   Expire  stores FAILED, then does what Cancel does;
//   Work    puts a job back that was interrupted or could not begin. What Cancel and Pause took
//           out, or Resume put in, while the worker had it, the WorkList has noted, and the note
//           counts more.
//
// One in the queue that is active in the store had its attempt begun by a write that looked like a
// failure: whoever takes it goes on with that attempt (AttemptRunner::Adopt). So only the end and
// PAUSED take a job out of the queue, not CANCELLING and PAUSING.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/clock.h"
#include "server/core/job.h"
#include "server/core/job_update.h"
#include "server/core/mutex.h"
#include "server/scheduler/deadline_keeper.h"
#include "server/scheduler/job_recorder.h"
#include "server/scheduler/queue.h"
#include "server/scheduler/sweep_keeper.h"
#include "server/scheduler/work_list.h"
#include "storage/store.h"

namespace anneal {

// Thread-safe. Each change is stored, then told, then follows the WorkList.
class JobChanges {
 public:
  // What it is given must outlive it.
  JobChanges(Store& store, JobRecorder& recorder, SweepKeeper& sweeps, WorkList& work,
             DeadlineKeeper& deadlines, const Clock& clock)
      : store_(store),
        recorder_(recorder),
        sweeps_(sweeps),
        work_(work),
        deadlines_(deadlines),
        clock_(clock) {}

  // As Scheduler has them.
  absl::StatusOr<Job> Cancel(JobId id);
  absl::StatusOr<Job> Pause(JobId id);
  absl::StatusOr<Job> Resume(JobId id);
  absl::StatusOr<Job> Update(JobId id, const JobUpdate& update) ANNEAL_EXCLUDES(update_mutex_);

  // The time of the job may be over: where it is, a job that waits FAILED (DEADLINE), and the worker
  // of one that runs is asked to stop. Else its time is set anew, as it is where the store cannot say.
  void Expire(JobId id);

  // Into the queue, of a job that was QUEUED in the store a moment ago. False where it was there, or
  // with a worker.
  bool Enqueue(const QueuedJob& job) ANNEAL_EXCLUDES(update_mutex_);

 private:
  absl::StatusOr<Job> CancelOnce(JobId id);
  absl::StatusOr<Job> PauseOnce(JobId id);
  absl::StatusOr<Job> ResumeOnce(JobId id);
  absl::Status ExpireOnce(JobId id);
  void Withdraw(JobId id, JobState state);
  void DequeuePaused(const QueuedJob& job);

  Store& store_;
  JobRecorder& recorder_;
  SweepKeeper& sweeps_;
  WorkList& work_;
  DeadlineKeeper& deadlines_;
  const Clock& clock_;

  // Held from what the store says of a job's place to the WorkList, so that of two changes the later
  // one counts in both.
  Mutex update_mutex_;
};

}  // namespace anneal
