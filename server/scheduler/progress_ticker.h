// Tells the watchers of running jobs, a few times a second, where these stand.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "absl/status/status.h"
#include "server/core/clock.h"
#include "server/core/job.h"
#include "server/core/mutex.h"
#include "server/scheduler/event_bus.h"
#include "server/scheduler/running_job.h"
#include "server/scheduler/worker_pool.h"

namespace anneal {

// Thread-safe, but for Start and Stop, which one owner calls.
class ProgressTicker {
 public:
  // What it is given must outlive it. `interval_us`: between two snapshots of a job.
  ProgressTicker(EventBus& bus, const Clock& clock, int64_t interval_us)
      : bus_(bus), clock_(clock), interval_us_(interval_us) {}
  ~ProgressTicker() { Stop(); }

  // Starts its thread, which sleeps while no job runs. RESOURCE_EXHAUSTED: the system has no more
  // threads.
  absl::Status Start();

  // Ends and joins the thread. Safe to call twice.
  void Stop();

  void Add(std::shared_ptr<const RunningJob> job);
  void Remove(JobId id);

 private:
  void Run();

  EventBus& bus_;
  const Clock& clock_;
  const int64_t interval_us_;
  WorkerPool thread_;

  Mutex mutex_;
  CondVar changed_;
  std::map<JobId, std::shared_ptr<const RunningJob>> jobs_ ANNEAL_GUARDED_BY(mutex_);
  bool stopping_ ANNEAL_GUARDED_BY(mutex_) = false;
};

}  // namespace anneal
