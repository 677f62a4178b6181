// What lists return, and that SQLite finds it by index.
#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "storage/sql.h"
#include "tests/storage/storage_test_support.h"

namespace anneal {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class ReadsTest : public StoreTest {
 protected:
  std::vector<JobId> List(const JobQuery& query) {
    const auto jobs = store_->ListJobs(query);
    EXPECT_TRUE(jobs.ok()) << jobs.status();
    return Ids(*jobs);
  }
};

TEST_F(ReadsTest, JobsNewestFirstInPages) {
  for (int i = 0; i < 5; ++i) Create();
  EXPECT_THAT(List({}), ElementsAre(5, 4, 3, 2, 1));
  EXPECT_THAT(List({{}, "", 0, 2}), ElementsAre(5, 4));
  EXPECT_THAT(List({{}, "", 4, 2}), ElementsAre(3, 2));
  EXPECT_THAT(List({{}, "", 2, 2}), ElementsAre(1));
  EXPECT_THAT(List({{}, "", 1, 2}), IsEmpty());
  EXPECT_THAT(List({{}, "", 0, 0}), IsEmpty());
  EXPECT_THAT(List({{}, "", 0, -1}), IsEmpty());
}

TEST_F(ReadsTest, JobsByState) {
  for (const JobState state : kAllJobStates) CreateIn(state);  // ids 1..8
  for (const JobState state : kAllJobStates) CreateIn(state);  // ids 9..16
  EXPECT_THAT(List({{JobState::kRunning}, "", 0, 50}), ElementsAre(10, 2));
  EXPECT_THAT(List({{JobState::kFailed, JobState::kQueued, JobState::kFailed}, "", 0, 50}),
              ElementsAre(15, 9, 7, 1));
  EXPECT_THAT(List({{JobState::kFailed, JobState::kQueued}, "", 15, 2}), ElementsAre(9, 7));
}

TEST_F(ReadsTest, JobsByName) {
  Create("cifar10-deep");
  Create("Cifar10-cnn");
  Create("100%_sure");
  Create("größe 精度");
  EXPECT_THAT(List({{}, "ifar10", 0, 50}), ElementsAre(2, 1));
  EXPECT_THAT(List({{}, "cifar", 0, 50}), ElementsAre(1));
  EXPECT_THAT(List({{}, "%", 0, 50}), ElementsAre(3));
  EXPECT_THAT(List({{}, "_", 0, 50}), ElementsAre(3));
  EXPECT_THAT(List({{}, "精", 0, 50}), ElementsAre(4));
  EXPECT_THAT(List({{JobState::kQueued}, "cifar", 0, 50}), ElementsAre(1));
  EXPECT_THAT(List({{JobState::kRunning}, "cifar", 0, 50}), IsEmpty());
  EXPECT_THAT(List({{}, "' OR 1 --", 0, 50}), IsEmpty());
}

TEST_F(ReadsTest, ListsLeaveOutWhatIsLarge) {
  const JobId id = CreateIn(JobState::kSucceeded);
  const Job full = Get(id);
  Job listed = store_->ListJobs({})->front();
  EXPECT_EQ(listed.spec, "");
  EXPECT_THAT(listed.attempts, IsEmpty());
  EXPECT_EQ(listed.attempt_count, 1);
  listed.spec = full.spec;
  listed.attempts = full.attempts;
  EXPECT_EQ(Describe(listed), Describe(full));
}

TEST_F(ReadsTest, QueueByPriorityThenId) {
  Create("a", 0);
  Create("b", 5);
  Create("c", -1);
  Create("d", 5);
  Create("e", 0);
  CreateIn(JobState::kRunning);
  EXPECT_THAT(Ids(*store_->ListQueued()), ElementsAre(2, 4, 1, 5, 3));
}

TEST_F(ReadsTest, EpochsInOrderInPagesByMetric) {
  const JobId id = CreateIn(JobState::kRunning);
  const JobId other = CreateIn(JobState::kRunning);
  ASSERT_TRUE(store_->AppendEpoch(other, 1, MakeEpoch(1)).ok());
  for (int64_t epoch = 1; epoch <= 5; ++epoch) {
    ASSERT_TRUE(
        store_
            ->AppendEpoch(id, 1,
                          MakeEpoch(epoch, {{"accuracy", 0.1}, {"loss", 1.0}, {"val_loss", 2.0}}))
            .ok());
  }
  const auto epochs = [&](const EpochQuery& query) {
    std::vector<int64_t> numbers;
    const auto records = store_->ListEpochs(query);
    EXPECT_TRUE(records.ok()) << records.status();
    for (const EpochRecord& record : *records) numbers.push_back(record.epoch);
    return numbers;
  };
  EXPECT_THAT(epochs(EpochsOf(id)), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(epochs(EpochsOf(id, 2)), ElementsAre(3, 4, 5));
  EXPECT_THAT(epochs(EpochsOf(id, 2, 2)), ElementsAre(3, 4));
  EXPECT_THAT(epochs(EpochsOf(id, 5)), IsEmpty());
  EXPECT_THAT(epochs(EpochsOf(id, 0, 0)), IsEmpty());
  const auto some = store_->ListEpochs({id, 3, {"val_loss", "loss", "unknown"}, 1});
  ASSERT_THAT(*some, SizeIs(1));
  EXPECT_EQ(Describe(some->front().metrics), Describe({{"loss", 1.0}, {"val_loss", 2.0}}));
  EXPECT_EQ(Code(store_->ListEpochs(EpochsOf(99))), absl::StatusCode::kNotFound);
}

TEST_F(ReadsTest, AnEpochWithoutMetricsIsStillAnEpoch) {
  const JobId id = CreateIn(JobState::kRunning);
  ASSERT_TRUE(store_->AppendEpoch(id, 1, MakeEpoch(1, {})).ok());
  ASSERT_TRUE(store_->AppendEpoch(id, 1, MakeEpoch(2)).ok());
  ASSERT_THAT(*store_->ListEpochs(EpochsOf(id)), SizeIs(2));
  EXPECT_THAT(store_->ListEpochs(EpochsOf(id))->front().metrics, IsEmpty());
  EXPECT_THAT(Events(id), SizeIs(4));
}

TEST_F(ReadsTest, TheLastEpochOfEachJob) {
  const JobId none = CreateIn(JobState::kRunning);
  const JobId bare = CreateIn(JobState::kRunning);
  const JobId three = CreateIn(JobState::kRunning);
  const JobId other = CreateIn(JobState::kRunning);
  ASSERT_TRUE(store_->AppendEpoch(bare, 1, MakeEpoch(7, {})).ok());
  for (int64_t epoch = 1; epoch <= 3; ++epoch) {
    clock_.Advance(epoch);
    const double value = static_cast<double>(epoch);
    ASSERT_TRUE(store_
                    ->AppendEpoch(three, 1,
                                  MakeEpoch(epoch, {{"accuracy", value},
                                                    {"loss", std::nan("")},
                                                    {"val_loss", -value}}))
                    .ok());
  }
  ASSERT_TRUE(store_->AppendEpoch(other, 1, MakeEpoch(1)).ok());
  const auto last = store_->ListLastEpochs({three, 99, three, bare, none, -1});
  ASSERT_TRUE(last.ok()) << last.status();
  ASSERT_THAT(*last, SizeIs(2));
  EXPECT_EQ((*last)[0].job_id, bare);
  EXPECT_EQ((*last)[1].job_id, three);
  EXPECT_EQ(Describe((*last)[0].record), Describe(store_->ListEpochs(EpochsOf(bare))->back()));
  EXPECT_EQ(Describe((*last)[1].record), Describe(store_->ListEpochs(EpochsOf(three))->back()));
  EXPECT_THAT(*store_->ListLastEpochs({}), IsEmpty());
}

TEST_F(ReadsTest, EventsAreReplayedInPages) {
  NewJob job = MakeJob();
  job.warnings = {"w"};
  auto created = store_->CreateJob(job);
  ASSERT_TRUE(created.ok());
  const JobId id = created->job.id;
  std::vector<JobEvent> told = created->events;
  told.push_back(store_->BeginAttempt(id, "cpu")->event);
  for (int64_t epoch = 1; epoch <= 3; ++epoch) {
    clock_.Advance(epoch);
    told.push_back(**store_->AppendEpoch(id, 1, MakeEpoch(epoch)));
    told.push_back(*store_->AppendWarning(id, "after " + std::to_string(epoch)));
  }
  AttemptEnd end{JobState::kRunning,
                 JobState::kFailed,
                 StopReason::kDiverged,
                 "NaN",
                 "FAILED",
                 TrainingResult{{}, 3, 0, "sha"}};
  const auto ended = store_->EndAttempt(id, 1, end);
  ASSERT_TRUE(ended.ok());
  told.insert(told.end(), ended->begin(), ended->end());

  EXPECT_EQ(DescribeAll(Events(id)), DescribeAll(told));
  std::vector<JobEvent> paged;
  while (true) {
    const auto page = store_->ListEvents(id, static_cast<int64_t>(paged.size()), 2);
    ASSERT_TRUE(page.ok()) << page.status();
    if (page->empty()) break;
    ASSERT_LE(page->size(), 2U);
    paged.insert(paged.end(), page->begin(), page->end());
  }
  EXPECT_EQ(DescribeAll(paged), DescribeAll(told));
  for (size_t i = 0; i < paged.size(); ++i)
    EXPECT_EQ(paged[i].sequence, static_cast<int64_t>(i) + 1);
  EXPECT_EQ(Code(store_->ListEvents(99, 0, 10)), absl::StatusCode::kNotFound);
  EXPECT_EQ(Code(store_->GetJob(99)), absl::StatusCode::kNotFound);
  EXPECT_EQ(Code(store_->GetJob(-1)), absl::StatusCode::kNotFound);
}

// SQLite's own plan, in a database with 100,000 jobs and its statistics unknown, as in the field.
class QueryPlanTest : public ReadsTest {
 protected:
  void SetUp() override {
    ReadsTest::SetUp();
    store_.reset();
    SQLite::Database database(path_, SQLite::OPEN_READWRITE);
    database.exec(R"sql(
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
      INSERT INTO jobs (name, state, priority, spec_sha256, create_time_us)
        SELECT 'job ' || i, iif(i % 1000 = 0, 1, iif(i % 1000 = 1, 2, 6)), i % 7, '', i FROM n)sql");
  }

  std::string Plan(const char* sql) {
    SQLite::Database database(path_);
    SQLite::Statement statement(database, std::string("EXPLAIN QUERY PLAN ") + sql);
    std::string plan;
    while (statement.executeStep()) plan += statement.getColumn(3).getString() + "\n";
    return plan;
  }
};

TEST_F(QueryPlanTest, NothingIsScannedOrSorted) {
  EXPECT_THAT(Plan(sql::kNewestJobsOfState), HasSubstr("INDEX jobs_by_state (state=? AND id<?)"));
  EXPECT_THAT(Plan(sql::kQueuedJobs), HasSubstr("USING INDEX jobs_queued"));
  EXPECT_THAT(Plan(sql::kActiveJobs), HasSubstr("INDEX jobs_by_state (state=?)"));
  EXPECT_THAT(Plan(sql::kNewestJobs), HasSubstr("INTEGER PRIMARY KEY (rowid<?)"));
  EXPECT_THAT(Plan(sql::kJobOfRequest), HasSubstr("(request_id=?)"));
  EXPECT_THAT(Plan(sql::kOpenAttempt), HasSubstr("INDEX attempts_open (job_id=?)"));
  EXPECT_THAT(Plan(sql::kEpochs), HasSubstr("PRIMARY KEY (job_id=? AND epoch>? AND epoch<?)"));
  EXPECT_THAT(Plan(sql::kEpochMetrics),
              HasSubstr("PRIMARY KEY (job_id=? AND epoch>? AND epoch<?)"));
  EXPECT_THAT(Plan(sql::kEvents), HasSubstr("PRIMARY KEY (job_id=? AND sequence>?)"));
  EXPECT_THAT(Plan(sql::kLastSequence), HasSubstr("PRIMARY KEY (job_id=?)"));
  EXPECT_THAT(Plan(sql::kLastEpochs),
              AllOf(HasSubstr("SEARCH e USING PRIMARY KEY (job_id=? AND epoch=?)"),
                    HasSubstr("SEARCH epochs USING PRIMARY KEY (job_id=?)"),
                    HasSubstr("SEARCH m USING PRIMARY KEY (job_id=? AND epoch=?)")));
  for (const char* sql : {sql::kNewestJobsOfState, sql::kQueuedJobs, sql::kNewestJobs, sql::kEpochs,
                          sql::kEpochMetrics, sql::kEvents, sql::kAttempts, sql::kResultMetrics}) {
    EXPECT_THAT(Plan(sql), Not(HasSubstr("TEMP B-TREE"))) << sql;
  }
  for (const char* sql : {sql::kDeleteJob, sql::kChangeJob, sql::kEndAttempt}) {
    EXPECT_THAT(Plan(sql), Not(HasSubstr("SCAN"))) << sql;
  }
}

TEST_F(QueryPlanTest, ListsOfALargeDatabase) {
  Open();
  EXPECT_THAT(List({{JobState::kRunning}, "", 0, 3}), ElementsAre(99001, 98001, 97001));
  EXPECT_THAT(List({{JobState::kRunning, JobState::kQueued}, "", 99000, 3}),
              ElementsAre(98001, 98000, 97001));
  EXPECT_THAT(List({{}, "job 99999", 0, 3}), ElementsAre(99999));
  EXPECT_THAT(*store_->ListQueued(), SizeIs(100));
  EXPECT_EQ(store_->ListQueued()->front().priority, 6);
}

}  // namespace
}  // namespace anneal
