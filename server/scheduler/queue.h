// The jobs that wait, in the order they will run.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/core/job.h"

namespace anneal {

// What the queue knows of a job.
struct QueuedJob {
  JobId id = 0;
  int64_t front = 0;
  int32_t priority = 0;
  std::string owner{};
  JobNeeds needs{};
  int64_t not_before_us = 0;  // of Clock::MonotonicUs(): it is not taken before; 0: at once
};

// Of a job of which at least what lists have is known.
QueuedJob AsQueued(const Job& job);

// What was moved to the front first, the last moved first; then the highest priority, then the lowest
// id. Not thread-safe. Position() takes logarithmic time; Push() and Remove() move what runs sooner,
// 24 bytes a job.
class JobQueue {
 public:
  // False, and nothing changes, where the job waits already.
  bool Push(QueuedJob job);

  // False where the job does not wait.
  bool Remove(JobId id);

  // Puts it where it belongs by what is known of it now; not_before_us stays. False where it does not
  // wait.
  bool Update(QueuedJob job);

  // 1 is next; 0: not in the queue.
  int64_t Position(JobId id) const;

  // From 1 to size().
  const QueuedJob& At(int64_t position) const;

  int64_t size() const { return static_cast<int64_t>(last_first_.size()); }
  bool empty() const { return last_first_.empty(); }

 private:
  struct Place {
    int64_t front = 0;
    int32_t priority = 0;
    JobId id = 0;
  };
  static Place PlaceOf(const QueuedJob& job) { return {job.front, job.priority, job.id}; }
  static bool RunsLater(const Place& a, const Place& b);
  using Places = std::vector<Place>;
  Places::const_iterator Find(JobId id) const;

  Places last_first_;  // sorted, the next to run at the end
  std::unordered_map<JobId, QueuedJob> jobs_;
};

}  // namespace anneal
