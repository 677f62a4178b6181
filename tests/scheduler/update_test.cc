// What of a job is changed while it waits and runs, and what that makes of the queue.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/scheduler/scheduler_fixture.h"

namespace anneal {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

class UpdateTest : public SchedulerFixture {};

TEST_F(UpdateTest, APriorityChangesTheOrder) {
  const JobId a = Submit("a"), b = Submit("b"), c = Submit("c", 3);
  EXPECT_EQ(Position(b), 3);
  const absl::StatusOr<Job> updated = scheduler_->Update(b, {.priority = 5});
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_EQ(updated->priority, 5);
  EXPECT_EQ(Position(b), 1);
  ASSERT_TRUE(scheduler_->Update(a, {.to_front = true}).ok());
  ASSERT_TRUE(scheduler_->Update(c, {.priority = -1}).ok());
  Start();
  AwaitEnd(c);
  EXPECT_THAT(engine_.Began(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(StoredTexts(b), Contains("note: priority 0 -> 5"));
  EXPECT_THAT(StoredTexts(a), Contains("note: moved to the front of the queue"));
}

TEST_F(UpdateTest, TheOrderIsTheSameAfterARestart) {
  const JobId a = Submit("a"), b = Submit("b"), c = Submit("c");
  ASSERT_TRUE(scheduler_->Update(b, {.to_front = true}).ok());
  ASSERT_TRUE(scheduler_->Update(c, {.to_front = true}).ok());
  Make();
  Start();
  AwaitEnd(a);
  EXPECT_THAT(engine_.Began(), ElementsAre("c", "b", "a"));
}

TEST_F(UpdateTest, WhatRunsGoesBackToItsNewPlace) {
  engine_.Script("first", {.hold_before_epoch = 1});
  Start();
  const JobId first = Submit("first");
  engine_.AwaitHeld("first");
  const JobId second = Submit("second");
  ASSERT_TRUE(scheduler_->Update(first, {.priority = -1}).ok());
  const absl::Status front = scheduler_->Update(first, {.to_front = true}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(front)) << front;
  EXPECT_THAT(std::string(front.message()), HasSubstr("is RUNNING"));
  ASSERT_TRUE(scheduler_->Pause(first).ok());
  AwaitEnd(second);
  ASSERT_TRUE(scheduler_->Resume(first).ok());
  engine_.Release("first");
  AwaitEnd(first);
  EXPECT_THAT(engine_.Began(), ElementsAre("first", "second", "first"));
  EXPECT_TRUE(absl::IsFailedPrecondition(scheduler_->Update(first, {.priority = 1}).status()));
  EXPECT_TRUE(scheduler_->Update(first, {.set_labels = {{"k", "v"}}}).ok());
  EXPECT_EQ(Get(first).labels, (Labels{{"k", "v"}}));
  EXPECT_TRUE(absl::IsNotFound(scheduler_->Update(99, {.priority = 1}).status()));
}

TEST_F(UpdateTest, ASweepTakesItsTrialsAlong) {
  const JobId before = Submit("before");
  NewJob sweep = SmallJob("sweep");
  sweep.kind = JobKind::kSweep;
  for (const char* name : {"one", "two"})
    sweep.trials.push_back({name, SmallSpec(name).SerializeAsString(), name, {}});
  const absl::StatusOr<CreatedJob> created = scheduler_->Submit(sweep);
  ASSERT_TRUE(created.ok());
  ASSERT_TRUE(scheduler_->Update(created->job.id, {.to_front = true}).ok());
  Start();
  AwaitEnd(before);
  EXPECT_THAT(engine_.Began(), ElementsAre("one", "two", "before"));
}

TEST_F(UpdateTest, WatchersSeeTheNote) {
  const JobId id = Submit("watched");
  Recording recording(bus_, store_, id);
  ASSERT_TRUE(scheduler_->Update(id, {.set_labels = {{"project", "thesis"}}}).ok());
  recording.Await("note: label project=thesis");
  Start();
  recording.AwaitLast();
  recording.ExpectWhole();
}

TEST_F(UpdateTest, QueueLimitsRefuseAndSayWhich) {
  options_.queue_limits = {.jobs = 2};
  Make();
  Submit("a");
  Submit("b");
  const absl::Status full = scheduler_->Submit(SmallJob("c")).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(full)) << full;
}

TEST_F(UpdateTest, TwoJobsThatDoNotFitTogetherRunOneAfterTheOther) {
  options_.workers = 2;
  options_.admission.memory_bytes = 100;
  Make();
  engine_.Script("big", {.hold_before_epoch = 1});
  NewJob job = SmallJob("big");
  job.needs.memory_bytes = 60;
  const JobId first = scheduler_->Submit(job)->job.id;
  const JobId second = scheduler_->Submit(job)->job.id;
  Start();
  engine_.AwaitHeld("big");
  const Scheduler::QueuePlace place = scheduler_->QueuePlaces({second}).at(0);
  EXPECT_EQ(place.position, 1);
  EXPECT_THAT(place.waiting_for, HasSubstr("memory: it needs 1 MiB"));
  engine_.Release("big");
  AwaitEnd(first);
  AwaitEnd(second);
  EXPECT_EQ(engine_.MostAtOnce(), 1);
}

TEST_F(UpdateTest, StartsAreForeseenFromWhatRuns) {
  options_.workers = 1;
  Make();
  engine_.Script("ten", {.epochs = 10, .hold_before_epoch = 6, .in_epoch = [this] {
                           clock_.Advance(1'000'000);
                         }});
  NewJob job = SmallJob("ten");
  job.needs.work_flops = 1'000;
  const JobId first = scheduler_->Submit(job)->job.id;
  const JobId second = scheduler_->Submit(job)->job.id;
  const JobId third = scheduler_->Submit(job)->job.id;
  EXPECT_EQ(scheduler_->QueuePlaces({third}).at(0).estimated_start_us, std::nullopt);
  Start();
  engine_.AwaitHeld("ten");
  const auto places = scheduler_->QueuePlaces({second, first, third});
  ASSERT_TRUE(places[0].estimated_start_us.has_value());
  ASSERT_TRUE(places[2].estimated_start_us.has_value());
  EXPECT_EQ(places[1].position, 0) << "it runs";
  const ProgressSnapshot progress = *scheduler_->Progress(first);
  EXPECT_EQ(*places[0].estimated_start_us, clock_.NowUs() + progress.remaining_us);
  // Five of ten epochs are done: a whole job takes twice what is left of this one.
  EXPECT_NEAR(static_cast<double>(*places[2].estimated_start_us - *places[0].estimated_start_us),
              2.0 * static_cast<double>(progress.remaining_us), 2);
  engine_.Release("ten");
  AwaitEnd(third);
}

// What cannot be stored now may be later: the job goes on from its last state then.
TEST_F(UpdateTest, TroubleWithStorageIsTriedAgain) {
  options_.storage_retry_us = 0;
  Make();
  engine_.Script("unlucky", {.epochs = 2});
  store_.Fail(Call::kAppendEpoch, 2, absl::UnavailableError("database is locked"));
  Start();
  const JobId id = Submit("unlucky");
  EXPECT_THAT(AwaitEnd(id),
              ElementsAre("QUEUED", "RUNNING", "QUEUED", "RUNNING", "QUEUED", "RUNNING", "epoch 1",
                          "epoch 2", "result of 2 epochs", "SUCCEEDED COMPLETED"));
  EXPECT_EQ(Get(id).attempt_count, 3);
  EXPECT_EQ(Get(id).attempts.at(0).outcome, "FAILED");
  EXPECT_EQ(Get(id).restarts, 0) << "it has come forward";
  const auto again = std::get<JobEvent::StateChange>(store_.Events(id).at(2).what);
  EXPECT_THAT(again.message, HasSubstr("database is locked; it is tried again"));
}

TEST_F(UpdateTest, AJobThatDoesNotComeForwardIsGivenUp) {
  options_.storage_retry_us = 0;
  options_.max_restarts = 3;
  Make();
  store_.Fail(Call::kAppendEpoch, FakeStore::kForEver, absl::UnavailableError("locked"));
  Start();
  const JobId id = Submit("stuck");
  EXPECT_THAT(AwaitEnd(id), Contains("FAILED STORAGE"));
  EXPECT_EQ(Get(id).attempt_count, 4);
  EXPECT_THAT(Get(id).message, HasSubstr("it was tried 4 times"));
}

TEST_F(UpdateTest, ADaemonThatDiesAgainAndAgainGivesTheJobUp) {
  options_.max_restarts = 2;
  const JobId id = Submit("poison");
  for (int crash = 1; crash <= 3; ++crash) {
    ASSERT_TRUE(store_.BeginAttempt(id, "fake").ok()) << crash;  // and the daemon dies
    Make();
    engine_.Script("poison", {.hold_before_epoch = 1});
    ASSERT_TRUE(store_.RecoverInterrupted(options_.max_restarts).ok());
  }
  EXPECT_EQ(Get(id).state, JobState::kFailed);
  EXPECT_EQ(Get(id).stop_reason, StopReason::kTooManyRestarts);
}

}  // namespace
}  // namespace anneal
