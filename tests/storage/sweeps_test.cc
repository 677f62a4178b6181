// Sweeps and their trials: made together, told of once, deleted together.
#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cmath>
#include <limits>

#include "storage/migrations/v1.h"
#include "storage/schema.h"
#include "storage/sql.h"
#include "tests/storage/fault_vfs.h"
#include "tests/storage/storage_test_support.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class SweepsTest : public StoreTest {
 protected:
  std::vector<TrialRow> Trials(JobId sweep_id, const std::string& monitor = "",
                               bool larger_is_better = false) {
    const auto trials = store_->ListTrials({sweep_id, monitor, larger_is_better});
    EXPECT_TRUE(trials.ok()) << trials.status();
    return trials.ok() ? *trials : std::vector<TrialRow>();
  }

  std::vector<std::string> Ends(const std::vector<JobEvent>& events) {
    std::vector<std::string> texts;
    for (const JobEvent& event : events) {
      const std::string text = Describe(event);
      texts.push_back(text.substr(text.find(": ") + 2));
    }
    return texts;
  }
};

TEST_F(SweepsTest, IsMadeWithItsTrials) {
  Create("before");
  const auto created = store_->CreateJob(MakeSweep(3, "lr", 5));
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(created->job.id, 2);
  EXPECT_EQ(created->job.kind, JobKind::kSweep);
  EXPECT_FALSE(created->job.trial.has_value());
  EXPECT_THAT(created->trials, ElementsAre(3, 4, 5));
  const Job second = Get(4);
  EXPECT_EQ(second.kind, JobKind::kTraining);
  EXPECT_EQ(second.name, "lr/2");
  EXPECT_EQ(second.priority, 5);
  EXPECT_EQ(second.spec, "spec of trial 2");
  ASSERT_TRUE(second.trial.has_value());
  EXPECT_EQ(second.trial->sweep_id, 2);
  EXPECT_EQ(second.trial->number, 2);
  EXPECT_THAT(second.trial->settings, ElementsAre(TrialSetting{"training.batch_size", "2"}));
  EXPECT_THAT(Events(4), SizeIs(1));
  EXPECT_EQ(Get(1).kind, JobKind::kTraining);
  EXPECT_FALSE(Get(1).trial.has_value());
  // Its trials wait for workers, it does not.
  EXPECT_THAT(Ids(*store_->ListQueued()), ElementsAre(3, 4, 5, 1));
}

TEST_F(SweepsTest, ARequestIdMakesOneSweepAndOneSetOfTrials) {
  NewJob sweep = MakeSweep(3);
  sweep.request_id = "once";
  ASSERT_TRUE(store_->CreateJob(sweep)->created);
  const auto again = store_->CreateJob(sweep);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->created);
  EXPECT_EQ(again->job.id, 1);
  EXPECT_THAT(again->trials, ElementsAre(2, 3, 4));
  EXPECT_THAT(*store_->ListJobs({}), SizeIs(4));
}

TEST_F(SweepsTest, ListsOfOneSweepsTrials) {
  Create(MakeSweep(4, "a"));
  Create(MakeSweep(2, "b"));
  const auto list = [&](JobQuery query) { return Ids(*store_->ListJobs(query)); };
  JobQuery query;
  query.sweep_id = 1;
  EXPECT_THAT(list(query), ElementsAre(5, 4, 3, 2));
  query.before_id = 4;
  EXPECT_THAT(list(query), ElementsAre(3, 2));
  query.limit = 1;
  EXPECT_THAT(list(query), ElementsAre(3));
  query = {.states = {JobState::kRunning, JobState::kSucceeded}, .name_contains = ""};
  query.sweep_id = 1;
  EXPECT_THAT(list(query), IsEmpty());
  RunTo(3, JobState::kSucceeded, "loss", {1});
  ASSERT_TRUE(store_->BeginAttempt(5, "").ok());
  ASSERT_TRUE(store_->BeginAttempt(8, "").ok());
  EXPECT_THAT(list(query), ElementsAre(5, 3));
  query.limit = 1;  // of those in these states
  query.before_id = 5;
  EXPECT_THAT(list(query), ElementsAre(3));
  query = {};
  query.sweep_id = 6;
  query.name_contains = "/2";
  EXPECT_THAT(list(query), ElementsAre(8));
  EXPECT_THAT(store_->ListJobs(query)->front().trial->settings,
              ElementsAre(TrialSetting{"training.batch_size", "2"}));
  query.sweep_id = 99;
  EXPECT_THAT(list(query), IsEmpty());
}

TEST_F(SweepsTest, TheBestEpochOfEachTrial) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Create(MakeSweep(5));
  RunTo(2, JobState::kSucceeded, "val_loss", {3, 1, 2, 1});
  RunTo(3, JobState::kFailed, "val_loss", {kNan, -kInfinity, 7, kInfinity});
  RunTo(4, JobState::kFailed, "val_loss", {kNan, kInfinity});
  RunTo(5, JobState::kSucceeded, "loss", {0.5});
  std::vector<TrialRow> trials = Trials(1, "val_loss");
  ASSERT_THAT(trials, SizeIs(5));
  EXPECT_EQ(trials[0].id, 2);
  EXPECT_EQ(trials[0].number, 1);
  EXPECT_EQ(trials[0].state, JobState::kSucceeded);
  EXPECT_TRUE(trials[0].started);
  EXPECT_EQ(trials[0].best, 1);
  EXPECT_EQ(trials[0].best_epoch, 2);  // the first of equals
  EXPECT_EQ(trials[1].best, 7);
  EXPECT_EQ(trials[1].best_epoch, 3);
  EXPECT_EQ(trials[1].stop_reason, StopReason::kDiverged);
  for (size_t i = 2; i < 5; ++i) {
    EXPECT_EQ(trials[i].best, std::nullopt) << i;
    EXPECT_EQ(trials[i].best_epoch, 0) << i;
  }
  EXPECT_FALSE(trials[4].started);
  EXPECT_THAT(trials[4].settings, ElementsAre(TrialSetting{"training.batch_size", "5"}));

  trials = Trials(1, "val_loss", /*larger_is_better=*/true);
  EXPECT_EQ(trials[0].best, 3);
  EXPECT_EQ(trials[0].best_epoch, 1);
  EXPECT_EQ(trials[1].best, 7);
  EXPECT_THAT(Trials(99), IsEmpty());
}

TEST_F(SweepsTest, TheEndOfATrialIsToldOnce) {
  Create(MakeSweep(3));
  EXPECT_THAT(*store_->AppendTrialEnds(1), IsEmpty());
  RunTo(3, JobState::kFailed, "loss", {});
  RunTo(2, JobState::kSucceeded, "loss", {});
  EXPECT_FALSE(Trials(1)[0].end_told);
  EXPECT_THAT(Ends(*store_->AppendTrialEnds(1)),
              ElementsAre("trial 1 (job 2) SUCCEEDED", "trial 2 (job 3) FAILED"));
  EXPECT_TRUE(Trials(1)[0].end_told);
  EXPECT_FALSE(Trials(1)[2].end_told);
  EXPECT_THAT(*store_->AppendTrialEnds(1), IsEmpty());
  Open();
  EXPECT_THAT(*store_->AppendTrialEnds(1), IsEmpty());
  RunTo(4, JobState::kSucceeded, "loss", {});
  EXPECT_THAT(*store_->AppendTrialEnds(1), SizeIs(1));
  EXPECT_THAT(DescribeAll(Events(1)), SizeIs(4));
  EXPECT_THAT(Ends(Events(1)).back(), "trial 3 (job 4) SUCCEEDED");
  EXPECT_EQ(Code(store_->AppendTrialEnds(99)), absl::StatusCode::kNotFound);
}

TEST_F(SweepsTest, NothingIsToldAfterTheEnd) {
  Create(MakeSweep(1));
  ASSERT_TRUE(
      store_->ChangeState(1, JobState::kQueued, JobState::kCancelled, StopReason::kUser, "").ok());
  ASSERT_TRUE(store_->CancelWaitingTrials(1).ok());
  EXPECT_THAT(*store_->AppendTrialEnds(1), IsEmpty());
  EXPECT_TRUE(IsLast(Events(1).back()));
}

TEST_F(SweepsTest, CancelsTheTrialsThatWait) {
  Create(MakeSweep(4));
  Create("other");
  RunTo(2, JobState::kSucceeded, "loss", {});
  ASSERT_TRUE(store_->BeginAttempt(3, "").ok());
  const auto events = store_->CancelWaitingTrials(1);
  ASSERT_TRUE(events.ok()) << events.status();
  ASSERT_THAT(*events, SizeIs(2));
  EXPECT_EQ((*events)[0].job_id, 4);
  EXPECT_EQ((*events)[1].job_id, 5);
  for (const JobId id : {4, 5}) {
    EXPECT_EQ(Get(id).state, JobState::kCancelled);
    EXPECT_EQ(Get(id).stop_reason, StopReason::kUser);
    EXPECT_THAT(Events(id), SizeIs(2));
  }
  EXPECT_EQ(Get(3).state, JobState::kRunning);
  EXPECT_EQ(Get(6).state, JobState::kQueued);
  EXPECT_THAT(*store_->CancelWaitingTrials(1), IsEmpty());
  EXPECT_EQ(Code(store_->CancelWaitingTrials(99)), absl::StatusCode::kNotFound);
}

TEST_F(SweepsTest, RecoveryLeavesSweepsToTheirTrials) {
  Create(MakeSweep(1));
  ASSERT_TRUE(store_->BeginAttempt(1, "sweep").ok());
  ASSERT_TRUE(store_->BeginAttempt(2, "cpu").ok());
  EXPECT_THAT(*store_->RecoverInterrupted(0), ElementsAre(2));
  EXPECT_EQ(Get(1).state, JobState::kRunning);
  EXPECT_EQ(Get(1).attempts.at(0).end_time_us, 0);
  EXPECT_EQ(Get(2).state, JobState::kQueued);
}

TEST_F(SweepsTest, OpenOnesHaveNotEndedOrHaveATrialThatHasNot) {
  Create("training");
  const JobId waits = Create(MakeSweep(1)), half_cancelled = Create(MakeSweep(2)),
              ended = Create(MakeSweep(1));
  for (const JobId id : {half_cancelled, ended}) {
    ASSERT_TRUE(
        store_->ChangeState(id, JobState::kQueued, JobState::kCancelled, StopReason::kUser, "")
            .ok());
  }
  ASSERT_TRUE(store_->CancelWaitingTrials(ended).ok());
  EXPECT_THAT(*store_->ListOpenSweeps(), ElementsAre(waits, half_cancelled));
}

TEST_F(SweepsTest, DeletedWithItsTrialsWhenAllHaveEnded) {
  Create(MakeSweep(2));  // trials 2 and 3
  EXPECT_EQ(Code(store_->DeleteJob(1)), absl::StatusCode::kFailedPrecondition);
  RunTo(2, JobState::kSucceeded, "loss", {1, 2});
  // A trial counts until its sweep has ended.
  const absl::Status early = store_->DeleteJob(2).status();
  EXPECT_EQ(Code(early), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Says(early, "job 1")) << early;
  ASSERT_TRUE(
      store_->ChangeState(1, JobState::kQueued, JobState::kCancelled, StopReason::kUser, "").ok());
  const absl::Status open_trial = store_->DeleteJob(1).status();
  EXPECT_EQ(Code(open_trial), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Says(open_trial, "job 3")) << open_trial;
  ASSERT_TRUE(store_->CancelWaitingTrials(1).ok());
  EXPECT_TRUE(store_->DeleteJob(2).ok());  // one alone
  EXPECT_THAT(Trials(1), SizeIs(1));
  EXPECT_TRUE(store_->DeleteJob(1).ok());
  EXPECT_THAT(*store_->ListJobs({}), IsEmpty());
  store_.reset();
  SQLite::Database database(path_);
  for (const char* table : {"specs", "trial_settings", "events", "epochs", "epoch_metrics"}) {
    EXPECT_EQ(database.execAndGet(std::string("SELECT count(*) FROM ") + table).getInt(), 0)
        << table;
  }
}

TEST_F(SweepsTest, TheKeysHoldThePromises) {
  Create(MakeSweep(1));
  store_.reset();
  SQLite::Database database(path_, SQLite::OPEN_READWRITE);
  database.exec("PRAGMA foreign_keys = ON");
  database.exec("INSERT INTO events VALUES (1, 9, 0, 5, 6, NULL, NULL, NULL, NULL, 2, 1, NULL, NULL)");
  for (const char* sql :
       {// told twice; without its state, its job or its number
        "INSERT INTO events VALUES (1, 10, 0, 5, 7, NULL, NULL, NULL, NULL, 2, 1, NULL, NULL)",
        "INSERT INTO events VALUES (1, 10, 0, 5, NULL, NULL, NULL, NULL, NULL, 3, 1, NULL, NULL)",
        "INSERT INTO events VALUES (1, 10, 0, 5, 7, NULL, NULL, NULL, NULL, NULL, 1, NULL, NULL)",
        "INSERT INTO events VALUES (1, 10, 0, 5, 7, NULL, NULL, NULL, NULL, 3, NULL, NULL, NULL)",
        // a trial of no sweep, without a number, of a number that is taken
        "UPDATE jobs SET sweep_id = 99 WHERE id = 2", "UPDATE jobs SET trial = NULL WHERE id = 2",
        "UPDATE jobs SET trial = 0 WHERE id = 2",
        "INSERT INTO jobs (name, state, priority, spec_sha256, create_time_us, sweep_id, trial) "
        "VALUES ('', 1, 0, '', 0, 1, 1)",
        "INSERT INTO trial_settings VALUES (99, 0, 'p', 'v')",
        "INSERT INTO trial_settings VALUES (2, 0, 'p', 'v')"}) {
    EXPECT_EQ(database.tryExec(sql) & 0xff, SQLITE_CONSTRAINT) << sql;
  }
}

TEST_F(SweepsTest, TheirQueriesUseTheKeys) {
  store_.reset();
  SQLite::Database database(path_);
  const auto plan = [&](const char* sql) {
    SQLite::Statement statement(database, std::string("EXPLAIN QUERY PLAN ") + sql);
    std::string text;
    while (statement.executeStep()) text += statement.getColumn(3).getString() + "\n";
    return text;
  };
  EXPECT_THAT(plan(sql::kTrials), HasSubstr("jobs_of_sweep (sweep_id=?)"));
  EXPECT_THAT(plan(sql::kTrials), HasSubstr("epoch_metrics USING PRIMARY KEY (job_id=?)"));
  EXPECT_THAT(plan(sql::kTrials),
              HasSubstr("best USING PRIMARY KEY (job_id=? AND epoch=? AND metric=?)"));
  for (const char* sql : {sql::kTrials, sql::kTrialIds, sql::kSettingsOfTrials,
                          sql::kUntoldTrialEnds, sql::kWaitingTrials, sql::kOpenSweeps,
                          sql::kNewestTrials, sql::kUnendedRelative, sql::kTrialSettings}) {
    EXPECT_THAT(plan(sql), Not(HasSubstr("SCAN jobs"))) << sql;
    EXPECT_THAT(plan(sql), Not(HasSubstr("SCAN events"))) << sql;
  }
}

// A database as version 1 left it, with a job in every state, is read and written as before.
TEST_F(SweepsTest, FromAFileOfVersion1) {
  store_.reset();
  const std::string old = folder_.File("v1.db");
  {
    SQLite::Database database(old, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    database.exec("PRAGMA journal_mode = WAL");
    database.exec(kMigrationV1);
    database.exec("PRAGMA application_id = " + std::to_string(kApplicationId));
    database.exec("PRAGMA user_version = 1");
    for (int state = 1; state <= 8; ++state) {
      const std::string id = std::to_string(state);
      database.exec(
          "INSERT INTO jobs (request_id, name, state, priority, spec_sha256, "
          "create_time_us) VALUES ('r" +
          id + "', 'old " + id + "', " + id + ", 3, 'sha', 17)");
      database.exec("INSERT INTO specs VALUES (" + id + ", x'0102')");
      database.exec("INSERT INTO events VALUES (" + id + ", 1, 17, 1, 1, 0, 0, '', NULL)");
    }
    database.exec("UPDATE jobs SET attempt_count = 1 WHERE state IN (2, 3, 5)");
    database.exec(
        "INSERT INTO attempts SELECT id, 1, 18, NULL, '', 'cpu' FROM jobs "
        "WHERE state IN (2, 3, 5)");
    database.exec("INSERT INTO epochs VALUES (2, 1, 1, 19, 20)");
    database.exec("INSERT INTO epoch_metrics VALUES (2, 1, 'loss', 0.25)");
    database.exec("INSERT INTO events VALUES (2, 2, 19, 2, NULL, NULL, NULL, NULL, 1)");
    database.exec("INSERT INTO events VALUES (2, 3, 20, 3, NULL, NULL, NULL, 'w', NULL)");
    database.exec("INSERT INTO results VALUES (6, 1, 0, 'weights')");
    database.exec("INSERT INTO events VALUES (6, 2, 21, 4, NULL, NULL, NULL, NULL, NULL)");
  }
  path_ = old;
  Open();
  ASSERT_THAT(*store_->ListJobs({}), SizeIs(8));
  for (JobId id = 1; id <= 8; ++id) {
    const Job job = Get(id);
    EXPECT_EQ(job.kind, JobKind::kTraining);
    EXPECT_FALSE(job.trial.has_value());
    EXPECT_EQ(static_cast<int>(job.state), id);
    EXPECT_EQ(job.spec, "\x01\x02");
  }
  EXPECT_THAT(DescribeAll(Events(2)),
              ElementsAre(HasSubstr("QUEUED"), HasSubstr("loss=0x1p-2"), HasSubstr("warning 'w'")));
  EXPECT_THAT(Events(6), SizeIs(2));
  EXPECT_THAT(Ids(*store_->ListQueued()), ElementsAre(1));
  EXPECT_THAT(*store_->ListOpenSweeps(), IsEmpty());
  EXPECT_THAT(*store_->RecoverInterrupted(0), ElementsAre(2, 3, 5));
  const JobId sweep = Create(MakeSweep(2));
  EXPECT_EQ(sweep, 9);
  EXPECT_THAT(Trials(sweep), SizeIs(2));
  EXPECT_TRUE(store_->DeleteJob(7).ok());
  // An older program says that the file is newer than itself.
  store_.reset();
  SQLite::Database database(old);
  EXPECT_EQ(database.execAndGet("PRAGMA user_version").getInt64(), Migrations().back().version);
  EXPECT_EQ(database.execAndGet("PRAGMA integrity_check").getString(), "ok");
}

// Power goes right after a sweep was promised: all of it is there. A write fails: nothing of it is.
TEST(SweepDurabilityTest, AllOrNothing) {
  FaultVfs vfs;
  TempFolder folder;
  ManualClock clock;
  SqliteStore::Options options;
  options.vfs = vfs.name();
  auto store = SqliteStore::Open(folder.File("anneal.db"), clock, options);
  ASSERT_TRUE(store.ok()) << store.status();
  NewJob sweep = MakeSweep(20);
  for (NewTrial& trial : sweep.trials) trial.spec = std::string(20'000, 's');
  const auto survivors = [&] {
    TempFolder after;
    vfs.WriteDurableFiles(after.path().string());
    const auto survivor = SqliteStore::Open(after.File("anneal.db"), clock, {});
    EXPECT_TRUE(survivor.ok()) << survivor.status();
    JobQuery all;
    all.limit = 1'000;
    return survivor.ok() ? (*survivor)->ListJobs(all)->size() : 0;
  };
  for (int round = 1; round <= 5; ++round) {
    ASSERT_TRUE((*store)->CreateJob(sweep).ok());
    EXPECT_EQ(survivors(), static_cast<size_t>(21 * round));
  }
  for (const int code : {SQLITE_FULL, SQLITE_IOERR_WRITE}) {
    vfs.FailWrites(code);
    EXPECT_FALSE((*store)->CreateJob(sweep).ok());
    vfs.FailWrites(SQLITE_OK);
    EXPECT_EQ((*store)->ListJobs({.states = {}, .name_contains = "", .limit = 1'000})->size(),
              105U);
  }
  EXPECT_EQ(survivors(), 105U);
}

}  // namespace
}  // namespace anneal
