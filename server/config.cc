#include "server/config.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <thread>
#include <utility>

#include <CLI/CLI.hpp>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/config_limits.h"
#include "server/core/status_macros.h"
#include "server/core/version.h"
#include "server/usable_memory.h"

namespace anneal {
namespace {

constexpr char kDefaultListen[] = "localhost:50551";
constexpr const char* kLogLevels[] = {"trace", "debug", "info", "warn", "error"};

class ErrorList final : public google::protobuf::io::ErrorCollector {
 public:
  explicit ErrorList(const std::string& path) : path_(path) {}

  // Both count from 0.
  void AddError(int line, google::protobuf::io::ColumnNumber column,
                const std::string& message) override {
    absl::StrAppend(&text_, text_.empty() ? "" : "\n", path_, ":", line + 1, ":", column + 1, ": ",
                    message);
  }

  const std::string& text() const { return text_; }

 private:
  const std::string path_;
  std::string text_;
};

// What one place (flags, environment or file) says; the rest is left to the next place.
struct Layer {
  std::vector<std::string> listen;
  std::optional<std::string> data_dir;
  std::optional<int> workers;
  std::vector<DaemonConfig::Dataset> datasets;
  std::optional<bool> allow_insecure;
  std::optional<std::string> log_level;
  LimitValues limits;
};

absl::Status CheckWorkers(int64_t workers, const std::string& where) {
  if (workers >= 1 && workers <= kMaxWorkers) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": must be from 1 to ", kMaxWorkers, ", is ", workers));
}

absl::Status CheckLogLevel(const std::string& level, const std::string& where) {
  for (const char* known : kLogLevels) {
    if (level == known) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": must be trace, debug, info, warn or error, is '", level, "'"));
}

absl::StatusOr<int> ParseWorkers(const std::string& text, const std::string& where) {
  int64_t workers = 0;
  if (!absl::SimpleAtoi(text, &workers)) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": must be a number, is '", text, "'"));
  }
  RETURN_IF_ERROR(CheckWorkers(workers, where));
  return static_cast<int>(workers);
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the configuration file ", path, " is a folder"));
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    const std::string text =
        absl::StrCat("cannot read the configuration file ", path, ": ", std::strerror(errno));
    return errno == EACCES ? absl::PermissionDeniedError(text) : absl::NotFoundError(text);
  }
  std::string content{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (file.bad())
    return absl::DataLossError(absl::StrCat("cannot read the configuration file ", path));
  return content;
}

absl::StatusOr<Layer> FileLayer(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  ASSIGN_OR_RETURN(const config::v1::DaemonConfig file, ParseConfigText(text, path));
  Layer layer;
  layer.listen.assign(file.listen().begin(), file.listen().end());
  if (!file.data_dir().empty()) layer.data_dir = file.data_dir();
  if (file.has_workers()) {
    RETURN_IF_ERROR(CheckWorkers(file.workers(), absl::StrCat(path, ": workers")));
    layer.workers = file.workers();
  }
  for (int i = 0; i < file.datasets_size(); ++i) {
    const auto& dataset = file.datasets(i);
    const std::string where = absl::StrCat(path, ": datasets[", i, "]");
    if (dataset.name().empty())
      return absl::InvalidArgumentError(absl::StrCat(where, ": there is no name"));
    if (dataset.format().empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, " ('", dataset.name(), "'): there is no format"));
    }
    layer.datasets.push_back({dataset.name(), dataset.format(), dataset.path()});
  }
  if (file.has_allow_insecure()) layer.allow_insecure = file.allow_insecure();
  if (!file.log_level().empty()) {
    RETURN_IF_ERROR(CheckLogLevel(file.log_level(), absl::StrCat(path, ": log_level")));
    layer.log_level = file.log_level();
  }
  layer.limits = LimitsOf(file.limits());
  for (size_t i = 0; i < kLimitCount; ++i) {
    if (!layer.limits[i]) continue;
    RETURN_IF_ERROR(CheckLimit(kLimitSettings[i], *layer.limits[i],
                               absl::StrCat(path, ": limits.", kLimitSettings[i].field)));
  }
  return layer;
}

absl::StatusOr<Layer> EnvironmentLayer(const Environment& environment) {
  const auto value = [&](const char* name) -> std::optional<std::string> {
    std::optional<std::string> found = environment(name);
    if (found.has_value() && found->empty()) found.reset();
    return found;
  };
  const auto list = [&](const char* name) {
    const std::optional<std::string> text = value(name);
    std::vector<std::string> items;
    if (!text.has_value()) return items;
    for (const absl::string_view item : absl::StrSplit(*text, ',')) {
      const absl::string_view trimmed = absl::StripAsciiWhitespace(item);
      if (!trimmed.empty()) items.emplace_back(trimmed.data(), trimmed.size());
    }
    return items;
  };
  Layer layer;
  layer.listen = list("ANNEALD_LISTEN");
  layer.data_dir = value("ANNEALD_DATA_DIR");
  if (const auto text = value("ANNEALD_WORKERS"); text.has_value()) {
    ASSIGN_OR_RETURN(layer.workers, ParseWorkers(*text, "ANNEALD_WORKERS"));
  }
  for (const std::string& text : list("ANNEALD_DATASETS")) {
    ASSIGN_OR_RETURN(DaemonConfig::Dataset dataset, ParseDataset(text, "ANNEALD_DATASETS"));
    layer.datasets.push_back(std::move(dataset));
  }
  if (const auto text = value("ANNEALD_ALLOW_INSECURE"); text.has_value()) {
    bool allow = false;
    if (!absl::SimpleAtob(*text, &allow)) {
      return absl::InvalidArgumentError(
          absl::StrCat("ANNEALD_ALLOW_INSECURE: must be true or false, is '", *text, "'"));
    }
    layer.allow_insecure = allow;
  }
  layer.log_level = value("ANNEALD_LOG_LEVEL");
  if (layer.log_level.has_value())
    RETURN_IF_ERROR(CheckLogLevel(*layer.log_level, "ANNEALD_LOG_LEVEL"));
  for (size_t i = 0; i < kLimitCount; ++i) {
    const LimitSetting& setting = kLimitSettings[i];
    if (const auto text = value(setting.variable); text.has_value()) {
      ASSIGN_OR_RETURN(layer.limits[i], ParseLimit(setting, *text, setting.variable));
    }
  }
  return layer;
}

absl::StatusOr<std::string> DefaultDataDir(const Environment& environment) {
  if (const auto data = environment("XDG_DATA_HOME"); data.has_value() && !data->empty()) {
    return *data + "/anneal";
  }
  if (const auto home = environment("HOME"); home.has_value() && !home->empty()) {
    return *home + "/.local/share/anneal";
  }
  return absl::InvalidArgumentError(
      "there is no data folder: neither --data-dir nor ANNEALD_DATA_DIR, XDG_DATA_HOME or HOME is "
      "set");
}

int DefaultWorkers() {
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMaxWorkers);
}

// Four fifths: the rest is for data sets, the database and the system. 0 where the memory is not
// known.
int64_t DefaultMemoryMib() {
  constexpr int64_t kMib = 1 << 20;
  return UsableMemoryBytes(&ReadSmallFile) / kMib * 4 / 5;
}

// `layers` from the lowest place to the highest.
DaemonConfig::Limits MergeLimits(const std::vector<Layer>& layers) {
  LimitValues values;
  for (const Layer& layer : layers) {
    for (size_t i = 0; i < kLimitCount; ++i) {
      if (layer.limits[i]) values[i] = layer.limits[i];
    }
  }
  DaemonConfig::Limits limits;
  limits.max_queued = values[kMaxQueued].value_or(limits.max_queued);
  limits.max_queued_per_owner = values[kMaxQueuedPerOwner].value_or(limits.max_queued_per_owner);
  limits.max_running_per_owner =
      static_cast<int>(values[kMaxRunningPerOwner].value_or(limits.max_running_per_owner));
  limits.memory_mib = values[kMemoryMib] ? *values[kMemoryMib] : DefaultMemoryMib();
  limits.max_restarts = values[kMaxRestarts].value_or(limits.max_restarts);
  return limits;
}

absl::StatusOr<std::string> Absolute(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot make an absolute path of '", path, "': ", error.message()));
  }
  std::filesystem::path normal = absolute.lexically_normal();
  if (!normal.has_filename() && normal.has_relative_path())
    normal = normal.parent_path();  // "/a/b/" -> "/a/b"
  return normal.string();
}

// `layers` from the lowest place to the highest.
absl::StatusOr<DaemonConfig> Merge(const std::vector<Layer>& layers,
                                   const Environment& environment) {
  DaemonConfig config;
  std::optional<std::string> data_dir;
  config.workers = DefaultWorkers();
  for (const Layer& layer : layers) {
    if (!layer.listen.empty()) config.listen = layer.listen;
    if (layer.data_dir.has_value()) data_dir = layer.data_dir;
    config.workers = layer.workers.value_or(config.workers);
    config.allow_insecure = layer.allow_insecure.value_or(config.allow_insecure);
    config.log_level = layer.log_level.value_or(config.log_level);
    for (size_t i = 0; i < layer.datasets.size(); ++i) {
      const DaemonConfig::Dataset& dataset = layer.datasets[i];
      const auto same_name = [&](const DaemonConfig::Dataset& other) {
        return other.name == dataset.name;
      };
      const auto rest = layer.datasets.begin() + static_cast<std::ptrdiff_t>(i) + 1;
      if (std::any_of(rest, layer.datasets.end(), same_name)) {
        return absl::InvalidArgumentError(
            absl::StrCat("the data set '", dataset.name, "' is given twice"));
      }
      std::erase_if(config.datasets, same_name);
      config.datasets.push_back(dataset);
    }
  }
  config.limits = MergeLimits(layers);
  if (config.listen.empty()) config.listen = {kDefaultListen};
  if (!data_dir.has_value()) {
    ASSIGN_OR_RETURN(data_dir, DefaultDataDir(environment));
  }
  ASSIGN_OR_RETURN(config.data_dir, Absolute(*data_dir));
  for (DaemonConfig::Dataset& dataset : config.datasets) {
    if (dataset.path.empty()) continue;
    ASSIGN_OR_RETURN(dataset.path, Absolute(dataset.path));
  }
  return config;
}

}  // namespace

absl::StatusOr<config::v1::DaemonConfig> ParseConfigText(const std::string& text,
                                                         const std::string& path) {
  // TextFormat counts in int.
  if (text.size() > static_cast<size_t>(std::numeric_limits<int>::max()) / 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("the configuration file ", path, " has ", text.size(), " bytes"));
  }
  ErrorList errors(path);
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  config::v1::DaemonConfig config;
  if (!parser.ParseFromString(text, &config)) {
    return absl::InvalidArgumentError(
        errors.text().empty() ? absl::StrCat(path, ": is no configuration file") : errors.text());
  }
  return config;
}

absl::StatusOr<DaemonConfig::Dataset> ParseDataset(const std::string& text,
                                                   const std::string& where) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        where, ": '", text, "' is not NAME=FORMAT:PATH, such as cifar10=cifar10:/data/cifar-10"));
  }
  DaemonConfig::Dataset dataset;
  dataset.name = text.substr(0, equals);
  const size_t colon = text.find(':', equals);
  if (colon == std::string::npos) {
    dataset.format = text.substr(equals + 1);
  } else {
    dataset.format = text.substr(equals + 1, colon - equals - 1);
    dataset.path = text.substr(colon + 1);
  }
  if (dataset.format.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        where, ": '", text,
        "' has no format; write NAME=FORMAT:PATH, such as cifar10=cifar10:/data/cifar-10"));
  }
  return dataset;
}

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments,
                                             const Environment& environment) {
  CLI::App app("Anneal's daemon: queues training jobs, runs them, keeps what they measure.",
               "anneald");
  app.footer(
      "Flags win over environment variables (ANNEALD_CONFIG, ANNEALD_LISTEN, ANNEALD_DATA_DIR, "
      "ANNEALD_WORKERS,\n"
      "ANNEALD_DATASETS, ANNEALD_ALLOW_INSECURE, ANNEALD_LOG_LEVEL, and of the limits "
      "ANNEALD_MAX_QUEUED and so on),\n"
      "those over the file, the file over the defaults.");
  std::string config_path;
  std::vector<std::string> listen;
  std::string data_dir;
  std::string workers;
  std::vector<std::string> datasets;
  bool allow_insecure = false;
  std::string log_level;
  std::array<std::string, kLimitCount> limits;
  bool version = false;
  app.add_option("--config", config_path, "configuration file, in protobuf text format")
      ->type_name("FILE");
  app.add_option("--listen", listen,
                 "unix:PATH or HOST:PORT; may be repeated (default localhost:50551)")
      ->type_name("ADDR")
      ->allow_extra_args(false);
  app.add_option("--data-dir", data_dir,
                 "folder of the database (default $XDG_DATA_HOME/anneal or ~/.local/share/anneal)")
      ->type_name("DIR");
  app.add_option("--workers", workers, "jobs at a time (default: the number of cores)")
      ->type_name("N");
  app.add_option("--dataset", datasets,
                 "a data set to train on, such as cifar10=cifar10:/data/cifar-10; may be repeated")
      ->type_name("NAME=FORMAT:PATH")
      ->allow_extra_args(false);
  const CLI::Option* insecure_flag =
      app.add_flag("--allow-insecure", allow_insecure, "listen in plain text beyond this machine");
  app.add_option("--log-level", log_level, "trace, debug, info, warn or error (default info)")
      ->type_name("LEVEL");
  for (size_t i = 0; i < kLimitCount; ++i) {
    app.add_option(kLimitSettings[i].flag, limits[i], kLimitSettings[i].description)
        ->type_name("N");
  }
  app.add_flag("--version", version, "print the version and exit");

  CommandLine command_line;
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(),
                                       arguments.rend()));  // CLI11 wants them reversed
  } catch (const CLI::CallForHelp&) {
    command_line.print = app.help();
    return command_line;
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(error.what(), "; anneald --help lists the flags"));
  }
  if (version) {
    command_line.print = absl::StrCat("anneald ", kVersion, " (", kBuild, ")\n");
    return command_line;
  }

  if (config_path.empty()) config_path = environment("ANNEALD_CONFIG").value_or("");
  std::vector<Layer> layers;
  if (!config_path.empty()) {
    ASSIGN_OR_RETURN(Layer file, FileLayer(config_path));
    layers.push_back(std::move(file));
  }
  ASSIGN_OR_RETURN(Layer from_environment, EnvironmentLayer(environment));
  layers.push_back(std::move(from_environment));
  Layer flags;
  flags.listen = listen;
  if (!data_dir.empty()) flags.data_dir = data_dir;
  if (!workers.empty()) {
    ASSIGN_OR_RETURN(flags.workers, ParseWorkers(workers, "--workers"));
  }
  for (const std::string& text : datasets) {
    ASSIGN_OR_RETURN(DaemonConfig::Dataset dataset, ParseDataset(text, "--dataset"));
    flags.datasets.push_back(std::move(dataset));
  }
  if (insecure_flag->count() > 0) flags.allow_insecure = allow_insecure;
  if (!log_level.empty()) {
    RETURN_IF_ERROR(CheckLogLevel(log_level, "--log-level"));
    flags.log_level = log_level;
  }
  for (size_t i = 0; i < kLimitCount; ++i) {
    const LimitSetting& setting = kLimitSettings[i];
    if (limits[i].empty()) continue;
    ASSIGN_OR_RETURN(flags.limits[i], ParseLimit(setting, limits[i], setting.flag));
  }
  layers.push_back(std::move(flags));
  ASSIGN_OR_RETURN(command_line.config, Merge(layers, environment));
  return command_line;
}

std::string DaemonConfig::ToTextProto() const {
  config::v1::DaemonConfig proto;
  for (const std::string& address : listen) proto.add_listen(address);
  proto.set_data_dir(data_dir);
  proto.set_workers(workers);
  for (const Dataset& dataset : datasets) {
    auto* added = proto.add_datasets();
    added->set_name(dataset.name);
    added->set_format(dataset.format);
    added->set_path(dataset.path);
  }
  proto.set_allow_insecure(allow_insecure);
  proto.set_log_level(log_level);
  auto* said = proto.mutable_limits();
  said->set_max_queued(limits.max_queued);
  said->set_max_queued_per_owner(limits.max_queued_per_owner);
  said->set_max_running_per_owner(limits.max_running_per_owner);
  said->set_memory_mib(limits.memory_mib);
  said->set_max_restarts(static_cast<int32_t>(limits.max_restarts));
  google::protobuf::TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  std::string text;
  printer.PrintToString(proto, &text);
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

}  // namespace anneal
