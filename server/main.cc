// anneald: the daemon. Exit codes: 0 stopped as asked, 1 it could not start, 2 the command line or
// configuration is wrong.
#include <malloc.h>
#include <systemd/sd-daemon.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <grpc/support/log.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "absl/debugging/failure_signal_handler.h"
#include "absl/debugging/symbolize.h"
#include "absl/strings/str_join.h"
#include "server/config.h"
#include "server/core/clock.h"
#include "server/core/failpoint.h"
#include "server/core/version.h"
#include "server/daemon.h"
#include "server/engine/engine.h"
#include "server/shutdown.h"

namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kStopLimitSeconds = 7;

// One alone makes it worse: glibc adapts the other. Without both, every large tensor is a fresh
// mapping whose pages fault in one by one.
void KeepFreedMemory() {
  constexpr int kBytes = 1 << 30;
  mallopt(M_MMAP_THRESHOLD, kBytes);
  mallopt(M_TRIM_THRESHOLD, kBytes);
}

// gRPC's own log, in ours. What it calls an error is mostly a peer that went away.
void LogGrpc(gpr_log_func_args* arguments) {
  spdlog::log(
      arguments->severity == GPR_LOG_SEVERITY_ERROR ? spdlog::level::warn : spdlog::level::debug,
      "grpc: {}", arguments->message);
}

void StartLogging(const std::string& level) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("anneald"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v");
  spdlog::set_level(spdlog::level::from_str(level));
  spdlog::flush_on(spdlog::level::trace);
  gpr_set_log_function(&LogGrpc);
}

std::string Text(const absl::Status& status) { return std::string(status.message()); }

}  // namespace

int main(int argc, char** argv) {
  KeepFreedMemory();
  absl::InitializeSymbolizer(argv[0]);
  absl::InstallFailureSignalHandler({});
  anneal::PrepareSignals();

  const auto environment = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return value;
  };
  const absl::StatusOr<anneal::CommandLine> command_line =
      anneal::ParseCommandLine(std::vector<std::string>(argv + 1, argv + argc), environment);
  if (!command_line.ok()) {
    std::fprintf(stderr, "anneald: %s\n", Text(command_line.status()).c_str());
    return kExitUsage;
  }
  if (command_line->print.has_value()) {
    std::fputs(command_line->print->c_str(), stdout);
    return 0;
  }
  // For tests of what survives; see failpoint.h.
  const std::string failpoints = environment("ANNEAL_FAILPOINTS").value_or("");
  if (const absl::Status armed = anneal::ArmFailpoints(failpoints); !armed.ok()) {
    std::fprintf(stderr, "anneald: ANNEAL_FAILPOINTS: %s\n", Text(armed).c_str());
    return kExitUsage;
  }
  const anneal::DaemonConfig& config = command_line->config;
  StartLogging(config.log_level);
  spdlog::info("anneald {} ({}) starts with: {}", anneal::kVersion, anneal::kBuild,
               config.ToTextProto());
  if (!failpoints.empty()) {
    spdlog::warn("ANNEAL_FAILPOINTS is set: this process will fail on purpose, at {}", failpoints);
  }

  const anneal::SystemClock clock;
  absl::StatusOr<std::unique_ptr<anneal::Daemon>> daemon =
      anneal::Daemon::Create(config, clock, &anneal::CreateEngine);
  if (!daemon.ok()) {
    spdlog::critical("{}", Text(daemon.status()));
    return absl::IsInvalidArgument(daemon.status()) ? kExitUsage : kExitFailed;
  }
  const std::string listening = absl::StrJoin((*daemon)->listening(), ", ");
  // Written whatever the log level: scripts wait for this line.
  spdlog::set_level(spdlog::level::info);
  spdlog::info("anneald {} is ready on {}", anneal::kVersion, listening);
  spdlog::set_level(spdlog::level::from_str(config.log_level));
  sd_notifyf(0, "READY=1\nSTATUS=Ready on %s", listening.c_str());

  const int signal_number = anneal::WaitForShutdownSignal();
  spdlog::info("{}: stopping; running jobs go back to the queue",
               signal_number == SIGTERM ? "SIGTERM" : "SIGINT");
  sd_notify(0, "STOPPING=1");
  {
    const anneal::ShutdownGuard guard(kStopLimitSeconds);
    daemon->reset();
  }
  spdlog::info("stopped");
  return 0;
}
