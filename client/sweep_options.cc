#include "client/sweep_options.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/render.h"
#include "server/core/status_macros.h"
#include "server/core/strings.h"

namespace anneal::client {
namespace {

constexpr char kDistributions[] = "uniform:LOW:HIGH, log_uniform:LOW:HIGH or choice:V,V";

absl::Status Wrong(std::string_view option, const std::string& given, std::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(ToAbsl(option), " \"", Escape(given), "\": ", ToAbsl(what)));
}

std::string Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

// PATH and what comes after the first '='.
absl::StatusOr<std::pair<std::string, std::string>> SplitPath(std::string_view option,
                                                              const std::string& given) {
  const size_t equals = given.find('=');
  if (equals == std::string::npos || equals == 0) {
    return Wrong(option, given,
                 "is not PATH=..., such as training.optimizer.nadam.learning_rate=...");
  }
  return std::pair(given.substr(0, equals), given.substr(equals + 1));
}

absl::Status ApplyGrid(const std::vector<std::string>& options, v1::Sweep& sweep) {
  sweep.clear_strategy();
  for (const std::string& given : options) {
    ASSIGN_OR_RETURN(auto parts, SplitPath("--grid", given));
    const absl::StatusOr<std::vector<std::string>> values = SplitValues(parts.second);
    if (!values.ok()) return Wrong("--grid", given, std::string(values.status().message()));
    v1::Sweep::GridParameter& parameter = *sweep.mutable_grid()->add_parameters();
    parameter.set_path(parts.first);
    for (const std::string& value : *values) parameter.add_values(value);
  }
  return absl::OkStatus();
}

bool ParseRange(const std::string& text, v1::Sweep::Range* range) {
  const size_t colon = text.find(':');
  double low = 0;
  double high = 0;
  if (colon == std::string::npos || !absl::SimpleAtod(text.substr(0, colon), &low) ||
      !absl::SimpleAtod(text.substr(colon + 1), &high)) {
    return false;
  }
  range->set_low(low);
  range->set_high(high);
  return true;
}

absl::Status AddRandom(const std::string& given, v1::Sweep::Random& random) {
  ASSIGN_OR_RETURN(auto parts, SplitPath("--random", given));
  v1::Sweep::RandomParameter& parameter = *random.add_parameters();
  parameter.set_path(parts.first);
  const size_t colon = parts.second.find(':');
  const std::string name = parts.second.substr(0, colon);
  const std::string rest = colon == std::string::npos ? "" : parts.second.substr(colon + 1);
  if (name == "choice") {
    const absl::StatusOr<std::vector<std::string>> values = SplitValues(rest);
    if (!values.ok()) return Wrong("--random", given, std::string(values.status().message()));
    for (const std::string& value : *values) parameter.mutable_choice()->add_values(value);
    return absl::OkStatus();
  }
  const bool log = name == "log_uniform";
  if (!log && name != "uniform")
    return Wrong("--random", given, absl::StrCat("after = comes ", kDistributions));
  if (!ParseRange(rest, log ? parameter.mutable_log_uniform() : parameter.mutable_uniform()))
    return Wrong("--random", given, absl::StrCat("needs two numbers: ", name, ":LOW:HIGH"));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> SplitValues(std::string_view text) {
  std::vector<std::string> values;
  std::string open;  // the closing brackets that are awaited, the next at the end
  char quote = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ',';
    if (quote != 0 && i < text.size()) {
      if (c == '\\') {
        ++i;
      } else if (c == quote) {
        quote = 0;
      }
      continue;
    }
    if (i < text.size()) {
      if (c == '"' || c == '\'') {
        quote = c;
      } else if (c == '{' || c == '[' || c == '(') {
        open.push_back(c == '{' ? '}' : c == '[' ? ']' : ')');
      } else if (!open.empty() && c == open.back()) {
        open.pop_back();
      }
      if (c != ',' || !open.empty()) continue;
    }
    if (quote != 0 || !open.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("a ", std::string(1, quote != 0 ? quote : open.back()), " is missing"));
    }
    values.push_back(Trim(text.substr(begin, std::min(i, text.size()) - begin)));
    if (values.back().empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "value ", values.size(), " is empty; values go between commas, an empty text is \"\""));
    }
    begin = i + 1;
  }
  // A quote whose last character is a backslash ends beyond the text.
  if (values.empty() || begin <= text.size())
    return absl::InvalidArgumentError("a quote is missing");
  return values;
}

void AddSweepOptions(CLI::App& command, SweepOptions& options) {
  command
      .add_option("--grid", options.grid,
                  "Tries each value of a field of the job file; with several, every combination, "
                  "the last fastest")
      ->type_name("PATH=V,V..")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
  command
      .add_option("--random", options.random,
                  "Draws a field's value for each trial: uniform:LOW:HIGH, log_uniform:LOW:HIGH or "
                  "choice:V,V. May be repeated")
      ->type_name("PATH=DIST")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
  command.add_option("--trials", options.trials, "How many random trials (up to 1,000)")
      ->type_name("N");
  // CLI11 reads -1 as 2^64 - 1, and what is too large as that too.
  const auto is_seed = [](const std::string& given) {
    uint64_t seed = 0;
    return absl::SimpleAtoi(given, &seed) ? std::string()
                                          : "a seed is a whole number from 0 to 2^64 - 1";
  };
  command.add_option("--seed", options.seed, "Of the random values (default 0)")
      ->type_name("N")
      ->check(is_seed);
  command
      .add_option("--monitor", options.monitor,
                  "The metric whose best epoch ranks the trials (default val_loss, or loss without "
                  "validation)")
      ->type_name("METRIC");
}

absl::Status ApplySweepOptions(const SweepOptions& options, v1::JobSpec& spec) {
  if (!options.grid.empty() && !options.random.empty())
    return absl::InvalidArgumentError("--grid and --random exclude each other; give one of them");
  if (spec.has_lr_range_test()) {
    return absl::InvalidArgumentError(
        "the job file has an lr_range_test block, and a sweep is of trainings; take the block out, "
        "or find a learning rate first with anneal lr-find");
  }
  if (!options.grid.empty()) RETURN_IF_ERROR(ApplyGrid(options.grid, *spec.mutable_sweep()));
  if (!options.random.empty()) {
    v1::Sweep::Random& random = *spec.mutable_sweep()->mutable_random();
    random.clear_parameters();
    for (const std::string& given : options.random) RETURN_IF_ERROR(AddRandom(given, random));
  }
  if (!spec.has_sweep() || spec.sweep().strategy_case() == v1::Sweep::STRATEGY_NOT_SET) {
    return absl::InvalidArgumentError(
        "the job file has no sweep block that says what to try; say it with --grid or --random");
  }
  v1::Sweep& sweep = *spec.mutable_sweep();
  if (options.trials) {
    if (!sweep.has_random()) {
      return absl::InvalidArgumentError(
          "--trials: is for random values; a grid has as many trials as its values make");
    }
    sweep.mutable_random()->set_trials(*options.trials);
  }
  if (sweep.has_random() && sweep.random().trials() == 0)
    return absl::InvalidArgumentError("--random: say how many trials with --trials N");
  if (options.seed) sweep.set_seed(*options.seed);
  if (!options.monitor.empty()) sweep.set_monitor(options.monitor);
  for (const auto& parameter : sweep.grid().parameters()) {
    for (const std::string& value : parameter.values()) {
      if (!IsUtf8(parameter.path()) || !IsUtf8(value))
        return Wrong("--grid", parameter.path() + "=" + value, "is not UTF-8");
    }
  }
  for (const auto& parameter : sweep.random().parameters()) {
    if (!IsUtf8(parameter.path())) return Wrong("--random", parameter.path(), "is not UTF-8");
    for (const std::string& value : parameter.choice().values()) {
      if (!IsUtf8(value)) return Wrong("--random", value, "is not UTF-8");
    }
  }
  if (!IsUtf8(sweep.monitor())) return Wrong("--monitor", sweep.monitor(), "is not UTF-8");
  return absl::OkStatus();
}

}  // namespace anneal::client
