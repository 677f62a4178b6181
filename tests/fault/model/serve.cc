#include "tests/fault/model/serve.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "server/config.h"
#include "server/daemon.h"
#include "tests/fault/model/chain_engine.h"
#include "tests/fault/model/shared_clock.h"
#include "tests/fault/model/work_log.h"

namespace anneal::model {

int Serve(const ServeOptions& options) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("served"));
  const SharedClock clock(options.haste);
  const WorkLog log(WorkLogPath(options.folder), options.generation);
  DaemonConfig config;
  config.data_dir = options.folder;
  config.listen = {"unix:" + options.socket};
  config.workers = options.workers;
  const auto daemon = Daemon::Create(config, clock, [&](DatasetRegistry&, const Clock& used) {
    return std::make_unique<ChainEngine>(used, log);
  });
  if (!daemon.ok()) {
    std::fprintf(stderr, "the daemon does not start: %s\n", daemon.status().ToString().c_str());
    return 1;
  }
  if (write(STDOUT_FILENO, "\n", 1) != 1) return 1;
  char nothing = 0;
  while (read(STDIN_FILENO, &nothing, 1) > 0) continue;
  _exit(0);
}

std::string WorkLogPath(const std::string& folder) { return folder + "/work.log"; }

std::string ArtifactPath(const std::string& folder, const std::string& file) {
  return folder + "/artifacts/" + file;
}

}  // namespace anneal::model
