#include "server/scheduler/attempt_ending.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace anneal {

namespace {

// What it was asked to do by the state it is in.
void Stop(JobState from, AttemptEnd& end) {
  end.to = NextState(from, from == JobState::kRunning ? JobTransition::kInterrupt
                                                      : JobTransition::kStopped)
               .value();
  end.stop_reason = IsTerminal(end.to) ? StopReason::kUser : StopReason::kNone;
  end.outcome = end.to == JobState::kCancelled ? "CANCELLED" : "INTERRUPTED";
}

}  // namespace

AttemptEnding FailedEnding(StopReason reason, std::string message) {
  AttemptEnding ending;
  ending.kind = AttemptEnding::Kind::kFailed;
  ending.stop_reason = reason;
  ending.message = std::move(message);
  return ending;
}

AttemptEnding EndingOf(absl::StatusOr<TrainingOutcome> trained, bool stop_requested) {
  if (!trained.ok()) {
    if (absl::IsCancelled(trained.status()) && stop_requested) {
      AttemptEnding ending;
      ending.kind = AttemptEnding::Kind::kStopped;
      return ending;
    }
    return FailedEnding(StopReason::kInternal,
                        absl::StrCat("the engine failed: ", trained.status().ToString()));
  }
  AttemptEnding ending;
  ending.kind =
      trained->succeeded() ? AttemptEnding::Kind::kSucceeded : AttemptEnding::Kind::kFailed;
  ending.stop_reason = trained->stop_reason;
  ending.message = std::move(trained->message);
  if (trained->succeeded() || trained->result.epochs > 0)
    ending.result = std::move(trained->result);
  return ending;
}

AttemptEnd MakeAttemptEnd(JobState from, const AttemptEnding& ending) {
  AttemptEnd end;
  end.from = from;
  end.message = ending.message;
  end.result = ending.result;
  switch (ending.kind) {
    case AttemptEnding::Kind::kSucceeded:
      end.to = NextState(from, JobTransition::kSucceed).value();
      end.stop_reason = ending.stop_reason;
      end.outcome = "SUCCEEDED";
      end.checkpoint = ending.checkpoint;
      break;
    case AttemptEnding::Kind::kFailed:
      end.to = NextState(from, JobTransition::kFail).value();
      end.stop_reason = ending.stop_reason;
      end.outcome = "FAILED";
      break;
    case AttemptEnding::Kind::kExpired:
      if (from == JobState::kCancelling) {
        Stop(from, end);
        break;
      }
      end.to = NextState(from, JobTransition::kFail).value();
      end.stop_reason = ending.stop_reason;
      end.outcome = "FAILED";
      break;
    case AttemptEnding::Kind::kRetried:
      Stop(from, end);
      end.result.reset();
      end.is_restart = end.to == JobState::kQueued;
      end.outcome = "FAILED";
      break;
    case AttemptEnding::Kind::kStopped:
      Stop(from, end);
      break;
  }
  return end;
}

}  // namespace anneal
