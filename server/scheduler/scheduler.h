// Decides what runs, and is the only one that changes a job's state.
//
// The store is the truth; the queue in memory is an index over it. N workers each take the first
// QUEUED job that may begin (queue.h, admission.h), begin an attempt in the store, train, and end the
// attempt in the store. Every event is published on the bus after its commit.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/clock.h"
#include "server/core/dataset_info.h"
#include "server/core/job.h"
#include "server/core/job_update.h"
#include "server/core/metrics.h"
#include "server/engine/engine.h"
#include "server/scheduler/admission.h"
#include "server/scheduler/event_bus.h"
#include "storage/store.h"

namespace anneal {

// Thread-safe.
class Scheduler {
 public:
  struct Options {
    int workers = 1;  // jobs at a time; at least 1
    // How long a failed write of the store is retried before the job stops with
    // StopReason::kStorage.
    int64_t storage_retry_us = 30'000'000;
    int64_t progress_interval_us = 100'000;
    // As of Store::RecoverInterrupted; also of attempts that failed for a reason that can pass.
    int64_t max_restarts = 5;
    // The first wait before such an attempt is made again; it doubles, up to a minute.
    int64_t restart_wait_us = 1'000'000;
    QueueLimits queue_limits;
    AdmissionLimits admission;
    int64_t deadline_interval_us = 1'000'000;  // how often deadlines are looked at
    std::string artifact_folder;  // for the files that jobs leave behind; need not exist yet
  };

  struct Counts {
    int running = 0;
    int64_t queued = 0;
  };

  // What it is given must outlive it. Nothing runs before Start().
  static std::unique_ptr<Scheduler> Create(Store& store, Engine& engine, EventBus& bus,
                                           const DatasetCatalog& catalog, const Clock& clock,
                                           const Options& options);

  // Stop() first, if it has not been called.
  virtual ~Scheduler() = default;

  // Puts what an earlier process left running back into the queue, removes the files it left
  // without a row, brings sweeps in step with their trials, fills the queue from the store, starts
  // the workers. Errors of Store::RecoverInterrupted, SweepKeeper::Settle and ListQueued;
  // INVALID_ARGUMENT: no workers asked for; RESOURCE_EXHAUSTED: more than the system has threads;
  // FAILED_PRECONDITION: it was started or stopped before.
  virtual absl::Status Start() = 0;

  // No new attempts; running ones stop within a batch, end INTERRUPTED and go back to the queue.
  // Blocks until the workers have ended. Safe to call twice.
  virtual void Stop() = 0;

  // Stores and queues, of a sweep its trials. What `job` says of queue_limits is ignored: those of
  // Options count (FAILED_PRECONDITION). The events are in the store and in the answer, but
  // not on the bus: nobody can watch the job yet. Errors of Store::CreateJob; UNAVAILABLE after
  // Stop().
  virtual absl::StatusOr<CreatedJob> Submit(const NewJob& job) = 0;

  // QUEUED or PAUSED -> CANCELLED, RUNNING or PAUSING -> CANCELLING (the worker sees it within a
  // batch); CANCELLING stays. Of a sweep, all its trials that have not ended are cancelled too;
  // where that fails halfway, a second call goes on, as the next start does. Returns the job after
  // that. FAILED_PRECONDITION: it has ended. NOT_FOUND.
  virtual absl::StatusOr<Job> Cancel(JobId id) = 0;

  // QUEUED -> PAUSED, RUNNING -> PAUSING (the worker sees it within a batch, keeps the state and
  // makes it PAUSED); PAUSING and PAUSED stay. Returns the job after that. FAILED_PRECONDITION: it
  // has ended, is CANCELLING, or is a sweep. NOT_FOUND.
  virtual absl::StatusOr<Job> Pause(JobId id) = 0;

  // PAUSED -> QUEUED; QUEUED and RUNNING stay. Returns the job after that. FAILED_PRECONDITION: it
  // has ended, is CANCELLING or still PAUSING, or is a sweep. NOT_FOUND.
  virtual absl::StatusOr<Job> Resume(JobId id) = 0;

  // With its files; of a sweep, with its trials. Errors of Store::DeleteJob.
  virtual absl::Status Delete(JobId id) = 0;

  // Changes of a job other than of its state (Store::UpdateJob); its place in the queue, and what its
  // time ends by, follow. Returns the job after that. Errors of Store::UpdateJob.
  virtual absl::StatusOr<Job> Update(JobId id, const JobUpdate& update) = 0;

  // Of a job that runs now; nothing otherwise.
  virtual std::optional<ProgressSnapshot> Progress(JobId id) const = 0;

  struct QueuePlace {
    int64_t position = 0;  // 1 is next; 0: not in the queue
    std::optional<int64_t> estimated_start_us{};  // as Clock::NowUs(); nothing where nothing is known
    std::string waiting_for{};                    // "" where it is just not its turn
  };

  // Of each job, in the order asked. Takes a time that grows with the queue down to the last of them.
  virtual std::vector<QueuePlace> QueuePlaces(const std::vector<JobId>& ids) const = 0;

  virtual Counts GetCounts() const = 0;
};

}  // namespace anneal
