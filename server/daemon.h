// The daemon as one object: its parts, in the order in which they depend on each other.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config.h"
#include "server/core/clock.h"
#include "server/data/dataset_registry.h"
#include "server/data_folder.h"
#include "server/engine/engine.h"
#include "server/rpc/rpc_server.h"
#include "server/scheduler/event_bus.h"
#include "server/scheduler/scheduler.h"
#include "storage/store.h"

namespace anneal {

// Logs through spdlog's default logger.
class Daemon {
 public:
  using EngineFactory = std::function<std::unique_ptr<Engine>(DatasetRegistry&, const Clock&)>;

  // Takes the data folder, opens the database, puts what an earlier daemon left running back into
  // the queue, starts the workers and listens, in that order; addresses are checked before anything
  // runs. A data set whose files cannot be read is a warning in the log. Blocks. `clock` must
  // outlive the daemon.
  //
  // INVALID_ARGUMENT: the configuration is wrong (an address, a data set's name or format). Every
  // other error is one of the surroundings: the folder, the database, a port; its message says what
  // to do.
  static absl::StatusOr<std::unique_ptr<Daemon>> Create(const DaemonConfig& config,
                                                        const Clock& clock,
                                                        const EngineFactory& make_engine);

  // Stop(), if it has not been called.
  ~Daemon();

  // Addresses, with the ports that the system chose.
  const std::vector<std::string>& listening() const { return rpc_->listening(); }

  // Takes no more calls, ends watchers with UNAVAILABLE, stops running jobs within a batch and puts
  // them back into the queue. Blocks until all is done. Safe to call twice, from one thread at a
  // time.
  void Stop();

 private:
  Daemon() = default;

  std::unique_ptr<DataFolder> folder_;
  std::unique_ptr<Store> store_;
  DatasetRegistry datasets_;
  std::unique_ptr<Engine> engine_;
  EventBus bus_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<RpcServer> rpc_;
};

}  // namespace anneal
