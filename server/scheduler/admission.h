// Which of the waiting jobs may begin now.
//
// In the order of the queue, with two exceptions: a job whose owner has as many running as allowed,
// and one that is to be tried again later, are passed over. A job that needs more memory than is left
// is not: nobody overtakes it, or a stream of small jobs would keep a big one waiting for ever. One
// that needs more than there is at all begins when nothing else runs.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "server/core/job.h"
#include "server/scheduler/queue.h"

namespace anneal {

struct AdmissionLimits {
  int64_t memory_bytes = 0;       // of all that run together, by Job::needs; 0: no limit
  int64_t running_per_owner = 0;  // 0: no limit
};

// What runs, counted. Not thread-safe.
class Admission {
 public:
  explicit Admission(const AdmissionLimits& limits) : limits_(limits) {}

  // By Begin(); the same job again.
  void Begin(const QueuedJob& job);
  void End(const QueuedJob& job);

  enum class Verdict {
    kBegins,
    kLater,      // it is to be tried again, at not_before_us
    kOwnersTurn, // its owner has as many running as allowed
    kMemory,     // nobody overtakes it
  };
  Verdict Judge(const QueuedJob& job, int64_t monotonic_us) const;

  // Why `job` does not begin, for people: "memory: it needs ..."; "" for kBegins.
  std::string Why(const QueuedJob& job, int64_t monotonic_us) const;

 private:
  const AdmissionLimits limits_;
  int64_t running_ = 0;
  int64_t memory_bytes_ = 0;
  std::unordered_map<std::string, int64_t> of_owner_;
};

}  // namespace anneal
