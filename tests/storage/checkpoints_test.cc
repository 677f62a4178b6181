// The final weights of a job: stored with its success, read, deleted.
#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "storage/migrations/v1.h"
#include "storage/migrations/v2.h"
#include "storage/schema.h"
#include "tests/storage/fault_vfs.h"
#include "tests/storage/storage_test_support.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

CheckpointInfo MakeCheckpoint() {
  return {"7/final.safetensors", 12, 5'000'000'000, "ab12",
          std::string("\0\x01\xff description \0", 16)};
}

AttemptEnd Success() {
  AttemptEnd end;
  end.stop_reason = StopReason::kCompleted;
  end.outcome = "SUCCEEDED";
  end.result = TrainingResult{{{"test_loss", 1}}, 12, 9, "sha"};
  end.checkpoint = MakeCheckpoint();
  return end;
}

void ExpectTheCheckpoint(Store& store, JobId id) {
  const auto stored = store.GetCheckpoint(id);
  ASSERT_TRUE(stored.ok()) << stored.status();
  const CheckpointInfo expected = MakeCheckpoint();
  EXPECT_EQ(stored->file, expected.file);
  EXPECT_EQ(stored->epoch, expected.epoch);
  EXPECT_EQ(stored->bytes, expected.bytes);
  EXPECT_EQ(stored->sha256, expected.sha256);
  EXPECT_EQ(stored->description, expected.description);
}

class CheckpointsTest : public StoreTest {};

TEST_F(CheckpointsTest, ComesWithTheSuccess) {
  const JobId id = CreateIn(JobState::kRunning);
  EXPECT_EQ(Code(store_->GetCheckpoint(id)), absl::StatusCode::kNotFound);
  clock_.Advance(5);
  const auto events = store_->EndAttempt(id, 1, Success());
  ASSERT_TRUE(events.ok()) << events.status();
  EXPECT_THAT(*events, SizeIs(2));  // it has no event of its own
  ExpectTheCheckpoint(*store_, id);
  Open();
  ExpectTheCheckpoint(*store_, id);
  SQLite::Database database(path_);
  EXPECT_EQ(database.execAndGet("SELECT time_us FROM checkpoints").getInt64(), clock_.NowUs());
}

TEST_F(CheckpointsTest, WhereThereIsNone) {
  const JobId id = CreateIn(JobState::kSucceeded);
  const auto none = store_->GetCheckpoint(id);
  EXPECT_EQ(Code(none), absl::StatusCode::kNotFound);
  EXPECT_TRUE(Says(none.status(), "job 1 has no final weights")) << none.status();
  EXPECT_EQ(Code(store_->GetCheckpoint(99)), absl::StatusCode::kNotFound);
}

TEST_F(CheckpointsTest, OnlyOfASuccess) {
  for (const JobState to : {JobState::kFailed, JobState::kQueued}) {
    const JobId id = CreateIn(JobState::kRunning);
    AttemptEnd end;
    end.to = to;
    end.stop_reason = IsTerminal(to) ? StopReason::kDiverged : StopReason::kNone;
    end.checkpoint = MakeCheckpoint();
    const auto refused = store_->EndAttempt(id, 1, end);
    EXPECT_EQ(Code(refused), absl::StatusCode::kInternal);
    EXPECT_TRUE(Says(refused.status(), "final weights")) << refused.status();
    EXPECT_EQ(Get(id).state, JobState::kRunning);
    EXPECT_EQ(Code(store_->GetCheckpoint(id)), absl::StatusCode::kNotFound);
  }
}

TEST_F(CheckpointsTest, NotOfAnAttemptThatIsNotOpen) {
  const JobId id = CreateIn(JobState::kRunning);
  EXPECT_EQ(Code(store_->EndAttempt(id, 2, Success())), absl::StatusCode::kAborted);
  EXPECT_EQ(Code(store_->GetCheckpoint(id)), absl::StatusCode::kNotFound);
}

TEST_F(CheckpointsTest, GoesWithItsJob) {
  const JobId deleted = CreateIn(JobState::kRunning);
  const JobId kept = CreateIn(JobState::kRunning);
  for (const JobId id : {deleted, kept}) ASSERT_TRUE(store_->EndAttempt(id, 1, Success()).ok());
  EXPECT_THAT(*store_->DeleteJob(deleted), ElementsAre(deleted));
  EXPECT_EQ(Code(store_->GetCheckpoint(deleted)), absl::StatusCode::kNotFound);
  ExpectTheCheckpoint(*store_, kept);
  SQLite::Database database(path_);
  EXPECT_EQ(database.execAndGet("SELECT count(*) FROM checkpoints").getInt(), 1);
}

// The state, the result and the checkpoint: all or nothing.
TEST(CheckpointDurabilityTest, AllOrNothing) {
  FaultVfs vfs;
  TempFolder folder;
  ManualClock clock;
  SqliteStore::Options options;
  options.vfs = vfs.name();
  const auto store = *SqliteStore::Open(folder.File("anneal.db"), clock, options);
  ASSERT_TRUE(store->CreateJob(MakeJob()).ok());
  ASSERT_TRUE(store->BeginAttempt(1, "cpu").ok());
  for (const int code : {SQLITE_FULL, SQLITE_IOERR_WRITE}) {
    vfs.FailWrites(code);
    EXPECT_FALSE(store->EndAttempt(1, 1, Success()).ok());
    vfs.FailWrites(SQLITE_OK);
    EXPECT_EQ(store->GetJob(1)->state, JobState::kRunning);
    EXPECT_EQ(Code(store->GetCheckpoint(1)), absl::StatusCode::kNotFound);
  }
  ASSERT_TRUE(store->EndAttempt(1, 1, Success()).ok());
  TempFolder after;
  vfs.WriteDurableFiles(after.path().string());
  const auto survivor = SqliteStore::Open(after.File("anneal.db"), clock, {});
  ASSERT_TRUE(survivor.ok()) << survivor.status();
  EXPECT_EQ((*survivor)->GetJob(1)->state, JobState::kSucceeded);
  ExpectTheCheckpoint(**survivor, 1);
}

// Databases as versions 1 and 2 left them: their jobs are as before, and new ones have checkpoints.
TEST_F(CheckpointsTest, FromFilesOfOlderVersions) {
  for (const int version : {1, 2}) {
    store_.reset();
    path_ = folder_.File("v" + std::to_string(version) + ".db");
    {
      SQLite::Database database(path_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
      database.exec("PRAGMA journal_mode = WAL");
      database.exec(kMigrationV1);
      if (version >= 2) database.exec(kMigrationV2);
      database.exec("PRAGMA application_id = " + std::to_string(kApplicationId));
      database.exec("PRAGMA user_version = " + std::to_string(version));
      database.exec(
          "INSERT INTO jobs (name, state, priority, spec_sha256, create_time_us, attempt_count) "
          "VALUES ('ended', 6, 0, '', 1, 1), ('ran', 2, 0, '', 2, 1)");
      database.exec("INSERT INTO specs SELECT id, x'01' FROM jobs");
      database.exec("INSERT INTO attempts VALUES (1, 1, 3, 4, 'SUCCEEDED', 'cpu')");
      database.exec("INSERT INTO attempts VALUES (2, 1, 3, NULL, '', 'cpu')");
      database.exec("INSERT INTO results VALUES (1, 3, 2, 'sha')");
      if (version >= 2) {
        database.exec(
            "INSERT INTO jobs (name, state, priority, spec_sha256, create_time_us, kind) "
            "VALUES ('sweep', 6, 0, '', 5, 2)");
        database.exec(
            "INSERT INTO jobs (name, state, priority, spec_sha256, create_time_us, sweep_id, trial)"
            " VALUES ('sweep/1', 7, 0, '', 5, 3, 1)");
        database.exec("INSERT INTO specs VALUES (3, x'02'), (4, x'03')");
        database.exec("INSERT INTO trial_settings VALUES (4, 0, 'training.seed', '1')");
        database.exec("INSERT INTO events VALUES (3, 1, 9, 5, 7, NULL, NULL, NULL, NULL, 4, 1)");
        database.exec("INSERT INTO results VALUES (4, 0, 0, '')");
        database.exec("INSERT INTO learning_rate_curves VALUES (4, NULL, 0.5, NULL, 1)");
        database.exec("INSERT INTO learning_rate_points VALUES (4, 1, 0.1, 2, 2)");
      }
    }
    Open();
    EXPECT_EQ(Get(1).state, JobState::kSucceeded);
    EXPECT_EQ(Get(1).model_job_id, 0);
    EXPECT_EQ(Get(1).result->weights_sha256, "sha");
    EXPECT_EQ(Code(store_->GetCheckpoint(1)), absl::StatusCode::kNotFound);
    EXPECT_EQ(Code(store_->GetPredictionSet(1)), absl::StatusCode::kNotFound);
    if (version >= 2) {
      EXPECT_EQ(Get(3).kind, JobKind::kSweep);
      EXPECT_EQ(Get(4).trial->sweep_id, 3);
      EXPECT_THAT(Get(4).trial->settings, ElementsAre(TrialSetting{"training.seed", "1"}));
      EXPECT_EQ(Get(4).result->learning_rate_curve->valley, 0.5);
      EXPECT_THAT(DescribeAll(Events(3)), ElementsAre("job 3 #1 at 9: trial 1 (job 4) FAILED"));
    }
    ASSERT_TRUE(store_->AppendTrainingState(2, 1, {"2/state", 1, 0, 9, "ab", "cpu"}).ok());
    EXPECT_THAT(*store_->ListTrainingStates(2), SizeIs(1));
    ASSERT_TRUE(store_->EndAttempt(2, 1, Success()).ok());
    ExpectTheCheckpoint(*store_, 2);
    EXPECT_THAT(*store_->ListTrainingStates(2), SizeIs(0));
    NewJob prediction = MakeJob();
    prediction.kind = JobKind::kPrediction;
    prediction.model_job_id = 2;
    EXPECT_EQ(Get(Create(prediction)).model_job_id, 2);
    store_.reset();
    SQLite::Database database(path_);
    EXPECT_EQ(database.execAndGet("PRAGMA user_version").getInt(), 4);
    EXPECT_EQ(database.execAndGet("PRAGMA integrity_check").getString(), "ok");
    SQLite::Statement broken(database, "PRAGMA foreign_key_check");
    EXPECT_FALSE(broken.executeStep());
  }
}

}  // namespace
}  // namespace anneal
