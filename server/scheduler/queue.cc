#include "server/scheduler/queue.h"

#include <algorithm>
#include <utility>

namespace anneal {

QueuedJob AsQueued(const Job& job) {
  QueuedJob queued;
  queued.id = job.id;
  queued.front = job.front;
  queued.priority = job.priority;
  queued.owner = job.owner;
  queued.needs = job.needs;
  return queued;
}

bool JobQueue::RunsLater(const Place& a, const Place& b) {
  if (a.front != b.front) return a.front < b.front;
  return a.priority != b.priority ? a.priority < b.priority : a.id > b.id;
}

bool JobQueue::Push(QueuedJob job) {
  const Place place = PlaceOf(job);
  if (!jobs_.emplace(job.id, std::move(job)).second) return false;
  last_first_.insert(std::lower_bound(last_first_.begin(), last_first_.end(), place, RunsLater),
                     place);
  return true;
}

bool JobQueue::Remove(JobId id) {
  const auto position = Find(id);
  if (position == last_first_.end()) return false;
  last_first_.erase(position);
  jobs_.erase(id);
  return true;
}

bool JobQueue::Update(QueuedJob job) {
  const auto known = jobs_.find(job.id);
  if (known == jobs_.end()) return false;
  job.not_before_us = known->second.not_before_us;
  Remove(job.id);
  return Push(std::move(job));
}

int64_t JobQueue::Position(JobId id) const {
  return last_first_.end() - Find(id);  // 0 for end()
}

const QueuedJob& JobQueue::At(int64_t position) const {
  return jobs_.at(last_first_[last_first_.size() - static_cast<size_t>(position)].id);
}

JobQueue::Places::const_iterator JobQueue::Find(JobId id) const {
  const auto known = jobs_.find(id);
  if (known == jobs_.end()) return last_first_.end();
  return std::lower_bound(last_first_.begin(), last_first_.end(), PlaceOf(known->second),
                          RunsLater);
}

}  // namespace anneal
