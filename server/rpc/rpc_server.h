// The daemon's gRPC server: the services of anneal.v1, health checking and reflection, on one or
// more addresses.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/server.h>

#include "absl/status/statusor.h"
#include "server/data/dataset_registry.h"
#include "server/engine/engine.h"
#include "server/rpc/dataset_service.h"
#include "server/rpc/job_service.h"
#include "server/rpc/listen_address.h"
#include "server/rpc/prediction_service.h"
#include "server/rpc/server_service.h"
#include "server/scheduler/event_bus.h"
#include "server/scheduler/scheduler.h"
#include "storage/store.h"

namespace anneal {

// Thread-safe after Create.
class RpcServer {
 public:
  // Listens and serves when it returns. What it is given must outlive it. Socket files get mode
  // 0600. Errors of CheckListenAddress; FAILED_PRECONDITION: the addresses could not be bound;
  // INVALID_ARGUMENT: no address.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Create(Store& store, Scheduler& scheduler,
                                                           EventBus& bus, const Engine& engine,
                                                           const DatasetRegistry& datasets,
                                                           const std::vector<ListenAddress>& listen,
                                                           ServerIdentity identity);

  // Stop(), if it has not been called.
  ~RpcServer();

  // With the ports that the system chose.
  const std::vector<std::string>& listening() const { return listening_; }

  const JobService& job_service() const { return job_service_; }

  // Health says NOT_SERVING, watchers end UNAVAILABLE, no new calls are taken; calls under way may
  // go on for `grace_us`, then they are cancelled. Blocks until all have ended. Safe to call twice.
  void Stop(int64_t grace_us);

 private:
  RpcServer(Store& store, Scheduler& scheduler, EventBus& bus, const Engine& engine,
            const DatasetRegistry& datasets, ServerIdentity identity);

  JobService job_service_;
  PredictionService prediction_service_;
  DatasetService dataset_service_;
  ServerService server_service_;
  std::vector<std::string> listening_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace anneal
