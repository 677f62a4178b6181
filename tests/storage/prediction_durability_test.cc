// What survives of predictions: kill -9, power failure, a full disk. Always whole chunks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/storage/fault_vfs.h"
#include "tests/storage/killed_writer.h"
#include "tests/storage/prediction_test_support.h"

namespace anneal {
namespace {

using testing::SizeIs;

constexpr int64_t kChunkImages = 64;

PredictionSet MakeSet() { return MakePredictionSet(1'000 * kChunkImages, 10, 2, true); }

PredictionChunk MakeChunk(const PredictionSet& set, int64_t number) {
  return MakeRandomChunk(set, set.begin + number * kChunkImages, kChunkImages);
}

// Exactly the first chunks, bit for bit, in every column; returns how many.
int64_t ExpectWholeChunks(Store& store, JobId id, const std::string& path) {
  const PredictionSet set = MakeSet();
  const std::vector<PredictionChunk> stored = ReadAll(store, id);
  const auto count = static_cast<int64_t>(stored.size());
  EXPECT_EQ(store.GetPredictionSet(id)->stored, count * kChunkImages);
  PredictionQuery query;
  query.job_id = id;
  query.limit = count * kChunkImages;
  query.sample_probabilities = true;
  const auto page = store.ListPredictions(query);
  EXPECT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(page->rows, SizeIs(query.limit));
  int64_t image = 0;
  for (int64_t number = 0; number < count; ++number) {
    const PredictionChunk chunk = MakeChunk(set, number);
    for (int64_t i = 0; i < kChunkImages; ++i, ++image) {
      EXPECT_EQ(Describe(page->rows[static_cast<size_t>(image)]),
                Describe(RowOf(set, chunk, chunk.begin + i, true)));
    }
  }
  SQLite::Database database(path);
  EXPECT_EQ(database.execAndGet("PRAGMA integrity_check").getString(), "ok");
  SQLite::Statement broken(database, "PRAGMA foreign_key_check");
  EXPECT_FALSE(broken.executeStep());
  for (const std::string& table : ColumnTables()) {
    EXPECT_EQ(database.execAndGet("SELECT count(*) FROM " + table).getInt64(), count) << table;
  }
  return count;
}

// Takes job 1 up, or makes it, and appends until it is killed.
[[noreturn]] void AppendUntilKilled(const std::string& path, int pipe) {
  const SystemClock clock;
  auto store = SqliteStore::Open(path, clock, {});
  if (!store.ok() || !(*store)->RecoverInterrupted(0).ok()) _exit(1);
  if (!(*store)->GetJob(1).ok() && !(*store)->CreateJob(MakeJob()).ok()) _exit(2);
  const auto started = (*store)->BeginAttempt(1, "cpu");
  if (!started.ok()) _exit(3);
  const PredictionSet set = MakeSet();
  const auto stored = (*store)->BeginPredictions(1, started->attempt, set);
  if (!stored.ok()) _exit(4);
  for (int64_t number = *stored / kChunkImages; number < 1'000; ++number) {
    if (!(*store)->AppendPredictions(1, started->attempt, MakeChunk(set, number)).ok()) _exit(5);
    const int64_t promised = number + 1;
    if (write(pipe, &promised, sizeof promised) != sizeof promised) _exit(6);
  }
  _exit(7);
}

TEST(PredictionKillTest, WholeChunksAndAllThatWerePromised) {
  TempFolder folder;
  const std::string path = folder.File("anneal.db");
  int64_t promised = 0;
  // Each goes on where the one before was killed.
  for (const size_t promises : {1, 2, 5, 20, 40}) {
    const std::vector<int64_t> numbers = ReceiveUntilKilled<int64_t>(
        promises, [&](int pipe) { AppendUntilKilled(path, pipe); });
    for (const int64_t number : numbers) {
      EXPECT_GT(number, promised);
      promised = number;
    }
    ManualClock clock;
    const auto store = SqliteStore::Open(path, clock, {});
    ASSERT_TRUE(store.ok()) << store.status();
    const int64_t survived = ExpectWholeChunks(**store, 1, path);
    EXPECT_GE(survived, promised);
    EXPECT_LE(survived, promised + 1);  // that the last one was written, nobody was told
  }
  EXPECT_GE(promised, 68);
}

class PredictionFaultTest : public PredictionStoreTest {
 protected:
  void SetUp() override {
    options_.vfs = vfs_.name();
    Open();
  }
  // It closes through `vfs_`.
  void TearDown() override { store_.reset(); }

  FaultVfs vfs_;
};

TEST_F(PredictionFaultTest, PowerFailureAfterEachChunk) {
  const PredictionSet set = MakeSet();
  const JobId id = Begin(set);
  for (int64_t number = 0; number < 30; ++number) {
    ASSERT_TRUE(store_->AppendPredictions(id, 1, MakeChunk(set, number)).ok());
    if (number % 6 != 0) continue;
    TempFolder after;
    vfs_.WriteDurableFiles(after.path().string());
    const auto survivor = SqliteStore::Open(after.File("anneal.db"), clock_, {});
    ASSERT_TRUE(survivor.ok()) << survivor.status();
    EXPECT_EQ(ExpectWholeChunks(**survivor, id, after.File("anneal.db")), number + 1);
  }
}

// Also in the middle of a chunk's writes: the first so many succeed.
TEST_F(PredictionFaultTest, AWriteThatFailsLeavesNothingOfItsChunk) {
  const PredictionSet set = MakeSet();
  const JobId id = Begin(set);
  int64_t number = 0;
  for (const int code : {SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC}) {
    ASSERT_TRUE(store_->AppendPredictions(id, 1, MakeChunk(set, number++)).ok());
    code == SQLITE_IOERR_FSYNC ? vfs_.FailSyncs(code) : vfs_.FailWrites(code);
    const absl::Status refused = store_->AppendPredictions(id, 1, MakeChunk(set, number));
    EXPECT_EQ(Code(refused), code == SQLITE_FULL ? absl::StatusCode::kResourceExhausted
                                                 : absl::StatusCode::kUnavailable)
        << refused;
    EXPECT_EQ(store_->GetPredictionSet(id)->stored, number * kChunkImages);
    vfs_.FailWrites(SQLITE_OK);
    vfs_.FailSyncs(SQLITE_OK);
    // Tried again, it goes on.
    ASSERT_TRUE(store_->AppendPredictions(id, 1, MakeChunk(set, number++)).ok());
  }
  options_.vfs = "";
  Open();
  EXPECT_EQ(ExpectWholeChunks(*store_, id, path_), 6);
}

class PredictionSizeTest : public PredictionStoreTest {};

// Who deletes wants room, and others wait meanwhile: what goes is not written over first.
TEST_F(PredictionSizeTest, DeletingWritesLittle) {
  const PredictionSet set = MakeSet();
  const JobId id = Begin(set);
  for (int64_t number = 0; number < 60; ++number) {
    ASSERT_TRUE(store_->AppendPredictions(id, 1, MakeChunk(set, number)).ok());
  }
  End(id, JobState::kSucceeded);
  store_.reset();  // puts the log away
  const auto stored_bytes = std::filesystem::file_size(path_);
  Open();
  ASSERT_TRUE(store_->DeleteJob(id).ok());
  EXPECT_GT(stored_bytes, 1'000'000U);
  EXPECT_LT(std::filesystem::file_size(path_ + "-wal"), stored_bytes / 3);
}

TEST_F(PredictionSizeTest, AFullDiskLeavesWholeChunks) {
  const PredictionSet set = MakeSet();
  const JobId id = Begin(set);
  int64_t number = 0;
  // Cut off at many places of a chunk.
  for (int64_t bytes = 400'000; bytes < 460'000; bytes += 4'096) {
    ASSERT_TRUE(store_->LimitSize(bytes).ok());
    absl::Status status;
    while (true) {
      status = store_->AppendPredictions(id, 1, MakeChunk(set, number));
      if (!status.ok()) break;
      ++number;
    }
    EXPECT_EQ(Code(status), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_EQ(ExpectWholeChunks(*store_, id, path_), number);
  }
  EXPECT_GT(number, 3);
  // Reading goes on, the job can end, and to delete it makes room.
  End(id, JobState::kFailed);
  ASSERT_TRUE(store_->DeleteJob(id).ok());
  const JobId next = Begin(set);
  for (int64_t i = 0; i < number; ++i) {
    ASSERT_TRUE(store_->AppendPredictions(next, 1, MakeChunk(set, i)).ok());
  }
  EXPECT_EQ(ExpectWholeChunks(*store_, next, path_), number);
}

}  // namespace
}  // namespace anneal
