#include "server/scheduler/progress_ticker.h"

#include <chrono>
#include <utility>
#include <vector>

namespace anneal {

absl::Status ProgressTicker::Start() {
  return thread_.Start("progress", 1, [this] { Run(); });
}

void ProgressTicker::Stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  thread_.Join();
}

void ProgressTicker::Add(std::shared_ptr<const RunningJob> job) {
  {
    const MutexLock lock(mutex_);
    const JobId id = job->id;
    jobs_[id] = std::move(job);
  }
  changed_.NotifyAll();
}

void ProgressTicker::Remove(JobId id) {
  const MutexLock lock(mutex_);
  jobs_.erase(id);
}

void ProgressTicker::Run() {
  for (;;) {
    std::vector<std::shared_ptr<const RunningJob>> jobs;
    {
      const MutexLock lock(mutex_);
      // A change of the jobs wakes it early: a snapshot too many does no harm.
      if (!stopping_ && !jobs_.empty()) {
        changed_.WaitFor(mutex_, std::chrono::microseconds(interval_us_));
      }
      while (!stopping_ && jobs_.empty()) changed_.Wait(mutex_);
      if (stopping_) return;
      for (const auto& [id, job] : jobs_) jobs.push_back(job);
    }
    for (const auto& job : jobs) {
      if (!bus_.HasProgressWatchers(job->id)) continue;
      bus_.PublishProgress(job->id, job->progress.Snapshot(clock_.MonotonicUs()));
    }
  }
}

}  // namespace anneal
