#include "server/rpc/server_service.h"

#include <unistd.h>

#include <utility>

#include "server/core/version.h"
#include "server/rpc/convert.h"
#include "server/rpc/unary.h"
#include "server/rpc/utf8.h"

namespace anneal {

ServerService::ServerService(const Engine& engine, const Scheduler& scheduler,
                             ServerIdentity identity)
    : engine_(engine), scheduler_(scheduler), identity_(std::move(identity)) {}

void ServerService::SetListening(std::vector<std::string> addresses) {
  MutexLock lock(mutex_);
  listening_ = std::move(addresses);
}

grpc::ServerUnaryReactor* ServerService::GetServerInfo(grpc::CallbackServerContext* context,
                                                       const v1::GetServerInfoRequest* /*request*/,
                                                       v1::ServerInfo* response) {
  v1::ServerInfo info;
  info.set_version(kVersion);
  info.set_build(kBuild);
  for (const std::string& device : engine_.Devices()) info.add_devices(device);
  info.set_fingerprint(ToUtf8(engine_.Fingerprint("auto")));
  {
    MutexLock lock(mutex_);
    for (const std::string& address : listening_) info.add_listen(ToUtf8(address));
  }
  info.set_data_dir(ToUtf8(identity_.data_dir));
  info.set_workers(identity_.workers);
  const Scheduler::Counts counts = scheduler_.GetCounts();
  info.set_running_jobs(counts.running);
  info.set_queued_jobs(counts.queued);
  *info.mutable_start_time() = ToTimestamp(identity_.start_time_us);
  info.set_pid(getpid());
  return Reply<v1::ServerInfo>(context, response, std::move(info));
}

}  // namespace anneal
