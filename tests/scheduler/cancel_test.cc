// Cancelling in every state, and the races around it.
#include <gtest/gtest.h>
#include <gmock/gmock.h>

#include <atomic>
#include <string>
#include <vector>

#include "server/scheduler/scheduler.h"
#include "tests/scheduler/scheduler_fixture.h"

namespace anneal {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

class CancelTest : public SchedulerFixture {
 protected:
  // `race` runs within the next call of this kind, and no later one.
  void Once(Call call, std::function<void()> race) {
    store_.Before(call,
                  [race = std::move(race), done = std::make_shared<std::atomic<bool>>(false)] {
                    if (!done->exchange(true)) race();
                  });
  }
};

TEST_F(CancelTest, AQueuedJobIsCancelledAtOnce) {
  const JobId a = Submit("a"), b = Submit("b");
  clock_.Advance(7);
  const absl::StatusOr<Job> cancelled = scheduler_->Cancel(a);
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state, JobState::kCancelled);
  EXPECT_EQ(cancelled->stop_reason, StopReason::kUser);
  EXPECT_EQ(cancelled->end_time_us, ManualClock::kStartUs + 7);
  EXPECT_EQ(Get(a).state, JobState::kCancelled);
  EXPECT_EQ(Position(a), 0);
  EXPECT_EQ(Position(b), 1);
  Start();
  AwaitEnd(b);
  EXPECT_THAT(engine_.Began(), ElementsAre("b"));
  EXPECT_THAT(AwaitEnd(a), ElementsAre("QUEUED", "CANCELLED USER"));
}

TEST_F(CancelTest, ARunningJobIsCancelledByItsWorker) {
  engine_.Script("held", {.epochs = 5, .hold_before_epoch = 3});
  Start();
  const JobId id = Submit("held");
  engine_.AwaitHeld("held");
  const absl::StatusOr<Job> cancelling = scheduler_->Cancel(id);
  ASSERT_TRUE(cancelling.ok()) << cancelling.status();
  EXPECT_EQ(cancelling->state, JobState::kCancelling);
  EXPECT_EQ(cancelling->stop_reason, StopReason::kNone);
  EXPECT_EQ(cancelling->end_time_us, 0);
  EXPECT_THAT(AwaitEnd(id), ElementsAre("QUEUED", "RUNNING", "epoch 1", "epoch 2", "CANCELLING",
                                        "CANCELLED USER"));
  EXPECT_EQ(Get(id).attempts.at(0).outcome, "CANCELLED");
}

TEST_F(CancelTest, CancellingTwiceIsOnce) {
  engine_.Script("deaf", {.hold_before_epoch = 1, .deaf = true});
  Start();
  const JobId id = Submit("deaf");
  engine_.AwaitHeld("deaf");
  ASSERT_TRUE(scheduler_->Cancel(id).ok());
  const absl::StatusOr<Job> again = scheduler_->Cancel(id);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->state, JobState::kCancelling);
  engine_.Release("deaf");
  AwaitEnd(id);
  EXPECT_EQ(StoredTexts(id).size(), 6U);  // QUEUED, RUNNING, CANCELLING, epoch, result, the end
}

TEST_F(CancelTest, AJobThatComesToItsEndAllTheSameKeepsIt) {
  FakeTraining failing{.hold_before_epoch = 1, .deaf = true};
  failing.outcome.stop_reason = StopReason::kDiverged;
  engine_.Script("done", {.hold_before_epoch = 1, .deaf = true});
  engine_.Script("failed", failing);
  options_.workers = 2;
  Make();
  Start();
  const JobId done = Submit("done"), failed = Submit("failed");
  for (const JobId id : {done, failed}) {
    engine_.AwaitHeld(id == done ? "done" : "failed");
    EXPECT_EQ(scheduler_->Cancel(id)->state, JobState::kCancelling);
  }
  engine_.Release("done");
  engine_.Release("failed");
  EXPECT_THAT(AwaitEnd(done), ElementsAre("QUEUED", "RUNNING", "CANCELLING", "epoch 1",
                                          "result of 1 epochs", "SUCCEEDED COMPLETED"));
  EXPECT_THAT(AwaitEnd(failed), ElementsAre("QUEUED", "RUNNING", "CANCELLING", "epoch 1",
                                            "result of 1 epochs", "FAILED DIVERGED"));
}

TEST_F(CancelTest, WhatHasEndedOrNeverWasCannotBeCancelled) {
  Start();
  const JobId id = Submit("short");
  AwaitEnd(id);
  const absl::Status refused = scheduler_->Cancel(id).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("SUCCEEDED"));
  for (const JobId unknown : {JobId{99}, JobId{0}, JobId{-1}}) {
    EXPECT_TRUE(absl::IsNotFound(scheduler_->Cancel(unknown).status()));
  }
}

TEST_F(CancelTest, APausedJobIsCancelledAtOnce) {
  const JobId id = Submit("paused");
  ASSERT_TRUE(
      store_.ChangeState(id, JobState::kQueued, JobState::kPaused, StopReason::kNone, "").ok());
  EXPECT_EQ(scheduler_->Cancel(id)->state, JobState::kCancelled);
}

TEST_F(CancelTest, LooksAgainWhenAWorkerWasFaster) {
  const JobId id = Submit("raced");
  Once(Call::kChangeState, [&] { ASSERT_TRUE(store_.BeginAttempt(id, "").ok()); });
  const absl::StatusOr<Job> job = scheduler_->Cancel(id);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state, JobState::kCancelling);
}

TEST_F(CancelTest, LooksAgainWhenTheEndWasFaster) {
  const JobId id = Submit("raced");
  ASSERT_TRUE(store_.BeginAttempt(id, "").ok());
  Once(Call::kChangeState, [&] {
    AttemptEnd end;
    end.stop_reason = StopReason::kCompleted;
    ASSERT_TRUE(store_.EndAttempt(id, 1, end).ok());
  });
  EXPECT_TRUE(absl::IsFailedPrecondition(scheduler_->Cancel(id).status()));
}

TEST_F(CancelTest, DoesNotLookForEver) {
  const JobId id = Submit("cursed");
  store_.Fail(Call::kChangeState, FakeStore::kForEver, absl::AbortedError("no"));
  EXPECT_TRUE(absl::IsAborted(scheduler_->Cancel(id).status()));
}

TEST_F(CancelTest, AWorkerDropsAJobThatWasCancelledAfterItWasTaken) {
  const JobId id = Submit("raced"), next = Submit("next");
  Once(Call::kBeginAttempt, [&] {
    ASSERT_TRUE(
        store_.ChangeState(id, JobState::kQueued, JobState::kCancelled, StopReason::kUser, "")
            .ok());
  });
  Start();
  AwaitEnd(next);
  EXPECT_THAT(engine_.Began(), ElementsAre("next"));
  EXPECT_THAT(StoredTexts(id), ElementsAre("QUEUED", "CANCELLED USER"));
}

TEST_F(CancelTest, ACancelThatIsFasterThanSubmitLeavesNoGhostInTheQueue) {
  // Between the commit and the queue: the second read of Submit must find out.
  Once(Call::kGetJob, [&] {
    ASSERT_TRUE(
        store_.ChangeState(1, JobState::kQueued, JobState::kCancelled, StopReason::kUser, "").ok());
  });
  const JobId id = Submit("raced");
  EXPECT_EQ(Position(id), 0);
  EXPECT_EQ(scheduler_->GetCounts().queued, 0);
}

TEST_F(CancelTest, TheEndIsWrittenAgainWhenACancelCameBetween) {
  engine_.Script("raced", {});
  Once(Call::kEndAttempt, [&] {
    ASSERT_TRUE(
        store_.ChangeState(1, JobState::kRunning, JobState::kCancelling, StopReason::kNone, "")
            .ok());
  });
  Start();
  const JobId id = Submit("raced");
  Recording recording(bus_, store_, id);
  recording.AwaitLast();
  EXPECT_THAT(StoredTexts(id), ElementsAre("QUEUED", "RUNNING", "epoch 1", "CANCELLING",
                                           "result of 1 epochs", "SUCCEEDED COMPLETED"));
}

TEST_F(CancelTest, StorageTroubleIsReportedAndChangesNothing) {
  engine_.Script("held", {.hold_before_epoch = 1});
  Start();
  const JobId id = Submit("held");
  engine_.AwaitHeld("held");
  store_.Fail(Call::kChangeState, 1, absl::UnavailableError("busy"));
  EXPECT_TRUE(absl::IsUnavailable(scheduler_->Cancel(id).status()));
  EXPECT_EQ(Get(id).state, JobState::kRunning);
  engine_.Release("held");
  EXPECT_THAT(AwaitEnd(id), Contains("SUCCEEDED COMPLETED"));
}

}  // namespace
}  // namespace anneal
