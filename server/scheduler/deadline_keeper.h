// Tells when the time of a job is over.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "server/core/clock.h"
#include "server/core/job.h"
#include "server/core/mutex.h"
#include "server/scheduler/worker_pool.h"

namespace anneal {

// When `job`, as Store::GetJob has it, must be stopped, as Clock::NowUs(): at its deadline, and while
// it is active at the end of its running time, whichever is sooner. The time that earlier attempts
// took counts, not the time between them. 0: never, also where it has ended.
int64_t DueTimeUs(const Job& job);

// Looks at Clock::NowUs(), which people may set, every `interval_us` of real time, and only while
// there is something to look at. Thread-safe, but for Start and Stop, which one owner calls.
class DeadlineKeeper {
 public:
  using Expire = std::function<void(JobId)>;

  // `clock` must outlive it. `expire` is called on its thread, without locks, once for each Set() whose
  // time has come; it may call Set().
  DeadlineKeeper(const Clock& clock, int64_t interval_us, Expire expire)
      : clock_(clock), interval_us_(interval_us), expire_(std::move(expire)) {}
  ~DeadlineKeeper() { Stop(); }

  // Starts its thread. RESOURCE_EXHAUSTED: the system has no more threads.
  absl::Status Start();

  // Ends and joins the thread. Safe to call twice.
  void Stop();

  // Replaces what was set for the job; 0: nothing is set any more.
  void Set(JobId id, int64_t due_us);

 private:
  void Run();

  const Clock& clock_;
  const int64_t interval_us_;
  const Expire expire_;
  WorkerPool thread_;

  Mutex mutex_;
  CondVar changed_;
  std::map<JobId, int64_t> due_us_ ANNEAL_GUARDED_BY(mutex_);
  std::set<std::pair<int64_t, JobId>> in_order_ ANNEAL_GUARDED_BY(mutex_);
  bool stopping_ ANNEAL_GUARDED_BY(mutex_) = false;
};

}  // namespace anneal
