// The options of `sweep` that make a job file's `sweep` block.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anneal/v1/job.pb.h"

namespace anneal::client {

struct SweepOptions {
  std::vector<std::string> grid;    // PATH=V,V
  std::vector<std::string> random;  // PATH=DISTRIBUTION
  std::optional<int64_t> trials;
  std::optional<uint64_t> seed;
  std::string monitor;
};

// Adds --grid, --random, --trials, --seed and --monitor.
void AddSweepOptions(CLI::App& command, SweepOptions& options);

// Makes the sweep of `spec`, or replaces what the options say: --grid the whole strategy, --random
// the parameters (and the trials, where --trials is there). INVALID_ARGUMENT, a sentence that names
// the option: it cannot be understood, does not fit the others, or there is nothing to try. What
// the values mean is for the daemon to judge.
absl::Status ApplySweepOptions(const SweepOptions& options, v1::JobSpec& spec);

// The values in "V,V": between commas that are not inside of brackets, braces, parentheses or
// quotes (with backslash escapes), without the white space around them. INVALID_ARGUMENT: an empty
// value, or a bracket or quote that is not closed.
absl::StatusOr<std::vector<std::string>> SplitValues(std::string_view text);

}  // namespace anneal::client
