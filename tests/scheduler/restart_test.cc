// Stopping, and starting again on the same store.
#include <gtest/gtest.h>
#include <gmock/gmock.h>

#include <string>
#include <thread>
#include <vector>

#include "server/scheduler/scheduler.h"
#include "tests/scheduler/scheduler_fixture.h"

namespace anneal {
namespace {

using testing::ElementsAre;

class RestartTest : public SchedulerFixture {
 protected:
  void ExpectNothingActive() {
    JobQuery query;
    query.states = {JobState::kRunning, JobState::kPausing, JobState::kCancelling};
    EXPECT_TRUE(store_.ListJobs(query)->empty());
  }
};

TEST_F(RestartTest, WhatRanIsQueuedAgainAndKeepsItsEpochs) {
  engine_.Script("held", {.epochs = 3, .hold_before_epoch = 3});
  Start();
  const JobId held = Submit("held"), waits = Submit("waits");
  engine_.AwaitHeld("held");
  scheduler_->Stop();
  EXPECT_EQ(Get(held).state, JobState::kQueued);
  EXPECT_EQ(Get(held).attempts.at(0).outcome, "INTERRUPTED");
  EXPECT_EQ(Get(waits).state, JobState::kQueued);
  EXPECT_EQ(Get(waits).attempt_count, 0);
  ExpectNothingActive();

  Make();
  engine_.Release("held");
  Start();
  // Epochs 1 and 2 are measured again, but stored and told of once.
  EXPECT_THAT(AwaitEnd(held),
              ElementsAre("QUEUED", "RUNNING", "epoch 1", "epoch 2", "QUEUED", "RUNNING", "epoch 3",
                          "result of 3 epochs", "SUCCEEDED COMPLETED"));
  AwaitEnd(waits);
  EXPECT_THAT(engine_.Began(), ElementsAre("held", "held", "waits"));
  const std::vector<EpochRecord> epochs = *store_.ListEpochs({.job_id = held, .metrics = {}});
  ASSERT_EQ(epochs.size(), 3U);
  EXPECT_EQ(epochs[0].attempt, 1);
  EXPECT_EQ(epochs[1].attempt, 1);
  EXPECT_EQ(epochs[2].attempt, 2);
}

TEST_F(RestartTest, WhatAKilledDaemonLeftRunningIsStartedAgain) {
  const JobId running = Submit("running"), cancelling = Submit("cancelling"),
              waits = Submit("waits");
  ASSERT_TRUE(store_.BeginAttempt(running, "").ok());
  ASSERT_TRUE(store_.BeginAttempt(cancelling, "").ok());
  ASSERT_TRUE(
      store_
          .ChangeState(cancelling, JobState::kRunning, JobState::kCancelling, StopReason::kNone, "")
          .ok());
  Make();
  Start();
  AwaitEnd(running);
  AwaitEnd(waits);
  EXPECT_EQ(Get(running).state, JobState::kSucceeded);
  EXPECT_EQ(Get(running).attempts.at(0).outcome, "INTERRUPTED");
  EXPECT_EQ(Get(running).attempts.at(1).outcome, "SUCCEEDED");
  EXPECT_EQ(Get(cancelling).state, JobState::kCancelled);
  EXPECT_THAT(engine_.Began(), ElementsAre("running", "waits"));
  ExpectNothingActive();
}

TEST_F(RestartTest, TheQueueKeepsItsOrder) {
  Submit("a");
  Submit("b", 3);
  Submit("c", 3);
  const JobId last = Submit("d", -1);
  Make();
  Start();
  AwaitEnd(last);
  EXPECT_THAT(engine_.Began(), ElementsAre("b", "c", "a", "d"));
}

TEST_F(RestartTest, ACancelledJobStaysCancelledThroughAStop) {
  engine_.Script("slow", {.hold_before_epoch = 1, .hold_through_stop = true});
  Start();
  const JobId id = Submit("slow");
  engine_.AwaitHeld("slow");
  ASSERT_TRUE(scheduler_->Cancel(id).ok());
  std::thread stop([this] { scheduler_->Stop(); });
  engine_.Release("slow");
  stop.join();
  EXPECT_THAT(StoredTexts(id), ElementsAre("QUEUED", "RUNNING", "CANCELLING", "CANCELLED USER"));
  EXPECT_EQ(scheduler_->GetCounts().queued, 0);
}

TEST_F(RestartTest, StopBeforeStartAndTwiceAndAtOnce) {
  scheduler_->Stop();
  scheduler_->Stop();
  EXPECT_TRUE(absl::IsFailedPrecondition(scheduler_->Start()));
  Make();
  engine_.Script("held", {.hold_before_epoch = 1});
  Start();
  EXPECT_TRUE(absl::IsFailedPrecondition(scheduler_->Start()));
  Submit("held");
  engine_.AwaitHeld("held");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this] {
      scheduler_->Stop();
      ExpectNothingActive();  // whoever calls, it has stopped when the call returns
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(scheduler_->GetCounts().running, 0);
  EXPECT_EQ(scheduler_->GetCounts().queued, 1);
}

TEST_F(RestartTest, AfterStopNothingIsAcceptedButTheRestStillAnswers) {
  engine_.Script("held", {.hold_before_epoch = 1});
  Start();
  const JobId held = Submit("held"), waits = Submit("waits");
  engine_.AwaitHeld("held");
  scheduler_->Stop();
  EXPECT_TRUE(absl::IsUnavailable(scheduler_->Submit(SmallJob("late")).status()));
  EXPECT_TRUE(absl::IsNotFound(store_.GetJob(3).status()));
  EXPECT_EQ(Position(held), 1);
  EXPECT_EQ(Position(waits), 2);
  EXPECT_EQ(scheduler_->Cancel(held)->state, JobState::kCancelled);
  EXPECT_TRUE(scheduler_->Delete(held).ok());
  EXPECT_EQ(Position(waits), 1);
}

TEST_F(RestartTest, StartReportsWhatIsWrong) {
  options_.workers = 0;
  Make();
  EXPECT_TRUE(absl::IsInvalidArgument(scheduler_->Start()));
  options_.workers = 1;
  Make();
  store_.Fail(Call::kRecoverInterrupted, 1, absl::DataLossError("damaged"));
  EXPECT_TRUE(absl::IsDataLoss(scheduler_->Start()));
  store_.Fail(Call::kListQueued, 1, absl::UnavailableError("busy"));
  EXPECT_TRUE(absl::IsUnavailable(scheduler_->Start()));
  const JobId id = Submit("fine");
  Start();
  AwaitEnd(id);
}

}  // namespace
}  // namespace anneal
