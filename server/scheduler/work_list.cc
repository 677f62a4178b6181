#include "server/scheduler/work_list.h"

#include <algorithm>
#include <chrono>

namespace anneal {

bool WorkList::Push(const QueuedJob& job) {
  {
    const MutexLock lock(mutex_);
    if (const auto entry = running_.find(job.id); entry != running_.end()) {
      entry->second.next = Entry::Next::kQueued;
      entry->second.queued = job;
      return false;
    }
    if (!queue_.Push(job)) return false;
  }
  changed_.NotifyOne();
  return true;
}

bool WorkList::Remove(JobId id) {
  bool removed = false;
  {
    const MutexLock lock(mutex_);
    removed = queue_.Remove(id);
  }
  changed_.NotifyAll();  // it may have been the one that nobody overtook
  return removed;
}

void WorkList::Update(const QueuedJob& job) {
  {
    const MutexLock lock(mutex_);
    if (const auto entry = running_.find(job.id); entry != running_.end()) {
      entry->second.queued = job;
      return;
    }
    if (!queue_.Update(job)) return;
  }
  changed_.NotifyAll();
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
  if (waits_no_more) changed_.NotifyAll();
}

bool WorkList::Expire(JobId id) {
  std::shared_ptr<RunningJob> running;
  {
    const MutexLock lock(mutex_);
    const auto entry = running_.find(id);
    if (entry == running_.end()) return false;
    running = entry->second.job;
  }
  running->expired = true;
  running->stop.request_stop();
  return true;
}

JobId WorkList::FirstThatMayBegin(int64_t* wake_us) const {
  const int64_t now_us = clock_.MonotonicUs();
  *wake_us = 0;
  for (int64_t position = 1; position <= queue_.size(); ++position) {
    const QueuedJob& job = queue_.At(position);
    switch (admission_.Judge(job, now_us)) {
      case Admission::Verdict::kBegins:
        return job.id;
      case Admission::Verdict::kLater:
        *wake_us = *wake_us == 0 ? job.not_before_us : std::min(*wake_us, job.not_before_us);
        break;
      case Admission::Verdict::kOwnersTurn:
        break;
      case Admission::Verdict::kMemory:
        return 0;
    }
  }
  return 0;
}

std::shared_ptr<RunningJob> WorkList::Take() {
  const MutexLock lock(mutex_);
  for (;;) {
    if (stopped_) return nullptr;
    int64_t wake_us = 0;
    if (const JobId id = FirstThatMayBegin(&wake_us); id != 0) {
      QueuedJob job = queue_.At(queue_.Position(id));
      queue_.Remove(id);
      job.not_before_us = 0;
      admission_.Begin(job);
      auto running = std::make_shared<RunningJob>(id);
      running_.emplace(id, Entry{running, job, job});
      // Who waits for the next one may have been woken for this.
      if (!queue_.empty()) changed_.NotifyOne();
      return running;
    }
    if (wake_us == 0) {
      changed_.Wait(mutex_);
    } else {
      changed_.WaitFor(mutex_, std::chrono::microseconds(
                                   std::max<int64_t>(wake_us - clock_.MonotonicUs(), 0)));
    }
  }
}

void WorkList::PutDown(const RunningJob& job, bool again, int64_t delay_us) {
  {
    const MutexLock lock(mutex_);
    const auto found = running_.find(job.id);
    Entry entry = found->second;
    running_.erase(found);
    admission_.End(entry.begun);
    if (entry.next == Entry::Next::kQueued || (entry.next == Entry::Next::kAsPutDown && again)) {
      if (entry.next == Entry::Next::kAsPutDown && delay_us > 0)
        entry.queued.not_before_us = clock_.MonotonicUs() + delay_us;
      queue_.Push(entry.queued);
    }
  }
  // What it held may be what several others waited for.
  changed_.NotifyAll();
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

WorkList::Outlook WorkList::GetOutlook(const std::vector<JobId>& ids) const {
  const MutexLock lock(mutex_);
  Outlook outlook;
  for (const auto& [id, entry] : running_)
    outlook.running.push_back({entry.job, entry.begun.needs.work_flops});
  int64_t last = 0;
  for (const JobId id : ids) last = std::max(last, queue_.Position(id));
  const int64_t now_us = clock_.MonotonicUs();
  std::string before;  // why nobody after a job may begin either
  for (int64_t position = 1; position <= last; ++position) {
    const QueuedJob& job = queue_.At(position);
    const Admission::Verdict verdict = admission_.Judge(job, now_us);
    std::string why = before.empty() || verdict == Admission::Verdict::kLater ||
                              verdict == Admission::Verdict::kOwnersTurn
                          ? admission_.Why(job, now_us)
                          : before;
    if (before.empty() && verdict == Admission::Verdict::kMemory)
      before = "job " + std::to_string(job.id) + " before it, which waits for memory";
    outlook.queue.push_back({job.id, job.needs.work_flops, std::move(why)});
  }
  return outlook;
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
