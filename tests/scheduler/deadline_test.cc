// Deadlines and limits of running time, by the scheduler's clock.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "server/scheduler/deadline_keeper.h"
#include "tests/scheduler/scheduler_fixture.h"

namespace anneal {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kSecond = 1'000'000;

class DeadlineTest : public SchedulerFixture {
 protected:
  JobId SubmitWith(const std::string& name, const JobLimits& limits) {
    NewJob job = SmallJob(name);
    job.limits = limits;
    const absl::StatusOr<CreatedJob> created = scheduler_->Submit(job);
    EXPECT_TRUE(created.ok()) << created.status();
    return created.ok() ? created->job.id : 0;
  }
  JobLimits EndsIn(int64_t us) const { return {.deadline_us = clock_.NowUs() + us}; }
};

TEST(DueTimeTest, IsTheSoonerOfBothAndOnlyWhileItApplies) {
  Job job;
  EXPECT_EQ(DueTimeUs(job), 0);
  job.limits = {.deadline_us = 1'000, .max_run_time_us = 100};
  EXPECT_EQ(DueTimeUs(job), 1'000) << "waiting is not running";
  job.state = JobState::kRunning;
  job.attempts = {{1, 200, 230, "INTERRUPTED", ""}, {2, 500, 0, "", ""}};
  EXPECT_EQ(DueTimeUs(job), 500 + 70) << "the first attempt took 30";
  job.limits.max_run_time_us = 10'000;
  EXPECT_EQ(DueTimeUs(job), 1'000);
  job.limits.deadline_us = 0;
  EXPECT_EQ(DueTimeUs(job), 500 + 9'970);
  job.limits.max_run_time_us = 20;
  EXPECT_EQ(DueTimeUs(job), 500) << "it has no time left";
  job.state = JobState::kSucceeded;
  EXPECT_EQ(DueTimeUs(job), 0);
}

TEST_F(DeadlineTest, EndsAJobThatWaits) {
  engine_.Script("long", {.hold_before_epoch = 1});
  Start();
  const JobId running = Submit("long");
  engine_.AwaitHeld("long");
  const JobId waits = SubmitWith("late", EndsIn(10 * kSecond));
  const JobId paused = SubmitWith("paused", EndsIn(10 * kSecond));
  ASSERT_TRUE(scheduler_->Pause(paused).ok());
  clock_.Advance(10 * kSecond);
  EXPECT_THAT(AwaitEnd(waits), ElementsAre("QUEUED", "FAILED DEADLINE"));
  EXPECT_THAT(AwaitEnd(paused), ElementsAre("QUEUED", "PAUSED", "FAILED DEADLINE"));
  EXPECT_EQ(Get(waits).message, "its deadline has passed");
  EXPECT_EQ(Position(waits), 0);
  EXPECT_EQ(Get(running).state, JobState::kRunning);
}

TEST_F(DeadlineTest, EndsAJobThatRuns) {
  engine_.Script("late", {.epochs = 3, .hold_before_epoch = 2});
  Start();
  const JobId id = SubmitWith("late", EndsIn(10 * kSecond));
  engine_.AwaitHeld("late");
  clock_.Advance(10 * kSecond);
  EXPECT_THAT(AwaitEnd(id), ElementsAre("QUEUED", "RUNNING", "epoch 1", "FAILED DEADLINE"));
  EXPECT_EQ(Get(id).message, "its deadline has passed");
  EXPECT_EQ(Get(id).attempts.at(0).outcome, "FAILED");
}

TEST_F(DeadlineTest, OneThatIsPastEndsTheJobAtOnce) {
  Start();
  EXPECT_EQ(SubmitWith("warm", {}), 1);
  AwaitEnd(1);
  scheduler_->Stop();
  Make();
  const JobId id = SubmitWith("late", EndsIn(-1));
  engine_.Script("late", {.hold_before_epoch = 1});
  Start();
  EXPECT_THAT(AwaitEnd(id), Contains("FAILED DEADLINE"));
}

TEST_F(DeadlineTest, PassesWhileTheDaemonIsAway) {
  const JobId id = SubmitWith("late", EndsIn(10 * kSecond));
  clock_.Advance(20 * kSecond);
  engine_.Script("late", {.hold_before_epoch = 1});
  Make();
  Start();
  EXPECT_THAT(AwaitEnd(id), Contains("FAILED DEADLINE"));
}

TEST_F(DeadlineTest, AJobThatWasBeingCancelledIsCancelled) {
  engine_.Script("late", {.epochs = 2, .hold_before_epoch = 1, .hold_through_stop = true});
  Start();
  const JobId id = SubmitWith("late", EndsIn(10 * kSecond));
  engine_.AwaitHeld("late");
  ASSERT_EQ(scheduler_->Cancel(id)->state, JobState::kCancelling);
  clock_.Advance(10 * kSecond);
  engine_.Release("late");
  EXPECT_THAT(AwaitEnd(id), ElementsAre("QUEUED", "RUNNING", "CANCELLING", "CANCELLED USER"));
}

TEST_F(DeadlineTest, CanBeMovedAndTakenAway) {
  engine_.Script("moved", {.epochs = 2, .hold_before_epoch = 2});
  Start();
  const JobId id = SubmitWith("moved", EndsIn(10 * kSecond));
  engine_.AwaitHeld("moved");
  ASSERT_TRUE(scheduler_->Update(id, {.deadline_us = clock_.NowUs() + 30 * kSecond}).ok());
  clock_.Advance(20 * kSecond);
  const JobId witness = SubmitWith("witness", EndsIn(0));  // ends after all that were due before it
  EXPECT_THAT(AwaitEnd(witness), Contains("FAILED DEADLINE"));
  EXPECT_EQ(Get(id).state, JobState::kRunning);
  ASSERT_TRUE(scheduler_->Update(id, {.deadline_us = 0}).ok());
  clock_.Advance(100 * kSecond);
  const JobId other = SubmitWith("other", EndsIn(0));
  EXPECT_THAT(AwaitEnd(other), Contains("FAILED DEADLINE"));
  EXPECT_EQ(Get(id).state, JobState::kRunning);
  engine_.Release("moved");
  EXPECT_THAT(AwaitEnd(id), Contains("SUCCEEDED COMPLETED"));
}

TEST_F(DeadlineTest, RunningTimeCountsOverAttemptsAndNotBetweenThem) {
  engine_.Script("slow", {.epochs = 3, .hold_before_epoch = 2});
  Start();
  const JobId id = SubmitWith("slow", {.max_run_time_us = 10 * kSecond});
  engine_.AwaitHeld("slow");
  clock_.Advance(6 * kSecond);
  ASSERT_TRUE(scheduler_->Pause(id).ok());
  Recording recording(bus_, store_, id);
  recording.Await("PAUSED");
  clock_.Advance(1'000 * kSecond);
  ASSERT_TRUE(scheduler_->Resume(id).ok());
  engine_.AwaitHeld("slow");
  clock_.Advance(3 * kSecond);
  const JobId witness = SubmitWith("witness", EndsIn(0));
  EXPECT_THAT(AwaitEnd(witness), Contains("FAILED DEADLINE"));
  EXPECT_EQ(Get(id).state, JobState::kRunning) << "nine of ten seconds";
  clock_.Advance(1 * kSecond);
  EXPECT_THAT(AwaitEnd(id), Contains("FAILED DEADLINE"));
  EXPECT_THAT(Get(id).message, HasSubstr("for the 10 s that its limit of running time allows"));
}

TEST_F(DeadlineTest, EachTrialOfASweepHasItsOwn) {
  engine_.Script("trial", {.hold_before_epoch = 1});
  options_.workers = 1;
  Make();
  NewJob sweep = SmallJob("sweep");
  sweep.kind = JobKind::kSweep;
  sweep.limits = EndsIn(10 * kSecond);
  for (int i = 0; i < 2; ++i) {
    sweep.trials.push_back(
        {"trial", SmallSpec("trial").SerializeAsString(), "hash of trial", {}});
  }
  Start();
  const absl::StatusOr<CreatedJob> created = scheduler_->Submit(sweep);
  ASSERT_TRUE(created.ok());
  engine_.AwaitHeld("trial");
  clock_.Advance(10 * kSecond);
  for (const JobId trial : created->trials)
    EXPECT_THAT(AwaitEnd(trial), Contains("FAILED DEADLINE"));
  EXPECT_THAT(AwaitEnd(created->job.id), Contains("FAILED DEADLINE"));
}

TEST_F(DeadlineTest, IsLookedAtAgainWhereTheStoreCannotSay) {
  engine_.Script("late", {.hold_before_epoch = 1});
  Start();
  const JobId first = Submit("late");
  engine_.AwaitHeld("late");
  const JobId id = SubmitWith("waits", EndsIn(kSecond));
  store_.Fail(Call::kChangeState, 1, absl::UnavailableError("busy"));
  clock_.Advance(kSecond);
  while (store_.CallCount(Call::kChangeState) == 0) std::this_thread::yield();
  clock_.Advance(kSecond);
  EXPECT_THAT(AwaitEnd(id), ElementsAre("QUEUED", "FAILED DEADLINE"));
  engine_.Release("late");
  AwaitEnd(first);
}

}  // namespace
}  // namespace anneal
