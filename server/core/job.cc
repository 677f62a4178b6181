#include "server/core/job.h"

#include <limits>

#include "absl/strings/match.h"
#include "server/core/strings.h"

namespace anneal {

std::optional<JobState> NextState(JobState state, JobTransition transition) {
  using S = JobState;
  using T = JobTransition;
  switch (state) {
    case S::kQueued:
      if (transition == T::kStart) return S::kRunning;
      if (transition == T::kCancel) return S::kCancelled;
      if (transition == T::kPause) return S::kPaused;
      if (transition == T::kExpire) return S::kFailed;
      return std::nullopt;
    case S::kRunning:
      if (transition == T::kSucceed) return S::kSucceeded;
      if (transition == T::kFail) return S::kFailed;
      if (transition == T::kCancel) return S::kCancelling;
      if (transition == T::kPause) return S::kPausing;
      if (transition == T::kInterrupt) return S::kQueued;
      return std::nullopt;
    case S::kPausing:
      if (transition == T::kSucceed) return S::kSucceeded;
      if (transition == T::kFail) return S::kFailed;
      if (transition == T::kCancel) return S::kCancelling;
      if (transition == T::kStopped || transition == T::kInterrupt) return S::kPaused;
      return std::nullopt;
    case S::kPaused:
      if (transition == T::kResume) return S::kQueued;
      if (transition == T::kCancel) return S::kCancelled;
      if (transition == T::kExpire) return S::kFailed;
      return std::nullopt;
    case S::kCancelling:
      if (transition == T::kSucceed) return S::kSucceeded;
      if (transition == T::kFail) return S::kFailed;
      if (transition == T::kStopped || transition == T::kInterrupt) return S::kCancelled;
      return std::nullopt;
    case S::kSucceeded:
    case S::kFailed:
    case S::kCancelled:
      return std::nullopt;
  }
  return std::nullopt;
}

bool IsTerminal(JobState state) {
  return state == JobState::kSucceeded || state == JobState::kFailed ||
         state == JobState::kCancelled;
}

bool IsActive(JobState state) {
  return state == JobState::kRunning || state == JobState::kPausing ||
         state == JobState::kCancelling;
}

std::string_view JobStateName(JobState state) {
  switch (state) {
    case JobState::kQueued:
      return "QUEUED";
    case JobState::kRunning:
      return "RUNNING";
    case JobState::kPausing:
      return "PAUSING";
    case JobState::kPaused:
      return "PAUSED";
    case JobState::kCancelling:
      return "CANCELLING";
    case JobState::kSucceeded:
      return "SUCCEEDED";
    case JobState::kFailed:
      return "FAILED";
    case JobState::kCancelled:
      return "CANCELLED";
  }
  return "";
}

std::string_view StopReasonName(StopReason reason) {
  switch (reason) {
    case StopReason::kNone:
      return "";
    case StopReason::kCompleted:
      return "COMPLETED";
    case StopReason::kEarlyStopped:
      return "EARLY_STOPPED";
    case StopReason::kDiverged:
      return "DIVERGED";
    case StopReason::kOutOfMemory:
      return "OUT_OF_MEMORY";
    case StopReason::kInvalidData:
      return "INVALID_DATA";
    case StopReason::kDeadline:
      return "DEADLINE";
    case StopReason::kUser:
      return "USER";
    case StopReason::kTooManyRestarts:
      return "TOO_MANY_RESTARTS";
    case StopReason::kInternal:
      return "INTERNAL";
    case StopReason::kStorage:
      return "STORAGE";
  }
  return "";
}

std::optional<JobState> ParseJobState(std::string_view name) {
  for (const JobState state : kAllJobStates) {
    if (absl::EqualsIgnoreCase(ToAbsl(JobStateName(state)), ToAbsl(name))) return state;
  }
  return std::nullopt;
}

bool IsLast(const JobEvent& event) {
  const auto* change = std::get_if<JobEvent::StateChange>(&event.what);
  return change != nullptr && IsTerminal(change->state);
}

std::optional<JobId> ParseJobId(std::string_view text) {
  if (text.empty() || text[0] == '0') return std::nullopt;
  JobId id = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const int digit = c - '0';
    if (id > (std::numeric_limits<JobId>::max() - digit) / 10) return std::nullopt;
    id = id * 10 + digit;
  }
  return id;
}

}  // namespace anneal
