// CreateJob.
#include "server/rpc/job_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "server/rpc/digest.h"
#include "tests/rpc/connection/rpc_harness.h"

namespace anneal {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;
using testing::StartsWith;

using CreateJobTest = SqliteRpcTest;
using CreateJobTroubleTest = FakeStoreRpcTest;

v1::CreateJobRequest RequestFor(v1::JobSpec spec) {
  v1::CreateJobRequest request;
  *request.mutable_spec() = std::move(spec);
  return request;
}

TEST_F(CreateJobTest, CreateQueuesAJobThatRuns) {
  FakeTraining training;
  training.epochs = 3;
  rpc_->engine().Script("first", training);
  v1::CreateJobRequest request = RequestFor(SmallSpec("first", 3));
  request.set_priority(7);
  v1::CreateJobResponse response;
  const grpc::Status status = rpc_->Create(request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.job().id(), "1");
  EXPECT_EQ(response.job().name(), "first");
  EXPECT_EQ(response.job().priority(), 7);
  EXPECT_EQ(response.job().spec().SerializeAsString(), request.spec().SerializeAsString());
  EXPECT_EQ(response.job().spec_sha256(), Sha256Hex(SerializeDeterministic(request.spec())));
  EXPECT_EQ(response.job().create_time().seconds(), ManualClock::kStartUs / 1'000'000);
  // Flatten 3072, Dense 3072 x 10 + 10.
  EXPECT_EQ(response.summary().trainable_parameters(), 30'730);
  rpc_->WatchToEnd("1");
  v1::Job job;
  ASSERT_TRUE(rpc_->Get("1", &job).ok());
  EXPECT_EQ(job.state(), v1::Job::SUCCEEDED);
  EXPECT_EQ(job.stop_reason(), v1::Job::COMPLETED);
  EXPECT_EQ(job.result().epochs(), 3);
  ASSERT_EQ(job.attempts_size(), 1);
  EXPECT_EQ(job.attempts(0).outcome(), "SUCCEEDED");
}

TEST_F(CreateJobTest, CreateListsEveryViolation) {
  v1::JobSpec spec = SmallSpec("bad");
  spec.mutable_training()->set_batch_size(0);
  spec.mutable_training()->set_epochs(-1);
  spec.mutable_training()->mutable_dataset()->set_name("no-such-data");
  v1::CreateJobRequest request = RequestFor(spec);
  request.set_priority(1001);
  request.set_request_id(std::string(101, 'r'));
  v1::CreateJobResponse response;
  const grpc::Status status = rpc_->Create(request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "INVALID_REQUEST");
  const std::vector<std::string> fields = FieldsOf(status);
  const std::set<std::string> all(fields.begin(), fields.end());
  EXPECT_TRUE(all.contains("priority"));
  EXPECT_TRUE(all.contains("request_id"));
  EXPECT_TRUE(all.contains("training.batch_size"));
  EXPECT_TRUE(all.contains("training.epochs"));
  EXPECT_TRUE(all.contains("training.dataset.name"));
  EXPECT_THAT(status.error_message(), HasSubstr("priority: must be from -1000 to 1000, is 1001"));
  v1::ListJobsResponse list;
  ASSERT_TRUE(
      RpcHarness::Call(rpc_->jobs(), &v1::JobService::Stub::ListJobs, v1::ListJobsRequest(), &list)
          .ok());
  EXPECT_EQ(list.jobs_size(), 0);
}

TEST_F(CreateJobTest, CreateNeedsASpec) {
  v1::CreateJobResponse response;
  const grpc::Status status = rpc_->Create(v1::CreateJobRequest(), &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "spec: is missing");
  v1::CreateJobRequest empty;
  empty.mutable_spec();
  EXPECT_EQ(rpc_->Create(empty, &response).error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(CreateJobTest, CreateTakesTheBoundsOfPriorityAndRequestId) {
  for (const int32_t priority : {-1000, 1000}) {
    v1::CreateJobRequest request = RequestFor(SmallSpec("p"));
    request.set_priority(priority);
    request.set_request_id(std::to_string(priority) + std::string(90, 'r'));
    v1::CreateJobResponse response;
    EXPECT_TRUE(rpc_->Create(request, &response).ok());
    EXPECT_EQ(response.job().priority(), priority);
  }
}

TEST_F(CreateJobTest, CreateRefusesADeviceThatIsNotThere) {
  v1::JobSpec spec = SmallSpec("gpu");
  spec.mutable_training()->set_device("cuda:0");
  v1::CreateJobRequest request = RequestFor(spec);
  for (const bool validate_only : {false, true}) {
    request.set_validate_only(validate_only);
    v1::CreateJobResponse response;
    const grpc::Status status = rpc_->Create(request, &response);
    EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
    EXPECT_EQ(ReasonOf(status), "DEVICE_UNAVAILABLE");
    EXPECT_THAT(status.error_message(), HasSubstr("cuda:0"));
  }
}

TEST_F(CreateJobTest, ValidateOnlyJudgesAndQueuesNothing) {
  v1::JobSpec spec = SmallSpec("dry");
  // Legal but unwise: every weight the same.
  spec.mutable_training()
      ->mutable_network()
      ->mutable_layers(1)
      ->mutable_dense()
      ->mutable_kernel_initializer()
      ->mutable_ones();
  v1::CreateJobRequest request = RequestFor(spec);
  request.set_validate_only(true);
  v1::CreateJobResponse response;
  ASSERT_TRUE(rpc_->Create(request, &response).ok());
  EXPECT_TRUE(response.job().id().empty());
  EXPECT_EQ(response.job().state(), v1::Job::STATE_UNSPECIFIED);
  EXPECT_EQ(response.job().name(), "dry");
  EXPECT_EQ(response.summary().rows_size(), 2);
  ASSERT_FALSE(response.warnings().empty());
  EXPECT_THAT(response.warnings(0), StartsWith("training.network.layers[1]"));
  v1::ListJobsResponse list;
  ASSERT_TRUE(
      RpcHarness::Call(rpc_->jobs(), &v1::JobService::Stub::ListJobs, v1::ListJobsRequest(), &list)
          .ok());
  EXPECT_EQ(list.jobs_size(), 0);
}

TEST_F(CreateJobTest, WarningsBecomeEvents) {
  v1::JobSpec spec = SmallSpec("unwise");
  spec.mutable_training()
      ->mutable_network()
      ->mutable_layers(1)
      ->mutable_dense()
      ->mutable_kernel_initializer()
      ->mutable_ones();
  v1::CreateJobResponse response;
  ASSERT_TRUE(rpc_->Create(RequestFor(spec), &response).ok());
  ASSERT_FALSE(response.warnings().empty());
  std::vector<std::string> warnings;
  for (const v1::JobEvent& event : rpc_->WatchToEnd(response.job().id())) {
    if (event.kind_case() == v1::JobEvent::kWarning) warnings.push_back(event.warning());
  }
  EXPECT_EQ(warnings,
            std::vector<std::string>(response.warnings().begin(), response.warnings().end()));
}

TEST_F(CreateJobTest, ARetriedRequestIdMakesOneJob) {
  v1::CreateJobRequest request = RequestFor(SmallSpec("once"));
  request.set_request_id("r-1");
  std::vector<std::string> ids(16);
  {
    std::vector<std::thread> threads;
    for (std::string& id : ids) {
      threads.emplace_back([&] {
        v1::CreateJobResponse response;
        const grpc::Status status = rpc_->Create(request, &response);
        EXPECT_TRUE(status.ok()) << status.error_message();
        id = response.job().id();
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()), std::set<std::string>({"1"}));
  rpc_->WatchToEnd("1");
  v1::CreateJobResponse late;
  ASSERT_TRUE(rpc_->Create(request, &late).ok());
  EXPECT_EQ(late.job().id(), "1");
  EXPECT_EQ(late.job().state(), v1::Job::SUCCEEDED);
  EXPECT_EQ(rpc_->engine().Began().size(), 1u);

  *request.mutable_spec() = SmallSpec("other");
  const grpc::Status status = rpc_->Create(request, &late);
  EXPECT_EQ(status.error_code(), StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(ReasonOf(status), "REQUEST_ID_REUSED");
}

TEST_F(CreateJobTest, ASpecOfTooManyBytesIsRefusedInWords) {
  v1::JobSpec spec = SmallSpec("big");
  // Layers with long names: a spec of a little more than the limit, but less than gRPC's own.
  const std::string name(4000, 'n');
  for (int64_t bytes = 0; bytes <= kMaxSpecBytes; bytes += 4000) {
    v1::Layer* layer = spec.mutable_training()->mutable_network()->add_layers();
    layer->set_name(name);
    layer->mutable_flatten();
  }
  v1::CreateJobResponse response;
  grpc::Status status = rpc_->Create(RequestFor(spec), &response);
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(status), "SPEC_TOO_LARGE");
  EXPECT_THAT(status.error_message(), HasSubstr("at most 16777216 are taken"));
  // Beyond gRPC's limit.
  spec.mutable_training()->mutable_dataset()->set_split(std::string(4 << 20, 's'));
  status = rpc_->Create(RequestFor(spec), &response);
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("larger than max"));
  // And one of a few megabytes is judged like any other: here, as one of too many layers.
  spec = SmallSpec("big");
  for (int i = 0; i < 100'000; ++i) {
    v1::Layer* layer = spec.mutable_training()->mutable_network()->add_layers();
    layer->set_name("a layer with a name of some length");
    layer->mutable_flatten();
  }
  status = rpc_->Create(RequestFor(spec), &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_FALSE(FieldsOf(status).empty());
}

TEST_F(CreateJobTest, DeepNestingIsAnErrorAndNotACrash) {
  v1::JobSpec spec = SmallSpec("deep");
  v1::Layer* layer = spec.mutable_training()->mutable_network()->mutable_layers(0);
  for (int i = 0; i < 400; ++i) {
    layer->mutable_repeat()->set_count(1'000'000);
    layer = layer->mutable_repeat()->add_layers();
  }
  v1::CreateJobResponse response;
  EXPECT_FALSE(rpc_->Create(RequestFor(spec), &response).ok());  // gRPC's parser gives up
  EXPECT_FALSE(rpc_->Submit("still alive").empty());
}

TEST_F(CreateJobTroubleTest, StorageErrorsReachTheCaller) {
  store_.Fail(FakeStore::Call::kCreateJob, 1, absl::UnavailableError("the database is busy"));
  v1::CreateJobResponse response;
  grpc::Status status = rpc_.Create(RequestFor(SmallSpec("x")), &response);
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "the database is busy");
  store_.Fail(FakeStore::Call::kCreateJob, 1, absl::ResourceExhaustedError("the disk is full"));
  EXPECT_EQ(rpc_.Create(RequestFor(SmallSpec("x")), &response).error_code(),
            StatusCode::RESOURCE_EXHAUSTED);
  store_.Fail(FakeStore::Call::kListJobs, 1, absl::DataLossError("the database is damaged"));
  v1::ListJobsResponse list;
  status =
      RpcHarness::Call(rpc_.jobs(), &v1::JobService::Stub::ListJobs, v1::ListJobsRequest(), &list);
  EXPECT_EQ(status.error_code(), StatusCode::DATA_LOSS);
  EXPECT_EQ(ReasonOf(status), "DATA_LOSS");
}

TEST_F(CreateJobTest, NothingIsTakenOnceTheSchedulerStops) {
  rpc_->scheduler().Stop();
  v1::CreateJobResponse response;
  EXPECT_EQ(rpc_->Create(RequestFor(SmallSpec("late")), &response).error_code(),
            StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace anneal
