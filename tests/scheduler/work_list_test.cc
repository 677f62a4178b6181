#include "server/scheduler/work_list.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "tests/support/manual_clock.h"

namespace anneal {
namespace {

const ManualClock clock;

QueuedJob Make(JobId id, int32_t priority, const std::string& owner = "", int64_t memory = 0) {
  QueuedJob job;
  job.id = id;
  job.priority = priority;
  job.owner = owner;
  job.needs.memory_bytes = memory;
  return job;
}

TEST(WorkListTest, GivesTheFirstAndShowsWhoHasWhat) {
  WorkList work(clock, {});
  EXPECT_TRUE(work.Push(Make(1, 0)));
  EXPECT_TRUE(work.Push(Make(2, 5)));
  EXPECT_FALSE(work.Push(Make(2, 5)));
  EXPECT_EQ(work.Position(2), 1);
  EXPECT_EQ(work.Position(1), 2);
  const std::shared_ptr<RunningJob> job = work.Take();
  EXPECT_EQ(job->id, 2);
  EXPECT_EQ(work.Running(2), job);
  EXPECT_EQ(work.Running(1), nullptr);
  EXPECT_EQ(work.Position(2), 0);
  EXPECT_EQ(work.GetCounts().running, 1);
  EXPECT_EQ(work.GetCounts().queued, 1);
  work.PutDown(*job, /*again=*/false, 0);
  EXPECT_EQ(work.GetCounts().running, 0);
  EXPECT_EQ(work.Position(2), 0);
}

TEST(WorkListTest, PutDownToRunAgainItWaits) {
  WorkList work(clock, {});
  work.Push(Make(1, 7));
  work.PutDown(*work.Take(), /*again=*/true, 0);
  EXPECT_EQ(work.Position(1), 1);
  EXPECT_EQ(work.Take()->id, 1);
}

// What happens while a worker has the job counts more than what the worker says.
TEST(WorkListTest, TheLastThatHappenedToAJobDecides) {
  for (const bool again : {false, true}) {
    WorkList work(clock, {});
    work.Push(Make(1, 0));
    std::shared_ptr<RunningJob> job = work.Take();
    EXPECT_FALSE(work.Push(Make(1, 0)));
    work.PutDown(*job, again, 0);
    EXPECT_EQ(work.Position(1), 1) << "pushed while a worker had it";

    job = work.Take();
    work.Withdraw(1, /*waits_no_more=*/true);
    EXPECT_TRUE(job->stop.stop_requested());
    work.PutDown(*job, again, 0);
    EXPECT_EQ(work.Position(1), 0) << "withdrawn";

    work.Push(Make(1, 0));
    job = work.Take();
    work.Withdraw(1, true);
    work.Push(Make(1, 0));
    work.PutDown(*job, again, 0);
    EXPECT_EQ(work.Position(1), 1) << "withdrawn, then pushed";
  }
}

TEST(WorkListTest, OneThatIsOnlyAskedToStopGoesWhereTheWorkerSays) {
  WorkList work(clock, {});
  work.Push(Make(1, 0));
  work.Push(Make(2, 0));
  const std::shared_ptr<RunningJob> job = work.Take();
  work.Withdraw(1, /*waits_no_more=*/false);
  work.Withdraw(2, false);
  EXPECT_TRUE(job->stop.stop_requested());
  EXPECT_EQ(work.Position(2), 1) << "it waits, and nobody runs it";
  work.PutDown(*job, true, 0);
  EXPECT_EQ(work.Position(1), 1);
}

TEST(WorkListTest, RemoveIsOfTheQueueAlone) {
  WorkList work(clock, {});
  work.Push(Make(1, 0));
  EXPECT_TRUE(work.Remove(1));
  EXPECT_FALSE(work.Remove(1));
  work.Push(Make(1, 0));
  const std::shared_ptr<RunningJob> job = work.Take();
  EXPECT_FALSE(work.Remove(1));
  EXPECT_FALSE(job->stop.stop_requested());
}

TEST(WorkListTest, StopEndsWaitingAndAsksEveryWorker) {
  WorkList work(clock, {});
  work.Push(Make(1, 0));
  const std::shared_ptr<RunningJob> job = work.Take();
  std::thread waiting([&] { EXPECT_EQ(work.Take(), nullptr); });
  work.Stop();
  waiting.join();
  EXPECT_TRUE(work.stopped());
  EXPECT_TRUE(job->stop.stop_requested());
  work.Push(Make(2, 0));
  EXPECT_EQ(work.Take(), nullptr);
}

// The worker that waits is woken by what it waited for.
TEST(WorkListTest, AnOwnerWaitsForItsOwnJobsOnly) {
  WorkList work(clock, {.running_per_owner = 1});
  work.Push(Make(1, 9, "ada"));
  work.Push(Make(2, 8, "ada"));
  work.Push(Make(3, 0, "ben"));
  const std::shared_ptr<RunningJob> first = work.Take();
  EXPECT_EQ(first->id, 1);
  EXPECT_EQ(work.Take()->id, 3) << "overtakes ada's second";
  std::thread waiting([&] { EXPECT_EQ(work.Take()->id, 2); });
  work.PutDown(*first, false, 0);
  waiting.join();
}

TEST(WorkListTest, NobodyOvertakesAJobThatWaitsForMemory) {
  WorkList work(clock, {.memory_bytes = 100});
  work.Push(Make(1, 9, "", 60));
  work.Push(Make(2, 8, "", 50));
  work.Push(Make(3, 0, "", 10));
  const std::shared_ptr<RunningJob> first = work.Take();
  std::thread waiting([&] {
    EXPECT_EQ(work.Take()->id, 2);
    EXPECT_EQ(work.Take()->id, 3);
  });
  EXPECT_EQ(work.GetOutlook({3}).queue.back().why, "job 2 before it, which waits for memory");
  work.PutDown(*first, false, 0);
  waiting.join();
}

TEST(WorkListTest, WhoWaitedForTheFirstGoesOnWhenItIsWithdrawn) {
  WorkList work(clock, {.memory_bytes = 100});
  work.Push(Make(1, 9, "", 60));
  const std::shared_ptr<RunningJob> first = work.Take();
  work.Push(Make(2, 8, "", 50));
  work.Push(Make(3, 0, "", 10));
  std::thread waiting([&] { EXPECT_EQ(work.Take()->id, 3); });
  work.Withdraw(2, true);
  waiting.join();
}

TEST(WorkListTest, AJobPutDownForAWhileIsOvertakenAndComesAgain) {
  ManualClock moving;
  WorkList work(moving, {});
  work.Push(Make(1, 9));
  work.Push(Make(2, 0));
  work.PutDown(*work.Take(), true, 1'000);
  EXPECT_EQ(work.Position(1), 1);
  EXPECT_EQ(work.Take()->id, 2);
  std::thread waiting([&] { EXPECT_EQ(work.Take()->id, 1); });
  moving.Advance(1'000);
  waiting.join();
}

TEST(WorkListTest, WhatIsKnownOfAJobChangesInTheQueueAndUnderItsWorker) {
  WorkList work(clock, {});
  work.Push(Make(1, 0));
  work.Push(Make(2, 0));
  work.Update(Make(2, 5));
  EXPECT_EQ(work.Position(2), 1);
  const std::shared_ptr<RunningJob> job = work.Take();
  EXPECT_EQ(job->id, 2);
  work.Update(Make(2, -5));
  work.PutDown(*job, true, 0);
  EXPECT_EQ(work.Position(2), 2);
  work.Update(Make(9, 0));
  EXPECT_EQ(work.Position(9), 0) << "an update puts nothing into the queue";
}

TEST(WorkListTest, AnExpiredJobIsAskedToStopAndKnowsWhy) {
  WorkList work(clock, {});
  work.Push(Make(1, 0));
  EXPECT_FALSE(work.Expire(1)) << "no worker has it";
  const std::shared_ptr<RunningJob> job = work.Take();
  EXPECT_FALSE(job->expired);
  EXPECT_TRUE(work.Expire(1));
  EXPECT_TRUE(job->expired);
  EXPECT_TRUE(job->stop.stop_requested());
}

}  // namespace
}  // namespace anneal
