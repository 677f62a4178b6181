// Prediction jobs through JobService: judged, queued, shown, listed, deleted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/rpc/connection/rpc_harness.h"

namespace anneal {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

class PredictionJobTest : public SqliteRpcTest {
 protected:
  // A training that has left weights; its id.
  std::string Trained(const std::string& name = "model") {
    FakeTraining training;
    training.keeps_weights = true;
    rpc_->engine().Script(name, training);
    const std::string id = rpc_->Submit(name);
    rpc_->WatchToEnd(id);
    return id;
  }

  grpc::Status Predict(const v1::PredictionSpec& prediction, v1::CreateJobResponse* response,
                       bool validate_only = false) {
    v1::CreateJobRequest request;
    *request.mutable_spec()->mutable_prediction() = prediction;
    request.set_validate_only(validate_only);
    return rpc_->Create(request, response);
  }

  static v1::PredictionSpec Of(const std::string& model) {
    v1::PredictionSpec prediction;
    prediction.set_job_id(model);
    prediction.set_samples(0);
    prediction.mutable_images()->set_count(10);
    return prediction;
  }

  std::string Predicted(const std::string& model) {
    v1::CreateJobResponse response;
    const grpc::Status status = Predict(Of(model), &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.job().id();
  }
};

TEST_F(PredictionJobTest, RunsAndIsShown) {
  const std::string model = Trained();
  v1::Job job;
  ASSERT_TRUE(rpc_->Get(model, &job).ok());
  EXPECT_EQ(job.checkpoint().epoch(), 1);
  EXPECT_EQ(job.checkpoint().bytes(), std::string("weights of model").size());
  EXPECT_EQ(job.checkpoint().sha256(), "sha256 of weights of model");

  const std::string id = Predicted(model);
  rpc_->WatchToEnd(id);
  ASSERT_TRUE(rpc_->Get(id, &job).ok());
  EXPECT_EQ(job.state(), v1::Job::SUCCEEDED) << job.message();
  EXPECT_EQ(job.kind(), v1::Job::PREDICTION);
  EXPECT_FALSE(job.has_summary());
  EXPECT_EQ(job.prediction().model_job_id(), model);
  EXPECT_EQ(job.prediction().checkpoint_sha256(), "sha256 of weights of model");
  EXPECT_EQ(job.prediction().images(), 10);
  EXPECT_EQ(job.prediction().stored(), 10);
  EXPECT_EQ(job.progress().batch(), 10);
  EXPECT_EQ(job.progress().batches(), 10);
  ASSERT_EQ(job.result().metrics_size(), 4);
  EXPECT_EQ(job.result().metrics(0).name(), "accuracy");
}

TEST_F(PredictionJobTest, IsListedByItsModel) {
  const std::string model = Trained();
  const std::string other = Trained("other");
  const std::string first = Predicted(model);
  const std::string second = Predicted(other);
  const std::string third = Predicted(model);
  for (const std::string& id : {first, second, third}) rpc_->WatchToEnd(id);
  v1::ListJobsRequest request;
  request.set_model_job_id(model);
  v1::ListJobsResponse response;
  ASSERT_TRUE(rpc_->Call(rpc_->jobs(), &v1::JobService::Stub::ListJobs, request, &response).ok());
  ASSERT_EQ(response.jobs_size(), 2);
  EXPECT_EQ(response.jobs(0).id(), third);
  EXPECT_EQ(response.jobs(1).id(), first);
  EXPECT_EQ(response.jobs(0).progress().batch(), 10);

  request.set_model_job_id("99");
  const grpc::Status missing =
      rpc_->Call(rpc_->jobs(), &v1::JobService::Stub::ListJobs, request, &response);
  EXPECT_EQ(missing.error_code(), StatusCode::NOT_FOUND);
}

TEST_F(PredictionJobTest, WhatItCannotBeOfIsRefused) {
  const std::string plain = rpc_->Submit("left no weights");
  rpc_->WatchToEnd(plain);
  v1::CreateJobResponse response;
  grpc::Status status = Predict(Of(plain), &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("its weights were not kept"));
  status = Predict(Of("77"), &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("there is no such job"));

  v1::PredictionSpec prediction = Of(Trained());
  prediction.set_samples(100);
  status = Predict(prediction, &response);
  EXPECT_THAT(status.error_message(), HasSubstr("has no dropout"));
  prediction.set_samples(0);
  prediction.set_device("cuda:0");
  status = Predict(prediction, &response);
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
}

TEST_F(PredictionJobTest, ValidateOnlyQueuesNothing) {
  v1::PredictionSpec prediction = Of(Trained());
  prediction.set_split("train");
  v1::CreateJobResponse response;
  ASSERT_TRUE(Predict(prediction, &response, /*validate_only=*/true).ok());
  EXPECT_TRUE(response.job().id().empty());
  EXPECT_EQ(response.job().kind(), v1::Job::PREDICTION);
  // What the defaults come to.
  EXPECT_TRUE(response.job().prediction().job_id().empty());
  EXPECT_EQ(response.job().prediction().model_job_id(), prediction.job_id());
  EXPECT_FALSE(response.job().prediction().dataset().empty());
  EXPECT_EQ(response.job().prediction().split(), "train");
  EXPECT_EQ(response.job().prediction().images(), 10);
  ASSERT_EQ(response.warnings_size(), 1);
  EXPECT_THAT(response.warnings(0), HasSubstr("prediction.split"));
  v1::ListJobsResponse jobs;
  ASSERT_TRUE(rpc_->Call(rpc_->jobs(), &v1::JobService::Stub::ListJobs, v1::ListJobsRequest(), &jobs).ok());
  EXPECT_EQ(jobs.jobs_size(), 1);
}

TEST_F(PredictionJobTest, ATrainingStaysWhileItPredicts) {
  const std::string model = Trained();
  FakeTraining script;
  script.hold_before_epoch = 2;
  rpc_->engine().Script("prediction", script);
  const std::string id = Predicted(model);
  rpc_->engine().AwaitHeld("prediction");
  v1::DeleteJobRequest request;
  request.set_id(model);
  google::protobuf::Empty empty;
  const grpc::Status refused =
      rpc_->Call(rpc_->jobs(), &v1::JobService::Stub::DeleteJob, request, &empty);
  EXPECT_EQ(refused.error_code(), StatusCode::FAILED_PRECONDITION) << refused.error_message();
  rpc_->engine().Release("prediction");
  rpc_->WatchToEnd(id);
  EXPECT_TRUE(rpc_->Call(rpc_->jobs(), &v1::JobService::Stub::DeleteJob, request, &empty).ok());
  // What was predicted stays, and says by what.
  v1::Job job;
  ASSERT_TRUE(rpc_->Get(id, &job).ok());
  EXPECT_EQ(job.prediction().stored(), 10);
  EXPECT_EQ(job.prediction().model_job_id(), model);
}

}  // namespace
}  // namespace anneal
