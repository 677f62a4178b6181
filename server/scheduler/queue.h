// The jobs that wait, in the order they will run.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "server/core/job.h"

namespace anneal {

// Highest priority first, then lowest id. Not thread-safe. Position() takes logarithmic time;
// Push() and Remove() move what runs sooner, 16 bytes a job.
class JobQueue {
 public:
  // False, and nothing changes, where the job waits already.
  bool Push(JobId id, int32_t priority);

  // Takes out the first; nothing where the queue is empty.
  struct Entry {
    JobId id = 0;
    int32_t priority = 0;

    friend bool operator==(const Entry&, const Entry&) = default;
  };
  std::optional<Entry> Pop();

  // False where the job does not wait.
  bool Remove(JobId id);

  // 1 is next; 0: not in the queue.
  int64_t Position(JobId id) const;

  int64_t size() const { return static_cast<int64_t>(last_first_.size()); }
  bool empty() const { return last_first_.empty(); }

 private:
  using Entries = std::vector<Entry>;
  Entries::const_iterator Find(JobId id) const;

  Entries last_first_;  // sorted, the next to run at the end
  std::unordered_map<JobId, int32_t> priorities_;
};

}  // namespace anneal
