#include "server/core/failpoint.h"

#include <signal.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/core/mutex.h"
#include "server/core/strings.h"

namespace anneal {
namespace {

enum class Action { kNone, kCrash, kBusy, kError };

struct Point {
  Action action = Action::kNone;
  int64_t at = 0;  // pass, from 1
  int64_t passes = 0;
};

using Points = std::array<Point, kFailpoints.size()>;

struct Table {
  Mutex mutex;
  Points points ANNEAL_GUARDED_BY(mutex);
};

// Never destroyed: threads may pass failpoints while the process ends.
Table& TheTable() {
  static auto& table = *new Table();
  return table;
}

std::optional<size_t> Find(std::string_view name) {
  for (size_t i = 0; i < kFailpoints.size(); ++i) {
    if (kFailpoints[i].name == name) return i;
  }
  return std::nullopt;
}

std::optional<Action> ParseAction(absl::string_view text) {
  if (text == "crash") return Action::kCrash;
  if (text == "busy") return Action::kBusy;
  if (text == "error") return Action::kError;
  return std::nullopt;
}

absl::Status Wrong(absl::string_view entry, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(
      "failpoint \"", entry, "\": ", why,
      "; write NAME=ACTION@N with \";\" between several, where ACTION is crash, busy or error, N "
      "from 1, and NAME one of: ",
      absl::StrJoin(kFailpoints, ", ", [](std::string* out, const FailpointInfo& point) {
        absl::StrAppend(out, ToAbsl(point.name), point.can_fail ? "" : " (crash only)");
      })));
}

absl::Status Parse(absl::string_view entry, Points& points) {
  const std::pair<absl::string_view, absl::string_view> halves =
      absl::StrSplit(entry, absl::MaxSplits('=', 1));
  const std::pair<absl::string_view, absl::string_view> action_and_pass =
      absl::StrSplit(halves.second, absl::MaxSplits('@', 1));
  const std::optional<size_t> index = Find({halves.first.data(), halves.first.size()});
  if (!index.has_value()) return Wrong(entry, "there is none of that name");
  const std::optional<Action> action = ParseAction(action_and_pass.first);
  if (!action.has_value()) {
    return Wrong(entry, absl::StrCat("there is no action \"", action_and_pass.first, "\""));
  }
  if (*action != Action::kCrash && !kFailpoints[*index].can_fail) {
    return Wrong(entry, "this one can only crash");
  }
  int64_t at = 1;
  const bool has_pass = absl::StrContains(halves.second, '@');
  if (has_pass && (!absl::SimpleAtoi(action_and_pass.second, &at) || at < 1)) {
    return Wrong(entry, absl::StrCat("\"", action_and_pass.second, "\" is no number from 1"));
  }
  points[*index].action = *action;
  points[*index].at = at;
  return absl::OkStatus();
}

void SetPoints(const Points& points, bool active) {
  Table& table = TheTable();
  const MutexLock lock(table.mutex);
  table.points = points;
  failpoint_internal::active.store(active, std::memory_order_relaxed);
}

}  // namespace

namespace failpoint_internal {

absl::Status Pass(size_t index) {
  Table& table = TheTable();
  const MutexLock lock(table.mutex);
  Point& point = table.points[index];
  point.passes += 1;
  if (point.action == Action::kNone || point.passes != point.at) return absl::OkStatus();
  const std::string message =
      absl::StrCat("failpoint ", ToAbsl(kFailpoints[index].name), ", pass ", point.passes);
  switch (point.action) {
    case Action::kBusy:
      return absl::UnavailableError(message);
    case Action::kError:
      return absl::InternalError(message);
    default:
      break;
  }
  // With the lock held, so that no other thread gets past a failpoint meanwhile.
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

}  // namespace failpoint_internal

absl::Status ArmFailpoints(std::string_view text) {
  Points points;
  bool any = false;
  for (const absl::string_view part : absl::StrSplit(ToAbsl(text), ';')) {
    const absl::string_view entry = absl::StripAsciiWhitespace(part);
    if (entry.empty()) continue;
    if (absl::Status parsed = Parse(entry, points); !parsed.ok()) return parsed;
    any = true;
  }
  SetPoints(points, any);
  return absl::OkStatus();
}

void CountFailpoints() { SetPoints(Points(), true); }

void DisarmFailpoints() { SetPoints(Points(), false); }

int64_t FailpointPasses(std::string_view name) {
  const std::optional<size_t> index = Find(name);
  if (!index.has_value()) return 0;
  Table& table = TheTable();
  const MutexLock lock(table.mutex);
  return table.points[*index].passes;
}

}  // namespace anneal
