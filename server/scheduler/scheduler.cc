// How the parts meet:
//
//   Submit -> store -> WorkList -> (worker) -> AttemptRunner -> JobRecorder -> store, then EventBus
//   Cancel -> JobRecorder -> store, then EventBus -> out of the WorkList, or RunningJob::stop
//   Pause  -> as Cancel;  Resume -> JobRecorder -> store, then EventBus -> WorkList
//
// The WorkList's lock is never held during a call of the store. The queue in it is therefore only
// nearly in step with the store, and made so that nothing bad comes of it. One in the queue that has
// ended or is PAUSED in the store, a ghost, is dropped when a worker takes it (BeginAttempt answers
// ABORTED): ghosts are a blemish. One that is QUEUED in the store and not in the queue would never
// run: that must not be. So whoever can race looks again after its own step, and where it cannot
// see, it leaves a ghost:
//
//   Submit  puts the job into the queue, reads its state, and takes it out again if it has ended
//           or is PAUSED;
//   Cancel  stores CANCELLED, then takes the job out of the queue, for good;
//   Pause   stores PAUSED, takes the job out, reads its state, and puts it back unless it is
//           still PAUSED or has ended: Resume may have been between the two;
//   Resume  stores QUEUED, then does what Submit does;
//   Work    puts a job back that was interrupted or could not begin. What Cancel and Pause took
//           out, or Resume put in, while the worker had it, the WorkList has noted, and the note
//           counts more.
//
// One in the queue that is active in the store had its attempt begun by a write that looked like a
// failure: whoever takes it goes on with that attempt (AttemptRunner::Adopt). So only the end and
// PAUSED take a job out of the queue, not CANCELLING and PAUSING.
#include "server/scheduler/scheduler.h"

#include <memory>
#include <stop_token>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/mutex.h"
#include "server/core/status_macros.h"
#include "server/core/strings.h"
#include "server/scheduler/artifact_folder.h"
#include "server/scheduler/attempt_runner.h"
#include "server/scheduler/job_recorder.h"
#include "server/scheduler/progress_ticker.h"
#include "server/scheduler/running_job.h"
#include "server/scheduler/storage_retry.h"
#include "server/scheduler/sweep_keeper.h"
#include "server/scheduler/work_list.h"
#include "server/scheduler/worker_pool.h"

namespace anneal {
namespace {

// Each round that fails has lost a race against a change of state, and there are few of these in a
// job's life.
constexpr int kRounds = 16;

absl::Status HasEnded(const Job& job) {
  return absl::FailedPreconditionError(
      absl::StrCat("job ", job.id, " has ended already: it is ", ToAbsl(JobStateName(job.state))));
}

// Does `once` again while it answers ABORTED: the state changed under it.
template <typename Once>
absl::StatusOr<Job> UntilItHolds(JobId id, const char* what, const Once& once) {
  for (int round = 0; round < kRounds; ++round) {
    absl::StatusOr<Job> changed = once();
    if (!absl::IsAborted(changed.status())) return changed;
  }
  return absl::AbortedError(absl::StrCat("job ", id, " changed its state ", kRounds,
                                         " times while it was being ", what, "; try again"));
}

// What neither Pause nor Resume can do anything about: OK, or FAILED_PRECONDITION.
absl::Status CheckPausable(const Job& job) {
  if (IsTerminal(job.state)) return HasEnded(job);
  if (job.kind == JobKind::kSweep) {
    return absl::FailedPreconditionError(absl::StrCat(
        "job ", job.id, " is a sweep: only its trials can be paused and resumed, one by one"));
  }
  if (job.state == JobState::kCancelling) {
    return absl::FailedPreconditionError(absl::StrCat("job ", job.id, " is being cancelled"));
  }
  return absl::OkStatus();
}

class SchedulerImpl final : public Scheduler {
 public:
  SchedulerImpl(Store& store, Engine& engine, EventBus& bus, const DatasetCatalog& catalog,
                const Clock& clock, const Options& options)
      : store_(store),
        clock_(clock),
        worker_count_(options.workers),
        max_restarts_(options.max_restarts),
        artifacts_(options.artifact_folder),
        recorder_(store, bus),
        sweeps_(store, recorder_, clock,
                [this](JobId trial, JobState state) { Withdraw(trial, state); }),
        runner_(store, recorder_, sweeps_, engine, catalog, artifacts_, clock,
                options.storage_retry_us),
        ticker_(bus, clock, options.progress_interval_us) {}

  ~SchedulerImpl() override { Stop(); }

  absl::Status Start() override;
  void Stop() override;
  absl::StatusOr<CreatedJob> Submit(const NewJob& job) override;
  absl::StatusOr<Job> Cancel(JobId id) override;
  absl::StatusOr<Job> Pause(JobId id) override;
  absl::StatusOr<Job> Resume(JobId id) override;
  absl::Status Delete(JobId id) override;
  std::optional<ProgressSnapshot> Progress(JobId id) const override;
  int64_t QueuePosition(JobId id) const override;
  Counts GetCounts() const override;

 private:
  absl::StatusOr<Job> CancelAlone(JobId id);
  absl::StatusOr<Job> CancelOnce(JobId id);
  absl::StatusOr<Job> PauseOnce(JobId id);
  absl::StatusOr<Job> ResumeOnce(JobId id);
  bool EnqueueAndLook(JobId id, int32_t priority);
  void DequeuePaused(JobId id, int32_t priority);
  void EnqueueTrials(const CreatedJob& created);
  void Work();
  void Withdraw(JobId id, JobState state);

  Store& store_;
  const Clock& clock_;
  const int worker_count_;
  const int64_t max_restarts_;
  const ArtifactFolder artifacts_;
  JobRecorder recorder_;
  SweepKeeper sweeps_;
  AttemptRunner runner_;
  ProgressTicker ticker_;
  WorkList work_;
  std::stop_source shutdown_;

  // Held by Start and Stop from beginning to end, so that both are whole for whoever calls them
  // beside each other.
  Mutex lifecycle_mutex_;
  bool started_ ANNEAL_GUARDED_BY(lifecycle_mutex_) = false;
  WorkerPool workers_ ANNEAL_GUARDED_BY(lifecycle_mutex_);
};

absl::Status SchedulerImpl::Start() {
  const MutexLock lifecycle(lifecycle_mutex_);
  if (started_ || shutdown_.stop_requested()) {
    return absl::FailedPreconditionError("the scheduler can be started once");
  }
  if (worker_count_ < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("workers is ", worker_count_, "; it must be at least 1"));
  }
  RETURN_IF_ERROR(store_.RecoverInterrupted(max_restarts_).status());
  ASSIGN_OR_RETURN(const std::vector<JobId> sweeps, store_.ListOpenSweeps());
  for (const JobId sweep : sweeps) RETURN_IF_ERROR(sweeps_.Settle(sweep));
  ASSIGN_OR_RETURN(const std::vector<Job> queued, store_.ListQueued());
  for (const Job& job : queued) work_.Push(job.id, job.priority);
  started_ = true;
  RETURN_IF_ERROR(ticker_.Start());
  return workers_.Start("worker", worker_count_, [this] { Work(); });
}

void SchedulerImpl::Stop() {
  const MutexLock lifecycle(lifecycle_mutex_);
  work_.Stop();
  shutdown_.request_stop();
  workers_.Join();
  ticker_.Stop();
}

absl::StatusOr<CreatedJob> SchedulerImpl::Submit(const NewJob& job) {
  if (work_.stopped())
    return absl::UnavailableError("the daemon is stopping; submit again when it is back");
  ASSIGN_OR_RETURN(CreatedJob created, store_.CreateJob(job));
  // Also where the job was known: the first Submit may have been told of a failure that was none.
  if (created.job.kind == JobKind::kSweep) {
    EnqueueTrials(created);
  } else if (created.job.state == JobState::kQueued) {
    EnqueueAndLook(created.job.id, created.job.priority);
  }
  return created;
}

// Those that wait. One that ends while it is being put into the queue may stay there: it is dropped
// when a worker takes it.
void SchedulerImpl::EnqueueTrials(const CreatedJob& created) {
  std::vector<JobId> waiting = created.trials;
  if (!created.created) {
    const absl::StatusOr<std::vector<TrialRow>> trials =
        store_.ListTrials({.sweep_id = created.job.id});
    if (trials.ok()) {
      waiting.clear();
      for (const TrialRow& trial : *trials) {
        if (trial.state == JobState::kQueued) waiting.push_back(trial.id);
      }
    }
  }
  for (const JobId trial : waiting) work_.Push(trial, created.job.priority);
}

absl::StatusOr<Job> SchedulerImpl::Cancel(JobId id) {
  RETURN_IF_ERROR(sweeps_.BeginIfQueued(id));
  absl::StatusOr<Job> cancelled = CancelAlone(id);
  // Also where it has ended already: an earlier Cancel may have stopped halfway.
  const absl::StatusOr<Job> now = store_.GetJob(id);
  if (!now.ok()) return cancelled;
  if (now->trial.has_value()) {
    // The trial is cancelled, whatever the store answers: its sweep hears of it later then.
    (void)sweeps_.Settle(now->trial->sweep_id);
    return cancelled;
  }
  if (now->kind != JobKind::kSweep) return cancelled;
  RETURN_IF_ERROR(sweeps_.Settle(id));
  if (!cancelled.ok()) return cancelled;
  return store_.GetJob(id);
}

// Of `id` itself, not of its sweep or its trials.
absl::StatusOr<Job> SchedulerImpl::CancelAlone(JobId id) {
  return UntilItHolds(id, "cancelled", [&] { return CancelOnce(id); });
}

absl::StatusOr<Job> SchedulerImpl::Pause(JobId id) {
  return UntilItHolds(id, "paused", [&] { return PauseOnce(id); });
}

absl::StatusOr<Job> SchedulerImpl::Resume(JobId id) {
  return UntilItHolds(id, "resumed", [&] { return ResumeOnce(id); });
}

// ABORTED, as the next two: the state changed meanwhile.
absl::StatusOr<Job> SchedulerImpl::CancelOnce(JobId id) {
  ASSIGN_OR_RETURN(Job job, store_.GetJob(id));
  if (IsTerminal(job.state)) {
    // In the queue only where an earlier Cancel was committed although the store answered an error.
    if (work_.Remove(id)) (void)recorder_.PublishNewest(id);
    return HasEnded(job);
  }
  const std::optional<JobState> next = NextState(job.state, JobTransition::kCancel);
  if (!next.has_value()) {  // CANCELLING already
    Withdraw(id, job.state);
    return job;
  }
  const StopReason reason = IsTerminal(*next) ? StopReason::kUser : StopReason::kNone;
  ASSIGN_OR_RETURN(const int64_t time_us,
                   recorder_.ChangeState(id, job.state, *next, reason, ""));
  Withdraw(id, *next);
  job.state = *next;
  job.stop_reason = reason;
  job.message.clear();
  if (IsTerminal(*next)) job.end_time_us = time_us;
  return job;
}

absl::StatusOr<Job> SchedulerImpl::PauseOnce(JobId id) {
  ASSIGN_OR_RETURN(Job job, store_.GetJob(id));
  RETURN_IF_ERROR(CheckPausable(job));
  if (job.state == JobState::kPaused) {
    // In the queue only where an earlier Pause was committed although the store answered an error.
    if (QueuePosition(id) != 0) (void)recorder_.PublishNewest(id);
    DequeuePaused(id, job.priority);
    return job;
  }
  if (job.state != JobState::kPausing) {
    const JobState next = NextState(job.state, JobTransition::kPause).value();
    RETURN_IF_ERROR(recorder_.ChangeState(id, job.state, next, StopReason::kNone, "").status());
    job.state = next;
    job.message.clear();
  }
  if (job.state == JobState::kPaused) {
    DequeuePaused(id, job.priority);
  } else {
    Withdraw(id, job.state);
  }
  return job;
}

absl::StatusOr<Job> SchedulerImpl::ResumeOnce(JobId id) {
  ASSIGN_OR_RETURN(Job job, store_.GetJob(id));
  RETURN_IF_ERROR(CheckPausable(job));
  if (job.state == JobState::kPausing) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", id, " is still being paused; resume it when it is PAUSED"));
  }
  if (job.state == JobState::kRunning) return job;
  if (job.state == JobState::kQueued) {
    // Not in the queue only where an earlier Resume was committed although the store answered an
    // error, or where the store could not begin the job for good.
    if (EnqueueAndLook(id, job.priority)) (void)recorder_.PublishNewest(id);
    return job;
  }
  const absl::Status changed = recorder_
                                   .ChangeState(id, job.state, JobState::kQueued, StopReason::kNone,
                                                "")
                                   .status();
  if (absl::IsAborted(changed) || absl::IsNotFound(changed)) return changed;
  // Also after an error, for it may be committed all the same: at worst this is a ghost.
  EnqueueAndLook(id, job.priority);
  RETURN_IF_ERROR(changed);
  job.state = JobState::kQueued;
  job.message.clear();
  return job;
}

// What is left to do for a job that is now CANCELLED, CANCELLING, PAUSED or PAUSING in the store.
void SchedulerImpl::Withdraw(JobId id, JobState state) {
  work_.Withdraw(id, IsTerminal(state) || state == JobState::kPaused);
}

// Of a job that was PAUSED in the store a moment ago.
void SchedulerImpl::DequeuePaused(JobId id, int32_t priority) {
  Withdraw(id, JobState::kPaused);
  const absl::StatusOr<Job> now = store_.GetJob(id);
  const bool gone = absl::IsNotFound(now.status()) ||
                    (now.ok() && (now->state == JobState::kPaused || IsTerminal(now->state)));
  // Resumed meanwhile, and perhaps begun: then the worker, which was asked to stop, will put it
  // down.
  if (!gone) work_.Push(id, priority);
}

// Of a job that was QUEUED in the store a moment ago. False where it was in the queue or with a
// worker.
bool SchedulerImpl::EnqueueAndLook(JobId id, int32_t priority) {
  const bool added = work_.Push(id, priority);
  const absl::StatusOr<Job> now = store_.GetJob(id);
  if (absl::IsNotFound(now.status()) || (now.ok() && IsTerminal(now->state))) {
    work_.Remove(id);
  } else if (now.ok() && now->state == JobState::kPaused) {
    DequeuePaused(id, priority);
  }
  return added;
}

absl::Status SchedulerImpl::Delete(JobId id) {
  ASSIGN_OR_RETURN(const std::vector<JobId> gone, store_.DeleteJob(id));
  artifacts_.Remove(gone);
  return absl::OkStatus();
}

std::optional<ProgressSnapshot> SchedulerImpl::Progress(JobId id) const {
  const std::shared_ptr<const RunningJob> job = work_.Running(id);
  if (job == nullptr) return std::nullopt;
  return job->progress.Snapshot(clock_.MonotonicUs());
}

int64_t SchedulerImpl::QueuePosition(JobId id) const { return work_.Position(id); }

Scheduler::Counts SchedulerImpl::GetCounts() const {
  const WorkList::Counts counts = work_.GetCounts();
  return {counts.running, counts.queued};
}

void SchedulerImpl::Work() {
  Backoff backoff;
  while (const std::shared_ptr<RunningJob> job = work_.Take()) {
    ticker_.Add(job);
    const AttemptRunner::Result result = runner_.Run(*job, shutdown_.get_token());
    ticker_.Remove(job->id);
    work_.PutDown(*job, result != AttemptRunner::Result::kDone);
    if (result == AttemptRunner::Result::kTryLater) {
      backoff.Wait(shutdown_.get_token());
    } else {
      backoff.Reset();
    }
  }
}

}  // namespace

std::unique_ptr<Scheduler> Scheduler::Create(Store& store, Engine& engine, EventBus& bus,
                                             const DatasetCatalog& catalog, const Clock& clock,
                                             const Options& options) {
  return std::make_unique<SchedulerImpl>(store, engine, bus, catalog, clock, options);
}

}  // namespace anneal
