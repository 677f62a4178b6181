// What is paused and resumed, and what becomes of it: alone, in a sweep, over a restart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/scheduler/pause_fixture.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(PauseTest, AQueuedJobIsPausedAtOnceAndResumedIntoTheQueue) {
  const JobId a = Submit("a"), b = Submit("b");
  const absl::StatusOr<Job> paused = scheduler_->Pause(a);
  ASSERT_TRUE(paused.ok()) << paused.status();
  EXPECT_EQ(paused->state, JobState::kPaused);
  EXPECT_EQ(paused->stop_reason, StopReason::kNone);
  EXPECT_EQ(paused->end_time_us, 0);
  EXPECT_EQ(Position(a), 0);
  EXPECT_EQ(Position(b), 1);
  Start();
  AwaitEnd(b);
  EXPECT_EQ(Get(a).state, JobState::kPaused);
  const absl::StatusOr<Job> resumed = scheduler_->Resume(a);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_EQ(resumed->state, JobState::kQueued);
  EXPECT_THAT(AwaitEnd(a), ElementsAre("QUEUED", "PAUSED", "QUEUED", "RUNNING", "epoch 1",
                                       "result of 1 epochs", "SUCCEEDED COMPLETED"));
  EXPECT_EQ(Get(a).attempt_count, 1);
}

TEST_F(PauseTest, AResumedJobHasItsPriority) {
  const JobId first = Submit("first"), urgent = Submit("urgent", 5);
  ASSERT_TRUE(scheduler_->Pause(urgent).ok());
  ASSERT_TRUE(scheduler_->Resume(urgent).ok());
  EXPECT_EQ(Position(urgent), 1);
  EXPECT_EQ(Position(first), 2);
}

TEST_F(PauseTest, ARunningJobGoesOnWhereItWas) {
  engine_.Script("held", {.epochs = 4, .hold_before_epoch = 3});
  Start();
  const JobId id = Submit("held");
  engine_.AwaitHeld("held");
  PauseHeld(id);
  EXPECT_EQ(Get(id).attempts.at(0).outcome, "INTERRUPTED");
  EXPECT_EQ(Get(id).end_time_us, 0);
  AwaitEnd(Submit("meanwhile"));
  engine_.Release("held");
  ASSERT_TRUE(scheduler_->Resume(id).ok());
  EXPECT_THAT(AwaitEnd(id), ElementsAre("QUEUED", "RUNNING", "epoch 1", "epoch 2", "PAUSING",
                                        "PAUSED", "QUEUED", "RUNNING", "epoch 3", "epoch 4",
                                        "result of 4 epochs", "SUCCEEDED COMPLETED"));
  EXPECT_THAT(engine_.Began(), ElementsAre("held", "meanwhile", "held"));
  ASSERT_THAT(engine_.Resumed(), ElementsAre(IsEmpty(), IsEmpty(), SizeIs(1)));
  const ResumePoint point = engine_.Resumed()[2][0];
  EXPECT_EQ(point.info.file, "1/state-1-1.safetensors");
  EXPECT_EQ(point.path, folder_.Join("artifacts/1/state-1-1.safetensors"));
  EXPECT_EQ(point.info.epochs, 2);
  EXPECT_EQ(point.info.sha256, "sha256 of state of held after 2 epochs");
  EXPECT_EQ(Get(id).attempt_count, 2);
}

TEST_F(PauseTest, TwiceIsOnce) {
  engine_.Script("slow", {.hold_before_epoch = 1, .hold_through_stop = true});
  Start();
  const JobId id = Submit("slow");
  engine_.AwaitHeld("slow");
  EXPECT_EQ(scheduler_->Resume(id)->state, JobState::kRunning);
  EXPECT_EQ(scheduler_->Pause(id)->state, JobState::kPausing);
  EXPECT_EQ(scheduler_->Pause(id)->state, JobState::kPausing);
  ExpectRefused(scheduler_->Resume(id).status(), "still being paused");
  Recording recording(bus_, store_, id);
  engine_.Release("slow");
  recording.Await("PAUSED");
  EXPECT_EQ(scheduler_->Pause(id)->state, JobState::kPaused);
  ASSERT_EQ(scheduler_->Resume(id)->state, JobState::kQueued);
  EXPECT_THAT(AwaitEnd(id),
              ElementsAre("QUEUED", "RUNNING", "PAUSING", "PAUSED", "QUEUED", "RUNNING", "epoch 1",
                          "result of 1 epochs", "SUCCEEDED COMPLETED"));
}

TEST_F(PauseTest, ResumingAJobThatWaitsChangesNothing) {
  const JobId id = Submit("waits");
  EXPECT_EQ(scheduler_->Resume(id)->state, JobState::kQueued);
  EXPECT_EQ(scheduler_->GetCounts().queued, 1);
  EXPECT_THAT(StoredTexts(id), ElementsAre("QUEUED"));
}

TEST_F(PauseTest, WhatCannotBePausedIsRefused) {
  engine_.Script("deaf", {.hold_before_epoch = 1, .deaf = true});
  Start();
  const JobId ended = Submit("short");
  AwaitEnd(ended);
  ExpectRefused(scheduler_->Pause(ended).status(), "SUCCEEDED");
  ExpectRefused(scheduler_->Resume(ended).status(), "SUCCEEDED");
  const JobId cancelling = Submit("deaf");
  engine_.AwaitHeld("deaf");
  ASSERT_TRUE(scheduler_->Cancel(cancelling).ok());
  ExpectRefused(scheduler_->Pause(cancelling).status(), "being cancelled");
  ExpectRefused(scheduler_->Resume(cancelling).status(), "being cancelled");
  engine_.Release("deaf");
  AwaitEnd(cancelling);
  for (const JobId unknown : {JobId{99}, JobId{0}, JobId{-1}}) {
    EXPECT_TRUE(absl::IsNotFound(scheduler_->Pause(unknown).status()));
    EXPECT_TRUE(absl::IsNotFound(scheduler_->Resume(unknown).status()));
  }
}

TEST_F(PauseTest, AJobThatComesToItsEndAllTheSameKeepsIt) {
  engine_.Script("done", {.hold_before_epoch = 1, .deaf = true});
  Start();
  const JobId id = Submit("done");
  engine_.AwaitHeld("done");
  EXPECT_EQ(scheduler_->Pause(id)->state, JobState::kPausing);
  engine_.Release("done");
  EXPECT_THAT(AwaitEnd(id), ElementsAre("QUEUED", "RUNNING", "PAUSING", "epoch 1",
                                        "result of 1 epochs", "SUCCEEDED COMPLETED"));
}

TEST_F(PauseTest, APausedJobAndOneBeingPausedCanBeCancelled) {
  engine_.Script("held", {.epochs = 2, .hold_before_epoch = 2});
  engine_.Script("slow", {.hold_before_epoch = 1, .hold_through_stop = true});
  Start();
  const JobId paused = Submit("held");
  engine_.AwaitHeld("held");
  PauseHeld(paused);
  EXPECT_EQ(scheduler_->Cancel(paused)->state, JobState::kCancelled);
  ExpectRefused(scheduler_->Resume(paused).status(), "CANCELLED");
  EXPECT_THAT(Files(paused), ElementsAre("state-1-1.safetensors"));
  ASSERT_TRUE(scheduler_->Delete(paused).ok());
  EXPECT_THAT(Files(paused), IsEmpty());

  const JobId pausing = Submit("slow");
  engine_.AwaitHeld("slow");
  ASSERT_TRUE(scheduler_->Pause(pausing).ok());
  EXPECT_EQ(scheduler_->Cancel(pausing)->state, JobState::kCancelling);
  engine_.Release("slow");
  EXPECT_THAT(AwaitEnd(pausing),
              ElementsAre("QUEUED", "RUNNING", "PAUSING", "CANCELLING", "CANCELLED USER"));
}

TEST_F(PauseTest, APausedTrialKeepsItsSweepOpenAndIsCancelledWithIt) {
  NewJob sweep = SmallJob("s");
  sweep.kind = JobKind::kSweep;
  for (const char* name : {"s/1", "s/2"}) {
    const NewJob trial = SmallJob(name);
    sweep.trials.push_back({trial.name, trial.spec, trial.spec_sha256, {}});
  }
  engine_.Script("s/1", {.epochs = 2, .hold_before_epoch = 2});
  Start();
  const JobId id = scheduler_->Submit(sweep)->job.id;
  const JobId first = id + 1, second = id + 2;
  engine_.AwaitHeld("s/1");
  ExpectRefused(scheduler_->Pause(id).status(), "sweep");
  ExpectRefused(scheduler_->Resume(id).status(), "sweep");
  PauseHeld(first);
  Recording(bus_, store_, id).Await("trial 2 SUCCEEDED");
  AwaitEnd(second);
  EXPECT_EQ(Get(id).state, JobState::kRunning);
  Make();
  Start();  // settles it
  EXPECT_EQ(Get(id).state, JobState::kRunning);
  EXPECT_EQ(Get(first).state, JobState::kPaused);
  ASSERT_TRUE(scheduler_->Cancel(id).ok());
  EXPECT_THAT(AwaitEnd(id), ElementsAre("QUEUED", "RUNNING", "trial 2 SUCCEEDED", "CANCELLING",
                                        "trial 1 CANCELLED", "CANCELLED USER"));
  ExpectRefused(scheduler_->Resume(first).status(), "CANCELLED");
}

TEST_F(PauseTest, AResumedTrialEndsItsSweep) {
  NewJob sweep = SmallJob("s");
  sweep.kind = JobKind::kSweep;
  const NewJob trial = SmallJob("s/1");
  sweep.trials.push_back({trial.name, trial.spec, trial.spec_sha256, {}});
  const JobId id = scheduler_->Submit(sweep)->job.id;
  EXPECT_EQ(scheduler_->Pause(id + 1)->state, JobState::kPaused);
  Start();
  ASSERT_TRUE(scheduler_->Resume(id + 1).ok());
  EXPECT_THAT(AwaitEnd(id),
              ElementsAre("QUEUED", "RUNNING", "trial 1 SUCCEEDED", "SUCCEEDED COMPLETED"));
}

TEST_F(PauseTest, APausedJobStaysPausedOverARestart) {
  engine_.Script("held", {.epochs = 3, .hold_before_epoch = 2});
  Start();
  const JobId id = Submit("held");
  engine_.AwaitHeld("held");
  PauseHeld(id);
  Make();
  Start();
  AwaitEnd(Submit("next"));
  EXPECT_EQ(Get(id).state, JobState::kPaused);
  EXPECT_EQ(Position(id), 0);
  engine_.Release("held");
  ASSERT_TRUE(scheduler_->Resume(id).ok());
  AwaitEnd(id);
  EXPECT_EQ(engine_.Resumed().back().at(0).info.epochs, 1);
}

TEST_F(PauseTest, WhatADeadDaemonLeftPausingIsPaused) {
  const JobId id = Submit("pausing");
  ASSERT_TRUE(store_.BeginAttempt(id, "").ok());
  Change(id, JobState::kRunning, JobState::kPausing);
  Make();
  Start();
  AwaitEnd(Submit("next"));
  EXPECT_EQ(Get(id).state, JobState::kPaused);
  EXPECT_THAT(engine_.Began(), ElementsAre("next"));
}

TEST_F(PauseTest, AStoppedDaemonsJobGoesOnFromItsState) {
  engine_.Script("held", {.epochs = 5, .hold_before_epoch = 4});
  Start();
  const JobId id = Submit("held");
  engine_.AwaitHeld("held");
  scheduler_->Stop();
  Make();
  engine_.Release("held");
  Start();
  EXPECT_THAT(AwaitEnd(id),
              ElementsAre("QUEUED", "RUNNING", "epoch 1", "epoch 2", "epoch 3", "QUEUED", "RUNNING",
                          "epoch 4", "epoch 5", "result of 5 epochs", "SUCCEEDED COMPLETED"));
  ASSERT_THAT(engine_.Resumed(), ElementsAre(IsEmpty(), SizeIs(1)));
  EXPECT_EQ(engine_.Resumed()[1][0].info.epochs, 3);
  const std::vector<EpochRecord> epochs = *store_.ListEpochs({.job_id = id, .metrics = {}});
  ASSERT_THAT(epochs, SizeIs(5));
  EXPECT_EQ(epochs[2].attempt, 1);
  EXPECT_EQ(epochs[3].attempt, 2);
}

TEST_F(PauseTest, PauseAndResumeAnswerAfterAStop) {
  const JobId id = Submit("waits");
  Start();
  AwaitEnd(id);
  scheduler_->Stop();
  const JobId other = store_.CreateJob(SmallJob("other"))->job.id;
  EXPECT_EQ(scheduler_->Pause(other)->state, JobState::kPaused);
  EXPECT_EQ(scheduler_->Resume(other)->state, JobState::kQueued);
}

}  // namespace
}  // namespace anneal
