#include "anneal/v1/server_service.grpc.pb.h"
#include "client/commands/commands.h"

namespace anneal::client {
namespace {

struct Options {};

std::string Join(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : ", ") + text;
  return joined;
}

int RunServer(Session& session, const Options&) {
  v1::ServerInfo info;
  const grpc::Status status =
      session.Call(&v1::ServerService::Stub::GetServerInfo, v1::GetServerInfoRequest(), &info);
  if (!status.ok()) return session.Fail(status);
  if (session.json()) {
    session.PrintJson(info);
    return kExitDone;
  }
  Table table;
  table.AddColumn("");
  table.AddColumn("");
  table.AddRow({"version", info.version()});
  table.AddRow({"build", info.build()});
  table.AddRow({"fingerprint", info.fingerprint()});
  table.AddRow({"devices", Join(info.devices())});
  table.AddRow({"listens on", Join(info.listen())});
  table.AddRow({"data folder", info.data_dir()});
  table.AddRow({"workers", std::to_string(info.workers())});
  table.AddRow({"running jobs", std::to_string(info.running_jobs())});
  table.AddRow({"queued jobs", FormatCount(info.queued_jobs())});
  const int64_t up_us = session.environment().clock->NowUs() - TimestampUs(info.start_time());
  table.AddRow({"started", FormatTime(info.start_time()) + ", " + FormatDuration(up_us) + " ago"});
  table.AddRow({"process", std::to_string(info.pid())});
  session.out() << table.ToString(session.style());
  return kExitDone;
}

}  // namespace

void AddServer(CLI::App& app, Action& action) {
  auto [command, options] = AddVerb<Options>(
      app, action, "server", "Shows the daemon: version, devices, workers, load", RunServer);
  command->footer("Example:\n  anneal --server unix:/run/anneal/anneald.sock server");
}

}  // namespace anneal::client
