// Where a training can go on: what is kept of it, how long, and what is told to remove.
#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <limits>

#include "storage/sql.h"
#include "tests/storage/both_stores.h"
#include "tests/storage/fault_vfs.h"
#include "tests/storage/storage_test_support.h"
#include "tests/support/fake_store.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TrainingStateInfo MakeState(const std::string& file, int64_t epochs = 3) {
  return {file, epochs, 17, 5'000'000'000, "sha of " + file, "cpu of " + file};
}

std::string Describe(const TrainingStateInfo& state) {
  std::ostringstream text;
  text << state.file << " epochs " << state.epochs << " batches " << state.batches << " bytes "
       << state.bytes << " " << state.sha256 << " " << state.fingerprint;
  return text.str();
}

std::vector<std::string> Files(Store& store, JobId id) {
  const auto states = store.ListTrainingStates(id);
  EXPECT_TRUE(states.ok()) << states.status();
  std::vector<std::string> files;
  if (states.ok()) {
    for (const TrainingStateInfo& state : *states) files.push_back(state.file);
  }
  return files;
}

// The files that the call returned; where it failed, its error instead.
std::vector<std::string> Append(Store& store, JobId id, int64_t attempt, const std::string& file) {
  const auto removable = store.AppendTrainingState(id, attempt, MakeState(file));
  if (!removable.ok()) return {removable.status().ToString()};
  return removable->replaced;
}

class TrainingStatesTest : public BothStoresTest {};
ANNEAL_BOTH_STORES(TrainingStatesTest);

TEST_P(TrainingStatesTest, EveryFieldComesBack) {
  const JobId id = Start();
  constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
  const TrainingStateInfo first{"1/état 'x'\".safetensors", 0, 0, 0, "", ""};
  const TrainingStateInfo second{"1/b", kLargest, kLargest - 1, kLargest - 2, "ab", "cpu; 2"};
  ASSERT_TRUE(store().AppendTrainingState(id, 1, first).ok());
  ASSERT_TRUE(store().AppendTrainingState(id, 1, second).ok());
  const auto states = store().ListTrainingStates(id);
  ASSERT_TRUE(states.ok()) << states.status();
  ASSERT_EQ(states->size(), 2U);
  EXPECT_EQ(Describe(states->front()), Describe(second));
  EXPECT_EQ(Describe(states->back()), Describe(first));
}

TEST_P(TrainingStatesTest, TheNewestTwoAreKept) {
  const JobId id = Start();
  EXPECT_THAT(Files(store(), id), IsEmpty());
  EXPECT_THAT(Append(store(), id, 1, "z"), IsEmpty());
  EXPECT_THAT(Files(store(), id), ElementsAre("z"));
  // Newest is what came last, whatever name it has.
  EXPECT_THAT(Append(store(), id, 1, "m"), IsEmpty());
  EXPECT_THAT(Files(store(), id), ElementsAre("m", "z"));
  EXPECT_THAT(Append(store(), id, 1, "p"), ElementsAre("z"));
  EXPECT_THAT(Files(store(), id), ElementsAre("p", "m"));
  for (int i = 0; i < 20; ++i) {
    const std::vector<std::string> before = Files(store(), id);
    const std::string file = "file " + std::to_string(i);
    EXPECT_THAT(Append(store(), id, 1, file), ElementsAre(before.back()));
    EXPECT_THAT(Files(store(), id), ElementsAre(file, before.front()));
  }
}

TEST_P(TrainingStatesTest, NewestIsWhatCameLastAlsoWhereItHasFewerEpochs) {
  const JobId id = Start();
  ASSERT_TRUE(store().AppendTrainingState(id, 1, MakeState("far", 90)).ok());
  ASSERT_TRUE(store().AppendTrainingState(id, 1, MakeState("near", 2)).ok());
  EXPECT_THAT(Files(store(), id), ElementsAre("near", "far"));
}

// A file that a kept state names must never be given back for removal.
TEST_P(TrainingStatesTest, AStateOfTheSameFileReplacesTheOlder) {
  const JobId id = Start();
  EXPECT_THAT(Append(store(), id, 1, "a"), IsEmpty());
  EXPECT_THAT(Append(store(), id, 1, "a"), IsEmpty());
  EXPECT_THAT(Files(store(), id), ElementsAre("a"));
  EXPECT_THAT(Append(store(), id, 1, "b"), IsEmpty());
  EXPECT_THAT(Append(store(), id, 1, "a"), IsEmpty());  // the older of the two
  EXPECT_THAT(Files(store(), id), ElementsAre("a", "b"));
  TrainingStateInfo rewritten = MakeState("a");
  rewritten.sha256 = "of other bytes";
  const auto removable = store().AppendTrainingState(id, 1, rewritten);  // the newer
  ASSERT_TRUE(removable.ok()) << removable.status();
  EXPECT_THAT(removable->replaced, IsEmpty());
  EXPECT_THAT(Files(store(), id), ElementsAre("a", "b"));
  EXPECT_EQ(store().ListTrainingStates(id)->front().sha256, "of other bytes");
  EXPECT_THAT(Append(store(), id, 1, "c"), ElementsAre("b"));
  EXPECT_THAT(Append(store(), id, 1, "d"), ElementsAre("a"));
}

TEST_P(TrainingStatesTest, JobsDoNotTouchEachOther) {
  const JobId one = Start();
  const JobId other = Start();
  for (const char* file : {"a", "b"}) EXPECT_THAT(Append(store(), one, 1, file), IsEmpty());
  for (const char* file : {"b", "a"}) EXPECT_THAT(Append(store(), other, 1, file), IsEmpty());
  EXPECT_THAT(Append(store(), one, 1, "c"), ElementsAre("a"));
  EXPECT_THAT(Files(store(), one), ElementsAre("c", "b"));
  EXPECT_THAT(Files(store(), other), ElementsAre("a", "b"));
  EndBy(one, JobState::kRunning, JobState::kSucceeded);
  EXPECT_THAT(Files(store(), one), IsEmpty());
  EXPECT_THAT(Files(store(), other), ElementsAre("a", "b"));
}

TEST_P(TrainingStatesTest, FilesOfAllJobsAreListedWithFinalWeights) {
  const auto nothing = store().ListFiles();
  ASSERT_TRUE(nothing.ok()) << nothing.status();
  EXPECT_THAT(*nothing, IsEmpty());
  const JobId first = Start(), second = Start();
  Append(store(), first, 1, "1/a");
  Append(store(), second, 1, "2/a");
  Append(store(), second, 1, "2/b");
  EXPECT_THAT(*store().ListFiles(), testing::UnorderedElementsAre("1/a", "2/a", "2/b"));
  AttemptEnd success = End(JobState::kRunning, JobState::kSucceeded);
  success.stop_reason = StopReason::kCompleted;
  success.result = TrainingResult{};
  success.checkpoint = CheckpointInfo{"2/final", 3, 10, "ab", "description"};
  ASSERT_TRUE(store().EndAttempt(second, 1, success).ok());
  EXPECT_THAT(*store().ListFiles(), testing::UnorderedElementsAre("1/a", "2/final"));
  ASSERT_TRUE(store().DeleteJob(second).ok());
  EXPECT_THAT(*store().ListFiles(), ElementsAre("1/a"));
}

TEST_P(TrainingStatesTest, AnEventTellsOfIt) {
  const JobId id = Start();
  TrainingStateInfo state = MakeState("a");
  state.epochs = 3;
  state.batches = 7;
  state.bytes = 12345;
  const auto kept = store().AppendTrainingState(id, 1, state);
  ASSERT_TRUE(kept.ok()) << kept.status();
  const JobEvent stored = store().ListEvents(id, 0, 100)->back();
  for (const JobEvent& event : {stored, kept->event}) {
    EXPECT_EQ(event.job_id, id);
    EXPECT_EQ(event.sequence, 3);
    const auto& what = std::get<JobEvent::StateKept>(event.what);
    EXPECT_EQ(what.epochs, 3);
    EXPECT_EQ(what.batches, 7);
    EXPECT_EQ(what.bytes, 12345);
  }
}

TEST_P(TrainingStatesTest, OnlyOfTheOpenAttempt) {
  const JobId id = Start();
  EXPECT_THAT(Append(store(), id, 1, "a"), IsEmpty());
  const auto refused = [&](int64_t attempt) {
    const auto result = store().AppendTrainingState(id, attempt, MakeState("late"));
    EXPECT_EQ(Code(result), absl::StatusCode::kAborted) << attempt;
    EXPECT_TRUE(Says(result.status(), "job " + std::to_string(id))) << result.status();
    EXPECT_THAT(Files(store(), id), ElementsAre("a")) << attempt;
  };
  for (const int64_t attempt : {0, 2, -1}) refused(attempt);
  EndBy(id, JobState::kRunning, JobState::kQueued);
  refused(1);
  ASSERT_TRUE(store().BeginAttempt(id, "gpu").ok());
  refused(1);
  EXPECT_THAT(Append(store(), id, 2, "b"), IsEmpty());
  EXPECT_THAT(Files(store(), id), ElementsAre("b", "a"));
}

// A pause is when it matters most: the last state is written while the job is PAUSING.
TEST_P(TrainingStatesTest, WhileTheJobIsBeingStopped) {
  for (const JobState state : {JobState::kPausing, JobState::kCancelling}) {
    const JobId id = Start();
    Change(id, JobState::kRunning, state);
    EXPECT_THAT(Append(store(), id, 1, "a"), IsEmpty());
    EXPECT_THAT(Files(store(), id), ElementsAre("a"));
  }
}

TEST_P(TrainingStatesTest, WhereThereIsNoJob) {
  const auto refused = store().AppendTrainingState(99, 1, MakeState("a"));
  EXPECT_EQ(Code(refused), absl::StatusCode::kNotFound);
  EXPECT_TRUE(Says(refused.status(), "99")) << refused.status();
  EXPECT_THAT(Files(store(), 99), IsEmpty());
}

TEST_P(TrainingStatesTest, HowAnAttemptEnds) {
  struct Way {
    JobState by, to;
    bool kept;
  };
  for (const Way& way : {Way{JobState::kRunning, JobState::kQueued, true},  // interrupted
                         Way{JobState::kPausing, JobState::kPaused, true},
                         Way{JobState::kCancelling, JobState::kCancelled, true},
                         Way{JobState::kRunning, JobState::kSucceeded, false},
                         Way{JobState::kRunning, JobState::kFailed, false},
                         Way{JobState::kPausing, JobState::kSucceeded, false},
                         Way{JobState::kPausing, JobState::kFailed, false},
                         Way{JobState::kCancelling, JobState::kSucceeded, false},
                         Way{JobState::kCancelling, JobState::kFailed, false}}) {
    SCOPED_TRACE(std::string(JobStateName(way.by)) + " to " + std::string(JobStateName(way.to)));
    const JobId id = Start();
    for (const char* file : {"a", "b"}) EXPECT_THAT(Append(store(), id, 1, file), IsEmpty());
    EndBy(id, way.by, way.to);
    if (way.kept) {
      EXPECT_THAT(Files(store(), id), ElementsAre("b", "a"));
    } else {
      EXPECT_THAT(Files(store(), id), IsEmpty());
    }
  }
}

TEST_P(TrainingStatesTest, AnEndThatIsRefusedForgetsNothing) {
  const JobId id = Start();
  EXPECT_THAT(Append(store(), id, 1, "a"), IsEmpty());
  EXPECT_EQ(Code(store().EndAttempt(id, 1, End(JobState::kPausing, JobState::kFailed))),
            absl::StatusCode::kAborted);
  EXPECT_EQ(Code(store().EndAttempt(id, 1, End(JobState::kRunning, JobState::kCancelled))),
            absl::StatusCode::kInternal);
  EXPECT_THAT(Files(store(), id), ElementsAre("a"));
}

TEST_P(TrainingStatesTest, KeptOverPauseAndResume) {
  const JobId id = Start();
  EXPECT_THAT(Append(store(), id, 1, "a"), IsEmpty());
  EndBy(id, JobState::kPausing, JobState::kPaused);
  Change(id, JobState::kPaused, JobState::kQueued);
  ASSERT_TRUE(store().BeginAttempt(id, "cpu").ok());
  EXPECT_THAT(Files(store(), id), ElementsAre("a"));
  EXPECT_THAT(Append(store(), id, 2, "b"), IsEmpty());
  EXPECT_THAT(Append(store(), id, 2, "c"), ElementsAre("a"));
  Change(id, JobState::kRunning, JobState::kPausing);
  ASSERT_TRUE(store().EndAttempt(id, 2, End(JobState::kPausing, JobState::kPaused)).ok());
  Change(id, JobState::kPaused, JobState::kCancelled);
  EXPECT_THAT(Files(store(), id), ElementsAre("c", "b"));
}

TEST_P(TrainingStatesTest, KeptOverTheEndOfTheDaemon) {
  const JobId running = Start();
  const JobId pausing = Start();
  const JobId cancelling = Start();
  for (const JobId id : {running, pausing, cancelling}) {
    for (const char* file : {"a", "b"}) EXPECT_THAT(Append(store(), id, 1, file), IsEmpty());
  }
  Change(pausing, JobState::kRunning, JobState::kPausing);
  Change(cancelling, JobState::kRunning, JobState::kCancelling);
  ASSERT_THAT(*store().RecoverInterrupted(0), ElementsAre(running, pausing, cancelling));
  for (const JobId id : {running, pausing, cancelling}) {
    EXPECT_THAT(Files(store(), id), ElementsAre("b", "a"));
    EXPECT_EQ(Code(store().AppendTrainingState(id, 1, MakeState("late"))),
              absl::StatusCode::kAborted);
  }
}

TEST_P(TrainingStatesTest, GoWithTheirJob) {
  const JobId deleted = Start();
  const JobId kept = Start();
  for (const JobId id : {deleted, kept}) {
    EXPECT_THAT(Append(store(), id, 1, "a"), IsEmpty());
    EndBy(id, JobState::kCancelling, JobState::kCancelled);
  }
  EXPECT_THAT(*store().DeleteJob(deleted), ElementsAre(deleted));
  EXPECT_THAT(Files(store(), deleted), IsEmpty());
  EXPECT_THAT(Files(store(), kept), ElementsAre("a"));
}

class TrainingStateRowsTest : public StoreTest {};

TEST_F(TrainingStateRowsTest, SurviveReopening) {
  const JobId id = CreateIn(JobState::kRunning);
  for (const char* file : {"a", "b", "c"}) Append(*store_, id, 1, file);
  const auto before = store_->ListTrainingStates(id);
  ASSERT_TRUE(before.ok()) << before.status();
  Open();
  const auto after = store_->ListTrainingStates(id);
  ASSERT_TRUE(after.ok()) << after.status();
  ASSERT_EQ(after->size(), 2U);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(Describe((*after)[i]), Describe((*before)[i]));
  EXPECT_THAT(Append(*store_, id, 1, "d"), ElementsAre("b"));
}

TEST_F(TrainingStateRowsTest, SayWhenAndByWhichAttempt) {
  const JobId id = CreateIn(JobState::kRunning);
  ASSERT_TRUE(store_->EndAttempt(id, 1, End(JobState::kRunning, JobState::kQueued)).ok());
  ASSERT_TRUE(store_->BeginAttempt(id, "cpu").ok());
  clock_.Advance(7);
  EXPECT_THAT(Append(*store_, id, 2, "a"), IsEmpty());
  SQLite::Database database(path_);
  SQLite::Statement row(database, "SELECT attempt, time_us FROM training_states");
  ASSERT_TRUE(row.executeStep());
  EXPECT_EQ(row.getColumn(0).getInt64(), 2);
  EXPECT_EQ(row.getColumn(1).getInt64(), clock_.NowUs());
}

TEST_F(TrainingStateRowsTest, NoneIsLeftOfADeletedSweep) {
  const JobId sweep = Create(MakeSweep(2));
  ASSERT_TRUE(store_->BeginAttempt(sweep, "").ok());
  ASSERT_TRUE(store_->BeginAttempt(sweep + 1, "cpu").ok());
  EXPECT_THAT(Append(*store_, sweep + 1, 1, "a"), IsEmpty());
  for (const JobId id : {sweep, sweep + 1}) {
    ASSERT_TRUE(
        store_->ChangeState(id, JobState::kRunning, JobState::kCancelling, StopReason::kNone, "")
            .ok());
    ASSERT_TRUE(store_->EndAttempt(id, 1, End(JobState::kCancelling, JobState::kCancelled)).ok());
  }
  ASSERT_TRUE(
      store_->ChangeState(sweep + 2, JobState::kQueued, JobState::kCancelled, StopReason::kUser, "")
          .ok());
  SQLite::Database database(path_);
  ASSERT_EQ(database.execAndGet("SELECT count(*) FROM training_states").getInt(), 1);
  EXPECT_THAT(*store_->DeleteJob(sweep), ElementsAre(sweep, sweep + 1, sweep + 2));
  EXPECT_EQ(database.execAndGet("SELECT count(*) FROM training_states").getInt(), 0);
}

// SQLite's own plan: what is read or deleted of a job is found by the key and comes in order.
TEST_F(TrainingStateRowsTest, FoundByTheKey) {
  SQLite::Database database(path_);
  for (const char* sql :
       {sql::kTrainingStates, sql::kDeleteTrainingStateOfFile, sql::kInsertTrainingState,
        sql::kDeleteOldTrainingStates, sql::kDeleteTrainingStates}) {
    SQLite::Statement statement(database, std::string("EXPLAIN QUERY PLAN ") + sql);
    std::string plan;
    while (statement.executeStep()) plan += statement.getColumn(3).getString() + "\n";
    EXPECT_THAT(plan, HasSubstr("training_states USING PRIMARY KEY (job_id=?")) << sql;
    EXPECT_THAT(plan, Not(HasSubstr("SCAN training_states"))) << sql;
    EXPECT_THAT(plan, Not(HasSubstr("TEMP B-TREE"))) << sql;
  }
}

// A new state and the end of an old one, or a job's end and that of its states: all or nothing.
TEST(TrainingStateDurabilityTest, AllOrNothing) {
  FaultVfs vfs;
  TempFolder folder;
  ManualClock clock;
  SqliteStore::Options options;
  options.vfs = vfs.name();
  const auto store = *SqliteStore::Open(folder.File("anneal.db"), clock, options);
  ASSERT_TRUE(store->CreateJob(MakeJob()).ok());
  ASSERT_TRUE(store->BeginAttempt(1, "cpu").ok());
  for (const char* file : {"a", "b"}) EXPECT_THAT(Append(*store, 1, 1, file), IsEmpty());
  const AttemptEnd failure = End(JobState::kRunning, JobState::kFailed);
  for (const int code : {SQLITE_FULL, SQLITE_IOERR_WRITE}) {
    vfs.FailWrites(code);
    EXPECT_FALSE(store->AppendTrainingState(1, 1, MakeState("c")).ok());
    EXPECT_FALSE(store->EndAttempt(1, 1, failure).ok());
    vfs.FailWrites(SQLITE_OK);
    EXPECT_THAT(Files(*store, 1), ElementsAre("b", "a"));
  }
  EXPECT_THAT(Append(*store, 1, 1, "c"), ElementsAre("a"));
  const auto survivors = [&] {
    TempFolder after;
    vfs.WriteDurableFiles(after.path().string());
    const auto survivor = SqliteStore::Open(after.File("anneal.db"), clock, {});
    EXPECT_TRUE(survivor.ok()) << survivor.status();
    return Files(**survivor, 1);
  };
  EXPECT_THAT(survivors(), ElementsAre("c", "b"));
  ASSERT_TRUE(store->EndAttempt(1, 1, failure).ok());
  EXPECT_THAT(survivors(), IsEmpty());
}

TEST(FakeTrainingStatesTest, FailOnDemand) {
  ManualClock clock;
  FakeStore store(clock);
  ASSERT_TRUE(store.CreateJob(MakeJob()).ok());
  ASSERT_TRUE(store.BeginAttempt(1, "cpu").ok());
  store.Fail(FakeStore::Call::kAppendTrainingState, 1, absl::ResourceExhaustedError("full"));
  EXPECT_EQ(Code(store.AppendTrainingState(1, 1, MakeState("a"))),
            absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(Files(store, 1), IsEmpty());
  EXPECT_THAT(Append(store, 1, 1, "a"), IsEmpty());
  store.Fail(FakeStore::Call::kListTrainingStates, 1, absl::DataLossError("damaged"));
  EXPECT_EQ(Code(store.ListTrainingStates(1)), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Files(store, 1), ElementsAre("a"));
}

}  // namespace
}  // namespace anneal
