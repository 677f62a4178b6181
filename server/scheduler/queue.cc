#include "server/scheduler/queue.h"

#include <algorithm>

namespace anneal {
namespace {

bool RunsLater(const JobQueue::Entry& a, const JobQueue::Entry& b) {
  return a.priority != b.priority ? a.priority < b.priority : a.id > b.id;
}

}  // namespace

bool JobQueue::Push(JobId id, int32_t priority) {
  if (!priorities_.emplace(id, priority).second) return false;
  const Entry entry{id, priority};
  last_first_.insert(std::lower_bound(last_first_.begin(), last_first_.end(), entry, RunsLater),
                     entry);
  return true;
}

std::optional<JobQueue::Entry> JobQueue::Pop() {
  if (last_first_.empty()) return std::nullopt;
  const Entry first = last_first_.back();
  last_first_.pop_back();
  priorities_.erase(first.id);
  return first;
}

bool JobQueue::Remove(JobId id) {
  const auto position = Find(id);
  if (position == last_first_.end()) return false;
  last_first_.erase(position);
  priorities_.erase(id);
  return true;
}

int64_t JobQueue::Position(JobId id) const {
  return last_first_.end() - Find(id);  // 0 for end()
}

JobQueue::Entries::const_iterator JobQueue::Find(JobId id) const {
  const auto known = priorities_.find(id);
  if (known == priorities_.end()) return last_first_.end();
  return std::lower_bound(last_first_.begin(), last_first_.end(), Entry{id, known->second},
                          RunsLater);
}

}  // namespace anneal
