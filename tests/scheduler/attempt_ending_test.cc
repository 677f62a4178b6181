#include "server/scheduler/attempt_ending.h"

#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

namespace anneal {
namespace {

using Kind = AttemptEnding::Kind;

TrainingOutcome Outcome(StopReason reason, int64_t epochs) {
  TrainingOutcome outcome;
  outcome.stop_reason = reason;
  outcome.message = "why";
  outcome.result.epochs = epochs;
  return outcome;
}

TEST(AttemptEndingTest, OutcomesOfTheEngine) {
  for (const StopReason reason : {StopReason::kCompleted, StopReason::kEarlyStopped}) {
    const AttemptEnding ending = EndingOf(Outcome(reason, 3), false);
    EXPECT_EQ(ending.kind, Kind::kSucceeded);
    EXPECT_EQ(ending.stop_reason, reason);
    ASSERT_TRUE(ending.result.has_value());
    EXPECT_EQ(ending.result->epochs, 3);
  }
  for (const StopReason reason :
       {StopReason::kDiverged, StopReason::kOutOfMemory, StopReason::kInvalidData,
        StopReason::kDeadline, StopReason::kInternal, StopReason::kStorage}) {
    const AttemptEnding ending = EndingOf(Outcome(reason, 3), true);
    EXPECT_EQ(ending.kind, Kind::kFailed);
    EXPECT_EQ(ending.stop_reason, reason);
    EXPECT_EQ(ending.message, "why");
    EXPECT_TRUE(ending.result.has_value());
    EXPECT_FALSE(EndingOf(Outcome(reason, 0), true).result.has_value());
  }
}

TEST(AttemptEndingTest, ErrorsOfTheEngine) {
  EXPECT_EQ(EndingOf(absl::CancelledError("stopped"), true).kind, Kind::kStopped);

  const AttemptEnding unasked = EndingOf(absl::CancelledError("bored"), false);
  EXPECT_EQ(unasked.kind, Kind::kFailed);
  EXPECT_EQ(unasked.stop_reason, StopReason::kInternal);
  EXPECT_NE(unasked.message.find("bored"), std::string::npos);

  const AttemptEnding broken = EndingOf(absl::UnknownError("a kernel"), true);
  EXPECT_EQ(broken.kind, Kind::kFailed);
  EXPECT_EQ(broken.stop_reason, StopReason::kInternal);
  EXPECT_NE(broken.message.find("a kernel"), std::string::npos);
}

TEST(AttemptEndingTest, WhatAnEndingMakesOfTheJob) {
  const auto ending = [](Kind kind, StopReason reason) {
    AttemptEnding made;
    made.kind = kind;
    made.stop_reason = reason;
    made.message = "message";
    return made;
  };
  const AttemptEnding done = ending(Kind::kSucceeded, StopReason::kEarlyStopped);
  const AttemptEnding failed = ending(Kind::kFailed, StopReason::kDiverged);
  const AttemptEnding stopped = ending(Kind::kStopped, StopReason::kInternal);
  const AttemptEnding expired = ending(Kind::kExpired, StopReason::kDeadline);
  const AttemptEnding retried = ending(Kind::kRetried, StopReason::kStorage);

  const std::vector<std::tuple<JobState, AttemptEnding, JobState, StopReason, std::string>> table =
      {
          {JobState::kRunning, done, JobState::kSucceeded, StopReason::kEarlyStopped, "SUCCEEDED"},
          {JobState::kCancelling, done, JobState::kSucceeded, StopReason::kEarlyStopped,
           "SUCCEEDED"},
          {JobState::kPausing, done, JobState::kSucceeded, StopReason::kEarlyStopped, "SUCCEEDED"},
          {JobState::kRunning, failed, JobState::kFailed, StopReason::kDiverged, "FAILED"},
          {JobState::kCancelling, failed, JobState::kFailed, StopReason::kDiverged, "FAILED"},
          {JobState::kPausing, failed, JobState::kFailed, StopReason::kDiverged, "FAILED"},
          {JobState::kRunning, stopped, JobState::kQueued, StopReason::kNone, "INTERRUPTED"},
          {JobState::kCancelling, stopped, JobState::kCancelled, StopReason::kUser, "CANCELLED"},
          {JobState::kPausing, stopped, JobState::kPaused, StopReason::kNone, "INTERRUPTED"},
          {JobState::kRunning, expired, JobState::kFailed, StopReason::kDeadline, "FAILED"},
          {JobState::kCancelling, expired, JobState::kCancelled, StopReason::kUser, "CANCELLED"},
          {JobState::kPausing, expired, JobState::kFailed, StopReason::kDeadline, "FAILED"},
          {JobState::kRunning, retried, JobState::kQueued, StopReason::kNone, "FAILED"},
          {JobState::kCancelling, retried, JobState::kCancelled, StopReason::kUser, "FAILED"},
          {JobState::kPausing, retried, JobState::kPaused, StopReason::kNone, "FAILED"},
      };
  for (const auto& [from, how, to, reason, outcome] : table) {
    const AttemptEnd end = MakeAttemptEnd(from, how);
    EXPECT_EQ(end.from, from);
    EXPECT_EQ(end.to, to) << outcome << " from " << JobStateName(from);
    EXPECT_EQ(end.stop_reason, reason) << outcome << " from " << JobStateName(from);
    EXPECT_EQ(end.outcome, outcome);
    EXPECT_EQ(end.message, "message");
    EXPECT_EQ(end.is_restart, how.kind == Kind::kRetried && from == JobState::kRunning);
  }
}

}  // namespace
}  // namespace anneal
