// How the daemon is asked to end: SIGTERM or SIGINT.
//
// By handlers, not by blocking the signals and waiting for them: libraries (OpenBLAS) have started
// threads before main begins, which block nothing, and a signal that the waiting thread does not
// take at this very moment would end the process through one of them.
#pragma once

#include <thread>

#include "server/core/mutex.h"

namespace anneal {

// To be called once, first of all. From then on the first SIGTERM or SIGINT is kept for
// WaitForShutdownSignal, and a second one ends the process at once, with exit code 1. That is safe:
// what is stored is durable, and the next start puts jobs that were running back into the queue.
// SIGPIPE and SIGHUP are ignored: a vanished client or terminal does not end the daemon.
void PrepareSignals();

// Blocks until there was a SIGTERM or SIGINT; returns which. One thread only.
int WaitForShutdownSignal();

// While it lives, an orderly stop has a limit: after it, the process ends with exit code 0, as
// safely as by a second signal.
class ShutdownGuard {
 public:
  explicit ShutdownGuard(int limit_seconds);
  ~ShutdownGuard();
  ShutdownGuard(const ShutdownGuard&) = delete;
  ShutdownGuard& operator=(const ShutdownGuard&) = delete;

 private:
  void Watch();

  const int limit_seconds_;
  Mutex mutex_;
  CondVar changed_;
  bool done_ ANNEAL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace anneal
