#include "server/scheduler/work_list.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace anneal {
namespace {

TEST(WorkListTest, GivesTheFirstAndShowsWhoHasWhat) {
  WorkList work;
  EXPECT_TRUE(work.Push(1, 0));
  EXPECT_TRUE(work.Push(2, 5));
  EXPECT_FALSE(work.Push(2, 5));
  EXPECT_EQ(work.Position(2), 1);
  EXPECT_EQ(work.Position(1), 2);
  const std::shared_ptr<RunningJob> job = work.Take();
  EXPECT_EQ(job->id, 2);
  EXPECT_EQ(job->priority, 5);
  EXPECT_EQ(work.Running(2), job);
  EXPECT_EQ(work.Running(1), nullptr);
  EXPECT_EQ(work.Position(2), 0);
  EXPECT_EQ(work.GetCounts().running, 1);
  EXPECT_EQ(work.GetCounts().queued, 1);
  work.PutDown(*job, /*again=*/false);
  EXPECT_EQ(work.GetCounts().running, 0);
  EXPECT_EQ(work.Position(2), 0);
}

TEST(WorkListTest, PutDownToRunAgainItWaits) {
  WorkList work;
  work.Push(1, 7);
  work.PutDown(*work.Take(), /*again=*/true);
  EXPECT_EQ(work.Position(1), 1);
  EXPECT_EQ(work.Take()->priority, 7);
}

// What happens while a worker has the job counts more than what the worker says.
TEST(WorkListTest, TheLastThatHappenedToAJobDecides) {
  for (const bool again : {false, true}) {
    WorkList work;
    work.Push(1, 0);
    std::shared_ptr<RunningJob> job = work.Take();
    EXPECT_FALSE(work.Push(1, 0));
    work.PutDown(*job, again);
    EXPECT_EQ(work.Position(1), 1) << "pushed while a worker had it";

    job = work.Take();
    work.Withdraw(1, /*waits_no_more=*/true);
    EXPECT_TRUE(job->stop.stop_requested());
    work.PutDown(*job, again);
    EXPECT_EQ(work.Position(1), 0) << "withdrawn";

    work.Push(1, 0);
    job = work.Take();
    work.Withdraw(1, true);
    work.Push(1, 0);
    work.PutDown(*job, again);
    EXPECT_EQ(work.Position(1), 1) << "withdrawn, then pushed";
  }
}

TEST(WorkListTest, OneThatIsOnlyAskedToStopGoesWhereTheWorkerSays) {
  WorkList work;
  work.Push(1, 0);
  work.Push(2, 0);
  const std::shared_ptr<RunningJob> job = work.Take();
  work.Withdraw(1, /*waits_no_more=*/false);
  work.Withdraw(2, false);
  EXPECT_TRUE(job->stop.stop_requested());
  EXPECT_EQ(work.Position(2), 1) << "it waits, and nobody runs it";
  work.PutDown(*job, true);
  EXPECT_EQ(work.Position(1), 1);
}

TEST(WorkListTest, RemoveIsOfTheQueueAlone) {
  WorkList work;
  work.Push(1, 0);
  EXPECT_TRUE(work.Remove(1));
  EXPECT_FALSE(work.Remove(1));
  work.Push(1, 0);
  const std::shared_ptr<RunningJob> job = work.Take();
  EXPECT_FALSE(work.Remove(1));
  EXPECT_FALSE(job->stop.stop_requested());
}

TEST(WorkListTest, StopEndsWaitingAndAsksEveryWorker) {
  WorkList work;
  work.Push(1, 0);
  const std::shared_ptr<RunningJob> job = work.Take();
  std::thread waiting([&] { EXPECT_EQ(work.Take(), nullptr); });
  work.Stop();
  waiting.join();
  EXPECT_TRUE(work.stopped());
  EXPECT_TRUE(job->stop.stop_requested());
  work.Push(2, 0);
  EXPECT_EQ(work.Take(), nullptr);
}

}  // namespace
}  // namespace anneal
