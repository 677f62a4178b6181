#include "server/scheduler/deadline_keeper.h"

#include <algorithm>
#include <chrono>
#include <vector>

namespace anneal {

int64_t DueTimeUs(const Job& job) {
  if (IsTerminal(job.state)) return 0;
  int64_t due_us = job.limits.deadline_us;
  if (job.limits.max_run_time_us == 0 || !IsActive(job.state) || job.attempts.empty())
    return due_us;
  int64_t ran_us = 0;
  for (const Attempt& attempt : job.attempts)
    ran_us += std::max<int64_t>(attempt.end_time_us - attempt.start_time_us, 0);
  const int64_t end_us =
      job.attempts.back().start_time_us + std::max<int64_t>(job.limits.max_run_time_us - ran_us, 0);
  return due_us == 0 ? end_us : std::min(due_us, end_us);
}

absl::Status DeadlineKeeper::Start() {
  return thread_.Start("deadlines", 1, [this] { Run(); });
}

void DeadlineKeeper::Stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  thread_.Join();
}

void DeadlineKeeper::Set(JobId id, int64_t due_us) {
  {
    const MutexLock lock(mutex_);
    if (const auto known = due_us_.find(id); known != due_us_.end()) {
      in_order_.erase({known->second, id});
      due_us_.erase(known);
    }
    if (due_us != 0) {
      due_us_.emplace(id, due_us);
      in_order_.emplace(due_us, id);
    }
  }
  changed_.NotifyAll();
}

void DeadlineKeeper::Run() {
  for (;;) {
    std::vector<JobId> over;
    {
      const MutexLock lock(mutex_);
      while (!stopping_ && in_order_.empty()) changed_.Wait(mutex_);
      if (stopping_) return;
      const int64_t left_us = in_order_.begin()->first - clock_.NowUs();
      if (left_us > 0) {
        changed_.WaitFor(mutex_, std::chrono::microseconds(std::min(left_us, interval_us_)));
      }
      if (stopping_) return;
      const int64_t now_us = clock_.NowUs();
      while (!in_order_.empty() && in_order_.begin()->first <= now_us) {
        const JobId id = in_order_.begin()->second;
        over.push_back(id);
        due_us_.erase(id);
        in_order_.erase(in_order_.begin());
      }
    }
    for (const JobId id : over) expire_(id);
  }
}

}  // namespace anneal
