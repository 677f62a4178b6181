// Files of older versions under schema 4, and that its queries find by index what they look for.
#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/schema.h"
#include "storage/sql.h"
#include "tests/storage/storage_test_support.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class OlderVersionTest : public StoreTest, public testing::WithParamInterface<int64_t> {
 protected:
  // A database as that version left it: a job in every state (ids 1 to 8), with what each has.
  void SetUp() override {
    SQLite::Database database(path_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    database.exec("PRAGMA journal_mode = WAL");
    for (const Migration& migration : Migrations()) {
      if (migration.version <= GetParam()) database.exec(migration.sql);
    }
    database.exec("PRAGMA application_id = " + std::to_string(kApplicationId));
    database.exec("PRAGMA user_version = " + std::to_string(GetParam()));
    database.exec(R"sql(
      WITH RECURSIVE s (state) AS (SELECT 1 UNION ALL SELECT state + 1 FROM s WHERE state < 8)
        INSERT INTO jobs (request_id, name, state, stop_reason, priority, spec_sha256,
                          create_time_us, attempt_count, start_time_us, end_time_us)
        SELECT 'request ' || state, 'old ' || state, state, iif(state < 6, 0, 1), state % 3, 'sha',
               17, iif(state IN (1, 4), 0, 1), iif(state IN (1, 4), NULL, 18),
               iif(state < 6, NULL, 30) FROM s;
      INSERT INTO specs SELECT id, x'0102' FROM jobs;
      INSERT INTO attempts SELECT id, 1, 18, iif(state < 6, NULL, 30), iif(state < 6, '', 'over'),
                                  'cpu' FROM jobs WHERE state NOT IN (1, 4);
      INSERT INTO epochs VALUES (2, 1, 1, 19, 20);
      INSERT INTO epoch_metrics VALUES (2, 1, 'loss', 0.25))sql");
    // Columns by name: later versions have more.
    database.exec(R"sql(
      INSERT INTO events (job_id, sequence, time_us, kind, state, stop_reason, attempt, text)
        SELECT id, 1, 17, 1, 1, 0, 0, '' FROM jobs;
      INSERT INTO events (job_id, sequence, time_us, kind, epoch) VALUES (2, 2, 19, 2, 1);
      INSERT INTO events (job_id, sequence, time_us, kind, text) VALUES (2, 3, 20, 3, 'w'))sql");
    if (GetParam() >= 2) {
      database.exec(R"sql(
        INSERT INTO jobs (name, state, priority, spec_sha256, create_time_us, kind)
          VALUES ('sweep', 1, 5, '', 5, 2);
        INSERT INTO jobs (name, state, priority, spec_sha256, create_time_us, sweep_id, trial)
          VALUES ('sweep/1', 1, 5, '', 5, 9, 1);
        INSERT INTO specs VALUES (9, x'09'), (10, x'0A');
        INSERT INTO events (job_id, sequence, time_us, kind, state, stop_reason, attempt, text)
          VALUES (9, 1, 17, 1, 1, 0, 0, ''), (10, 1, 17, 1, 1, 0, 0, '');
        INSERT INTO trial_settings VALUES (10, 0, 'training.seed', '1'))sql");
    }
    if (GetParam() >= 3) {
      database.exec(R"sql(
        INSERT INTO training_states VALUES (2, 1, 1, '2/state', 1, 0, 9, 'ab', 'cpu', 21);
        INSERT INTO checkpoints VALUES (6, '6/final', 1, 8, 'cd', x'', 29))sql");
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Versions, OlderVersionTest, testing::Values(1, 2, 3),
                         [](const testing::TestParamInfo<int64_t>& version) {
                           return "Version" + std::to_string(version.param);
                         });

TEST_P(OlderVersionTest, WhatWasThereIsThereAndNothingIsMadeUp) {
  Open();
  for (JobId id = 1; id <= 8; ++id) {
    const Job job = Get(id);
    EXPECT_EQ(static_cast<int64_t>(job.state), id);
    EXPECT_EQ(job.name, "old " + std::to_string(id));
    EXPECT_EQ(job.spec, "\x01\x02");
    EXPECT_EQ(job.priority, id % 3);
    EXPECT_EQ(job.owner, "");
    EXPECT_THAT(job.labels, IsEmpty());
    EXPECT_EQ(job.limits, JobLimits{});
    EXPECT_EQ(job.needs, JobNeeds{});
    EXPECT_EQ(job.front, 0);
    EXPECT_EQ(job.restarts, 0);
    for (const Attempt& attempt : job.attempts) EXPECT_EQ(attempt.time_spent, std::nullopt);
  }
  EXPECT_THAT(DescribeAll(Events(2)),
              ElementsAre(HasSubstr("QUEUED"), HasSubstr("loss=0x1p-2"), HasSubstr("warning 'w'")));
  EXPECT_THAT(*store_->ListDeadlines(), IsEmpty());
  if (GetParam() >= 2) {
    EXPECT_EQ(Get(10).trial->sweep_id, 9);
    EXPECT_THAT(Ids(*store_->ListQueued()), ElementsAre(10, 1));
  } else {
    EXPECT_THAT(Ids(*store_->ListQueued()), ElementsAre(1));
  }
  if (GetParam() >= 3) {
    EXPECT_THAT(*store_->ListTrainingStates(2), SizeIs(1));
    EXPECT_EQ(store_->GetCheckpoint(6)->sha256, "cd");
  }
}

TEST_P(OlderVersionTest, WhatIsNewWorks) {
  Open();
  clock_.Advance(1);
  EXPECT_THAT(*store_->RecoverInterrupted(5), ElementsAre(2, 3, 5));
  EXPECT_EQ(Get(2).restarts, 1);
  JobUpdate update;
  update.to_front = true;
  update.set_labels = {{"k", "v"}};
  update.deadline_us = clock_.NowUs() + 1;
  ASSERT_TRUE(store_->UpdateJob(4, update).ok());  // PAUSED
  ASSERT_TRUE(
      store_->ChangeState(4, JobState::kPaused, JobState::kQueued, StopReason::kNone, "").ok());
  EXPECT_EQ(store_->ListQueued()->front().id, 4);
  EXPECT_EQ(store_->ListDeadlines()->at(0).id, 4);
  JobQuery query;
  query.labels = {{"k", "v"}};
  EXPECT_THAT(Ids(*store_->ListJobs(query)), ElementsAre(4));
  NewJob job = MakeJob();
  job.queue_limits.jobs = 3;  // 1, 2, 3 or 4 wait at least
  EXPECT_EQ(Code(store_->CreateJob(job)), absl::StatusCode::kFailedPrecondition);
  const auto started = store_->BeginAttempt(2, "cpu");
  ASSERT_TRUE(started.ok()) << started.status();
  EXPECT_EQ(started->attempt, 2);
  ASSERT_TRUE(store_->AppendTrainingState(2, 2, {"2/new", 1, 3, 9, "ef", "cpu"}).ok());
  EXPECT_THAT(Describe(Events(2).back()), HasSubstr("state kept: 1 epochs, 3 batches, 9 bytes"));
  AttemptEnd end{JobState::kRunning, JobState::kFailed, StopReason::kDiverged, "", "FAILED", {}};
  end.time_spent = {1, 2, 3, 4};
  ASSERT_TRUE(store_->EndAttempt(2, 2, end).ok());
  EXPECT_EQ(Get(2).attempts.at(1).time_spent, (TimeSpent{1, 2, 3, 4}));
  ASSERT_TRUE(store_->DeleteJob(2).ok());
}

TEST_P(OlderVersionTest, TheFileIsAsIfItHadAlwaysBeenOfThisVersion) {
  Open();
  store_.reset();
  const std::string fresh_path = folder_.File("fresh.db");
  { ASSERT_TRUE(SqliteStore::Open(fresh_path, clock_, {}).ok()); }
  const auto schema = [](const std::string& path) {
    SQLite::Database database(path);
    EXPECT_EQ(database.execAndGet("PRAGMA user_version").getInt64(), Migrations().back().version);
    EXPECT_EQ(database.execAndGet("PRAGMA integrity_check").getString(), "ok");
    SQLite::Statement broken(database, "PRAGMA foreign_key_check");
    EXPECT_FALSE(broken.executeStep());
    SQLite::Statement entries(
        database, "SELECT type, name, coalesce(sql, '') FROM sqlite_schema ORDER BY 1, 2");
    std::string text;
    while (entries.executeStep()) {
      for (int i = 0; i < 3; ++i) text += entries.getColumn(i).getString() + " ";
      text += "\n";
    }
    return text;
  };
  EXPECT_EQ(schema(path_), schema(fresh_path));
}

// SQLite's own plan among 100,000 jobs, its statistics unknown, as in the field.
class Version4PlanTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    store_.reset();
    SQLite::Database database(path_, SQLite::OPEN_READWRITE);
    database.exec(R"sql(
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
      INSERT INTO jobs (name, state, priority, spec_sha256, create_time_us, owner, deadline_us, front)
        SELECT 'job ' || i, iif(i % 100 = 0, 1, iif(i % 1000 = 1, 2, 6)), i % 7, '', i,
               'owner ' || (i % 10), iif(i % 20 = 0, i, NULL), iif(i % 5000 = 0, i, 0) FROM n;
      INSERT INTO labels SELECT id, 'k', id % 3 FROM jobs;
      INSERT INTO specs SELECT id, x'01' FROM jobs)sql");
  }

  std::string Plan(const char* sql) {
    SQLite::Database database(path_);
    SQLite::Statement statement(database, std::string("EXPLAIN QUERY PLAN ") + sql);
    std::string plan;
    while (statement.executeStep()) plan += statement.getColumn(3).getString() + "\n";
    return plan;
  }
};

TEST_F(Version4PlanTest, FoundByIndex) {
  EXPECT_THAT(Plan(sql::kQueuedJobs), HasSubstr("USING INDEX jobs_queued"));
  EXPECT_THAT(Plan(sql::kQueuedJobs), Not(HasSubstr("TEMP B-TREE")));
  EXPECT_THAT(Plan(sql::kDeadlines), HasSubstr("jobs_with_deadline"));
  EXPECT_THAT(Plan(sql::kWaiting), HasSubstr("jobs_waiting"));
  EXPECT_THAT(Plan(sql::kWaitingOfOwner), HasSubstr("INDEX jobs_waiting (owner=?)"));
  EXPECT_THAT(Plan(sql::kGreatestFront), HasSubstr("(state=?"));
  EXPECT_THAT(Plan(sql::kLabels), HasSubstr("SEARCH labels USING PRIMARY KEY (job_id=?)"));
  EXPECT_THAT(Plan(sql::kLabels), Not(HasSubstr("TEMP B-TREE")));
  EXPECT_THAT(Plan(sql::kRemoveLabel), HasSubstr("PRIMARY KEY (job_id=? AND key=?)"));
  for (const char* sql : {sql::kUpdateJob, sql::kAddRestart, sql::kEndRestarts}) {
    EXPECT_THAT(Plan(sql), HasSubstr("SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)")) << sql;
  }
}

TEST_F(Version4PlanTest, OfALargeDatabase) {
  Open();
  const auto queued = store_->ListQueued();
  ASSERT_THAT(*queued, SizeIs(1000));
  EXPECT_EQ(queued->at(0).id, 100000);
  EXPECT_EQ(queued->at(1).id, 95000);
  EXPECT_EQ(queued->at(20).priority, 6);  // after those that were moved to the front
  EXPECT_EQ(store_->ListDeadlines()->front().id, 100);
  NewJob job = MakeJob();
  job.owner = "owner 0";
  job.queue_limits.jobs_of_owner = 1000;
  EXPECT_EQ(Code(store_->CreateJob(job)), absl::StatusCode::kFailedPrecondition);
  job.queue_limits.jobs_of_owner = 1001;
  EXPECT_TRUE(store_->CreateJob(job).ok());
  JobQuery query;
  query.owner = "owner 3";
  query.labels = {{"k", "1"}};
  query.limit = 2;
  EXPECT_THAT(Ids(*store_->ListJobs(query)), ElementsAre(99973, 99943));
  JobUpdate update;
  update.to_front = true;
  ASSERT_TRUE(store_->UpdateJob(200, update).ok());
  EXPECT_EQ(store_->ListQueued()->front().id, 200);
}

}  // namespace
}  // namespace anneal
