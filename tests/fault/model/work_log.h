// What the engine of a model check says of its own work, in a file that outlives kill -9: the
// witness that does not pass through the store.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace anneal::model {

struct WorkRecord {
  enum class Kind : int64_t {
    kBegin = 1,    // a training begins, after `steps` steps of earlier attempts
    kStep = 2,     // it begins the step after `steps` steps
    kKept = 3,     // its state after `steps` steps has been kept
    kDamaged = 4,  // a state that it was given is not what it was said to be
    kEnd = 5,      // it returns, at its own end
    kStopped = 6,  // it returns because it was asked to, after its state was kept
  };
  int64_t time_us = 0;
  int64_t generation = 0;  // of the process
  int64_t run = 0;         // of the training: each call of Train in a process has another
  int64_t job = 0;         // PlannedJob::key
  Kind kind = Kind::kBegin;
  int64_t steps = 0;  // over all epochs
};

// Thread-safe.
class WorkLog {
 public:
  // Appends to the file at `path`. Ends the process where it cannot be opened.
  WorkLog(const std::string& path, int64_t generation);
  ~WorkLog();
  WorkLog(const WorkLog&) = delete;
  WorkLog& operator=(const WorkLog&) = delete;

  // Time and generation are filled in. One write() to a file in append mode: whole, or, where the
  // process is killed before it, not there.
  void Add(WorkRecord record) const;

 private:
  const int64_t generation_;
  const int fd_;
};

// In the order of time. Nothing where there is no such file.
std::vector<WorkRecord> ReadWorkLog(const std::string& path);

}  // namespace anneal::model
