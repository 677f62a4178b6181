// The daemon's limits as they are written: as flags, environment variables and in the file's
// `limits` block.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anneal/config/v1/daemon_config.pb.h"

namespace anneal {

// One of them, by its index below.
struct LimitSetting {
  const char* flag;         // "--max-queued"
  const char* variable;     // "ANNEALD_MAX_QUEUED"
  const char* field;        // of the block: "max_queued"
  const char* description;  // of the flag, for --help
  int64_t most;             // from 0, which is no limit
};

enum LimitIndex : size_t {
  kMaxQueued,
  kMaxQueuedPerOwner,
  kMaxRunningPerOwner,
  kMemoryMib,
  kMaxRestarts,
  kLimitCount,
};

extern const std::array<LimitSetting, kLimitCount> kLimitSettings;

// What one place says; the rest is left to the next place.
using LimitValues = std::array<std::optional<int64_t>, kLimitCount>;

// INVALID_ARGUMENT: `value` is not from 0 to setting.most. `where` begins the message.
absl::Status CheckLimit(const LimitSetting& setting, int64_t value, const std::string& where);

// The same of text, which must also be a whole number.
absl::StatusOr<int64_t> ParseLimit(const LimitSetting& setting, const std::string& text,
                                   const std::string& where);

// What the file's block says, unchecked.
LimitValues LimitsOf(const config::v1::DaemonConfig::Limits& limits);

}  // namespace anneal
