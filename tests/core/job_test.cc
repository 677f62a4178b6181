#include "server/core/job.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace anneal {
namespace {

constexpr JobState kQueued = JobState::kQueued;
constexpr JobState kRunning = JobState::kRunning;
constexpr JobState kPausing = JobState::kPausing;
constexpr JobState kPaused = JobState::kPaused;
constexpr JobState kCancelling = JobState::kCancelling;
constexpr JobState kSucceeded = JobState::kSucceeded;
constexpr JobState kFailed = JobState::kFailed;
constexpr JobState kCancelled = JobState::kCancelled;
constexpr std::optional<JobState> kNo = std::nullopt;

struct TableRow {
  JobState state;
  // After start, succeed, fail, cancel, pause, resume, stopped, interrupt, expire: the order of
  // kAllJobTransitions.
  std::vector<std::optional<JobState>> next;
};

// The table in job.h, written a second time.
const std::vector<TableRow>& Table() {
  // clang-format off
  static const std::vector<TableRow> table = {
    //             start     succeed     fail     cancel       pause     resume   stopped     interrupt   expire
    {kQueued,     {kRunning, kNo,        kNo,     kCancelled,  kPaused,  kNo,     kNo,        kNo,            kFailed}},
    {kRunning,    {kNo,      kSucceeded, kFailed, kCancelling, kPausing, kNo,     kNo,        kQueued,        kNo}},
    {kPausing,    {kNo,      kSucceeded, kFailed, kCancelling, kNo,      kNo,     kPaused,    kPaused,        kNo}},
    {kPaused,     {kNo,      kNo,        kNo,     kCancelled,  kNo,      kQueued, kNo,        kNo,            kFailed}},
    {kCancelling, {kNo,      kSucceeded, kFailed, kNo,         kNo,      kNo,     kCancelled, kCancelled,     kNo}},
    {kSucceeded,  {kNo,      kNo,        kNo,     kNo,         kNo,      kNo,     kNo,        kNo,            kNo}},
    {kFailed,     {kNo,      kNo,        kNo,     kNo,         kNo,      kNo,     kNo,        kNo,            kNo}},
    {kCancelled,  {kNo,      kNo,        kNo,     kNo,         kNo,      kNo,     kNo,        kNo,            kNo}},
  };
  // clang-format on
  return table;
}

TEST(JobTest, EveryPairOfStateAndTransition) {
  ASSERT_EQ(Table().size(), kAllJobStates.size());
  for (size_t row = 0; row < kAllJobStates.size(); ++row) {
    ASSERT_EQ(Table()[row].state, kAllJobStates[row]);
    ASSERT_EQ(Table()[row].next.size(), kAllJobTransitions.size());
    for (size_t column = 0; column < kAllJobTransitions.size(); ++column) {
      EXPECT_EQ(NextState(kAllJobStates[row], kAllJobTransitions[column]),
                Table()[row].next[column])
          << JobStateName(kAllJobStates[row]) << ", transition " << column;
    }
  }
}

TEST(JobTest, NumbersThatAreNoStateHaveNoTransitions) {
  EXPECT_EQ(NextState(static_cast<JobState>(0), JobTransition::kStart), std::nullopt);
  EXPECT_EQ(NextState(static_cast<JobState>(9), JobTransition::kCancel), std::nullopt);
  EXPECT_EQ(JobStateName(static_cast<JobState>(9)), "");
  EXPECT_EQ(StopReasonName(static_cast<StopReason>(99)), "");
}

TEST(JobTest, EveryJobCanEndAndNothingLeavesAnEnd) {
  for (const JobState state : kAllJobStates) {
    bool can_leave = false;
    for (const JobTransition transition : kAllJobTransitions) {
      can_leave = can_leave || NextState(state, transition).has_value();
    }
    EXPECT_EQ(can_leave, !IsTerminal(state)) << JobStateName(state);
  }
}

TEST(JobTest, WhatIsActiveCanBeInterruptedAndNothingElse) {
  for (const JobState state : kAllJobStates) {
    const std::optional<JobState> next = NextState(state, JobTransition::kInterrupt);
    EXPECT_EQ(next.has_value(), IsActive(state)) << JobStateName(state);
    EXPECT_FALSE(next.has_value() && IsActive(*next)) << JobStateName(state);
  }
}

TEST(JobTest, NumbersAndNamesAreThoseOfTheApi) {
  const std::vector<std::tuple<JobState, int, std::string>> states = {
      {kQueued, 1, "QUEUED"}, {kRunning, 2, "RUNNING"},       {kPausing, 3, "PAUSING"},
      {kPaused, 4, "PAUSED"}, {kCancelling, 5, "CANCELLING"}, {kSucceeded, 6, "SUCCEEDED"},
      {kFailed, 7, "FAILED"}, {kCancelled, 8, "CANCELLED"}};
  ASSERT_EQ(states.size(), kAllJobStates.size());
  for (const auto& [state, number, name] : states) {
    EXPECT_EQ(static_cast<int>(state), number);
    EXPECT_EQ(JobStateName(state), name);
    EXPECT_EQ(ParseJobState(name), state);
  }
  const std::vector<std::tuple<StopReason, int, std::string>> reasons = {
      {StopReason::kNone, 0, ""},
      {StopReason::kCompleted, 1, "COMPLETED"},
      {StopReason::kEarlyStopped, 2, "EARLY_STOPPED"},
      {StopReason::kDiverged, 3, "DIVERGED"},
      {StopReason::kOutOfMemory, 4, "OUT_OF_MEMORY"},
      {StopReason::kInvalidData, 5, "INVALID_DATA"},
      {StopReason::kDeadline, 6, "DEADLINE"},
      {StopReason::kUser, 7, "USER"},
      {StopReason::kTooManyRestarts, 8, "TOO_MANY_RESTARTS"},
      {StopReason::kInternal, 9, "INTERNAL"},
      {StopReason::kStorage, 10, "STORAGE"}};
  for (const auto& [reason, number, name] : reasons) {
    EXPECT_EQ(static_cast<int>(reason), number);
    EXPECT_EQ(StopReasonName(reason), name);
  }
}

TEST(JobTest, StatesAreParsedInAnyCaseAndNothingElse) {
  EXPECT_EQ(ParseJobState("queued"), kQueued);
  EXPECT_EQ(ParseJobState("Running"), kRunning);
  for (const std::string text : {"", " QUEUED", "QUEUED ", "QUEUE", "1", "STATE_UNSPECIFIED"}) {
    EXPECT_EQ(ParseJobState(text), std::nullopt) << text;
  }
  EXPECT_EQ(ParseJobState(std::string(1'000'000, 'Q')), std::nullopt);
  EXPECT_EQ(ParseJobState(std::string_view("QUEUED\0", 7)), std::nullopt);
}

TEST(JobTest, OnlyAChangeToATerminalStateIsLast) {
  JobEvent event;
  for (const JobState state : kAllJobStates) {
    event.what = JobEvent::StateChange{state, StopReason::kNone, "", 1};
    EXPECT_EQ(IsLast(event), IsTerminal(state)) << JobStateName(state);
  }
  event.what = EpochRecord();
  EXPECT_FALSE(IsLast(event));
  event.what = JobEvent::Warning{"careful"};
  EXPECT_FALSE(IsLast(event));
  event.what = TrainingResult();
  EXPECT_FALSE(IsLast(event));
}

}  // namespace
}  // namespace anneal
