// Sweeps, as a client meets them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/rpc/connection/rpc_harness.h"

namespace anneal {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SweepRpcTest : public SqliteRpcTest {
 protected:
  // Three trials; with FakeEngine, epoch k has loss 1/k.
  static v1::CreateJobRequest Request() {
    v1::CreateJobRequest request;
    *request.mutable_spec() = SmallSpec("s", 3);
    v1::Sweep::GridParameter& parameter =
        *request.mutable_spec()->mutable_sweep()->mutable_grid()->add_parameters();
    parameter.set_path("training.batch_size");
    for (const char* value : {"16", "32", "64"}) parameter.add_values(value);
    return request;
  }

  void Script(const std::string& name, int64_t epochs) {
    FakeTraining training;
    training.epochs = epochs;
    rpc_->engine().Script(name, training);
  }

  std::vector<std::string> List(const v1::ListJobsRequest& request) {
    v1::ListJobsResponse response;
    const grpc::Status status =
        RpcHarness::Call(rpc_->jobs(), &v1::JobService::Stub::ListJobs, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    listed_ = response;
    std::vector<std::string> ids;
    for (const v1::Job& job : response.jobs()) ids.push_back(job.id());
    return ids;
  }

  v1::ListJobsResponse listed_;
};

TEST_F(SweepRpcTest, RunsAndRanksItsTrials) {
  Script("s/1", 2);
  Script("s/2", 3);
  Script("s/3", 2);
  v1::CreateJobResponse created;
  const grpc::Status status = rpc_->Create(Request(), &created);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(created.job().id(), "1");
  EXPECT_EQ(created.job().kind(), v1::Job::SWEEP);
  EXPECT_EQ(created.summary().trainable_parameters(), 30'730);
  ASSERT_EQ(created.trials_size(), 3);
  EXPECT_EQ(created.trials(2).sweep_id(), "1");
  EXPECT_EQ(created.trials(2).number(), 3);
  EXPECT_EQ(created.trials(2).settings(0).path(), "training.batch_size");
  EXPECT_EQ(created.trials(2).settings(0).value(), "64");

  std::vector<int64_t> ended;
  for (const v1::JobEvent& event : rpc_->WatchToEnd("1")) {
    if (!event.has_trial_end()) continue;
    ended.push_back(event.trial_end().trial());
    EXPECT_EQ(event.trial_end().job_id(), std::to_string(1 + event.trial_end().trial()));
    EXPECT_EQ(event.trial_end().state(), v1::Job::SUCCEEDED);
  }
  EXPECT_THAT(ended, testing::UnorderedElementsAre(1, 2, 3));

  v1::Job job;
  ASSERT_TRUE(rpc_->Get("1", &job).ok());
  EXPECT_EQ(job.state(), v1::Job::SUCCEEDED);
  EXPECT_FALSE(job.has_progress());
  EXPECT_FALSE(job.has_result());
  EXPECT_FALSE(job.has_trial());
  const v1::SweepResult& result = job.sweep_result();
  EXPECT_EQ(result.monitor(), "loss");  // no validation
  EXPECT_FALSE(result.larger_is_better());
  ASSERT_EQ(result.trials_size(), 3);
  // 1/3, then twice 1/2: equal ones share a rank.
  EXPECT_EQ(result.trials(0).number(), 2);
  EXPECT_EQ(result.trials(0).job_id(), "3");
  EXPECT_EQ(result.trials(0).rank(), 1);
  EXPECT_EQ(result.trials(0).best(), 1.0 / 3);
  EXPECT_EQ(result.trials(0).best_epoch(), 3);
  EXPECT_EQ(result.trials(0).state(), "SUCCEEDED");
  EXPECT_EQ(result.trials(0).settings(0).value(), "32");
  EXPECT_EQ(result.trials(1).number(), 1);
  EXPECT_EQ(result.trials(1).rank(), 2);
  EXPECT_EQ(result.trials(2).number(), 3);
  EXPECT_EQ(result.trials(2).rank(), 2);

  ASSERT_TRUE(rpc_->Get("3", &job).ok());
  EXPECT_EQ(job.kind(), v1::Job::TRAINING);
  EXPECT_EQ(job.name(), "s/2");
  EXPECT_EQ(job.trial().sweep_id(), "1");
  EXPECT_EQ(job.trial().number(), 2);
  EXPECT_EQ(job.spec().training().batch_size(), 32);
  EXPECT_FALSE(job.spec().has_sweep());
  EXPECT_FALSE(job.has_sweep_result());
}

TEST_F(SweepRpcTest, ValidateOnlyTellsTheTrialsAndMakesNone) {
  v1::CreateJobRequest request = Request();
  request.set_validate_only(true);
  v1::CreateJobResponse response;
  ASSERT_TRUE(rpc_->Create(request, &response).ok());
  EXPECT_EQ(response.trials_size(), 3);
  EXPECT_EQ(response.trials(0).sweep_id(), "");
  EXPECT_EQ(response.job().kind(), v1::Job::SWEEP);
  EXPECT_THAT(List({}), IsEmpty());
}

TEST_F(SweepRpcTest, ViolationsOfTrialsNameThem) {
  v1::CreateJobRequest request = Request();
  request.mutable_spec()->mutable_sweep()->mutable_grid()->mutable_parameters(0)->set_values(1,
                                                                                             "0");
  v1::CreateJobResponse response;
  const grpc::Status status = rpc_->Create(request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("(trial 2: training.batch_size=0)"));
  EXPECT_THAT(List({}), IsEmpty());
}

TEST_F(SweepRpcTest, ADeviceOfATrialThatIsNotThere) {
  v1::CreateJobRequest request = Request();
  v1::Sweep::GridParameter& device =
      *request.mutable_spec()->mutable_sweep()->mutable_grid()->add_parameters();
  device.set_path("training.device");
  device.add_values("cpu");
  device.add_values("cuda:0");
  v1::CreateJobResponse response;
  EXPECT_EQ(rpc_->Create(request, &response).error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(List({}), IsEmpty());
}

TEST_F(SweepRpcTest, OneRequestIdMakesOneSweep) {
  v1::CreateJobRequest request = Request();
  request.set_request_id("once");
  v1::CreateJobResponse first, second;
  ASSERT_TRUE(rpc_->Create(request, &first).ok());
  ASSERT_TRUE(rpc_->Create(request, &second).ok());
  EXPECT_EQ(second.job().id(), first.job().id());
  EXPECT_THAT(List({}), ElementsAre("4", "3", "2", "1"));
}

TEST_F(SweepRpcTest, ListsItsTrialsInPages) {
  rpc_->Submit("other");
  v1::CreateJobResponse created;
  ASSERT_TRUE(rpc_->Create(Request(), &created).ok());
  v1::ListJobsRequest request;
  request.set_sweep_id("2");
  request.set_page_size(2);
  EXPECT_THAT(List(request), ElementsAre("5", "4"));
  EXPECT_EQ(listed_.jobs(0).trial().number(), 3);
  EXPECT_EQ(listed_.jobs(0).trial().settings(0).value(), "64");
  request.set_page_token(listed_.next_page_token());
  EXPECT_THAT(List(request), ElementsAre("3"));
  EXPECT_EQ(listed_.next_page_token(), "");
  request.clear_page_token();
  request.set_sweep_id("1");  // a job without trials
  EXPECT_THAT(List(request), IsEmpty());
  for (const char* id : {"99", "0", "x"}) {
    request.set_sweep_id(id);
    v1::ListJobsResponse response;
    EXPECT_EQ(RpcHarness::Call(rpc_->jobs(), &v1::JobService::Stub::ListJobs, request, &response)
                  .error_code(),
              StatusCode::NOT_FOUND)
        << id;
  }
}

TEST_F(SweepRpcTest, CancelAndDelete) {
  FakeTraining held;
  held.hold_before_epoch = 1;
  for (const char* name : {"s/1", "s/2"}) rpc_->engine().Script(name, held);
  v1::CreateJobResponse created;
  ASSERT_TRUE(rpc_->Create(Request(), &created).ok());
  rpc_->engine().AwaitHeld("s/1");
  rpc_->engine().AwaitHeld("s/2");
  EXPECT_EQ(rpc_->Delete("1").error_code(), StatusCode::FAILED_PRECONDITION);
  v1::Job job;
  EXPECT_EQ(ReasonOf(rpc_->Pause("1", &job)), "JOB_NOT_PAUSABLE");
  ASSERT_TRUE(rpc_->Cancel("1", &job).ok());
  EXPECT_EQ(rpc_->WatchToEnd("1").back().state_change().state(), v1::Job::CANCELLED);
  ASSERT_TRUE(rpc_->Get("4", &job).ok());
  EXPECT_EQ(job.state(), v1::Job::CANCELLED);
  EXPECT_EQ(rpc_->Cancel("1", &job).error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_TRUE(rpc_->Delete("1").ok());
  EXPECT_EQ(rpc_->Get("2", &job).error_code(), StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace anneal
