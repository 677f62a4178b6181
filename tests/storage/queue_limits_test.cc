// How many jobs may wait, of all and of one owner.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/storage/both_stores.h"

namespace anneal {
namespace {

using testing::SizeIs;

NewJob Of(const std::string& owner, const QueueLimits& limits) {
  NewJob job = MakeJob();
  job.owner = owner;
  job.queue_limits = limits;
  return job;
}

class QueueLimitsTest : public BothStoresTest {
 protected:
  bool IsTaken(const NewJob& job) {
    const size_t before = store().ListJobs({})->size();
    const auto created = store().CreateJob(job);
    if (created.ok()) return true;
    EXPECT_EQ(Code(created), absl::StatusCode::kFailedPrecondition) << created.status();
    EXPECT_THAT(*store().ListJobs({}), SizeIs(before));  // nothing of it
    return false;
  }
};

ANNEAL_BOTH_STORES(QueueLimitsTest);

TEST_P(QueueLimitsTest, UpToTheLimitAndNoFurther) {
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(IsTaken(Of("a", {3, 0}))) << i;
  EXPECT_FALSE(IsTaken(Of("a", {3, 0})));
  EXPECT_FALSE(IsTaken(Of("b", {3, 0})));
  EXPECT_FALSE(IsTaken(Of("b", {1, 0})));  // limits are those of the call
  EXPECT_TRUE(IsTaken(Of("b", {4, 0})));
  EXPECT_TRUE(IsTaken(Of("b", {0, 0})));  // none
}

TEST_P(QueueLimitsTest, OfEachOwnerAlone) {
  for (const char* owner : {"a", "b", ""}) {
    EXPECT_TRUE(IsTaken(Of(owner, {0, 2}))) << owner;
    EXPECT_TRUE(IsTaken(Of(owner, {0, 2}))) << owner;
    EXPECT_FALSE(IsTaken(Of(owner, {0, 2}))) << owner;
  }
  EXPECT_TRUE(IsTaken(Of("A", {0, 2})));  // another one than "a"
  EXPECT_FALSE(IsTaken(Of("c", {7, 2})));
  EXPECT_TRUE(IsTaken(Of("c", {8, 2})));
}

TEST_P(QueueLimitsTest, OnlyWhatWaitsCounts) {
  for (const JobState state : kAllJobStates) MakeIn(state);  // QUEUED and PAUSED wait
  EXPECT_FALSE(IsTaken(Of("", {2, 0})));
  EXPECT_FALSE(IsTaken(Of("", {0, 2})));
  EXPECT_TRUE(IsTaken(Of("", {3, 3})));
  // Who starts makes room, and takes it again when it comes back.
  const JobId id = store().ListJobs({})->front().id;
  Begin(id);
  EXPECT_TRUE(IsTaken(Of("", {3, 3})));
  EndBy(id, JobState::kRunning, JobState::kQueued);
  EXPECT_FALSE(IsTaken(Of("", {4, 4})));
  EXPECT_TRUE(IsTaken(Of("", {5, 5})));
}

TEST_P(QueueLimitsTest, ASweepCountsItsTrials) {
  const auto sweep = [](int trials, const QueueLimits& limits) {
    NewJob job = MakeSweep(trials);
    job.owner = "a";
    job.queue_limits = limits;
    return job;
  };
  EXPECT_FALSE(IsTaken(sweep(4, {3, 0})));
  EXPECT_FALSE(IsTaken(sweep(4, {0, 3})));
  EXPECT_TRUE(IsTaken(sweep(4, {4, 4})));
  EXPECT_FALSE(IsTaken(Of("a", {4, 0})));
  EXPECT_FALSE(IsTaken(Of("a", {0, 4})));  // its trials are its owner's
  EXPECT_TRUE(IsTaken(Of("a", {5, 5})));   // the sweep itself does not count
}

TEST_P(QueueLimitsTest, ARequestThatWasAnsweredIsAnsweredAgain) {
  NewJob job = Of("a", {1, 1});
  job.request_id = "once";
  const JobId id = Make(job);
  EXPECT_FALSE(IsTaken(Of("a", {1, 1})));
  const auto again = store().CreateJob(job);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->created);
  EXPECT_EQ(again->job.id, id);
  // What was refused has not used its request id up.
  NewJob other = Of("a", {1, 1});
  other.request_id = "twice";
  EXPECT_FALSE(IsTaken(other));
  other.queue_limits = {};
  EXPECT_TRUE(store().CreateJob(other)->created);
}

class QueueLimitTextTest : public StoreTest {};

TEST_F(QueueLimitTextTest, SaysWhichLimitAndWhose) {
  for (int i = 0; i < 2; ++i) Create(Of("ada", {}));
  Create(Of("bob", {}));
  const absl::Status all = store_->CreateJob(Of("ada", {3, 2})).status();
  EXPECT_TRUE(Says(all, "3 jobs wait already")) << all;
  EXPECT_TRUE(Says(all, "limit of 3")) << all;
  const absl::Status own = store_->CreateJob(Of("ada", {4, 2})).status();
  EXPECT_TRUE(Says(own, "2 jobs of \"ada\" wait already")) << own;
  EXPECT_TRUE(Says(own, "limit of 2")) << own;
  NewJob sweep = MakeSweep(5);
  sweep.queue_limits.jobs = 7;
  const absl::Status trials = store_->CreateJob(sweep).status();
  EXPECT_TRUE(Says(trials, "5 more")) << trials;
  Create(MakeJob());
  NewJob nobodys = MakeJob();
  nobodys.queue_limits.jobs_of_owner = 1;
  const absl::Status unnamed = store_->CreateJob(nobodys).status();
  EXPECT_TRUE(Says(unnamed, "1 jobs without an owner wait already")) << unnamed;
}

// However many ask at once, and whatever group they are committed in.
TEST_F(QueueLimitTextTest, ExactUnderARush) {
  constexpr int kThreads = 8;
  constexpr int64_t kLimit = 20;
  std::vector<int64_t> taken(kThreads, 0);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 10; ++n)
        taken[static_cast<size_t>(i)] += store_->CreateJob(Of("a", {0, kLimit})).ok() ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  int64_t total = 0;
  for (const int64_t count : taken) total += count;
  EXPECT_EQ(total, kLimit);
  EXPECT_THAT(*store_->ListQueued(), SizeIs(kLimit));
}

}  // namespace
}  // namespace anneal
