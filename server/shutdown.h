// How the daemon is asked to end: SIGTERM or SIGINT.
#pragma once

#include <csignal>

#include <thread>

namespace anneal {

// To be called first of all, before any thread exists: threads inherit what is blocked. SIGPIPE and SIGHUP are ignored
// (a vanished client or terminal does not end the daemon), SIGTERM and SIGINT wait for WaitForShutdownSignal.
void PrepareSignals();

// Blocks until SIGTERM or SIGINT; returns which.
int WaitForShutdownSignal();

// While it lives, an orderly stop has a limit: a second SIGTERM or SIGINT ends the process at once (exit code 1), and so
// does `limit_seconds` (exit code 0). Both are safe: what is stored is durable, and the next start puts jobs that
// were running back into the queue.
class ShutdownGuard {
 public:
  explicit ShutdownGuard(int limit_seconds);
  ~ShutdownGuard();
  ShutdownGuard(const ShutdownGuard&) = delete;
  ShutdownGuard& operator=(const ShutdownGuard&) = delete;

 private:
  std::thread thread_;
};

}  // namespace anneal
