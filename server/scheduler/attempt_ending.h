// How an attempt ended, and what that makes of the job.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/core/job.h"
#include "server/core/metrics.h"
#include "server/engine/engine.h"
#include "storage/store.h"

namespace anneal {

struct AttemptEnding {
  enum class Kind {
    kSucceeded,
    kFailed,
    kStopped,  // before its end, because somebody asked: Scheduler::Cancel, Pause or Stop
    kExpired,  // before its end, because its time was over
    kRetried,  // failed for a reason that can pass: it is to be tried again
  };
  Kind kind = Kind::kFailed;
  StopReason stop_reason = StopReason::kInternal;  // of kSucceeded, kFailed and kExpired
  std::string message;
  bool can_pass = false;  // of kFailed: the same may succeed later
  std::optional<TrainingResult> result{};
  std::optional<CheckpointInfo> checkpoint{};  // of kSucceeded
};

// Of jobs whose deadline has passed.
inline constexpr char kDeadlineMessage[] = "its deadline has passed";

AttemptEnding FailedEnding(StopReason reason, std::string message);

// What Engine::Train returned. `stop_requested`: whether anybody had asked it to stop; CANCELLED is
// an internal error otherwise. A failed training's result is kept where it has finished an epoch.
AttemptEnding EndingOf(absl::StatusOr<TrainingOutcome> trained, bool stop_requested);

// The row that tells of `ending` for a job in state `from`, which must be active. A stop that finds
// the job CANCELLING (or PAUSING) is the user's, one that finds it RUNNING is the daemon's: the job
// goes back to the queue. A training that came to its own end before it saw the cancel keeps that
// end. One whose time is over FAILED, unless it was being cancelled; one that is to be tried again does
// what it was asked to meanwhile, or goes back to the queue.
AttemptEnd MakeAttemptEnd(JobState from, const AttemptEnding& ending);

}  // namespace anneal
