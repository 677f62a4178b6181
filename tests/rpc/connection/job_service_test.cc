// Ids, GetJob, CancelJob, PauseJob, ResumeJob, DeleteJob.
#include "server/rpc/job_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/rpc/connection/rpc_harness.h"
#include "tests/rpc/connection/watch_call.h"

namespace anneal {
namespace {

using grpc::StatusCode;

using JobServiceTest = SqliteRpcTest;

TEST_F(JobServiceTest, AnyOtherIdIsNotFound) {
  rpc_->Submit("one");
  for (const std::string& id : {std::string(), std::string("2"), std::string("x"), std::string("0"),
                                std::string("-1"), std::string("01"), std::string("1 "),
                                std::string("1; DROP TABLE"), std::string("99999999999999999999"),
                                std::string("\xD0\xB6"), std::string(1'000'000, '7')}) {
    v1::Job job;
    const grpc::Status status = rpc_->Get(id, &job);
    EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
    EXPECT_EQ(ReasonOf(status), "JOB_NOT_FOUND");
    if (id.size() < 60) {
      EXPECT_EQ(status.error_message(), "no job '" + id + "'");
    }
    EXPECT_EQ(rpc_->Cancel(id, &job).error_code(), StatusCode::NOT_FOUND);
    EXPECT_EQ(ReasonOf(rpc_->Pause(id, &job)), "JOB_NOT_FOUND");
    EXPECT_EQ(ReasonOf(rpc_->Resume(id, &job)), "JOB_NOT_FOUND");
    EXPECT_EQ(ReasonOf(rpc_->Delete(id)), "JOB_NOT_FOUND");
    v1::ListEpochMetricsRequest metrics;
    metrics.add_job_ids(id);
    v1::ListEpochMetricsResponse rows;
    EXPECT_EQ(ReasonOf(RpcHarness::Call(rpc_->jobs(), &v1::JobService::Stub::ListEpochMetrics,
                                        metrics, &rows)),
              "JOB_NOT_FOUND");
  }
}

// --- GetJob ---

TEST_F(JobServiceTest, ARunningJobShowsItsProgressAndAQueuedOneItsPlace) {
  FakeTraining training;
  training.epochs = 4;
  training.hold_before_epoch = 3;
  rpc_->engine().Script("a", training);
  rpc_->engine().Script("b", training);
  const std::string a = rpc_->Submit("a", 4);
  const std::string b = rpc_->Submit("b", 4);
  rpc_->engine().AwaitHeld("a");
  rpc_->engine().AwaitHeld("b");
  const std::string low = rpc_->Submit("low");
  const std::string high = rpc_->Submit("high", 1, 5);
  v1::Job job;
  ASSERT_TRUE(rpc_->Get(a, &job).ok());
  EXPECT_EQ(job.state(), v1::Job::RUNNING);
  EXPECT_EQ(job.progress().epoch(), 2);
  EXPECT_EQ(job.progress().epochs(), 4);
  EXPECT_EQ(job.queue_position(), 0);
  ASSERT_TRUE(rpc_->Get(high, &job).ok());
  EXPECT_EQ(job.state(), v1::Job::QUEUED);
  EXPECT_EQ(job.queue_position(), 1);
  EXPECT_FALSE(job.has_progress());
  ASSERT_TRUE(rpc_->Get(low, &job).ok());
  EXPECT_EQ(job.queue_position(), 2);
  v1::ListJobsResponse list;
  ASSERT_TRUE(
      RpcHarness::Call(rpc_->jobs(), &v1::JobService::Stub::ListJobs, v1::ListJobsRequest(), &list)
          .ok());
  ASSERT_EQ(list.jobs_size(), 4);
  EXPECT_EQ(list.jobs(3).progress().epoch(), 2);
  rpc_->engine().Release("a");
  rpc_->engine().Release("b");
  rpc_->WatchToEnd(low);
}

TEST_F(JobServiceTest, AnEndedJobShowsItsLastEpoch) {
  // However many of the asked epochs there were, with a result or without.
  for (const int64_t epochs : {1, 2, 3, 7, 64, 100}) {
    const std::string succeeds = absl::StrCat("succeeds after ", epochs);
    FakeTraining training;
    training.epochs = epochs;
    training.outcome.stop_reason = StopReason::kEarlyStopped;
    rpc_->engine().Script(succeeds, training);
    const std::string id = rpc_->Submit(succeeds, 100);
    rpc_->WatchToEnd(id);
    v1::Job job;
    ASSERT_TRUE(rpc_->Get(id, &job).ok());
    EXPECT_EQ(job.progress().epoch(), epochs);
    EXPECT_EQ(job.progress().epochs(), 100);

    const std::string cancelled = absl::StrCat("cancelled after ", epochs);
    training.hold_before_epoch = epochs + 1;
    rpc_->engine().Script(cancelled, training);
    const std::string other = rpc_->Submit(cancelled, 100);
    rpc_->engine().AwaitHeld(cancelled);
    ASSERT_TRUE(rpc_->Cancel(other, &job).ok());
    rpc_->WatchToEnd(other);
    ASSERT_TRUE(rpc_->Get(other, &job).ok());
    EXPECT_EQ(job.state(), v1::Job::CANCELLED);
    EXPECT_FALSE(job.has_result());
    EXPECT_EQ(job.progress().epoch(), epochs);
    ASSERT_EQ(job.progress().metrics_size(), 2);
    EXPECT_EQ(job.progress().metrics(1).name(), "loss");
    EXPECT_DOUBLE_EQ(job.progress().metrics(1).value(), 1.0 / static_cast<double>(epochs));
  }
}

TEST_F(JobServiceTest, AJobThatEndedBeforeItsFirstEpochHasNoProgress) {
  FakeTraining training;
  training.hold_before_epoch = 1;
  rpc_->engine().Script("held", training);
  const std::string id = rpc_->Submit("held");
  rpc_->engine().AwaitHeld("held");
  v1::Job job;
  ASSERT_TRUE(rpc_->Cancel(id, &job).ok());
  rpc_->WatchToEnd(id);
  ASSERT_TRUE(rpc_->Get(id, &job).ok());
  EXPECT_FALSE(job.has_progress());
}

TEST_F(JobServiceTest, AJobHasItsNetworksSummary) {
  FakeTraining training;
  training.hold_before_epoch = 1;
  rpc_->engine().Script("held", training);
  const std::string id = rpc_->Submit("held");
  rpc_->engine().AwaitHeld("held");
  v1::Job job;
  ASSERT_TRUE(rpc_->Get(id, &job).ok());
  ASSERT_TRUE(job.has_summary());
  // 32 x 32 x 3 values, each with a weight to each of 10 units, and their biases.
  EXPECT_EQ(job.summary().trainable_parameters(), 32 * 32 * 3 * 10 + 10);
  EXPECT_EQ(job.summary().rows_size(), 2);
  rpc_->engine().Release("held");
  rpc_->WatchToEnd(id);
  v1::Job ended;
  ASSERT_TRUE(rpc_->Get(id, &ended).ok());
  EXPECT_EQ(ended.state(), v1::Job::SUCCEEDED);
  EXPECT_EQ(ended.summary().SerializeAsString(), job.summary().SerializeAsString());
  v1::ListJobsResponse list;
  ASSERT_TRUE(
      RpcHarness::Call(rpc_->jobs(), &v1::JobService::Stub::ListJobs, v1::ListJobsRequest(), &list)
          .ok());
  EXPECT_FALSE(list.jobs(0).has_summary());
}

using JobServiceWithoutDatasetTest = FakeStoreRpcTest;

TEST_F(JobServiceWithoutDatasetTest, NoSummaryWhereTheSpecIsNotValidAnyMore) {
  const std::string id = rpc_.Submit("job");
  rpc_.WatchToEnd(id);
  v1::Job job;
  ASSERT_TRUE(rpc_.Get(id, &job).ok());
  EXPECT_TRUE(job.has_summary());
  v1::JobSpec spec = SmallSpec("job");
  spec.mutable_training()->mutable_dataset()->set_name("removed");
  store_.OverwriteSpec(1, spec.SerializeAsString());
  ASSERT_TRUE(rpc_.Get(id, &job).ok());
  EXPECT_FALSE(job.has_summary());
  EXPECT_EQ(job.spec().training().dataset().name(), "removed");
  EXPECT_EQ(job.progress().epoch(), 1);
}

// --- CancelJob, DeleteJob ---

TEST_F(JobServiceTest, CancelAndDelete) {
  FakeTraining training;
  training.hold_before_epoch = 1;
  rpc_->engine().Script("held", training);
  const std::string id = rpc_->Submit("held");
  rpc_->engine().AwaitHeld("held");
  grpc::Status status = rpc_->Delete(id);
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "JOB_NOT_ENDED");
  v1::Job job;
  ASSERT_TRUE(rpc_->Cancel(id, &job).ok());
  EXPECT_EQ(job.state(), v1::Job::CANCELLING);
  rpc_->WatchToEnd(id);
  status = rpc_->Cancel(id, &job);
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "JOB_ENDED");
  EXPECT_TRUE(rpc_->Delete(id).ok());
  EXPECT_EQ(rpc_->Get(id, &job).error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(rpc_->Delete(id).error_code(), StatusCode::NOT_FOUND);
}

// --- PauseJob, ResumeJob ---

TEST_F(JobServiceTest, PauseAndResume) {
  FakeTraining training;
  training.epochs = 3;
  training.hold_before_epoch = 3;
  training.hold_through_stop = true;
  rpc_->engine().Script("held", training);
  const std::string id = rpc_->Submit("held", 3);
  rpc_->engine().AwaitHeld("held");
  v1::Job job;
  ASSERT_TRUE(rpc_->Pause(id, &job).ok());
  EXPECT_EQ(job.state(), v1::Job::PAUSING);
  grpc::Status status = rpc_->Resume(id, &job);
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "JOB_NOT_PAUSED");
  EXPECT_EQ(ReasonOf(rpc_->Delete(id)), "JOB_NOT_ENDED");
  {
    Watch watch(rpc_->jobs(), id);
    rpc_->engine().Release("held");
    v1::Job::State state = v1::Job::STATE_UNSPECIFIED;
    while (state != v1::Job::PAUSED) {
      const auto response = watch.Next();
      ASSERT_TRUE(response.has_value()) << watch.Finish().error_message();
      state = response->event().state_change().state();
    }
    watch.Cancel();
  }
  // It shows what it has done, alone and in lists.
  ASSERT_TRUE(rpc_->Get(id, &job).ok());
  EXPECT_EQ(job.state(), v1::Job::PAUSED);
  EXPECT_EQ(job.progress().epoch(), 2);
  EXPECT_EQ(job.progress().epochs(), 3);
  v1::ListJobsRequest paused;
  paused.add_states(v1::Job::PAUSED);
  v1::ListJobsResponse list;
  ASSERT_TRUE(RpcHarness::Call(rpc_->jobs(), &v1::JobService::Stub::ListJobs, paused, &list).ok());
  ASSERT_EQ(list.jobs_size(), 1);
  EXPECT_EQ(list.jobs(0).progress().epoch(), 2);
  ASSERT_TRUE(rpc_->Resume(id, &job).ok());
  EXPECT_EQ(job.state(), v1::Job::QUEUED);
  std::vector<int64_t> epochs;
  for (const v1::JobEvent& event : rpc_->WatchToEnd(id)) {
    if (event.has_epoch()) epochs.push_back(event.epoch().attempt());
  }
  EXPECT_THAT(epochs, testing::ElementsAre(1, 1, 2));
  for (const auto& refused : {rpc_->Pause(id, &job), rpc_->Resume(id, &job)}) {
    EXPECT_EQ(refused.error_code(), StatusCode::FAILED_PRECONDITION);
    EXPECT_EQ(ReasonOf(refused), "JOB_ENDED");
  }
}

}  // namespace
}  // namespace anneal
