// Attempts that nobody asked to end: counted, forgiven where the job comes forward, ended where it
// never does. And where an attempt's time went.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/storage/both_stores.h"
#include "tests/storage/prediction_test_support.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

AttemptEnd Restart() {
  AttemptEnd end = End(JobState::kRunning, JobState::kQueued);
  end.outcome = "FAILED";
  end.is_restart = true;
  return end;
}

class RestartsTest : public BothStoresTest {
 protected:
  int64_t Restarts(JobId id) { return Read(id).restarts; }

  // The daemon ends while the job runs, so many times.
  void Crash(JobId id, int64_t times, int64_t max_restarts = 0) {
    for (int64_t i = 0; i < times; ++i) {
      Begin(id);
      const auto changed = store().RecoverInterrupted(max_restarts);
      ASSERT_TRUE(changed.ok()) << changed.status();
      ASSERT_THAT(*changed, ElementsAre(id));
    }
  }
};

ANNEAL_BOTH_STORES(RestartsTest);

TEST_P(RestartsTest, AreCounted) {
  const JobId id = Make();
  const JobId other = Make();
  EXPECT_EQ(Restarts(id), 0);
  Crash(id, 2);
  EXPECT_EQ(Restarts(id), 2);
  const int64_t attempt = Begin(id);
  ASSERT_TRUE(store().EndAttempt(id, attempt, Restart()).ok());
  EXPECT_EQ(Restarts(id), 3);
  EXPECT_EQ(Read(id).state, JobState::kQueued);
  EXPECT_EQ(store().ListJobs({})->back().restarts, 3);
  EXPECT_EQ(store().ListQueued()->front().restarts, 3);
  EXPECT_EQ(Restarts(other), 0);
}

TEST_P(RestartsTest, WhatWasAskedForIsNone) {
  const JobId id = Start();
  EndBy(id, JobState::kRunning, JobState::kQueued);  // the daemon was stopped in order
  EXPECT_EQ(Restarts(id), 0);
  const int64_t attempt = Begin(id);
  Change(id, JobState::kRunning, JobState::kPausing);
  ASSERT_TRUE(store().EndAttempt(id, attempt, End(JobState::kPausing, JobState::kPaused)).ok());
  Change(id, JobState::kPaused, JobState::kQueued);
  EXPECT_EQ(Restarts(id), 0);
}

TEST_P(RestartsTest, OnlyTheQueueIsWhereARestartLeads) {
  const JobId id = Start();
  AttemptEnd end = Restart();
  end.to = JobState::kFailed;
  EXPECT_EQ(Code(store().EndAttempt(id, 1, end)), absl::StatusCode::kInternal);
  EXPECT_EQ(Read(id).state, JobState::kRunning);
  EXPECT_EQ(Restarts(id), 0);
}

TEST_P(RestartsTest, ANewEpochForgivesThem) {
  const JobId id = Make();
  Crash(id, 3);
  int64_t attempt = Begin(id);
  ASSERT_TRUE(store().AppendEpoch(id, attempt, MakeEpoch(1))->has_value());
  EXPECT_EQ(Restarts(id), 0);
  ASSERT_TRUE(store().EndAttempt(id, attempt, Restart()).ok());
  attempt = Begin(id);
  // One that is stored already is no step forward.
  ASSERT_FALSE(store().AppendEpoch(id, attempt, MakeEpoch(1))->has_value());
  EXPECT_EQ(Restarts(id), 1);
}

TEST_P(RestartsTest, AStateForgivesThem) {
  const JobId id = Make();
  Crash(id, 3);
  const int64_t attempt = Begin(id);
  ASSERT_TRUE(store().AppendTrainingState(id, attempt, {"a", 0, 5, 10, "sha", "cpu"}).ok());
  EXPECT_EQ(Restarts(id), 0);
}

TEST_P(RestartsTest, PredictionsForgiveThem) {
  NewJob wanted = MakeJob();
  wanted.kind = JobKind::kPrediction;
  wanted.model_job_id = MakeIn(JobState::kSucceeded);
  const JobId id = Make(wanted);
  Crash(id, 2);
  const int64_t attempt = Begin(id);
  const PredictionSet set = MakePredictionSet(6);
  ASSERT_TRUE(store().BeginPredictions(id, attempt, set).ok());
  EXPECT_EQ(Restarts(id), 2);
  ASSERT_TRUE(store().AppendPredictions(id, attempt, MakeRandomChunk(set, set.begin, 4)).ok());
  EXPECT_EQ(Restarts(id), 0);
  ASSERT_TRUE(store().EndAttempt(id, attempt, Restart()).ok());
  const int64_t next = Begin(id);
  ASSERT_TRUE(store()
                  .AppendPredictions(id, next, MakeRandomChunk(set, set.begin, 4))
                  .ok());  // stored already
  EXPECT_EQ(Restarts(id), 1);
  ASSERT_TRUE(store().AppendPredictions(id, next, MakeRandomChunk(set, set.begin + 4, 2)).ok());
  EXPECT_EQ(Restarts(id), 0);
}

TEST_P(RestartsTest, TooManyAreTheEnd) {
  const JobId id = Make();
  const int64_t first = Begin(id);
  ASSERT_TRUE(store().AppendTrainingState(id, first, {"a", 1, 0, 10, "sha", "cpu"}).ok());
  for (int64_t i = 1; i <= 3; ++i) {
    ASSERT_THAT(*store().RecoverInterrupted(3), ElementsAre(id));
    EXPECT_EQ(Read(id).state, JobState::kQueued) << i;
    EXPECT_EQ(Restarts(id), i);
    Begin(id);
  }
  EXPECT_THAT(*store().ListTrainingStates(id), SizeIs(1));
  clock_.Advance(77);
  ASSERT_THAT(*store().RecoverInterrupted(3), ElementsAre(id));
  const Job job = Read(id);
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_EQ(job.stop_reason, StopReason::kTooManyRestarts);
  EXPECT_EQ(job.end_time_us, clock_.NowUs());
  EXPECT_EQ(job.attempts.back().outcome, "INTERRUPTED");
  EXPECT_EQ(job.attempts.back().end_time_us, clock_.NowUs() - 77);
  const auto end = std::get<JobEvent::StateChange>(EventsOf(id).back().what);
  EXPECT_EQ(end.state, JobState::kFailed);
  EXPECT_EQ(end.stop_reason, StopReason::kTooManyRestarts);
  EXPECT_EQ(end.attempt, 4);
  EXPECT_THAT(*store().ListTrainingStates(id), IsEmpty());
  EXPECT_THAT(*store().RecoverInterrupted(3), IsEmpty());
}

TEST_P(RestartsTest, NoLimitIsNoEnd) {
  const JobId id = Make();
  Crash(id, 50, 0);
  EXPECT_EQ(Read(id).state, JobState::kQueued);
  EXPECT_EQ(Restarts(id), 50);
}

// Who was asked to stop does so, however often it was restarted before.
TEST_P(RestartsTest, WhatWasBeingStoppedIsStopped) {
  const JobId pausing = Make();
  const JobId cancelling = Make();
  Crash(pausing, 5);
  Crash(cancelling, 5);
  Begin(pausing);
  Change(pausing, JobState::kRunning, JobState::kPausing);
  Begin(cancelling);
  Change(cancelling, JobState::kRunning, JobState::kCancelling);
  ASSERT_THAT(*store().RecoverInterrupted(1), ElementsAre(pausing, cancelling));
  EXPECT_EQ(Read(pausing).state, JobState::kPaused);
  EXPECT_EQ(Read(cancelling).state, JobState::kCancelled);
  EXPECT_EQ(Read(cancelling).stop_reason, StopReason::kUser);
}

TEST_P(RestartsTest, SweepsHaveNone) {
  const JobId sweep = Make(MakeSweep(1));
  Begin(sweep);
  Begin(sweep + 1);
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(*store().RecoverInterrupted(2), ElementsAre(sweep + 1));
    if (i < 2) Begin(sweep + 1);
  }
  EXPECT_EQ(Read(sweep).state, JobState::kRunning);
  EXPECT_EQ(Restarts(sweep), 0);
  EXPECT_EQ(Read(sweep + 1).stop_reason, StopReason::kTooManyRestarts);
}

TEST_P(RestartsTest, WhereTheTimeOfAnAttemptWent) {
  const JobId id = Start();
  EXPECT_FALSE(Read(id).attempts.at(0).time_spent.has_value());
  AttemptEnd end = End(JobState::kRunning, JobState::kQueued);
  end.time_spent = TimeSpent{1, 9'000'000'000'000, 3, 4};
  ASSERT_TRUE(store().EndAttempt(id, 1, end).ok());
  Begin(id);
  ASSERT_TRUE(store().RecoverInterrupted(0).ok());
  Begin(id);
  end.time_spent = TimeSpent{};
  ASSERT_TRUE(store().EndAttempt(id, 3, end).ok());
  const Job job = Read(id);
  ASSERT_THAT(job.attempts, SizeIs(3));
  EXPECT_EQ(job.attempts[0].time_spent, (TimeSpent{1, 9'000'000'000'000, 3, 4}));
  EXPECT_EQ(job.attempts[1].time_spent, std::nullopt);  // it did not end in order
  EXPECT_EQ(job.attempts[2].time_spent, TimeSpent{});   // nothing was spent, which is known
}

}  // namespace
}  // namespace anneal
