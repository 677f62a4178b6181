// Many threads at one store.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <set>
#include <thread>

#include "tests/storage/fault_vfs.h"
#include "tests/storage/storage_test_support.h"

namespace anneal {
namespace {

using testing::SizeIs;

constexpr int kThreads = 16;

void InThreads(int count, const std::function<void(int)>& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

class ConcurrencyTest : public StoreTest {};

TEST_F(ConcurrencyTest, OneRequestIdMakesOneJob) {
  NewJob job = MakeJob();
  job.request_id = "the one";
  std::vector<JobId> ids(kThreads);
  std::atomic<int> created{0};
  InThreads(kThreads, [&](int i) {
    const auto result = store_->CreateJob(job);
    ASSERT_TRUE(result.ok()) << result.status();
    ids[static_cast<size_t>(i)] = result->job.id;
    created += result->created;
  });
  EXPECT_EQ(created, 1);
  EXPECT_EQ(std::set<JobId>(ids.begin(), ids.end()).size(), 1U);
  EXPECT_THAT(*store_->ListJobs({}), SizeIs(1));
}

TEST_F(ConcurrencyTest, AllSubmitsAreThereAfterReopening) {
  constexpr int kJobsEach = 20;
  InThreads(kThreads, [&](int i) {
    for (int k = 0; k < kJobsEach; ++k) {
      const auto created = store_->CreateJob(MakeJob(std::to_string(i) + "." + std::to_string(k)));
      ASSERT_TRUE(created.ok()) << created.status();
    }
  });
  EXPECT_EQ(store_->GetCounters().mutations, kThreads * kJobsEach);
  EXPECT_LE(store_->GetCounters().commits, kThreads * kJobsEach);
  Open();
  JobQuery query;
  query.limit = 10'000;
  const auto jobs = store_->ListJobs(query);
  ASSERT_TRUE(jobs.ok()) << jobs.status();
  std::set<std::string> names;
  for (const Job& job : *jobs) names.insert(job.name);
  EXPECT_THAT(names, SizeIs(kThreads * kJobsEach));
}

TEST_F(ConcurrencyTest, OfTwoChangesOneIsAborted) {
  for (int round = 0; round < 20; ++round) {
    const JobId id = CreateIn(JobState::kRunning);
    std::atomic<int> won{0};
    std::atomic<int> aborted{0};
    InThreads(2, [&](int i) {
      const JobState to = i == 0 ? JobState::kPausing : JobState::kCancelling;
      const auto event = store_->ChangeState(id, JobState::kRunning, to, StopReason::kNone, "");
      won += event.ok();
      aborted += Code(event) == absl::StatusCode::kAborted;
    });
    EXPECT_EQ(won, 1);
    EXPECT_EQ(aborted, 1);
    EXPECT_THAT(Events(id), SizeIs(3));
  }
}

TEST_F(ConcurrencyTest, SequencesOfOneJobHaveNoGapsWhateverTheOrder) {
  const JobId id = CreateIn(JobState::kRunning);
  std::vector<std::vector<JobEvent>> told(kThreads);
  InThreads(kThreads, [&](int i) {
    for (int64_t k = 0; k < 10; ++k) {
      const auto epoch = store_->AppendEpoch(id, 1, MakeEpoch(1 + i * 10 + k));
      ASSERT_TRUE(epoch.ok()) << epoch.status();
      told[static_cast<size_t>(i)].push_back(**epoch);
      const auto warning = store_->AppendWarning(id, "w");
      ASSERT_TRUE(warning.ok()) << warning.status();
      told[static_cast<size_t>(i)].push_back(*warning);
    }
  });
  std::vector<JobEvent> all = Events(id);
  ASSERT_THAT(all, SizeIs(2 + kThreads * 20));
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].sequence, static_cast<int64_t>(i) + 1);
  for (const auto& events : told) {
    for (const JobEvent& event : events) {
      EXPECT_EQ(Describe(event), Describe(all[static_cast<size_t>(event.sequence) - 1]));
    }
  }
}

// Every snapshot a reader sees is of one moment: as many epochs as epoch events.
TEST_F(ConcurrencyTest, ReadersSeeWholeTransactionsWhileOthersWrite) {
  const JobId id = CreateIn(JobState::kRunning);
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int64_t epoch = 1; epoch <= 200; ++epoch) {
      EXPECT_TRUE(store_->AppendEpoch(id, 1, MakeEpoch(epoch, {{"a", 1}, {"b", 2}})).ok());
    }
    done = true;
  });
  InThreads(8, [&](int) {
    size_t last = 0;
    while (!done) {
      const auto epochs = store_->ListEpochs(EpochsOf(id));
      ASSERT_TRUE(epochs.ok()) << epochs.status();
      ASSERT_GE(epochs->size(), last);
      last = epochs->size();
      for (const EpochRecord& record : *epochs) ASSERT_THAT(record.metrics, SizeIs(2));
      const auto events = store_->ListEvents(id, 0, 1000);
      ASSERT_TRUE(events.ok()) << events.status();
      ASSERT_GE(events->size(), last + 2);
      ASSERT_TRUE(store_->GetJob(id).ok());
      ASSERT_TRUE(store_->ListQueued().ok());
    }
  });
  writer.join();
  EXPECT_THAT(*store_->ListEpochs(EpochsOf(id)), SizeIs(200));
}

// What one read puts together from several statements is of one moment: a job that goes to and fro
// between two states is found once, neither twice nor not at all.
TEST_F(ConcurrencyTest, AListIsOfOneMoment) {
  const JobId id = Create();
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < 300; ++i) {
      const bool pause = i % 2 == 0;
      EXPECT_TRUE(store_
                      ->ChangeState(id, pause ? JobState::kQueued : JobState::kPaused,
                                    pause ? JobState::kPaused : JobState::kQueued,
                                    StopReason::kNone, "")
                      .ok());
    }
    done = true;
  });
  JobQuery query;
  query.states = {JobState::kQueued, JobState::kPaused};
  InThreads(3, [&](int) {
    while (!done) {
      const auto jobs = store_->ListJobs(query);
      ASSERT_TRUE(jobs.ok()) << jobs.status();
      ASSERT_THAT(*jobs, SizeIs(1));
    }
  });
  writer.join();
}

// With the disk held, so that it is certain who waits for what.
class GroupCommitTest : public testing::Test {
 protected:
  void SetUp() override {
    options_.vfs = vfs_.name();
    auto store = SqliteStore::Open(folder_.File("anneal.db"), clock_, options_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  // Holds the sync of one commit, lets `count` threads run `body` meanwhile until all of them wait,
  // and goes on.
  void WhileHeld(int count, const std::function<void(int)>& body) {
    vfs_.HoldSyncs();
    std::thread first([&] { ASSERT_TRUE(store_->CreateJob(MakeJob("first")).ok()); });
    vfs_.AwaitHeldSync();
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) threads.emplace_back(body, i);
    while (store_->GetCounters().waiting < count) std::this_thread::yield();
    vfs_.ReleaseSyncs();
    first.join();
    for (std::thread& thread : threads) thread.join();
  }

  FaultVfs vfs_;
  TempFolder folder_;
  ManualClock clock_;
  SqliteStore::Options options_;
  std::unique_ptr<SqliteStore> store_;
};

TEST_F(GroupCommitTest, WhoWaitsTogetherIsCommittedTogether) {
  const auto before = store_->GetCounters();
  const int64_t syncs = vfs_.Syncs();
  WhileHeld(kThreads,
            [&](int i) { ASSERT_TRUE(store_->CreateJob(MakeJob(std::to_string(i))).ok()); });
  EXPECT_EQ(store_->GetCounters().mutations - before.mutations, 1 + kThreads);
  EXPECT_EQ(store_->GetCounters().commits - before.commits, 2);
  EXPECT_EQ(store_->GetCounters().waiting, 0);
  EXPECT_LE(vfs_.Syncs() - syncs, 3);  // one a commit, and one for a log that is begun anew
  EXPECT_THAT(*store_->ListJobs({}), SizeIs(1 + kThreads));
}

TEST_F(GroupCommitTest, AGroupIsBounded) {
  store_.reset();
  options_.max_group = 4;
  SetUp();
  WhileHeld(kThreads, [&](int) { ASSERT_TRUE(store_->CreateJob(MakeJob()).ok()); });
  EXPECT_EQ(store_->GetCounters().commits, 1 + kThreads / 4);
}

TEST_F(GroupCommitTest, AFailingMutationFailsAlone) {
  const JobId id = store_->CreateJob(MakeJob())->job.id;
  ASSERT_TRUE(store_->BeginAttempt(id, "cpu").ok());
  std::atomic<int> refused{0};
  WhileHeld(kThreads, [&](int i) {
    if (i % 2 == 0) {
      ASSERT_TRUE(store_->CreateJob(MakeJob()).ok());
      return;
    }
    // SQLite itself refuses it half way: the epoch and its first metric are in, the second is not.
    const auto event = store_->AppendEpoch(id, 1, MakeEpoch(1 + i, {{"a", 1}, {"a", 2}}));
    refused += Code(event) == absl::StatusCode::kInternal;
  });
  EXPECT_EQ(refused, kThreads / 2);
  EXPECT_THAT(*store_->ListJobs({}), SizeIs(2 + kThreads / 2));
  EXPECT_THAT(*store_->ListEpochs(EpochsOf(id)), SizeIs(0));
  EXPECT_THAT(*store_->ListEvents(id, 0, 100), SizeIs(2));
}

// Reads go on while a commit waits for the disk, and see nothing of it.
TEST_F(GroupCommitTest, ReadsDoNotWaitForTheWriter) {
  ASSERT_TRUE(store_->CreateJob(MakeJob()).ok());
  vfs_.HoldSyncs();
  std::thread writer([&] { ASSERT_TRUE(store_->CreateJob(MakeJob()).ok()); });
  vfs_.AwaitHeldSync();
  EXPECT_THAT(*store_->ListJobs({}), SizeIs(1));
  EXPECT_EQ(Code(store_->GetJob(2)), absl::StatusCode::kNotFound);
  vfs_.ReleaseSyncs();
  writer.join();
  EXPECT_THAT(*store_->ListJobs({}), SizeIs(2));
}

TEST_F(GroupCommitTest, AFailingCommitFailsAllAndWritesNothing) {
  std::atomic<int> failed{0};
  vfs_.HoldSyncs();
  std::thread first(
      [&] { failed += Code(store_->CreateJob(MakeJob())) == absl::StatusCode::kUnavailable; });
  vfs_.AwaitHeldSync();
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back(
        [&] { failed += Code(store_->CreateJob(MakeJob())) == absl::StatusCode::kUnavailable; });
  }
  while (store_->GetCounters().waiting < kThreads) std::this_thread::yield();
  vfs_.FailSyncs(SQLITE_IOERR_FSYNC);
  vfs_.ReleaseSyncs();
  first.join();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 1 + kThreads);
  EXPECT_THAT(*store_->ListJobs({}), SizeIs(0));
  EXPECT_EQ(store_->GetCounters().mutations, 0);

  vfs_.FailSyncs(SQLITE_OK);
  const auto created = store_->CreateJob(MakeJob());
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_THAT(*store_->ListJobs({}), SizeIs(1));
}

}  // namespace
}  // namespace anneal
