// The jobs of this process: those that wait for a worker, and those that a worker has.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "server/core/job.h"
#include "server/core/mutex.h"
#include "server/scheduler/queue.h"
#include "server/scheduler/running_job.h"

namespace anneal {

// A job is in the queue or with one worker, never both. What happens to the queue while a worker has
// a job is noted, and done when the worker puts it down. Thread-safe; nothing but Take blocks.
class WorkList {
 public:
  struct Counts {
    int running = 0;
    int64_t queued = 0;
  };

  // Into the queue, and wakes a worker. False where it was there, or with a worker.
  bool Push(JobId id, int32_t priority) ANNEAL_EXCLUDES(mutex_);

  // Out of the queue. False where it was not in it; one that a worker has is not touched.
  bool Remove(JobId id) ANNEAL_EXCLUDES(mutex_);

  // Asks the worker that has the job to stop. `waits_no_more`: it also leaves the queue, now or when
  // the worker puts it down.
  void Withdraw(JobId id, bool waits_no_more) ANNEAL_EXCLUDES(mutex_);

  // The first of the queue, which is the caller's until it puts it down. Blocks until there is one;
  // null after Stop().
  std::shared_ptr<RunningJob> Take() ANNEAL_EXCLUDES(mutex_);

  // `again`: back into the queue, where nothing else was noted. No other worker is woken: the caller
  // takes the first job next, after a wait if it must.
  void PutDown(const RunningJob& job, bool again) ANNEAL_EXCLUDES(mutex_);

  // The job where a worker has it, else null.
  std::shared_ptr<const RunningJob> Running(JobId id) const ANNEAL_EXCLUDES(mutex_);

  // In the queue: 1 is next; 0: it is not in it.
  int64_t Position(JobId id) const ANNEAL_EXCLUDES(mutex_);

  Counts GetCounts() const ANNEAL_EXCLUDES(mutex_);

  // No job is taken any more, and every worker is asked to stop. For good.
  void Stop() ANNEAL_EXCLUDES(mutex_);
  bool stopped() const ANNEAL_EXCLUDES(mutex_);

 private:
  struct Entry {
    // What becomes of it when the worker has put it down.
    enum class Next {
      kAsPutDown,
      kDropped,  // it was taken out of the queue, so to say
      kQueued,   // it was put into it
    };
    std::shared_ptr<RunningJob> job;
    Next next = Next::kAsPutDown;
  };

  mutable Mutex mutex_;
  CondVar changed_;
  bool stopped_ ANNEAL_GUARDED_BY(mutex_) = false;
  JobQueue queue_ ANNEAL_GUARDED_BY(mutex_);
  std::unordered_map<JobId, Entry> running_ ANNEAL_GUARDED_BY(mutex_);
};

}  // namespace anneal
