// How the parts meet:
//
//   Submit -> store -> WorkList -> (worker) -> AttemptRunner -> JobRecorder -> store, then EventBus
//   Cancel -> JobRecorder -> store, then EventBus -> out of the WorkList, or RunningJob::stop
//   Pause  -> as Cancel;  Resume -> JobRecorder -> store, then EventBus -> WorkList
//
// What changes a job from outside is in job_changes.h, with how the queue stays in step with the
// store.
#include "server/scheduler/scheduler.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <stop_token>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/failpoint.h"
#include "server/core/mutex.h"
#include "server/core/status_macros.h"
#include "server/scheduler/artifact_folder.h"
#include "server/scheduler/attempt_runner.h"
#include "server/scheduler/deadline_keeper.h"
#include "server/scheduler/job_changes.h"
#include "server/scheduler/job_recorder.h"
#include "server/scheduler/leftover_files.h"
#include "server/scheduler/progress_ticker.h"
#include "server/scheduler/queue_forecast.h"
#include "server/scheduler/running_job.h"
#include "server/scheduler/storage_retry.h"
#include "server/scheduler/sweep_keeper.h"
#include "server/scheduler/work_list.h"
#include "server/scheduler/worker_pool.h"

namespace anneal {
namespace {

constexpr int64_t kLongestRestartWaitUs = 60'000'000;

// How much of its work is left.
RunningWork WorkOf(const WorkList::Outlook::Running& running, int64_t monotonic_us) {
  const ProgressSnapshot progress = running.job->progress.Snapshot(monotonic_us);
  RunningWork work;
  work.work_flops = running.work_flops;
  work.left_us = progress.remaining_us;
  if (progress.epochs > 0 && progress.batches > 0) {
    const double done = static_cast<double>(std::max<int64_t>(progress.epoch - 1, 0)) +
                        static_cast<double>(progress.batch) / static_cast<double>(progress.batches);
    work.left_share = std::clamp(1 - done / static_cast<double>(progress.epochs), 0.0, 1.0);
  }
  return work;
}

class SchedulerImpl final : public Scheduler {
 public:
  SchedulerImpl(Store& store, Engine& engine, EventBus& bus, const DatasetCatalog& catalog,
                const Clock& clock, const Options& options)
      : store_(store),
        clock_(clock),
        options_(options),
        artifacts_(options.artifact_folder),
        work_(clock, options.admission),
        recorder_(store, bus),
        sweeps_(store, recorder_, clock,
                [this](JobId trial, JobState state) { work_.Withdraw(trial, IsTerminal(state)); }),
        deadlines_(clock, options.deadline_interval_us, [this](JobId id) { changes_.Expire(id); }),
        changes_(store, recorder_, sweeps_, work_, deadlines_, clock),
        runner_(store, recorder_, sweeps_, engine, catalog, artifacts_, deadlines_, clock,
                options.storage_retry_us, options.max_restarts),
        ticker_(bus, clock, options.progress_interval_us) {}

  ~SchedulerImpl() override { Stop(); }

  absl::Status Start() override;
  void Stop() override;
  absl::StatusOr<CreatedJob> Submit(const NewJob& job) override;
  absl::StatusOr<Job> Cancel(JobId id) override { return changes_.Cancel(id); }
  absl::StatusOr<Job> Pause(JobId id) override { return changes_.Pause(id); }
  absl::StatusOr<Job> Resume(JobId id) override { return changes_.Resume(id); }
  absl::StatusOr<Job> Update(JobId id, const JobUpdate& update) override {
    return changes_.Update(id, update);
  }
  absl::Status Delete(JobId id) override;
  std::optional<ProgressSnapshot> Progress(JobId id) const override;
  std::vector<QueuePlace> QueuePlaces(const std::vector<JobId>& ids) const override;
  Counts GetCounts() const override;

 private:
  void EnqueueTrials(const CreatedJob& created);
  int64_t RestartWaitUs(JobId id);
  void Work();

  Store& store_;
  const Clock& clock_;
  const Options options_;
  const ArtifactFolder artifacts_;
  WorkList work_;
  JobRecorder recorder_;
  SweepKeeper sweeps_;
  DeadlineKeeper deadlines_;
  JobChanges changes_;
  AttemptRunner runner_;
  ProgressTicker ticker_;
  std::stop_source shutdown_;

  // Where nothing runs long enough to tell, what ran before tells. 0: nothing did.
  mutable std::atomic<double> last_work_rate_{0};

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
  if (options_.workers < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("workers is ", options_.workers, "; it must be at least 1"));
  }
  RETURN_IF_ERROR(PassFailpoint("start.before"));
  RETURN_IF_ERROR(store_.RecoverInterrupted(options_.max_restarts).status());
  RETURN_IF_ERROR(PassFailpoint("start.recovered"));
  RemoveLeftoverFiles(store_, artifacts_);
  ASSIGN_OR_RETURN(const std::vector<JobId> sweeps, store_.ListOpenSweeps());
  for (const JobId sweep : sweeps) RETURN_IF_ERROR(sweeps_.Settle(sweep));
  RETURN_IF_ERROR(PassFailpoint("start.settled"));
  ASSIGN_OR_RETURN(const std::vector<Job> queued, store_.ListQueued());
  for (const Job& job : queued) work_.Push(AsQueued(job));
  ASSIGN_OR_RETURN(const std::vector<JobDeadline> deadlines, store_.ListDeadlines());
  for (const JobDeadline& deadline : deadlines) deadlines_.Set(deadline.id, deadline.deadline_us);
  RETURN_IF_ERROR(PassFailpoint("start.queued"));
  started_ = true;
  RETURN_IF_ERROR(ticker_.Start());
  RETURN_IF_ERROR(deadlines_.Start());
  return workers_.Start("worker", options_.workers, [this] { Work(); });
}

void SchedulerImpl::Stop() {
  const MutexLock lifecycle(lifecycle_mutex_);
  work_.Stop();
  shutdown_.request_stop();
  deadlines_.Stop();
  workers_.Join();
  ticker_.Stop();
}

absl::StatusOr<CreatedJob> SchedulerImpl::Submit(const NewJob& job) {
  if (work_.stopped())
    return absl::UnavailableError("the daemon is stopping; submit again when it is back");
  RETURN_IF_ERROR(PassFailpoint("submit.before"));
  NewJob limited = job;
  limited.queue_limits = options_.queue_limits;
  ASSIGN_OR_RETURN(CreatedJob created, store_.CreateJob(limited));
  RETURN_IF_ERROR(PassFailpoint("submit.stored"));
  // Also where the job was known: the first Submit may have been told of a failure that was none.
  if (created.job.kind == JobKind::kSweep) {
    EnqueueTrials(created);
  } else if (created.job.state == JobState::kQueued) {
    changes_.Enqueue(AsQueued(created.job));
    deadlines_.Set(created.job.id, created.job.limits.deadline_us);
  }
  RETURN_IF_ERROR(PassFailpoint("submit.queued"));
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
  QueuedJob trial = AsQueued(created.job);
  for (const JobId id : waiting) {
    trial.id = id;
    // One that was made before may have been changed since.
    created.created ? work_.Push(trial) : changes_.Enqueue(trial);
    deadlines_.Set(id, created.job.limits.deadline_us);
  }
}

absl::Status SchedulerImpl::Delete(JobId id) {
  RETURN_IF_ERROR(PassFailpoint("delete.before"));
  ASSIGN_OR_RETURN(const std::vector<JobId> gone, store_.DeleteJob(id));
  PassCrashpoint("delete.rows_gone");
  artifacts_.Remove(gone);
  PassCrashpoint("delete.files_gone");
  return absl::OkStatus();
}

std::optional<ProgressSnapshot> SchedulerImpl::Progress(JobId id) const {
  const std::shared_ptr<const RunningJob> job = work_.Running(id);
  if (job == nullptr) return std::nullopt;
  return job->progress.Snapshot(clock_.MonotonicUs());
}

std::vector<Scheduler::QueuePlace> SchedulerImpl::QueuePlaces(
    const std::vector<JobId>& ids) const {
  const WorkList::Outlook outlook = work_.GetOutlook(ids);
  std::vector<RunningWork> running;
  for (const WorkList::Outlook::Running& job : outlook.running)
    running.push_back(WorkOf(job, clock_.MonotonicUs()));
  std::optional<double> rate = WorkRate(running);
  if (rate.has_value()) {
    last_work_rate_ = *rate;
  } else if (last_work_rate_ > 0) {
    rate = last_work_rate_;
  }
  std::vector<double> queued_flops;
  std::unordered_map<JobId, size_t> indexes;
  for (const WorkList::Outlook::Waiting& job : outlook.queue) {
    indexes.emplace(job.id, queued_flops.size());
    queued_flops.push_back(job.work_flops);
  }
  const std::vector<std::optional<int64_t>> starts =
      ForecastStartsUs(options_.workers, running, queued_flops, rate);
  std::vector<QueuePlace> places;
  for (const JobId id : ids) {
    QueuePlace& place = places.emplace_back();
    const auto index = indexes.find(id);
    if (index == indexes.end()) continue;
    place.position = static_cast<int64_t>(index->second) + 1;
    place.waiting_for = outlook.queue[index->second].why;
    if (const auto& start = starts[index->second]; start.has_value())
      place.estimated_start_us = clock_.NowUs() + *start;
  }
  return places;
}

Scheduler::Counts SchedulerImpl::GetCounts() const {
  const WorkList::Counts counts = work_.GetCounts();
  return {counts.running, counts.queued};
}

// How long a job that has just failed for a reason that can pass waits.
int64_t SchedulerImpl::RestartWaitUs(JobId id) {
  const absl::StatusOr<Job> job = store_.GetJob(id);
  int64_t wait_us = options_.restart_wait_us;
  for (int64_t n = 1; job.ok() && n < job->restarts && wait_us < kLongestRestartWaitUs; ++n)
    wait_us *= 2;
  return std::min(wait_us, kLongestRestartWaitUs);
}

void SchedulerImpl::Work() {
  Backoff backoff;
  while (const std::shared_ptr<RunningJob> job = work_.Take()) {
    ticker_.Add(job);
    const AttemptRunner::Result result = runner_.Run(*job, shutdown_.get_token());
    ticker_.Remove(job->id);
    work_.PutDown(*job, result != AttemptRunner::Result::kDone,
                  result == AttemptRunner::Result::kRetry ? RestartWaitUs(job->id) : 0);
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
