// What survives: kill -9, power failure, a full disk, a disk that fails.
#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "tests/storage/fault_vfs.h"
#include "tests/storage/killed_writer.h"
#include "tests/storage/storage_test_support.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// What every database must be, whatever happened to the process that wrote it.
void ExpectWhole(const std::string& path) {
  SQLite::Database database(path);
  EXPECT_EQ(database.execAndGet("PRAGMA integrity_check").getString(), "ok");
  SQLite::Statement broken(database, "PRAGMA foreign_key_check");
  EXPECT_FALSE(broken.executeStep());
  // Sequences from 1 without gaps; every epoch told once; every job begins with an event.
  EXPECT_EQ(database
                .execAndGet("SELECT count(*) FROM (SELECT job_id FROM events GROUP BY job_id "
                            "HAVING max(sequence) <> count(*))")
                .getInt(),
            0);
  EXPECT_EQ(
      database
          .execAndGet("SELECT count(*) FROM epochs e WHERE 1 <> (SELECT count(*) FROM events v "
                      "WHERE v.job_id = e.job_id AND v.epoch = e.epoch)")
          .getInt(),
      0);
  EXPECT_EQ(database
                .execAndGet("SELECT count(*) FROM jobs WHERE id NOT IN "
                            "(SELECT job_id FROM events WHERE sequence = 1)")
                .getInt(),
            0);
  EXPECT_EQ(database
                .execAndGet("SELECT count(*) FROM jobs WHERE id NOT IN "
                            "(SELECT job_id FROM specs)")
                .getInt(),
            0);
}

// Written to a pipe by the child after the call that promised it has returned.
struct Promise {
  int64_t job = 0;
  int64_t epochs = 0;  // 0: the job was created
};

// Submits, runs and reports epochs until it is killed.
[[noreturn]] void WriteUntilKilled(const std::string& path, int pipe) {
  const SystemClock clock;
  auto store = SqliteStore::Open(path, clock, {});
  if (!store.ok() || !(*store)->RecoverInterrupted(0).ok()) _exit(1);
  const auto promise = [pipe](Promise kept) {
    if (write(pipe, &kept, sizeof kept) != sizeof kept) _exit(2);
  };
  const auto loop = [&] {
    while (true) {
      NewJob job = MakeJob();
      job.spec = std::string(5000, 's');  // so that checkpoints come too
      const auto created = (*store)->CreateJob(job);
      if (!created.ok()) _exit(3);
      const JobId id = created->job.id;
      promise({id, 0});
      const auto started = (*store)->BeginAttempt(id, "cpu");
      if (!started.ok()) _exit(4);
      for (int64_t epoch = 1; epoch <= 3; ++epoch) {
        if (!(*store)->AppendEpoch(id, started->attempt, MakeEpoch(epoch)).ok()) _exit(5);
        promise({id, epoch});
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(loop);
  for (std::thread& thread : threads) thread.join();
  _exit(6);
}

TEST(KillTest, WhatWasAcknowledgedIsThere) {
  TempFolder folder;
  const std::string path = folder.File("anneal.db");
  std::vector<Promise> promises;
  // On one database, so that each round also recovers what the one before left. Later and later in
  // their lives.
  for (const size_t count : {1, 2, 10, 60, 300}) {
    const std::vector<Promise> kept = ReceiveUntilKilled<Promise>(
        count, [&](int pipe) { WriteUntilKilled(path, pipe); });
    promises.insert(promises.end(), kept.begin(), kept.end());

    ManualClock clock;
    auto store = SqliteStore::Open(path, clock, {});
    ASSERT_TRUE(store.ok()) << store.status();
    for (const Promise& promise : promises) {
      const auto epochs = (*store)->ListEpochs(EpochsOf(promise.job));
      ASSERT_TRUE(epochs.ok()) << epochs.status();
      EXPECT_GE(static_cast<int64_t>(epochs->size()), promise.epochs);
      for (const EpochRecord& record : *epochs) EXPECT_THAT(record.metrics, SizeIs(1));
    }
    store->reset();
    ExpectWhole(path);
  }
}

class FaultTest : public testing::Test {
 protected:
  void SetUp() override { Open(path_); }

  void Open(const std::string& path) {
    store_.reset();
    SqliteStore::Options options;
    options.vfs = vfs_.name();
    auto store = SqliteStore::Open(path, clock_, options);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  std::vector<JobId> AllIds() {
    JobQuery query;
    query.limit = 100'000;
    const auto jobs = store_->ListJobs(query);
    EXPECT_TRUE(jobs.ok()) << jobs.status();
    std::vector<JobId> ids = Ids(*jobs);
    std::reverse(ids.begin(), ids.end());
    return ids;
  }

  FaultVfs vfs_;
  TempFolder folder_;
  ManualClock clock_;
  const std::string path_ = folder_.File("anneal.db");
  std::unique_ptr<SqliteStore> store_;
};

// Everything that was not synced is gone; everything that was promised is not.
TEST_F(FaultTest, PowerFailureAfterEachCommit) {
  NewJob job = MakeJob();
  job.spec = std::string(20'000, 's');  // checkpoints come on the way: the log holds 1000 pages
  for (JobId id = 1; id <= 250; ++id) {
    ASSERT_EQ(store_->CreateJob(job)->job.id, id);
    if (id % 10 != 1) continue;
    TempFolder after;
    vfs_.WriteDurableFiles(after.path().string());
    auto survivor = SqliteStore::Open(after.File("anneal.db"), clock_, {});
    ASSERT_TRUE(survivor.ok()) << survivor.status();
    const auto newest = (*survivor)->ListJobs({});
    ASSERT_TRUE(newest.ok()) << newest.status();
    ASSERT_FALSE(newest->empty()) << "after job " << id;
    ASSERT_EQ(newest->front().id, id);
    ASSERT_EQ((*survivor)->GetJob(id)->spec, job.spec);
    survivor->reset();
    ExpectWhole(after.File("anneal.db"));
  }
}

TEST_F(FaultTest, AFullDiskIsResourceExhaustedAndPasses) {
  ASSERT_TRUE(store_->CreateJob(MakeJob("before")).ok());
  vfs_.FailWrites(SQLITE_FULL);
  for (int i = 0; i < 3; ++i) {
    const auto refused = store_->CreateJob(MakeJob("during"));
    EXPECT_EQ(Code(refused), absl::StatusCode::kResourceExhausted) << refused.status();
    EXPECT_TRUE(Says(refused.status(), folder_.path().string())) << refused.status();
  }
  EXPECT_THAT(AllIds(), ElementsAre(1));  // reading goes on
  vfs_.FailWrites(SQLITE_OK);
  EXPECT_TRUE(store_->CreateJob(MakeJob("after")).ok());
  EXPECT_THAT(AllIds(), ElementsAre(1, 2));
  store_.reset();
  ExpectWhole(path_);
}

TEST_F(FaultTest, FailedWritesAndSyncsAreNeverSuccess) {
  for (const int code : {SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC}) {
    code == SQLITE_IOERR_WRITE ? vfs_.FailWrites(code) : vfs_.FailSyncs(code);
    const std::vector<JobId> before = AllIds();
    const auto refused = store_->CreateJob(MakeJob());
    EXPECT_EQ(Code(refused), absl::StatusCode::kUnavailable) << refused.status();
    EXPECT_EQ(AllIds(), before);
    vfs_.FailWrites(SQLITE_OK);
    vfs_.FailSyncs(SQLITE_OK);
    EXPECT_TRUE(store_->CreateJob(MakeJob()).ok());
    EXPECT_THAT(AllIds(), SizeIs(before.size() + 1));
  }
  store_.reset();
  ExpectWhole(path_);
}

// The disk fails while the log is moved into the file: nothing that was promised depends on that.
TEST_F(FaultTest, AFailingCheckpointHarmsNobody) {
  NewJob job = MakeJob();
  job.spec = std::string(3'000'000, 's');
  ASSERT_TRUE(store_->CreateJob(job).ok());
  vfs_.FailWrites(SQLITE_IOERR_WRITE);
  EXPECT_FALSE(store_->CreateJob(job).ok());
  vfs_.FailWrites(SQLITE_OK);
  ASSERT_TRUE(store_->CreateJob(job).ok());
  vfs_.FailSyncs(SQLITE_IOERR_FSYNC);
  EXPECT_FALSE(store_->CreateJob(job).ok());
  store_.reset();  // closing cannot put the log away
  vfs_.FailSyncs(SQLITE_OK);
  Open(path_);
  EXPECT_EQ(store_->GetJob(1)->spec, job.spec);
  EXPECT_EQ(store_->GetJob(2)->spec, job.spec);
  store_.reset();
  ExpectWhole(path_);
}

TEST_F(FaultTest, OpeningOnAFullDisk) {
  store_.reset();
  vfs_.FailWrites(SQLITE_FULL);
  SqliteStore::Options options;
  options.vfs = vfs_.name();
  const std::string path = folder_.File("new.db");
  EXPECT_EQ(Code(SqliteStore::Open(path, clock_, options)), absl::StatusCode::kResourceExhausted);
  vfs_.FailWrites(SQLITE_OK);
  Open(path);
  EXPECT_TRUE(store_->CreateJob(MakeJob()).ok());
}

class SizeLimitTest : public StoreTest {};

TEST_F(SizeLimitTest, WhatDoesNotFitIsResourceExhausted) {
  NewJob large = MakeJob("large");
  large.spec = std::string(400'000, 's');
  ASSERT_TRUE(store_->LimitSize(1'000'000).ok());
  std::vector<JobId> stored;
  absl::Status refused;
  while (true) {
    const auto created = store_->CreateJob(large);
    if (!created.ok()) {
      refused = created.status();
      break;
    }
    stored.push_back(created->job.id);
  }
  EXPECT_EQ(Code(refused), absl::StatusCode::kResourceExhausted) << refused;
  EXPECT_THAT(stored, ElementsAre(1, 2));
  // What is small still fits, and what is deleted makes room.
  EXPECT_TRUE(store_->CreateJob(MakeJob("small")).ok());
  ASSERT_TRUE(
      store_->ChangeState(1, JobState::kQueued, JobState::kCancelled, StopReason::kUser, "").ok());
  ASSERT_TRUE(store_->DeleteJob(1).ok());
  EXPECT_TRUE(store_->CreateJob(large).ok());
  EXPECT_EQ(Code(store_->CreateJob(large)), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(store_->LimitSize(10'000'000).ok());
  EXPECT_TRUE(store_->CreateJob(large).ok());
  store_.reset();
  ExpectWhole(path_);
}

// SQLite rolls back the whole transaction there; those that fit must not suffer for the one that
// does not.
TEST_F(SizeLimitTest, InAGroupOnlyWhatDoesNotFitFails) {
  FaultVfs vfs;
  options_.vfs = vfs.name();
  Open();
  ASSERT_TRUE(store_->LimitSize(1'000'000).ok());
  vfs.HoldSyncs();
  std::vector<std::thread> threads;
  threads.emplace_back([&] { ASSERT_TRUE(store_->CreateJob(MakeJob("first")).ok()); });
  vfs.AwaitHeldSync();
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      NewJob job = MakeJob(i % 2 == 0 ? "fits" : "does not fit");
      if (i % 2 == 1) job.spec = std::string(2'000'000, 's');
      const auto created = store_->CreateJob(job);
      EXPECT_EQ(Code(created),
                i % 2 == 0 ? absl::StatusCode::kOk : absl::StatusCode::kResourceExhausted);
    });
  }
  while (store_->GetCounters().waiting < 8) std::this_thread::yield();
  vfs.ReleaseSyncs();
  for (std::thread& thread : threads) thread.join();
  const auto jobs = store_->ListJobs({});
  EXPECT_THAT(*jobs, SizeIs(5));
  for (const Job& job : *jobs) EXPECT_NE(job.name, "does not fit");
  for (const Job& job : *jobs) EXPECT_THAT(Events(job.id), SizeIs(1));
  store_.reset();
  ExpectWhole(path_);
}

// Another process (a person with the sqlite3 program) holds the file for writing.
TEST_F(SizeLimitTest, AForeignLockIsUnavailableAndPasses) {
  options_.busy_timeout_ms = 0;
  Open();
  SQLite::Database other(path_, SQLite::OPEN_READWRITE);
  other.exec("BEGIN IMMEDIATE");
  EXPECT_EQ(Code(store_->CreateJob(MakeJob())), absl::StatusCode::kUnavailable);
  EXPECT_THAT(*store_->ListJobs({}), IsEmpty());
  other.exec("ROLLBACK");
  EXPECT_TRUE(store_->CreateJob(MakeJob()).ok());
}

}  // namespace
}  // namespace anneal
