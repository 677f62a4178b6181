// Kills the daemon when its time has come, and starts it again.
#pragma once

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "server/core/mutex.h"
#include "tests/fault/model/daemon_process.h"
#include "tests/fault/model/plan.h"

namespace anneal::model {

// Thread-safe but for Join.
class Killer {
 public:
  // Begins at once. `daemon` has been started and must outlive it.
  Killer(std::vector<PlannedKill> kills, DaemonProcess& daemon);

  // Join(), if it has not been called.
  ~Killer();

  // Told by clients, of every call.
  void CallBegins(Call call) ANNEAL_EXCLUDES(mutex_) { Count(call, /*after=*/false); }
  void CallEnds(Call call) ANNEAL_EXCLUDES(mutex_) { Count(call, /*after=*/true); }

  // The clients have made their last calls: what kills are left come now, one after the other.
  void ClientsEnded() ANNEAL_EXCLUDES(mutex_);

  // Blocks until all kills have been made and the daemon takes calls again. Returns what went
  // wrong.
  std::vector<std::string> Join() ANNEAL_EXCLUDES(mutex_);

 private:
  void Count(Call call, bool after) ANNEAL_EXCLUDES(mutex_);
  void Loop() ANNEAL_EXCLUDES(mutex_);

  const std::vector<PlannedKill> kills_;
  DaemonProcess& daemon_;

  Mutex mutex_;
  CondVar changed_;
  size_t next_ ANNEAL_GUARDED_BY(mutex_) = 0;    // which kill is waited for
  int64_t count_ ANNEAL_GUARDED_BY(mutex_) = 0;  // calls that this one counts, so far
  bool due_ ANNEAL_GUARDED_BY(mutex_) = false;
  bool clients_ended_ ANNEAL_GUARDED_BY(mutex_) = false;
  std::vector<std::string> problems_ ANNEAL_GUARDED_BY(mutex_);

  std::thread thread_;
};

}  // namespace anneal::model
