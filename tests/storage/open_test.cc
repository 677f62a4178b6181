// Opening: what is created, kept, refused, and what the refusal says.
#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <sys/stat.h>

#include "storage/schema.h"
#include "tests/storage/storage_test_support.h"

namespace anneal {
namespace {

using testing::SizeIs;

class OpenTest : public testing::Test {
 protected:
  absl::Status TryOpen(const std::string& path) {
    return SqliteStore::Open(path, clock_, {}).status();
  }
  std::unique_ptr<SqliteStore> MustOpen(const std::string& path) {
    auto store = SqliteStore::Open(path, clock_, {});
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

  TempFolder folder_;
  ManualClock clock_;
  const std::string path_ = folder_.File("anneal.db");
};

TEST_F(OpenTest, WhatWasStoredIsThereAfterReopening) {
  std::string before;
  {
    const auto store = MustOpen(path_);
    ASSERT_TRUE(store->CreateJob(MakeJob("first")).ok());
    ASSERT_TRUE(store->BeginAttempt(1, "cpu").ok());
    ASSERT_TRUE(store->AppendEpoch(1, 1, MakeEpoch(1)).ok());
    before = Describe(*store->GetJob(1)) + Describe(store->ListEvents(1, 0, 10)->back());
  }
  // The log is put away at the end: one file can be copied.
  EXPECT_FALSE(std::filesystem::exists(path_ + "-wal"));
  const auto store = MustOpen(path_);
  EXPECT_EQ(Describe(*store->GetJob(1)) + Describe(store->ListEvents(1, 0, 10)->back()), before);
  EXPECT_EQ(store->CreateJob(MakeJob())->job.id, 2);
}

TEST_F(OpenTest, TheFileIsOursAndDurable) {
  { MustOpen(path_); }
  SQLite::Database database(path_);
  EXPECT_EQ(database.execAndGet("PRAGMA application_id").getInt(), kApplicationId);
  EXPECT_EQ(database.execAndGet("PRAGMA user_version").getInt64(), Migrations().back().version);
  EXPECT_EQ(database.execAndGet("PRAGMA journal_mode").getString(), "wal");
}

TEST_F(OpenTest, AnEmptyFileIsVersionZero) {
  WriteFile(path_, "");
  EXPECT_TRUE(MustOpen(path_)->CreateJob(MakeJob()).ok());
}

TEST_F(OpenTest, NamesWithAMeaningToSqliteAreOnlyNames) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder_.path());
  for (const char* name : {":memory:", "file:x?mode=memory", "späte Löhne 家.db"}) {
    { ASSERT_TRUE(MustOpen(name)->CreateJob(MakeJob()).ok()); }
    EXPECT_TRUE(std::filesystem::exists(folder_.File(name))) << name;
    EXPECT_THAT(*MustOpen(name)->ListJobs({}), SizeIs(1));
  }
  std::filesystem::current_path(before);
}

TEST_F(OpenTest, MissingFolder) {
  const absl::Status status = TryOpen(folder_.File("nowhere/anneal.db"));
  EXPECT_EQ(Code(status), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Says(status, folder_.File("nowhere"))) << status;
  EXPECT_TRUE(Says(status, "does not exist")) << status;
  EXPECT_EQ(Code(TryOpen("")), absl::StatusCode::kInvalidArgument);
}

TEST_F(OpenTest, AFileWhereTheFolderShouldBe) {
  WriteFile(folder_.File("file"), "x");
  EXPECT_EQ(Code(TryOpen(folder_.File("file/anneal.db"))), absl::StatusCode::kFailedPrecondition);
}

TEST_F(OpenTest, AFolderWhereTheFileShouldBe) {
  std::filesystem::create_directory(path_);
  const absl::Status status = TryOpen(path_);
  EXPECT_EQ(Code(status), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Says(status, path_)) << status;
}

TEST_F(OpenTest, FolderWithoutWritePermission) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  ASSERT_EQ(chmod(folder_.path().c_str(), 0500), 0);
  const absl::Status status = TryOpen(path_);
  ASSERT_EQ(chmod(folder_.path().c_str(), 0700), 0);
  EXPECT_EQ(Code(status), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Says(status, folder_.path().string())) << status;
}

TEST_F(OpenTest, FileWithoutWritePermission) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  { MustOpen(path_); }
  for (const mode_t mode : {0400U, 0U}) {
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
    const absl::Status status = TryOpen(path_);
    EXPECT_EQ(Code(status), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_TRUE(Says(status, path_)) << status;
  }
}

// A job whose file is gone is not stored.
TEST_F(OpenTest, AFileMovedAwayTakesNoMoreJobs) {
  const auto store = MustOpen(path_);
  ASSERT_TRUE(store->CreateJob(MakeJob()).ok());
  std::filesystem::rename(path_, folder_.File("elsewhere"));
  const auto refused = store->CreateJob(MakeJob());
  EXPECT_EQ(Code(refused), absl::StatusCode::kFailedPrecondition) << refused.status();
  EXPECT_TRUE(Says(refused.status(), path_)) << refused.status();
  std::filesystem::rename(folder_.File("elsewhere"), path_);
  EXPECT_TRUE(store->CreateJob(MakeJob()).ok());
  EXPECT_THAT(*store->ListJobs({}), SizeIs(2));
}

// A folder in which not even root can write.
TEST_F(OpenTest, FolderOfAReadOnlyFileSystem) {
  const absl::Status status = TryOpen("/proc/anneal.db");
  EXPECT_EQ(Code(status), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Says(status, "/proc")) << status;
}

TEST_F(OpenTest, AnotherProgramsDatabaseIsRefusedAndNotTouched) {
  for (const char* sql : {"CREATE TABLE bookmarks (url TEXT)",
                          "CREATE TABLE t (x); PRAGMA application_id = 1196444487",
                          "CREATE TABLE t (x); PRAGMA user_version = 1"}) {
    std::filesystem::remove(path_);
    { SQLite::Database(path_, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec(sql); }
    const std::string before = ReadFile(path_);
    const absl::Status status = TryOpen(path_);
    EXPECT_EQ(Code(status), absl::StatusCode::kFailedPrecondition) << sql;
    EXPECT_TRUE(Says(status, "another program")) << status;
    EXPECT_TRUE(Says(status, path_)) << status;
    EXPECT_TRUE(ReadFile(path_) == before);
  }
}

TEST_F(OpenTest, ANewerSchemaIsRefusedAndNotTouched) {
  { MustOpen(path_); }
  { SQLite::Database(path_, SQLite::OPEN_READWRITE).exec("PRAGMA user_version = 4711"); }
  const std::string before = ReadFile(path_);
  const absl::Status status = TryOpen(path_);
  EXPECT_EQ(Code(status), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Says(status, "4711")) << status;
  EXPECT_TRUE(Says(status, "up to " + std::to_string(Migrations().back().version))) << status;
  EXPECT_TRUE(ReadFile(path_) == before);
}

// The first migrations run before write-ahead logging: a power failure then leaves a rollback
// journal, with which SQLite mends whatever it has left of the file.
TEST_F(OpenTest, AFileTornWhileItWasCreatedIsMended) {
  const std::string other = folder_.File("other.db");
  std::string torn, journal;
  {
    SQLite::Database database(other, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    database.exec("PRAGMA cache_size = 1");  // pages are written before the commit
    database.exec("BEGIN IMMEDIATE; CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(100000))");
    database.exec("INSERT INTO t SELECT x FROM t");
    journal = ReadFile(other + "-journal");
    database.exec("COMMIT");
    torn = ReadFile(other);
  }
  ASSERT_GT(torn.size(), 20'000U);
  ASSERT_FALSE(journal.empty());
  WriteFile(path_, torn.substr(0, 20'000));
  WriteFile(path_ + "-journal", journal);
  const auto store = MustOpen(path_);
  ASSERT_NE(store, nullptr);
  EXPECT_TRUE(store->CreateJob(MakeJob()).ok());
}

class DamageTest : public OpenTest {
 protected:
  void SetUp() override {
    const auto store = MustOpen(path_);
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(
          store->CreateJob(MakeJob("job " + std::string(100, 'x') + std::to_string(i))).ok());
    }
  }

  void ExpectDataLoss() {
    const absl::Status status = TryOpen(path_);
    EXPECT_EQ(Code(status), absl::StatusCode::kDataLoss) << status;
    EXPECT_TRUE(Says(status, path_)) << status;
    EXPECT_TRUE(Says(status, ".recover")) << status;
  }
};

TEST_F(DamageTest, Garbage) {
  WriteFile(path_, std::string(10'000, 'g'));
  ExpectDataLoss();
  WriteFile(path_, "short text");
  ExpectDataLoss();
}

TEST_F(DamageTest, Truncated) {
  const std::string whole = ReadFile(path_);
  for (const size_t size : {whole.size() - 1, whole.size() - 4096, whole.size() / 2, size_t{4096},
                            size_t{1000}, size_t{100}, size_t{1}}) {
    WriteFile(path_, whole.substr(0, size));
    ExpectDataLoss();
  }
  WriteFile(path_, whole);
  EXPECT_TRUE(TryOpen(path_).ok());
  // A journal that is none mends nothing.
  WriteFile(path_, whole.substr(0, whole.size() - 1));
  WriteFile(path_ + "-journal", std::string(512, '\0'));
  ExpectDataLoss();
}

TEST_F(DamageTest, PagesOverwritten) {
  const std::string whole = ReadFile(path_);
  size_t damaged = 0;
  for (size_t page = 1; page * 4096 < whole.size(); ++page) {
    std::string bytes = whole;
    bytes.replace(page * 4096, 64, std::string(64, '\xA5'));
    WriteFile(path_, bytes);
    damaged += TryOpen(path_).code() == absl::StatusCode::kDataLoss;
  }
  // Each page but unused ones has a header that the check reads.
  EXPECT_EQ(damaged, whole.size() / 4096 - 1);
}

// Damage that comes while the store is open is an error of the calls that meet it, nothing worse.
TEST_F(DamageTest, WhileOpen) {
  const auto store = MustOpen(path_);
  std::string bytes = ReadFile(path_);
  for (size_t page = 1; page * 4096 < bytes.size(); ++page) {
    bytes.replace(page * 4096, 64, std::string(64, '\xA5'));
  }
  std::fstream(path_, std::ios::in | std::ios::out | std::ios::binary) << bytes;
  EXPECT_EQ(Code(store->GetJob(1)), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Code(store->ListEvents(1, 0, 10)), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace anneal
