// The jobs of this process: those that wait for a worker, and those that a worker has.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/core/clock.h"
#include "server/core/job.h"
#include "server/core/mutex.h"
#include "server/scheduler/admission.h"
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

  // `clock` must outlive it.
  WorkList(const Clock& clock, const AdmissionLimits& limits) : clock_(clock), admission_(limits) {}

  // Into the queue, and wakes the workers. False where it was there, or with a worker.
  bool Push(const QueuedJob& job) ANNEAL_EXCLUDES(mutex_);

  // Out of the queue. False where it was not in it; one that a worker has is not touched.
  bool Remove(JobId id) ANNEAL_EXCLUDES(mutex_);

  // What is known of a job has changed: its place in the queue does, now or when the worker puts it
  // down. Nothing where it is in neither.
  void Update(const QueuedJob& job) ANNEAL_EXCLUDES(mutex_);

  // Asks the worker that has the job to stop. `waits_no_more`: it also leaves the queue, now or when
  // the worker puts it down.
  void Withdraw(JobId id, bool waits_no_more) ANNEAL_EXCLUDES(mutex_);

  // Asks the worker that has the job to stop because its time is over. False where none has it.
  bool Expire(JobId id) ANNEAL_EXCLUDES(mutex_);

  // The first of the queue that may begin (admission.h), which is the caller's until it puts it down.
  // Blocks until there is one; null after Stop().
  std::shared_ptr<RunningJob> Take() ANNEAL_EXCLUDES(mutex_);

  // `again`: back into the queue, where nothing else was noted, and not taken for `delay_us`.
  void PutDown(const RunningJob& job, bool again, int64_t delay_us) ANNEAL_EXCLUDES(mutex_);

  // The job where a worker has it, else null.
  std::shared_ptr<const RunningJob> Running(JobId id) const ANNEAL_EXCLUDES(mutex_);

  // In the queue: 1 is next; 0: it is not in it.
  int64_t Position(JobId id) const ANNEAL_EXCLUDES(mutex_);

  // What forecasts are made of, as of one moment.
  struct Outlook {
    struct Running {
      std::shared_ptr<const RunningJob> job;
      double work_flops = 0;
    };
    struct Waiting {
      JobId id = 0;
      double work_flops = 0;
      std::string why;  // it does not begin, although it is the first of those that could
    };
    std::vector<Running> running;
    std::vector<Waiting> queue;  // the first ones, in order
  };

  // With the queue down to the last of `ids` that is in it.
  Outlook GetOutlook(const std::vector<JobId>& ids) const ANNEAL_EXCLUDES(mutex_);

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
    QueuedJob begun;   // as admitted
    QueuedJob queued;  // as it goes back
    Next next = Next::kAsPutDown;
  };

  // The first job that may begin; 0 where there is none. `wake_us`: when one may that is to be tried
  // again; 0: none is.
  JobId FirstThatMayBegin(int64_t* wake_us) const ANNEAL_REQUIRES(mutex_);

  const Clock& clock_;

  mutable Mutex mutex_;
  CondVar changed_;
  bool stopped_ ANNEAL_GUARDED_BY(mutex_) = false;
  JobQueue queue_ ANNEAL_GUARDED_BY(mutex_);
  std::unordered_map<JobId, Entry> running_ ANNEAL_GUARDED_BY(mutex_);
  Admission admission_ ANNEAL_GUARDED_BY(mutex_);
};

}  // namespace anneal
