#include "server/rpc/rpc_server.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include "absl/strings/str_cat.h"
#include "server/core/status_macros.h"

namespace anneal {
namespace {

// A little more than the largest spec: a slightly larger one then gets the service's own words
// instead of gRPC's.
constexpr int kMaxReceiveBytes = static_cast<int>(kMaxSpecBytes) + (1 << 20);

// An idle watcher's client may vanish without a word (power, network): after this long it is asked.
constexpr int kKeepaliveTimeMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;
constexpr int kMinClientPingIntervalMs = 10'000;  // clients ask in the same way

// Reflection is the one service here that holds a thread for every call: so many at a time.
constexpr int kMaxReflectionThreads = 16;

constexpr int64_t kDefaultGraceUs = 2'000'000;

}  // namespace

RpcServer::RpcServer(Store& store, Scheduler& scheduler, EventBus& bus, const Engine& engine,
                     const DatasetRegistry& datasets, ServerIdentity identity)
    : job_service_(store, scheduler, bus, engine, datasets),
      prediction_service_(store),
      dataset_service_(datasets),
      server_service_(engine, scheduler, std::move(identity)) {}

RpcServer::~RpcServer() { Stop(kDefaultGraceUs); }

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Create(
    Store& store, Scheduler& scheduler, EventBus& bus, const Engine& engine,
    const DatasetRegistry& datasets, const std::vector<ListenAddress>& listen,
    ServerIdentity identity) {
  if (listen.empty()) return absl::InvalidArgumentError("there is no address to listen on");
  for (const ListenAddress& address : listen) RETURN_IF_ERROR(CheckListenAddress(address));

  // Both are switches of the whole process, read when a server is built.
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();

  std::unique_ptr<RpcServer> server(
      new RpcServer(store, scheduler, bus, engine, datasets, std::move(identity)));
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // two daemons must not share a port
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kMinClientPingIntervalMs);
  builder.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  grpc::ResourceQuota quota("anneald");
  quota.SetMaxThreads(kMaxReflectionThreads);
  builder.SetResourceQuota(quota);
  builder.RegisterService(&server->job_service_);
  builder.RegisterService(&server->prediction_service_);
  builder.RegisterService(&server->dataset_service_);
  builder.RegisterService(&server->server_service_);
  std::vector<int> ports(listen.size(), 0);
  for (size_t i = 0; i < listen.size(); ++i) {
    builder.AddListeningPort(listen[i].ToString(), grpc::InsecureServerCredentials(), &ports[i]);
  }
  // So that nobody else can connect between bind and chmod. It makes files of other threads
  // stricter for a moment.
  const mode_t old_mask = umask(0177);
  server->server_ = builder.BuildAndStart();
  umask(old_mask);
  if (server->server_ == nullptr) {
    std::string text;
    for (size_t i = 0; i < listen.size(); ++i) {
      if (ports[i] == 0) absl::StrAppend(&text, text.empty() ? "" : ", ", listen[i].ToString());
    }
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen on ", text.empty() ? listen[0].ToString() : text));
  }
  for (size_t i = 0; i < listen.size(); ++i) {
    ListenAddress bound = listen[i];
    if (bound.kind == ListenAddress::Kind::kTcp) {
      bound.port = ports[i];
    } else if (chmod(bound.path.c_str(), 0600) != 0) {
      return absl::FailedPreconditionError(absl::StrCat("cannot set the permissions of the socket ",
                                                        bound.path, ": ", std::strerror(errno)));
    }
    server->listening_.push_back(bound.ToString());
  }
  server->server_service_.SetListening(server->listening_);
  return server;
}

void RpcServer::Stop(int64_t grace_us) {
  if (server_ == nullptr) return;
  server_->GetHealthCheckService()->SetServingStatus(false);
  job_service_.StopWatching();
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::microseconds(grace_us));
}

}  // namespace anneal
