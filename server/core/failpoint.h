// Named places in the daemon where a test can let the process die, as kill -9 would let it, or let
// an error happen: at the Nth time that it is passed.
//
// They are compiled into what ships, so that what is tested is what ships. While nothing is armed,
// passing one costs one relaxed load of an atomic, and there is none in a training step.
//
// A real daemon is armed by the environment, with what ArmFailpoints takes:
//   ANNEAL_FAILPOINTS="commit.before=crash@3; file.sync.before=busy" anneald ...
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace anneal {

struct FailpointInfo {
  std::string_view name;
  bool can_fail = false;  // whether an error can be returned from there; all can crash
};

// All there are. Names are PART.MOMENT: "before" something is done, or after it was ("stored",
// "written", "done").
inline constexpr std::array kFailpoints = std::to_array<FailpointInfo>({
    // A durable file (server/core/durable_file.cc), of a training state or of final weights, and
    // the sync of the folder that holds it.
    {"file.write.before", true},
    {"file.write.half", true},
    {"file.write.done", true},
    {"file.sync.before", true},
    {"file.sync.done", true},
    {"file.rename.before", false},
    {"file.rename.done", true},
    {"file.folder_sync.before", true},
    {"file.folder_sync.done", true},
    // The database's writer (storage/group_commit.cc): one mutation, the commit of a group, and the
    // moment between the commit and the answers.
    {"mutation.before", true},
    {"mutation.done", true},
    {"commit.before", true},
    {"commit.done", true},
    {"commit.answer", false},
    // A migration (storage/schema.cc): before it, before its commit, after it and before the next.
    {"migration.before", true},
    {"migration.commit", true},
    {"migration.done", true},
    // The start of the scheduler: what an earlier process left is put right in three steps.
    {"start.before", true},
    {"start.recovered", true},
    {"start.settled", true},
    {"start.queued", true},
    // What clients ask for (server/scheduler/scheduler.cc): before it is stored, and when it is but
    // nobody knows.
    {"submit.before", true},
    {"submit.stored", true},
    {"submit.queued", true},
    {"cancel.before", true},
    {"cancel.stored", false},
    {"pause.before", true},
    {"pause.stored", false},
    {"resume.before", true},
    {"resume.stored", false},
    {"delete.before", true},
    {"delete.rows_gone", false},
    {"delete.files_gone", false},
    // An attempt (server/scheduler/job_recorder.cc, attempt_observer.cc, attempt_runner.cc,
    // prediction_recorder.cc).
    {"attempt.begin.before", true},
    {"attempt.begin.stored", true},
    {"epoch.before", true},
    {"epoch.stored", true},
    {"state.written", true},
    {"state.stored", true},
    {"state.old_removed", false},
    {"weights.written", true},
    {"predictions.begun", true},
    {"predictions.before", true},
    {"predictions.stored", true},
    {"attempt.end.before", true},
    {"attempt.end.stored", true},
    {"attempt.end.published", false},
    {"artifact.remove", false},
});

// An unknown name does not compile.
consteval size_t FailpointIndex(std::string_view name, bool can_fail) {
  for (size_t i = 0; i < kFailpoints.size(); ++i) {
    if (kFailpoints[i].name == name && kFailpoints[i].can_fail == can_fail) return i;
  }
  throw "no such failpoint in kFailpoints";
}

// Written as the name: PassFailpoint("commit.before").
class Failpoint {
 public:
  consteval Failpoint(const char* name) : index_(FailpointIndex(name, /*can_fail=*/true)) {}
  size_t index() const { return index_; }

 private:
  size_t index_;
};

// One that can crash only.
class Crashpoint {
 public:
  consteval Crashpoint(const char* name) : index_(FailpointIndex(name, /*can_fail=*/false)) {}
  size_t index() const { return index_; }

 private:
  size_t index_;
};

namespace failpoint_internal {
inline std::atomic<bool> active{false};
absl::Status Pass(size_t index);
}  // namespace failpoint_internal

// Whether any is armed, or passes are counted.
inline bool FailpointsActive() {
  return failpoint_internal::active.load(std::memory_order_relaxed);
}

// OK; or the error that was armed for this pass; or the process ends here. Thread-safe, as all
// here.
inline absl::Status PassFailpoint(Failpoint point) {
  return FailpointsActive() ? failpoint_internal::Pass(point.index()) : absl::OkStatus();
}
inline void PassCrashpoint(Crashpoint point) {
  if (FailpointsActive()) (void)failpoint_internal::Pass(point.index());
}

// Arms what `text` says: "NAME=ACTION@N" with ";" between several; "@N", from 1, may be left out
// for 1. ACTION is "crash" (the process gets SIGKILL from itself), "busy" (UNAVAILABLE, which may
// pass) or "error" (INTERNAL, which is for good). Passes are counted from now on. Empty: nothing is
// armed. INVALID_ARGUMENT: the text is not like that, or a name is unknown; the message lists all
// names, and nothing is armed.
absl::Status ArmFailpoints(std::string_view text);

// Counts passes from 0 on, and disarms all.
void CountFailpoints();

// Since the last ArmFailpoints or CountFailpoints. 0 for an unknown name.
int64_t FailpointPasses(std::string_view name);

// As at the start of the process.
void DisarmFailpoints();

}  // namespace anneal
