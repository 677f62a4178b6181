// anneal.v1.ServerService: the daemon about itself.
#pragma once

#include <string>
#include <vector>

#include "anneal/v1/server_service.grpc.pb.h"
#include "server/core/mutex.h"
#include "server/engine/engine.h"
#include "server/scheduler/scheduler.h"

namespace anneal {

// What a daemon knows of itself from its start on.
struct ServerIdentity {
  std::string data_dir;
  int workers = 0;
  int64_t start_time_us = 0;
};

// Thread-safe. What it is given must outlive the server that it is registered with.
class ServerService final : public v1::ServerService::CallbackService {
 public:
  ServerService(const Engine& engine, const Scheduler& scheduler, ServerIdentity identity);

  // Known only once the sockets are bound (port 0).
  void SetListening(std::vector<std::string> addresses);

  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context,
                                          const v1::GetServerInfoRequest* request,
                                          v1::ServerInfo* response) override;

 private:
  const Engine& engine_;
  const Scheduler& scheduler_;
  const ServerIdentity identity_;

  Mutex mutex_;
  std::vector<std::string> listening_ ANNEAL_GUARDED_BY(mutex_);
};

}  // namespace anneal
