// The daemon's configuration: flags over environment over file over defaults.
//
//   flag              environment             file            default
//   --config          ANNEALD_CONFIG                          no file
//   --listen (many)   ANNEALD_LISTEN (a,b)    listen          localhost:50551
//   --data-dir        ANNEALD_DATA_DIR        data_dir        $XDG_DATA_HOME/anneal,
//                                                             else ~/.local/share/anneal
//   --workers         ANNEALD_WORKERS         workers         the cores, at most 64
//   --dataset (many)  ANNEALD_DATASETS (a,b)  datasets        synthetic-shapes is always there
//   --allow-insecure  ANNEALD_ALLOW_INSECURE  allow_insecure  false
//   --log-level       ANNEALD_LOG_LEVEL       log_level       info
//
// and limits of the queue, each a flag, a variable and a field of `limits` (see config_limits.h):
// --max-queued, ANNEALD_MAX_QUEUED, limits { max_queued }.
//
// A list given in one place replaces the one given in a lower place, except data sets: they are
// joined, and of two with one name the higher place's counts. An empty environment variable counts
// as none.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "anneal/config/v1/daemon_config.pb.h"

namespace anneal {

inline constexpr int kMaxWorkers = 64;

struct DaemonConfig {
  struct Dataset {
    std::string name;
    std::string format;
    std::string path;  // absolute; empty where the format has none
  };
  // 0: no limit.
  struct Limits {
    int64_t max_queued = 0;  // jobs that wait
    int64_t max_queued_per_owner = 0;
    int max_running_per_owner = 0;
    // Of running jobs together, without data sets. Where nothing is said ParseCommandLine() takes
    // four fifths of what this process may use.
    int64_t memory_mib = 0;
    int64_t max_restarts = 5;  // in a row, of a job that does not come forward
  };
  std::vector<std::string> listen;  // as written; at least one
  std::string data_dir;             // absolute
  int workers = 1;                  // 1..kMaxWorkers
  std::vector<Dataset> datasets;    // names are unique
  bool allow_insecure = false;
  std::string log_level = "info";  // trace, debug, info, warn, error
  Limits limits;

  // All of it as a text proto that --config would take.
  std::string ToTextProto() const;
};

// What the command line asks for: a text to print (--help, --version), or a configuration to run
// with.
struct CommandLine {
  std::optional<std::string> print;
  DaemonConfig config;
};

// The value of an environment variable, or nothing.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

// `arguments`: without the program's name. Reads the configuration file. INVALID_ARGUMENT: a flag,
// variable or field is wrong; the message names it and where it was given (for the file:
// path:line:column). NOT_FOUND, PERMISSION_DENIED: the file cannot be read.
absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments,
                                             const Environment& environment);

// The file's text as a message. INVALID_ARGUMENT: every error as path:line:column (from 1), unknown
// fields included.
absl::StatusOr<config::v1::DaemonConfig> ParseConfigText(const std::string& text,
                                                         const std::string& path);

// "NAME=FORMAT:PATH" or "NAME=FORMAT". `where` begins the message of an error.
absl::StatusOr<DaemonConfig::Dataset> ParseDataset(const std::string& text,
                                                   const std::string& where);

}  // namespace anneal
