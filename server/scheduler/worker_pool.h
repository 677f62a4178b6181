// A fixed number of threads that all do the same.
#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"

namespace anneal {

// Names the calling thread, as shown by `top -H` and debuggers; cut to the 15 bytes that Linux
// keeps.
void SetThreadName(const std::string& name);

// Not thread-safe: started and joined by one owner.
class WorkerPool {
 public:
  WorkerPool() = default;
  ~WorkerPool() { Join(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Starts `count` threads named NAME-1, NAME-2, ... that each call `body` once; it must not throw.
  // RESOURCE_EXHAUSTED: the system has no more threads; those that were started go on, so end their
  // bodies and Join().
  absl::Status Start(const std::string& name, int count, const std::function<void()>& body);

  // Blocks until every body has returned. Safe to call twice.
  void Join();

 private:
  std::vector<std::thread> threads_;
};

}  // namespace anneal
