#include "server/config_limits.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/config.h"
#include "server/core/status_macros.h"

namespace anneal {

constexpr int64_t kMostJobs = 1'000'000'000;
constexpr int64_t kMostRestarts = 1'000'000;
constexpr int64_t kMostMib = 1LL << 30;  // a PiB

const std::array<LimitSetting, kLimitCount> kLimitSettings = {{
    {"--max-queued", "ANNEALD_MAX_QUEUED", "max_queued",
     "jobs that may wait, else submitting is refused (default 0: no limit)", kMostJobs},
    {"--max-queued-per-owner", "ANNEALD_MAX_QUEUED_PER_OWNER", "max_queued_per_owner",
     "the same of each owner (default 0: no limit)", kMostJobs},
    {"--max-running-per-owner", "ANNEALD_MAX_RUNNING_PER_OWNER", "max_running_per_owner",
     "jobs of one owner that run at a time; others may overtake (default 0: no limit)",
     kMaxWorkers},
    {"--memory-mib", "ANNEALD_MEMORY_MIB", "memory_mib",
     "MiB that running jobs together are expected to need, without data sets; what does not fit "
     "waits (default: four fifths of the memory; 0: no limit)",
     kMostMib},
    {"--max-restarts", "ANNEALD_MAX_RESTARTS", "max_restarts",
     "attempts in a row that a crash may end before the job FAILED (default 5; 0: no limit)",
     kMostRestarts},
}};

absl::Status CheckLimit(const LimitSetting& setting, int64_t value, const std::string& where) {
  if (value >= 0 && value <= setting.most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": must be from 1 to ", setting.most, ", or 0 for no limit, is ", value));
}

absl::StatusOr<int64_t> ParseLimit(const LimitSetting& setting, const std::string& text,
                                   const std::string& where) {
  int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value)) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": must be a whole number from 1 to ",
                                                   setting.most, ", or 0 for no limit, is '", text,
                                                   "'"));
  }
  RETURN_IF_ERROR(CheckLimit(setting, value, where));
  return value;
}

LimitValues LimitsOf(const config::v1::DaemonConfig::Limits& limits) {
  LimitValues values;
  if (limits.has_max_queued()) values[kMaxQueued] = limits.max_queued();
  if (limits.has_max_queued_per_owner()) {
    values[kMaxQueuedPerOwner] = limits.max_queued_per_owner();
  }
  if (limits.has_max_running_per_owner()) {
    values[kMaxRunningPerOwner] = limits.max_running_per_owner();
  }
  if (limits.has_memory_mib()) values[kMemoryMib] = limits.memory_mib();
  if (limits.has_max_restarts()) values[kMaxRestarts] = limits.max_restarts();
  return values;
}

}  // namespace anneal
