#include "server/scheduler/work_list.h"

#include <vector>

namespace anneal {

bool WorkList::Push(JobId id, int32_t priority) {
  {
    const MutexLock lock(mutex_);
    if (const auto entry = running_.find(id); entry != running_.end()) {
      entry->second.next = Entry::Next::kQueued;
      return false;
    }
    if (!queue_.Push(id, priority)) return false;
  }
  changed_.NotifyOne();
  return true;
}

bool WorkList::Remove(JobId id) {
  const MutexLock lock(mutex_);
  return queue_.Remove(id);
}

void WorkList::Withdraw(JobId id, bool waits_no_more) {
  std::shared_ptr<RunningJob> running;
  {
    const MutexLock lock(mutex_);
    if (waits_no_more) queue_.Remove(id);
    if (const auto entry = running_.find(id); entry != running_.end()) {
      if (waits_no_more) entry->second.next = Entry::Next::kDropped;
      running = entry->second.job;
    }
  }
  if (running != nullptr) running->stop.request_stop();
}

std::shared_ptr<RunningJob> WorkList::Take() {
  const MutexLock lock(mutex_);
  while (!stopped_ && queue_.empty()) changed_.Wait(mutex_);
  if (stopped_) return nullptr;
  const JobQueue::Entry first = *queue_.Pop();
  auto job = std::make_shared<RunningJob>(first.id, first.priority);
  running_.emplace(first.id, Entry{job});
  return job;
}

void WorkList::PutDown(const RunningJob& job, bool again) {
  const MutexLock lock(mutex_);
  const auto entry = running_.find(job.id);
  const Entry::Next next = entry->second.next;
  running_.erase(entry);
  if (next == Entry::Next::kQueued || (next == Entry::Next::kAsPutDown && again))
    queue_.Push(job.id, job.priority);
}

std::shared_ptr<const RunningJob> WorkList::Running(JobId id) const {
  const MutexLock lock(mutex_);
  const auto entry = running_.find(id);
  return entry == running_.end() ? nullptr : entry->second.job;
}

int64_t WorkList::Position(JobId id) const {
  const MutexLock lock(mutex_);
  return queue_.Position(id);
}

WorkList::Counts WorkList::GetCounts() const {
  const MutexLock lock(mutex_);
  return {static_cast<int>(running_.size()), queue_.size()};
}

void WorkList::Stop() {
  std::vector<std::shared_ptr<RunningJob>> running;
  {
    const MutexLock lock(mutex_);
    stopped_ = true;
    for (const auto& [id, entry] : running_) running.push_back(entry.job);
  }
  changed_.NotifyAll();
  for (const auto& job : running) job->stop.request_stop();
}

bool WorkList::stopped() const {
  const MutexLock lock(mutex_);
  return stopped_;
}

}  // namespace anneal
