// Predictions and the trainings that they are by: made, listed, deleted.
#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/sql.h"
#include "tests/storage/storage_test_support.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class ModelsTest : public StoreTest {
 protected:
  NewJob PredictionBy(JobId model) {
    NewJob job = MakeJob("prediction");
    job.kind = JobKind::kPrediction;
    job.model_job_id = model;
    return job;
  }

  void Cancel(JobId id) {
    const auto cancelled =
        store_->ChangeState(id, JobState::kQueued, JobState::kCancelled, StopReason::kUser, "");
    ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  }

  std::vector<JobId> List(const JobQuery& query) {
    const auto jobs = store_->ListJobs(query);
    EXPECT_TRUE(jobs.ok()) << jobs.status();
    return Ids(*jobs);
  }
};

TEST_F(ModelsTest, APredictionKnowsItsModel) {
  const JobId model = CreateIn(JobState::kSucceeded);
  const auto created = store_->CreateJob(PredictionBy(model));
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(created->job.model_job_id, model);
  EXPECT_EQ(created->job.kind, JobKind::kPrediction);
  EXPECT_EQ(Get(created->job.id).model_job_id, model);
  EXPECT_EQ(Get(model).model_job_id, 0);
  EXPECT_THAT(Ids(*store_->ListQueued()), ElementsAre(created->job.id));
  EXPECT_EQ(store_->ListQueued()->front().model_job_id, model);
  EXPECT_EQ(store_->ListJobs({})->front().model_job_id, model);
}

TEST_F(ModelsTest, AModelThatIsGoneIsNotFound) {
  const auto missing = store_->CreateJob(PredictionBy(99));
  EXPECT_EQ(Code(missing), absl::StatusCode::kNotFound);
  EXPECT_TRUE(Says(missing.status(), "no job 99")) << missing.status();
  EXPECT_THAT(*store_->ListJobs({}), IsEmpty());

  const JobId model = CreateIn(JobState::kSucceeded);
  NewJob job = PredictionBy(model);
  job.request_id = "once";
  const JobId prediction = Create(job);
  Cancel(prediction);
  ASSERT_TRUE(store_->DeleteJob(model).ok());
  // What was made stays, with the number of what is gone; and is found again by its request.
  EXPECT_EQ(Get(prediction).model_job_id, model);
  const auto again = store_->CreateJob(job);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->created);
  EXPECT_EQ(again->job.id, prediction);
  EXPECT_EQ(again->job.model_job_id, model);
  job.request_id = "twice";
  EXPECT_EQ(Code(store_->CreateJob(job)), absl::StatusCode::kNotFound);
  // Its number is not given to another job, which would then seem to be the model.
  EXPECT_GT(Create(), prediction);
}

TEST_F(ModelsTest, ListsOfOneModelsPredictions) {
  const JobId a = CreateIn(JobState::kSucceeded);  // 1
  const JobId b = CreateIn(JobState::kSucceeded);  // 2
  std::vector<JobId> ids;
  for (int i = 0; i < 4; ++i) {
    ids.push_back(Create(PredictionBy(a)));  // 3, 5, 7, 9
    Create(PredictionBy(b));
  }
  JobQuery query;
  query.model_job_id = a;
  EXPECT_THAT(List(query), ElementsAre(9, 7, 5, 3));
  query.limit = 2;
  EXPECT_THAT(List(query), ElementsAre(9, 7));
  query.before_id = 7;
  EXPECT_THAT(List(query), ElementsAre(5, 3));
  query.limit = 0;
  EXPECT_THAT(List(query), IsEmpty());
  query.limit = -1;
  EXPECT_THAT(List(query), IsEmpty());

  Cancel(5);
  Cancel(9);
  query = JobQuery{};
  query.model_job_id = a;
  query.states = {JobState::kCancelled, JobState::kRunning};
  EXPECT_THAT(List(query), ElementsAre(9, 5));
  query.limit = 1;
  EXPECT_THAT(List(query), ElementsAre(9));
  query.before_id = 9;
  EXPECT_THAT(List(query), ElementsAre(5));
  query = JobQuery{};
  query.model_job_id = a;
  query.name_contains = "edict";
  EXPECT_THAT(List(query), ElementsAre(9, 7, 5, 3));
  query.name_contains = "%";
  EXPECT_THAT(List(query), IsEmpty());
  query = JobQuery{};
  query.model_job_id = 99;
  EXPECT_THAT(List(query), IsEmpty());
  // A prediction is no sweep's trial.
  const JobId sweep = Create(MakeSweep(1));
  query.model_job_id = a;
  query.sweep_id = sweep;
  EXPECT_THAT(List(query), IsEmpty());
}

TEST_F(ModelsTest, DeletingSaysWhatIsGone) {
  const JobId model = CreateIn(JobState::kSucceeded);
  EXPECT_THAT(*store_->DeleteJob(model), ElementsAre(model));
  const JobId sweep = Create(MakeSweep(3));
  Cancel(sweep);
  ASSERT_TRUE(store_->CancelWaitingTrials(sweep).ok());
  EXPECT_THAT(*store_->DeleteJob(sweep + 2), ElementsAre(sweep + 2));
  EXPECT_THAT(*store_->DeleteJob(sweep), ElementsAre(sweep, sweep + 1, sweep + 3));
  EXPECT_THAT(*store_->ListJobs({}), IsEmpty());
}

TEST_F(ModelsTest, AModelInUseIsNotDeleted) {
  const JobId model = CreateIn(JobState::kSucceeded);
  const JobId ended = Create(PredictionBy(model));
  const JobId open = Create(PredictionBy(model));
  Cancel(ended);
  const auto queued = store_->DeleteJob(model);
  EXPECT_EQ(Code(queued), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Says(queued.status(), "job " + std::to_string(open))) << queued.status();
  ASSERT_TRUE(store_->BeginAttempt(open, "cpu").ok());
  EXPECT_EQ(Code(store_->DeleteJob(model)), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Get(model).state, JobState::kSucceeded);
  AttemptEnd end;
  end.to = JobState::kFailed;
  end.stop_reason = StopReason::kDiverged;
  ASSERT_TRUE(store_->EndAttempt(open, 1, end).ok());
  EXPECT_THAT(*store_->DeleteJob(model), ElementsAre(model));
  EXPECT_EQ(Get(ended).model_job_id, model);
  EXPECT_EQ(Get(open).model_job_id, model);
  JobQuery query;
  query.model_job_id = model;
  EXPECT_THAT(List(query), ElementsAre(open, ended));
}

TEST_F(ModelsTest, ASweepWithATrialInUseIsNotDeleted) {
  const JobId sweep = Create(MakeSweep(2));
  RunTo(sweep + 1, JobState::kSucceeded, "loss", {1});
  RunTo(sweep + 2, JobState::kSucceeded, "loss", {1});
  Cancel(sweep);
  const JobId prediction = Create(PredictionBy(sweep + 2));
  for (const JobId id : {sweep, sweep + 2}) {
    const auto refused = store_->DeleteJob(id);
    EXPECT_EQ(Code(refused), absl::StatusCode::kFailedPrecondition);
    EXPECT_TRUE(Says(refused.status(), "job " + std::to_string(prediction))) << refused.status();
    EXPECT_TRUE(Says(refused.status(), "job " + std::to_string(sweep + 2))) << refused.status();
  }
  EXPECT_THAT(*store_->DeleteJob(sweep + 1), ElementsAre(sweep + 1));  // nobody uses that one
  Cancel(prediction);
  EXPECT_THAT(*store_->DeleteJob(sweep), ElementsAre(sweep, sweep + 2));
  EXPECT_THAT(List({}), ElementsAre(prediction));
}

TEST_F(ModelsTest, FoundByIndex) {
  store_.reset();
  SQLite::Database database(path_, SQLite::OPEN_READWRITE);
  database.exec(R"sql(
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
    INSERT INTO jobs (name, state, priority, spec_sha256, create_time_us, kind, model_job_id)
      SELECT '', 6, 0, '', i, iif(i % 2 = 0, 4, 1), iif(i % 2 = 0, i % 100 + 1, NULL) FROM n)sql");
  const auto plan = [&](const char* sql) {
    SQLite::Statement statement(database, std::string("EXPLAIN QUERY PLAN ") + sql);
    std::string text;
    while (statement.executeStep()) text += statement.getColumn(3).getString() + "\n";
    return text;
  };
  EXPECT_THAT(plan(sql::kNewestPredictions),
              HasSubstr("INDEX jobs_of_model (model_job_id=? AND id<?)"));
  EXPECT_THAT(plan(sql::kNewestPredictions), Not(HasSubstr("TEMP B-TREE")));
  EXPECT_THAT(plan(sql::kUnendedPrediction), HasSubstr("jobs_of_model (model_job_id=?)"));
  for (const char* sql : {sql::kNewestPredictions, sql::kUnendedPrediction, sql::kCheckpoint,
                          sql::kUnendedRelative}) {
    EXPECT_THAT(plan(sql), Not(HasSubstr("SCAN jobs"))) << sql;
  }
}

}  // namespace
}  // namespace anneal
