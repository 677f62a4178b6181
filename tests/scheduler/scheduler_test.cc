// What runs when, and how jobs end.
#include "server/scheduler/scheduler.h"

#include <gtest/gtest.h>
#include <gmock/gmock.h>

#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "tests/scheduler/scheduler_fixture.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SchedulerTest : public SchedulerFixture {};

TEST_F(SchedulerTest, AJobFromQueuedToSucceeded) {
  engine_.Script("one", {.warnings = {"careful"}, .epochs = 2});
  NewJob job = SmallJob("one");
  job.warnings = {"unwise"};
  const absl::StatusOr<CreatedJob> created = scheduler_->Submit(job);
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_TRUE(created->created);
  const JobId id = created->job.id;
  EXPECT_EQ(Position(id), 1);
  Start();
  EXPECT_THAT(AwaitEnd(id),
              ElementsAre("QUEUED", "warning: unwise", "RUNNING", "warning: careful", "epoch 1",
                          "epoch 2", "result of 2 epochs", "SUCCEEDED COMPLETED"));
  const Job done = Get(id);
  EXPECT_EQ(done.state, JobState::kSucceeded);
  EXPECT_EQ(done.stop_reason, StopReason::kCompleted);
  EXPECT_EQ(done.result->weights_sha256, "weights of one");
  ASSERT_EQ(done.attempts.size(), 1U);
  EXPECT_EQ(done.attempts[0].outcome, "SUCCEEDED");
  EXPECT_EQ(done.attempts[0].fingerprint, "fake on cpu");
  EXPECT_EQ(Position(id), 0);
}

TEST_F(SchedulerTest, PriorityThenFirstComeFirstServed) {
  const JobId a = Submit("a"), b = Submit("b", 5), c = Submit("c", 5), d = Submit("d", -1),
              e = Submit("e");
  EXPECT_EQ(Position(b), 1);
  EXPECT_EQ(Position(c), 2);
  EXPECT_EQ(Position(a), 3);
  EXPECT_EQ(Position(e), 4);
  EXPECT_EQ(Position(d), 5);
  EXPECT_EQ(Position(99), 0);
  EXPECT_EQ(scheduler_->GetCounts().queued, 5);
  Start();
  AwaitEnd(d);
  EXPECT_THAT(engine_.Began(), ElementsAre("b", "c", "a", "e", "d"));
  EXPECT_EQ(scheduler_->GetCounts().queued, 0);
}

TEST_F(SchedulerTest, AMoreUrgentJobOvertakesThoseThatWaitButNotTheOneThatRuns) {
  engine_.Script("first", {.hold_before_epoch = 1});
  Start();
  const JobId first = Submit("first");
  engine_.AwaitHeld("first");
  Submit("early");
  const JobId urgent = Submit("urgent", 1);
  EXPECT_EQ(Position(urgent), 1);
  EXPECT_EQ(Get(first).state, JobState::kRunning);
  engine_.Release("first");
  AwaitEnd(2);
  EXPECT_THAT(engine_.Began(), ElementsAre("first", "urgent", "early"));
}

TEST_F(SchedulerTest, NWorkersRunNJobs) {
  options_.workers = 3;
  Make();
  Start();
  std::vector<JobId> ids;
  for (const std::string name : {"a", "b", "c", "d"}) {
    engine_.Script(name, {.hold_before_epoch = 1});
    ids.push_back(Submit(name));
  }
  for (const std::string name : {"a", "b", "c"}) engine_.AwaitHeld(name);
  EXPECT_EQ(scheduler_->GetCounts().running, 3);
  EXPECT_EQ(scheduler_->GetCounts().queued, 1);
  EXPECT_EQ(Position(ids[3]), 1);
  EXPECT_EQ(Get(ids[3]).state, JobState::kQueued);
  engine_.Release("b");
  engine_.AwaitHeld("d");
  AwaitEnd(ids[1]);
  EXPECT_EQ(engine_.MostAtOnce(), 3);
  for (const std::string name : {"a", "c", "d"}) engine_.Release(name);
  for (const JobId id : ids) AwaitEnd(id);
  EXPECT_EQ(engine_.MostAtOnce(), 3);
}

TEST_F(SchedulerTest, EveryOutcomeOfTheEngineEndsTheJob) {
  const std::vector<std::tuple<StopReason, JobState>> table = {
      {StopReason::kCompleted, JobState::kSucceeded},
      {StopReason::kEarlyStopped, JobState::kSucceeded},
      {StopReason::kDiverged, JobState::kFailed},
      {StopReason::kOutOfMemory, JobState::kFailed},
      {StopReason::kInvalidData, JobState::kFailed},
      {StopReason::kDeadline, JobState::kFailed},
      {StopReason::kInternal, JobState::kFailed},
      {StopReason::kStorage, JobState::kFailed}};
  Start();
  for (const auto& [reason, state] : table) {
    const std::string name(StopReasonName(reason));
    FakeTraining training;
    training.outcome.stop_reason = reason;
    training.outcome.message = "said so";
    engine_.Script(name, training);
    const JobId id = Submit(name);
    AwaitEnd(id);
    const Job job = Get(id);
    EXPECT_EQ(job.state, state) << name;
    EXPECT_EQ(job.stop_reason, reason);
    EXPECT_EQ(job.message, "said so");
    EXPECT_EQ(job.attempts.at(0).outcome, JobStateName(state));
    ASSERT_TRUE(job.result.has_value()) << name;
    EXPECT_EQ(job.result->epochs, 1);
  }
}

TEST_F(SchedulerTest, AFailureBeforeTheFirstEpochLeavesNoResult) {
  FakeTraining training;
  training.epochs = 0;
  training.outcome.stop_reason = StopReason::kOutOfMemory;
  engine_.Script("hungry", training);
  Start();
  const JobId id = Submit("hungry");
  EXPECT_THAT(AwaitEnd(id), ElementsAre("QUEUED", "RUNNING", "FAILED OUT_OF_MEMORY"));
  EXPECT_FALSE(Get(id).result.has_value());
}

TEST_F(SchedulerTest, AnExceptionEndsTheJobAndNotTheDaemon) {
  engine_.Script("throws", {.exception = "kernel on fire"});
  engine_.Script("errs", {.status = absl::UnimplementedError("not on this machine")});
  Start();
  const JobId throws = Submit("throws"), errs = Submit("errs"), fine = Submit("fine");
  AwaitEnd(fine);
  EXPECT_EQ(Get(throws).state, JobState::kFailed);
  EXPECT_EQ(Get(throws).stop_reason, StopReason::kInternal);
  EXPECT_THAT(Get(throws).message, HasSubstr("kernel on fire"));
  EXPECT_EQ(Get(errs).state, JobState::kFailed);
  EXPECT_EQ(Get(errs).stop_reason, StopReason::kInternal);
  EXPECT_THAT(Get(errs).message, HasSubstr("not on this machine"));
  EXPECT_EQ(Get(fine).state, JobState::kSucceeded);
}

TEST_F(SchedulerTest, ADataSetThatHasVanishedFailsTheJob) {
  const JobId id = Submit("late");
  catalog_.AddUnreadable("cifar10", absl::FailedPreconditionError("data_batch_3.bin is missing"));
  Start();
  AwaitEnd(id);
  EXPECT_EQ(Get(id).state, JobState::kFailed);
  EXPECT_EQ(Get(id).stop_reason, StopReason::kInvalidData);
  EXPECT_THAT(Get(id).message, HasSubstr("training.dataset"));
  EXPECT_THAT(Get(id).message, HasSubstr("data_batch_3.bin is missing"));
  EXPECT_TRUE(engine_.Began().empty());
}

TEST_F(SchedulerTest, AStoredSpecThatCannotBeReadFailsTheJob) {
  const JobId broken = Submit("broken"), empty = Submit("empty");
  store_.OverwriteSpec(broken, "\xff\xff\xff");
  store_.OverwriteSpec(empty, "");
  Start();
  AwaitEnd(empty);
  EXPECT_EQ(Get(broken).state, JobState::kFailed);
  EXPECT_EQ(Get(broken).stop_reason, StopReason::kInternal);
  EXPECT_THAT(Get(broken).message, HasSubstr("3 bytes"));
  EXPECT_EQ(Get(empty).state, JobState::kFailed);
  EXPECT_EQ(Get(empty).stop_reason, StopReason::kInvalidData);
}

TEST_F(SchedulerTest, OneRequestIdMakesOneJob) {
  NewJob job = SmallJob("once");
  job.request_id = "r1";
  const absl::StatusOr<CreatedJob> first = scheduler_->Submit(job);
  const absl::StatusOr<CreatedJob> again = scheduler_->Submit(job);
  ASSERT_TRUE(first.ok() && again.ok());
  EXPECT_TRUE(first->created);
  EXPECT_FALSE(again->created);
  EXPECT_EQ(again->job.id, first->job.id);
  EXPECT_EQ(scheduler_->GetCounts().queued, 1);
  Start();
  AwaitEnd(first->job.id);
  const absl::StatusOr<CreatedJob> late = scheduler_->Submit(job);
  ASSERT_TRUE(late.ok());
  EXPECT_EQ(late->job.state, JobState::kSucceeded);
  EXPECT_EQ(scheduler_->GetCounts().queued, 0);
  job.spec_sha256 = "another";
  EXPECT_TRUE(absl::IsAlreadyExists(scheduler_->Submit(job).status()));
}

TEST_F(SchedulerTest, ARetriedSubmitQueuesAJobWhoseFirstSubmitOnlySeemedToFail) {
  NewJob job = SmallJob("lost");
  job.request_id = "r1";
  ASSERT_TRUE(store_.CreateJob(job).ok());  // it was committed, but nobody heard of it
  const absl::StatusOr<CreatedJob> retried = scheduler_->Submit(job);
  ASSERT_TRUE(retried.ok());
  EXPECT_EQ(Position(retried->job.id), 1);
}

TEST_F(SchedulerTest, DeleteOnlyWhatHasEnded) {
  engine_.Script("held", {.hold_before_epoch = 1});
  Start();
  const JobId held = Submit("held"), waits = Submit("waits");
  engine_.AwaitHeld("held");
  EXPECT_TRUE(absl::IsFailedPrecondition(scheduler_->Delete(held)));
  EXPECT_TRUE(absl::IsFailedPrecondition(scheduler_->Delete(waits)));
  EXPECT_TRUE(absl::IsNotFound(scheduler_->Delete(99)));
  engine_.Release("held");
  AwaitEnd(waits);
  EXPECT_TRUE(scheduler_->Delete(held).ok());
  EXPECT_TRUE(absl::IsNotFound(store_.GetJob(held).status()));
  EXPECT_TRUE(absl::IsNotFound(scheduler_->Delete(held)));
  EXPECT_TRUE(absl::IsNotFound(scheduler_->Cancel(held).status()));
}

TEST_F(SchedulerTest, ProgressOfWhatRuns) {
  engine_.Script("held", {.epochs = 3, .hold_before_epoch = 2});
  const JobId id = Submit("held");
  EXPECT_EQ(scheduler_->Progress(id), std::nullopt);
  Start();
  engine_.AwaitHeld("held");
  Recording recording(bus_, store_, id);
  clock_.Advance(5'000'000);
  const std::optional<ProgressSnapshot> snapshot = scheduler_->Progress(id);
  ASSERT_TRUE(snapshot.has_value());
  EXPECT_EQ(snapshot->epoch, 1);
  EXPECT_EQ(snapshot->epochs, 3);
  EXPECT_EQ(snapshot->batch, 1);
  EXPECT_EQ(snapshot->elapsed_us, 5'000'000);
  recording.AwaitProgress(
      [](const ProgressSnapshot& seen) { return seen.elapsed_us == 5'000'000; });
  clock_.Advance(1'000'000);
  recording.AwaitProgress(
      [](const ProgressSnapshot& seen) { return seen.elapsed_us == 6'000'000; });
  engine_.Release("held");
  recording.AwaitLast();
  scheduler_->Stop();
  EXPECT_EQ(scheduler_->Progress(id), std::nullopt);
}

TEST_F(SchedulerTest, WhatTheStoreRefusesIsNotQueued) {
  store_.Fail(Call::kCreateJob, 1, absl::ResourceExhaustedError("disk full"));
  EXPECT_TRUE(absl::IsResourceExhausted(scheduler_->Submit(SmallJob("a")).status()));
  EXPECT_EQ(scheduler_->GetCounts().queued, 0);
  store_.Fail(Call::kDeleteJob, 1, absl::UnavailableError("busy"));
  EXPECT_TRUE(absl::IsUnavailable(scheduler_->Delete(1)));
}

}  // namespace
}  // namespace anneal
