// What each mutation writes, returns and refuses.
#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/storage/storage_test_support.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

class MutationsTest : public StoreTest {};

TEST_F(MutationsTest, CreateJobStoresEverythingAndTellsOfIt) {
  NewJob job = MakeJob("Häuser 家 🏠 ' \" ; DROP TABLE jobs; --", -7);
  job.spec = std::string("\0\x01\xff binary \0", 12);
  job.warnings = {"first", "second"};
  const auto created = store_->CreateJob(job);
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_TRUE(created->created);
  EXPECT_EQ(created->job.id, 1);
  EXPECT_EQ(created->job.name, job.name);
  EXPECT_EQ(created->job.priority, -7);
  EXPECT_EQ(created->job.spec, job.spec);
  EXPECT_EQ(created->job.spec_sha256, job.spec_sha256);
  EXPECT_EQ(created->job.state, JobState::kQueued);
  EXPECT_EQ(created->job.create_time_us, clock_.NowUs());
  EXPECT_EQ(created->job.start_time_us, 0);
  EXPECT_EQ(created->job.end_time_us, 0);
  EXPECT_EQ(Describe(created->job), Describe(Get(1)));

  const std::string at = std::to_string(clock_.NowUs());
  EXPECT_THAT(DescribeAll(created->events),
              ElementsAre("job 1 #1 at " + at + ": QUEUED  '' attempt 0",
                          "job 1 #2 at " + at + ": warning 'first'",
                          "job 1 #3 at " + at + ": warning 'second'"));
  EXPECT_EQ(DescribeAll(created->events), DescribeAll(Events(1)));
}

TEST_F(MutationsTest, EmptyAndHugeFieldsComeBackAsTheyWere) {
  const JobId empty = Create(NewJob{});
  EXPECT_EQ(Get(empty).spec, "");
  EXPECT_EQ(Get(empty).name, "");

  NewJob job = MakeJob(std::string("nul\0inside", 10));
  job.spec.clear();
  for (size_t i = 0; i < 5'000'000; ++i)
    job.spec.push_back(static_cast<char>(i * 2654435761U >> 13));
  job.priority = std::numeric_limits<int32_t>::min();
  const Job stored = Get(Create(job));
  EXPECT_EQ(stored.name, job.name);
  EXPECT_TRUE(stored.spec == job.spec);
  EXPECT_EQ(stored.priority, job.priority);
}

TEST_F(MutationsTest, SameRequestIdReturnsTheJobMadeThen) {
  NewJob job = MakeJob();
  job.request_id = "request-1";
  const JobId id = Create(job);
  ASSERT_TRUE(store_->BeginAttempt(id, "cpu").ok());

  const auto again = store_->CreateJob(job);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->created);
  EXPECT_THAT(again->events, IsEmpty());
  EXPECT_EQ(Describe(again->job), Describe(Get(id)));
  EXPECT_EQ(again->job.state, JobState::kRunning);
  EXPECT_THAT(*store_->ListJobs({}), SizeIs(1));

  job.spec_sha256 = "another";
  const auto refused = store_->CreateJob(job);
  EXPECT_EQ(Code(refused), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(Says(refused.status(), "request-1")) << refused.status();
  EXPECT_THAT(*store_->ListJobs({}), SizeIs(1));
}

TEST_F(MutationsTest, JobsWithoutRequestIdAreAllNew) { EXPECT_NE(Create(), Create()); }

TEST_F(MutationsTest, AttemptsAreNumberedAndTimed) {
  const JobId id = Create();
  clock_.Advance(10);
  const int64_t first_start = clock_.NowUs();
  const auto first = store_->BeginAttempt(id, "cpu avx2");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->attempt, 1);
  EXPECT_EQ(Describe(first->event),
            "job 1 #2 at " + std::to_string(first_start) + ": RUNNING  '' attempt 1");

  clock_.Advance(10);
  ASSERT_TRUE(store_
                  ->EndAttempt(id, 1,
                               {JobState::kRunning,
                                JobState::kQueued,
                                StopReason::kNone,
                                "stopping",
                                "INTERRUPTED",
                                {}})
                  .ok());
  EXPECT_EQ(Get(id).message, "stopping");
  clock_.Advance(10);
  const auto second = store_->BeginAttempt(id, "cuda");
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->attempt, 2);

  const Job job = Get(id);
  EXPECT_EQ(job.message, "");
  EXPECT_EQ(job.attempt_count, 2);
  EXPECT_EQ(job.start_time_us, first_start);
  ASSERT_THAT(job.attempts, SizeIs(2));
  EXPECT_EQ(job.attempts[0].fingerprint, "cpu avx2");
  EXPECT_EQ(job.attempts[0].outcome, "INTERRUPTED");
  EXPECT_EQ(job.attempts[0].end_time_us, first_start + 10);
  EXPECT_EQ(job.attempts[1].start_time_us, first_start + 20);
  EXPECT_EQ(job.attempts[1].end_time_us, 0);
  EXPECT_EQ(job.attempts[1].outcome, "");
}

TEST_F(MutationsTest, BeginAttemptOnlyFromQueued) {
  for (const JobState state : kAllJobStates) {
    const JobId id = CreateIn(state);
    const size_t events = Events(id).size();
    const auto started = store_->BeginAttempt(id, "cpu");
    if (state == JobState::kQueued) {
      EXPECT_TRUE(started.ok());
    } else {
      EXPECT_EQ(Code(started), absl::StatusCode::kAborted) << JobStateName(state);
      EXPECT_EQ(Get(id).state, state);
      EXPECT_THAT(Events(id), SizeIs(events));
    }
  }
  EXPECT_EQ(Code(store_->BeginAttempt(99, "cpu")), absl::StatusCode::kNotFound);
}

TEST_F(MutationsTest, EpochsKeepEveryValue) {
  const JobId id = CreateIn(JobState::kRunning);
  EpochRecord record = MakeEpoch(1, {{"a_nan", kNan},
                                     {"b_inf", kInfinity},
                                     {"c_minus_inf", -kInfinity},
                                     {"d_zero", -0.0},
                                     {"e_tiny", std::numeric_limits<double>::denorm_min()},
                                     {"f_large", std::numeric_limits<double>::max()},
                                     {"g_whole", 3.0},
                                     {"精度", 0.1}});
  record.attempt = 77;   // filled in by the store
  record.time_us = 123;  // filled in by the store
  clock_.Advance(5);
  const auto event = store_->AppendEpoch(id, 1, record);
  ASSERT_TRUE(event.ok()) << event.status();
  ASSERT_TRUE(event->has_value());
  record.attempt = 1;
  record.time_us = clock_.NowUs();
  record.metrics.at(3).value = 0.0;  // the one thing that is not kept: the sign of zero
  const auto epochs = store_->ListEpochs(EpochsOf(id));
  ASSERT_TRUE(epochs.ok()) << epochs.status();
  EXPECT_THAT(DescribeAll(*epochs), ElementsAre(Describe(record)));
  EXPECT_EQ(Describe(**event),
            "job 1 #3 at " + std::to_string(clock_.NowUs()) + ": " + Describe(record));
  EXPECT_EQ(Describe(Events(id).back()), Describe(**event));
}

TEST_F(MutationsTest, AnEpochIsStoredOnce) {
  const JobId id = CreateIn(JobState::kRunning);
  ASSERT_TRUE(store_->AppendEpoch(id, 1, MakeEpoch(1, {{"loss", 1.0}}))->has_value());
  const auto again = store_->AppendEpoch(id, 1, MakeEpoch(1, {{"loss", 2.0}}));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->has_value());

  ASSERT_TRUE(
      store_
          ->EndAttempt(
              id, 1,
              {JobState::kRunning, JobState::kQueued, StopReason::kNone, "", "INTERRUPTED", {}})
          .ok());
  ASSERT_TRUE(store_->BeginAttempt(id, "cpu").ok());
  EXPECT_FALSE(store_->AppendEpoch(id, 2, MakeEpoch(1, {{"loss", 3.0}, {"new", 0}}))->has_value());
  EXPECT_TRUE(store_->AppendEpoch(id, 2, MakeEpoch(2, {{"loss", 4.0}}))->has_value());

  const auto epochs = store_->ListEpochs(EpochsOf(id));
  ASSERT_THAT(*epochs, SizeIs(2));
  EXPECT_EQ(Describe((*epochs)[0].metrics), Describe({{"loss", 1.0}}));
  EXPECT_EQ((*epochs)[0].attempt, 1);
  EXPECT_EQ((*epochs)[1].attempt, 2);
  // QUEUED, RUNNING, epoch 1, QUEUED, RUNNING, epoch 2.
  EXPECT_THAT(Events(id), SizeIs(6));
}

TEST_F(MutationsTest, EpochsNeedAnActiveJobAndItsOpenAttempt) {
  for (const JobState state : kAllJobStates) {
    const JobId id = CreateIn(state);
    const auto event = store_->AppendEpoch(id, 1, MakeEpoch(1));
    if (IsActive(state)) {
      EXPECT_TRUE(event.ok()) << event.status();
      EXPECT_EQ(Code(store_->AppendEpoch(id, 2, MakeEpoch(2))), absl::StatusCode::kAborted);
    } else {
      EXPECT_EQ(Code(event), absl::StatusCode::kAborted) << JobStateName(state);
      EXPECT_THAT(*store_->ListEpochs(EpochsOf(id)), IsEmpty());
    }
  }
  EXPECT_EQ(Code(store_->AppendEpoch(99, 1, MakeEpoch(1))), absl::StatusCode::kNotFound);
}

TEST_F(MutationsTest, AnEpochThatCannotBeStoredLeavesNothing) {
  const JobId id = CreateIn(JobState::kRunning);
  EXPECT_EQ(Code(store_->AppendEpoch(id, 1, MakeEpoch(1, {{"loss", 1}, {"loss", 2}}))),
            absl::StatusCode::kInternal);
  EXPECT_EQ(Code(store_->AppendEpoch(id, 1, MakeEpoch(0))), absl::StatusCode::kInternal);
  EXPECT_THAT(*store_->ListEpochs(EpochsOf(id)), IsEmpty());
  EXPECT_THAT(Events(id), SizeIs(2));
  EXPECT_TRUE(store_->AppendEpoch(id, 1, MakeEpoch(1))->has_value());
}

TEST_F(MutationsTest, MetricsAreSortedByName) {
  const JobId id = CreateIn(JobState::kRunning);
  const auto event = store_->AppendEpoch(id, 1, MakeEpoch(1, {{"val_loss", 2}, {"accuracy", 1}}));
  const std::string sorted = Describe({{"accuracy", 1}, {"val_loss", 2}});
  EXPECT_EQ(Describe(std::get<EpochRecord>((*event)->what).metrics), sorted);
  EXPECT_EQ(Describe(store_->ListEpochs(EpochsOf(id))->front().metrics), sorted);
}

TEST_F(MutationsTest, Warnings) {
  const JobId id = Create();
  const auto event = store_->AppendWarning(id, "slow ⚠");
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->sequence, 2);
  EXPECT_EQ(DescribeAll(Events(id)).back(), Describe(*event));
  EXPECT_EQ(Code(store_->AppendWarning(99, "x")), absl::StatusCode::kNotFound);
}

TEST_F(MutationsTest, TheCurveOfARangeTestIsKeptToTheLastBit) {
  const JobId id = CreateIn(JobState::kRunning);
  LearningRateCurve curve;
  curve.points = {{1, 1e-5, 2.302585092994046, 2.302585092994046},
                  {2, 0.1 + 0.2, 5e-324, 1.7976931348623157e308},
                  {40, 10, -0.25, 1.0 / 3}};
  curve.valley = 0.1 + 0.7;
  curve.diverged = true;
  AttemptEnd end;
  end.stop_reason = StopReason::kCompleted;
  end.outcome = "SUCCEEDED";
  end.result = TrainingResult{{}, 0, 0, "abc", curve};
  ASSERT_TRUE(store_->EndAttempt(id, 1, end).ok());
  EXPECT_EQ(Get(id).result->learning_rate_curve, curve);
  // Another job has none.
  const JobId other = CreateIn(JobState::kRunning);
  end.result->learning_rate_curve.reset();
  ASSERT_TRUE(store_->EndAttempt(other, 1, end).ok());
  EXPECT_FALSE(Get(other).result->learning_rate_curve.has_value());
}

TEST_F(MutationsTest, EndAttemptStoresTheResultBeforeTheState) {
  const JobId id = CreateIn(JobState::kRunning);
  clock_.Advance(7);
  AttemptEnd end;
  end.stop_reason = StopReason::kEarlyStopped;
  end.message = "val_loss did not improve";
  end.outcome = "SUCCEEDED";
  end.result = TrainingResult{{{"test_loss", kNan}, {"test_accuracy", 0.7}}, 12, 9, "abc"};
  const auto events = store_->EndAttempt(id, 1, end);
  ASSERT_TRUE(events.ok()) << events.status();
  const std::string at = std::to_string(clock_.NowUs());
  EXPECT_THAT(DescribeAll(*events),
              ElementsAre("job 1 #3 at " + at + ": result epochs 12 best 9 weights abc " +
                              Describe({{"test_accuracy", 0.7}, {"test_loss", kNan}}),
                          "job 1 #4 at " + at +
                              ": SUCCEEDED EARLY_STOPPED 'val_loss did not improve' attempt 1"));
  EXPECT_TRUE(IsLast(events->back()));
  const auto replayed = store_->ListEvents(id, 2, 10);
  EXPECT_EQ(DescribeAll(*replayed), DescribeAll(*events));

  const Job job = Get(id);
  EXPECT_EQ(job.state, JobState::kSucceeded);
  EXPECT_EQ(job.stop_reason, StopReason::kEarlyStopped);
  EXPECT_EQ(job.message, end.message);
  EXPECT_EQ(job.end_time_us, clock_.NowUs());
  ASSERT_TRUE(job.result.has_value());
  EXPECT_EQ(job.result->epochs, 12);
  EXPECT_EQ(job.result->best_epoch, 9);
  EXPECT_EQ(job.attempts.at(0).outcome, "SUCCEEDED");
  EXPECT_EQ(job.attempts.at(0).end_time_us, clock_.NowUs());
}

TEST_F(MutationsTest, EndAttemptRefuses) {
  const JobId id = CreateIn(JobState::kRunning);
  const auto code = [&](JobId job, int64_t attempt, const AttemptEnd& end) {
    return Code(store_->EndAttempt(job, attempt, end));
  };
  const TrainingResult result;
  using S = JobState;
  EXPECT_EQ(code(99, 1, {}), absl::StatusCode::kNotFound);
  EXPECT_EQ(code(id, 2, {}), absl::StatusCode::kAborted);
  EXPECT_EQ(code(id, 1,
                 {.from = S::kCancelling,
                  .to = S::kCancelled,
                  .message = {},
                  .outcome = {},
                  .result = {}}),
            absl::StatusCode::kAborted);
  EXPECT_EQ(code(id, 1, {S::kRunning, S::kCancelled, StopReason::kUser, "", "", {}}),
            absl::StatusCode::kInternal);
  EXPECT_EQ(code(id, 1, {S::kRunning, S::kCancelling, StopReason::kNone, "", "", {}}),
            absl::StatusCode::kInternal);
  EXPECT_EQ(code(id, 1, {S::kQueued, S::kCancelled, StopReason::kUser, "", "", {}}),
            absl::StatusCode::kInternal);
  EXPECT_EQ(code(id, 1, {S::kRunning, S::kQueued, StopReason::kUser, "", "", {}}),
            absl::StatusCode::kInternal);
  EXPECT_EQ(code(id, 1, {S::kRunning, S::kQueued, StopReason::kNone, "", "", result}),
            absl::StatusCode::kInternal);
  // Nothing of all that has happened.
  EXPECT_EQ(Get(id).state, S::kRunning);
  EXPECT_FALSE(Get(id).result.has_value());
  EXPECT_EQ(Get(id).attempts.at(0).end_time_us, 0);
  EXPECT_THAT(Events(id), SizeIs(2));
}

// Every pair of states: allowed exactly where a transition leads there and no attempt begins or
// ends.
TEST_F(MutationsTest, ChangeStateFollowsTheTransitions) {
  for (const JobState from : kAllJobStates) {
    for (const JobState to : kAllJobStates) {
      bool legal = false;
      for (const JobTransition transition : kAllJobTransitions) {
        legal |= NextState(from, transition) == to;
      }
      const JobId id = CreateIn(from);
      const size_t before = Events(id).size();
      const StopReason reason = IsTerminal(to) ? StopReason::kUser : StopReason::kNone;
      const auto event = store_->ChangeState(id, from, to, reason, "why");
      const std::string pair =
          std::string(JobStateName(from)) + " -> " + std::string(JobStateName(to));
      if (legal && IsActive(from) == IsActive(to)) {
        ASSERT_TRUE(event.ok()) << pair << event.status();
        EXPECT_EQ(Get(id).state, to);
        EXPECT_EQ(Get(id).message, "why");
        EXPECT_EQ(Get(id).end_time_us != 0, IsTerminal(to)) << pair;
        EXPECT_EQ(Describe(Events(id).back()), Describe(*event));
        EXPECT_EQ(event->sequence, static_cast<int64_t>(before) + 1);
      } else {
        EXPECT_EQ(Code(event), absl::StatusCode::kInternal) << pair;
        EXPECT_EQ(Get(id).state, from) << pair;
        EXPECT_THAT(Events(id), SizeIs(before)) << pair;
      }
    }
  }
}

TEST_F(MutationsTest, ChangeStateNeedsTheExpectedState) {
  const JobId id = CreateIn(JobState::kRunning);
  const auto aborted =
      store_->ChangeState(id, JobState::kQueued, JobState::kCancelled, StopReason::kUser, "");
  EXPECT_EQ(Code(aborted), absl::StatusCode::kAborted);
  EXPECT_TRUE(Says(aborted.status(), "RUNNING")) << aborted.status();
  EXPECT_EQ(
      Code(store_->ChangeState(99, JobState::kQueued, JobState::kCancelled, StopReason::kUser, "")),
      absl::StatusCode::kNotFound);
  EXPECT_EQ(
      Code(store_->ChangeState(id, JobState::kRunning, JobState::kPausing, StopReason::kUser, "")),
      absl::StatusCode::kInternal);
}

TEST_F(MutationsTest, RecoverInterruptedFromEveryState) {
  std::vector<std::pair<JobId, JobState>> jobs;
  for (const JobState state : kAllJobStates) jobs.emplace_back(CreateIn(state), state);
  std::vector<std::string> before;
  for (const auto& [id, state] : jobs) before.push_back(Describe(Get(id)));
  Open();
  clock_.Advance(1000);

  const auto changed = store_->RecoverInterrupted(0);
  ASSERT_TRUE(changed.ok()) << changed.status();
  std::vector<JobId> expected;
  for (size_t i = 0; i < jobs.size(); ++i) {
    const auto& [id, state] = jobs[i];
    const Job job = Get(id);
    const auto next = NextState(state, JobTransition::kInterrupt);
    if (!next) {
      EXPECT_EQ(Describe(job), before[i]);
      continue;
    }
    expected.push_back(id);
    EXPECT_EQ(job.state, *next);
    EXPECT_EQ(job.stop_reason, IsTerminal(*next) ? StopReason::kUser : StopReason::kNone);
    EXPECT_EQ(job.attempts.at(0).outcome, "INTERRUPTED");
    // No more is known of it than its last event.
    EXPECT_EQ(job.attempts.at(0).end_time_us, clock_.NowUs() - 1000);
    const JobEvent last = Events(id).back();
    EXPECT_EQ(std::get<JobEvent::StateChange>(last.what).state, *next);
    EXPECT_EQ(std::get<JobEvent::StateChange>(last.what).attempt, 1);
  }
  EXPECT_EQ(*changed, expected);
  EXPECT_THAT(*changed, SizeIs(3));
  EXPECT_THAT(*store_->RecoverInterrupted(0), IsEmpty());
}

TEST_F(MutationsTest, OnlyEndedJobsAreDeletedWithAllTheirRows) {
  for (const JobState state : kAllJobStates) {
    const JobId id = CreateIn(state);
    const absl::Status deleted = store_->DeleteJob(id).status();
    if (!IsTerminal(state)) {
      EXPECT_EQ(Code(deleted), absl::StatusCode::kFailedPrecondition);
      EXPECT_TRUE(Says(deleted, std::string(JobStateName(state)))) << deleted;
      EXPECT_EQ(Get(id).state, state);
      continue;
    }
    EXPECT_TRUE(deleted.ok()) << deleted;
    EXPECT_EQ(Code(store_->GetJob(id)), absl::StatusCode::kNotFound);
    EXPECT_EQ(Code(store_->ListEvents(id, 0, 10)), absl::StatusCode::kNotFound);
    EXPECT_EQ(Code(store_->ListEpochs(EpochsOf(id))), absl::StatusCode::kNotFound);
    EXPECT_EQ(Code(store_->DeleteJob(id)), absl::StatusCode::kNotFound);
  }
}

TEST_F(MutationsTest, ADeletedJobLeavesNoRowAndTakesNoOtherWithIt) {
  const auto run = [&] {
    const JobId id = CreateIn(JobState::kRunning);
    EXPECT_TRUE(store_->AppendEpoch(id, 1, MakeEpoch(1)).ok());
    EXPECT_TRUE(
        store_
            ->EndAttempt(
                id, 1,
                {JobState::kRunning, JobState::kSucceeded, StopReason::kCompleted, "", "SUCCEEDED",
                 TrainingResult{{{"test_loss", 1}},
                                1,
                                0,
                                "sha",
                                LearningRateCurve{{{1, 0.1, 2, 2}}, {}, {}, {}, false}}})
            .ok());
    return id;
  };
  const JobId deleted = run();
  const JobId kept = run();
  ASSERT_TRUE(store_->DeleteJob(deleted).ok());
  SQLite::Database database(path_);
  for (const std::string table :
       {"specs", "attempts", "epochs", "epoch_metrics", "results", "result_metrics", "events",
        "learning_rate_curves", "learning_rate_points"}) {
    const std::string count = "SELECT count(*) FROM " + table + " WHERE job_id = ";
    EXPECT_EQ(database.execAndGet(count + std::to_string(deleted)).getInt(), 0) << table;
    EXPECT_GT(database.execAndGet(count + std::to_string(kept)).getInt(), 0) << table;
  }
}

TEST_F(MutationsTest, IdsAreNeverGivenAgain) {
  NewJob job = MakeJob();
  job.request_id = "r";
  const JobId last = Create(job);
  ASSERT_TRUE(
      store_->ChangeState(last, JobState::kQueued, JobState::kCancelled, StopReason::kUser, "")
          .ok());
  ASSERT_TRUE(store_->DeleteJob(last).ok());
  Open();
  // The request id went with the job.
  EXPECT_EQ(Create(job), last + 1);
}

}  // namespace
}  // namespace anneal
