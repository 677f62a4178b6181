#include "server/daemon.h"

#include <string>
#include <utility>

#include <spdlog/spdlog.h>

#include "server/core/durable_file.h"
#include "server/core/status_macros.h"
#include "server/rpc/listen_address.h"
#include "storage/sqlite_store.h"

namespace anneal {
namespace {

constexpr char kBuiltInDataset[] = "synthetic-shapes";
constexpr int64_t kCallGraceUs = 2'000'000;  // for calls under way when the daemon stops

absl::Status RegisterDatasets(const std::vector<DaemonConfig::Dataset>& wanted,
                              DatasetRegistry& datasets) {
  RETURN_IF_ERROR(datasets.Register(kBuiltInDataset, kBuiltInDataset, ""));
  for (const DaemonConfig::Dataset& dataset : wanted) {
    const absl::Status registered = datasets.Register(dataset.name, dataset.format, dataset.path);
    if (!registered.ok()) return absl::InvalidArgumentError(registered.message());
    if (const auto info = datasets.Describe(dataset.name); !info.ok()) {
      spdlog::warn("{}; jobs cannot use it until that is mended",
                   std::string(info.status().message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Create(const DaemonConfig& config,
                                                       const Clock& clock,
                                                       const EngineFactory& make_engine) {
  const int64_t start_time_us = clock.NowUs();
  std::unique_ptr<Daemon> daemon(new Daemon());
  std::vector<ListenAddress> listen;
  for (const std::string& text : config.listen) {
    ASSIGN_OR_RETURN(ListenAddress address, ParseListenAddress(text, config.allow_insecure));
    listen.push_back(std::move(address));
  }
  RETURN_IF_ERROR(RegisterDatasets(config.datasets, daemon->datasets_));
  ASSIGN_OR_RETURN(daemon->folder_, DataFolder::Open(config.data_dir));
  // Before any job runs: a port in use must not leave an attempt behind.
  for (const ListenAddress& address : listen) RETURN_IF_ERROR(CheckListenAddress(address));
  ASSIGN_OR_RETURN(daemon->store_, SqliteStore::Open(config.data_dir + "/anneal.db", clock, {}));
  daemon->engine_ = make_engine(daemon->datasets_, clock);
  RETURN_IF_ERROR(MakeDurableFolder(config.data_dir + "/artifacts"));
  Scheduler::Options options;
  options.workers = config.workers;
  options.artifact_folder = config.data_dir + "/artifacts";
  options.max_restarts = config.limits.max_restarts;
  options.queue_limits = {config.limits.max_queued, config.limits.max_queued_per_owner};
  options.admission = {config.limits.memory_mib << 20, config.limits.max_running_per_owner};
  daemon->scheduler_ = Scheduler::Create(*daemon->store_, *daemon->engine_, daemon->bus_,
                                         daemon->datasets_, clock, options);
  RETURN_IF_ERROR(daemon->scheduler_->Start());
  ServerIdentity identity;
  identity.data_dir = config.data_dir;
  identity.workers = config.workers;
  identity.start_time_us = start_time_us;
  ASSIGN_OR_RETURN(daemon->rpc_, RpcServer::Create(*daemon->store_, *daemon->scheduler_,
                                                   daemon->bus_, *daemon->engine_,
                                                   daemon->datasets_, listen, std::move(identity)));
  RETURN_IF_ERROR(daemon->folder_->WriteHolder(daemon->rpc_->listening()));
  return daemon;
}

Daemon::~Daemon() { Stop(); }

void Daemon::Stop() {
  if (rpc_ != nullptr) rpc_->Stop(kCallGraceUs);
  if (scheduler_ != nullptr) scheduler_->Stop();
}

}  // namespace anneal
