// How the parts meet:
//
//   Submit -> store -> queue_ -> (worker) -> AttemptRunner -> JobRecorder -> store, then EventBus
//   Cancel -> JobRecorder -> store, then EventBus -> out of queue_, or RunningJob::stop
//   Pause  -> as Cancel;  Resume -> JobRecorder -> store, then EventBus -> queue_
//
// `mutex_` guards the queue and the list of what runs, and is never held during a call of the
// store. The queue is therefore only nearly in step with the store, and made so that nothing bad
// comes of it. A job is in the queue or with one worker, never both. One in the queue that has
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
//           out, or Resume put in, while the worker had it, they have noted (Running::next, under
//           `mutex_`), and the note counts more.
//
// One in the queue that is active in the store had its attempt begun by a write that looked like a
// failure: whoever takes it goes on with that attempt (AttemptRunner::Adopt). So only the end and
// PAUSED take a job out of the queue, not CANCELLING and PAUSING.
#include "server/scheduler/scheduler.h"

#include <memory>
#include <stop_token>
#include <unordered_map>
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
#include "server/scheduler/queue.h"
#include "server/scheduler/running_job.h"
#include "server/scheduler/storage_retry.h"
#include "server/scheduler/sweep_keeper.h"
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
  struct Running {
    // What becomes of it when the worker has put it down.
    enum class Next {
      kAsResult,
      kDropped,  // it was taken out of the queue, so to say
      kQueued,   // it was put into it
    };
    std::shared_ptr<RunningJob> job;
    Next next = Next::kAsResult;
  };

  absl::StatusOr<Job> CancelAlone(JobId id);
  absl::StatusOr<Job> PauseOnce(JobId id);
  absl::StatusOr<Job> ResumeOnce(JobId id);
  bool Enqueue(JobId id, int32_t priority);
  bool EnqueueAndLook(JobId id, int32_t priority);
  void DequeuePaused(JobId id, int32_t priority);
  void EnqueueTrials(const CreatedJob& created);
  void Work();
  std::shared_ptr<RunningJob> TakeNext();
  void PutDown(const RunningJob& job, AttemptRunner::Result result);
  void Withdraw(JobId id, JobState state);
  bool Dequeue(JobId id);

  Store& store_;
  const Clock& clock_;
  const int worker_count_;
  const ArtifactFolder artifacts_;
  JobRecorder recorder_;
  SweepKeeper sweeps_;
  AttemptRunner runner_;
  ProgressTicker ticker_;
  std::stop_source shutdown_;

  // Held by Start and Stop from beginning to end, so that both are whole for whoever calls them
  // beside each other.
  Mutex lifecycle_mutex_;
  bool started_ ANNEAL_GUARDED_BY(lifecycle_mutex_) = false;
  WorkerPool workers_ ANNEAL_GUARDED_BY(lifecycle_mutex_);

  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ ANNEAL_GUARDED_BY(mutex_) = false;
  JobQueue queue_ ANNEAL_GUARDED_BY(mutex_);
  std::unordered_map<JobId, Running> running_ ANNEAL_GUARDED_BY(mutex_);
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
  RETURN_IF_ERROR(store_.RecoverInterrupted().status());
  ASSIGN_OR_RETURN(const std::vector<JobId> sweeps, store_.ListOpenSweeps());
  for (const JobId sweep : sweeps) RETURN_IF_ERROR(sweeps_.Settle(sweep));
  ASSIGN_OR_RETURN(const std::vector<Job> queued, store_.ListQueued());
  for (const Job& job : queued) Enqueue(job.id, job.priority);
  started_ = true;
  RETURN_IF_ERROR(ticker_.Start());
  return workers_.Start("worker", worker_count_, [this] { Work(); });
}

void SchedulerImpl::Stop() {
  const MutexLock lifecycle(lifecycle_mutex_);
  std::vector<std::shared_ptr<RunningJob>> running;
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    for (const auto& [id, each] : running_) running.push_back(each.job);
  }
  changed_.NotifyAll();
  for (const auto& job : running) job->stop.request_stop();
  shutdown_.request_stop();
  workers_.Join();
  ticker_.Stop();
}

absl::StatusOr<CreatedJob> SchedulerImpl::Submit(const NewJob& job) {
  {
    const MutexLock lock(mutex_);
    if (stopping_)
      return absl::UnavailableError("the daemon is stopping; submit again when it is back");
  }
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
  for (const JobId trial : waiting) Enqueue(trial, created.job.priority);
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
  for (int round = 0; round < kRounds; ++round) {
    ASSIGN_OR_RETURN(Job job, store_.GetJob(id));
    if (IsTerminal(job.state)) {
      // In the queue only where an earlier Cancel was committed although the store answered an
      // error.
      if (Dequeue(id)) (void)recorder_.PublishNewest(id);
      return HasEnded(job);
    }
    const std::optional<JobState> next = NextState(job.state, JobTransition::kCancel);
    if (!next.has_value()) {  // CANCELLING already
      Withdraw(id, job.state);
      return job;
    }
    const StopReason reason = IsTerminal(*next) ? StopReason::kUser : StopReason::kNone;
    const absl::StatusOr<int64_t> time_us = recorder_.ChangeState(id, job.state, *next, reason, "");
    if (absl::IsAborted(time_us.status())) continue;
    RETURN_IF_ERROR(time_us.status());
    Withdraw(id, *next);
    job.state = *next;
    job.stop_reason = reason;
    job.message.clear();
    if (IsTerminal(*next)) job.end_time_us = *time_us;
    return job;
  }
  return absl::AbortedError(absl::StrCat("job ", id, " changed its state ", kRounds,
                                         " times while it was being cancelled; try again"));
}

absl::StatusOr<Job> SchedulerImpl::Pause(JobId id) {
  for (int round = 0; round < kRounds; ++round) {
    absl::StatusOr<Job> paused = PauseOnce(id);
    if (!absl::IsAborted(paused.status())) return paused;
  }
  return absl::AbortedError(absl::StrCat("job ", id, " changed its state ", kRounds,
                                         " times while it was being paused; try again"));
}

// ABORTED: the state changed meanwhile.
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

absl::StatusOr<Job> SchedulerImpl::Resume(JobId id) {
  for (int round = 0; round < kRounds; ++round) {
    absl::StatusOr<Job> resumed = ResumeOnce(id);
    if (!absl::IsAborted(resumed.status())) return resumed;
  }
  return absl::AbortedError(absl::StrCat("job ", id, " changed its state ", kRounds,
                                         " times while it was being resumed; try again"));
}

// ABORTED: the state changed meanwhile.
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
  std::shared_ptr<RunningJob> running;
  {
    const MutexLock lock(mutex_);
    const bool waits_no_more = IsTerminal(state) || state == JobState::kPaused;
    if (waits_no_more) queue_.Remove(id);
    if (const auto entry = running_.find(id); entry != running_.end()) {
      if (waits_no_more) entry->second.next = Running::Next::kDropped;
      running = entry->second.job;
    }
  }
  if (running != nullptr) running->stop.request_stop();
}

// Of a job that was PAUSED in the store a moment ago.
void SchedulerImpl::DequeuePaused(JobId id, int32_t priority) {
  Withdraw(id, JobState::kPaused);
  const absl::StatusOr<Job> now = store_.GetJob(id);
  const bool gone = absl::IsNotFound(now.status()) ||
                    (now.ok() && (now->state == JobState::kPaused || IsTerminal(now->state)));
  // Resumed meanwhile, and perhaps begun: then the worker, which was asked to stop, will put it
  // down.
  if (!gone) Enqueue(id, priority);
}

// Of a job that was QUEUED in the store a moment ago. False where it was in the queue or with a
// worker.
bool SchedulerImpl::EnqueueAndLook(JobId id, int32_t priority) {
  const bool added = Enqueue(id, priority);
  const absl::StatusOr<Job> now = store_.GetJob(id);
  if (absl::IsNotFound(now.status()) || (now.ok() && IsTerminal(now->state))) {
    Dequeue(id);
  } else if (now.ok() && now->state == JobState::kPaused) {
    DequeuePaused(id, priority);
  }
  return added;
}

bool SchedulerImpl::Dequeue(JobId id) {
  const MutexLock lock(mutex_);
  return queue_.Remove(id);
}

absl::Status SchedulerImpl::Delete(JobId id) {
  ASSIGN_OR_RETURN(const std::vector<JobId> gone, store_.DeleteJob(id));
  artifacts_.Remove(gone);
  return absl::OkStatus();
}

std::optional<ProgressSnapshot> SchedulerImpl::Progress(JobId id) const {
  std::shared_ptr<const RunningJob> job;
  {
    const MutexLock lock(mutex_);
    const auto entry = running_.find(id);
    if (entry == running_.end()) return std::nullopt;
    job = entry->second.job;
  }
  return job->progress.Snapshot(clock_.MonotonicUs());
}

int64_t SchedulerImpl::QueuePosition(JobId id) const {
  const MutexLock lock(mutex_);
  return queue_.Position(id);
}

Scheduler::Counts SchedulerImpl::GetCounts() const {
  const MutexLock lock(mutex_);
  return {static_cast<int>(running_.size()), queue_.size()};
}

// False where it was in the queue or with a worker.
bool SchedulerImpl::Enqueue(JobId id, int32_t priority) {
  {
    const MutexLock lock(mutex_);
    if (const auto entry = running_.find(id); entry != running_.end()) {
      entry->second.next = Running::Next::kQueued;
      return false;
    }
    if (!queue_.Push(id, priority)) return false;
  }
  changed_.NotifyOne();
  return true;
}

void SchedulerImpl::Work() {
  Backoff backoff;
  while (const std::shared_ptr<RunningJob> job = TakeNext()) {
    ticker_.Add(job);
    const AttemptRunner::Result result = runner_.Run(*job, shutdown_.get_token());
    ticker_.Remove(job->id);
    PutDown(*job, result);
    if (result == AttemptRunner::Result::kTryLater) {
      backoff.Wait(shutdown_.get_token());
    } else {
      backoff.Reset();
    }
  }
}

// Blocks until a job is there; null when the scheduler stops.
std::shared_ptr<RunningJob> SchedulerImpl::TakeNext() {
  const MutexLock lock(mutex_);
  while (!stopping_ && queue_.empty()) changed_.Wait(mutex_);
  if (stopping_) return nullptr;
  const JobQueue::Entry first = *queue_.Pop();
  auto job = std::make_shared<RunningJob>(first.id, first.priority);
  running_.emplace(first.id, Running{job});
  return job;
}

void SchedulerImpl::PutDown(const RunningJob& job, AttemptRunner::Result result) {
  const MutexLock lock(mutex_);
  const auto entry = running_.find(job.id);
  const Running::Next next = entry->second.next;
  running_.erase(entry);
  // No other worker is woken: this one asks for the first job next, after a wait if the store is in
  // trouble.
  if (next == Running::Next::kQueued ||
      (next == Running::Next::kAsResult && result != AttemptRunner::Result::kDone)) {
    queue_.Push(job.id, job.priority);
  }
}

}  // namespace

std::unique_ptr<Scheduler> Scheduler::Create(Store& store, Engine& engine, EventBus& bus,
                                             const DatasetCatalog& catalog, const Clock& clock,
                                             const Options& options) {
  return std::make_unique<SchedulerImpl>(store, engine, bus, catalog, clock, options);
}

}  // namespace anneal
