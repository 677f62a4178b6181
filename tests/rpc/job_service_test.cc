#include "server/rpc/job_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "server/rpc/digest.h"
#include "tests/rpc/rpc_harness.h"

namespace anneal {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

using JobServiceTest = SqliteRpcTest;
using JobServiceTroubleTest = FakeStoreRpcTest;

v1::CreateJobRequest RequestFor(v1::JobSpec spec) {
  v1::CreateJobRequest request;
  *request.mutable_spec() = std::move(spec);
  return request;
}

// --- CreateJob ---

TEST_F(JobServiceTest, CreateQueuesAJobThatRuns) {
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

TEST_F(JobServiceTest, CreateListsEveryViolation) {
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
  ASSERT_TRUE(RpcHarness::Call(rpc_->jobs(), &v1::JobService::Stub::ListJobs, v1::ListJobsRequest(), &list).ok());
  EXPECT_EQ(list.jobs_size(), 0);
}

TEST_F(JobServiceTest, CreateNeedsASpec) {
  v1::CreateJobResponse response;
  const grpc::Status status = rpc_->Create(v1::CreateJobRequest(), &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "spec: is missing");
  v1::CreateJobRequest empty;
  empty.mutable_spec();
  EXPECT_EQ(rpc_->Create(empty, &response).error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(JobServiceTest, CreateTakesTheBoundsOfPriorityAndRequestId) {
  for (const int32_t priority : {-1000, 1000}) {
    v1::CreateJobRequest request = RequestFor(SmallSpec("p"));
    request.set_priority(priority);
    request.set_request_id(std::to_string(priority) + std::string(90, 'r'));
    v1::CreateJobResponse response;
    EXPECT_TRUE(rpc_->Create(request, &response).ok());
    EXPECT_EQ(response.job().priority(), priority);
  }
}

TEST_F(JobServiceTest, CreateRefusesADeviceThatIsNotThere) {
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

TEST_F(JobServiceTest, ValidateOnlyJudgesAndQueuesNothing) {
  v1::JobSpec spec = SmallSpec("dry");
  // Legal but unwise: every weight the same.
  spec.mutable_training()->mutable_network()->mutable_layers(1)->mutable_dense()->mutable_kernel_initializer()->mutable_ones();
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
  ASSERT_TRUE(RpcHarness::Call(rpc_->jobs(), &v1::JobService::Stub::ListJobs, v1::ListJobsRequest(), &list).ok());
  EXPECT_EQ(list.jobs_size(), 0);
}

TEST_F(JobServiceTest, WarningsBecomeEvents) {
  v1::JobSpec spec = SmallSpec("unwise");
  spec.mutable_training()->mutable_network()->mutable_layers(1)->mutable_dense()->mutable_kernel_initializer()->mutable_ones();
  v1::CreateJobResponse response;
  ASSERT_TRUE(rpc_->Create(RequestFor(spec), &response).ok());
  ASSERT_FALSE(response.warnings().empty());
  std::vector<std::string> warnings;
  for (const v1::JobEvent& event : rpc_->WatchToEnd(response.job().id())) {
    if (event.kind_case() == v1::JobEvent::kWarning) warnings.push_back(event.warning());
  }
  EXPECT_EQ(warnings, std::vector<std::string>(response.warnings().begin(), response.warnings().end()));
}

TEST_F(JobServiceTest, ARetriedRequestIdMakesOneJob) {
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

TEST_F(JobServiceTest, ASpecOfTooManyBytesIsRefusedInWords) {
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

TEST_F(JobServiceTest, DeepNestingIsAnErrorAndNotACrash) {
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

TEST_F(JobServiceTroubleTest, StorageErrorsReachTheCaller) {
  store_.Fail(FakeStore::Call::kCreateJob, 1, absl::UnavailableError("the database is busy"));
  v1::CreateJobResponse response;
  grpc::Status status = rpc_.Create(RequestFor(SmallSpec("x")), &response);
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "the database is busy");
  store_.Fail(FakeStore::Call::kCreateJob, 1, absl::ResourceExhaustedError("the disk is full"));
  EXPECT_EQ(rpc_.Create(RequestFor(SmallSpec("x")), &response).error_code(), StatusCode::RESOURCE_EXHAUSTED);
  store_.Fail(FakeStore::Call::kListJobs, 1, absl::DataLossError("the database is damaged"));
  v1::ListJobsResponse list;
  status = RpcHarness::Call(rpc_.jobs(), &v1::JobService::Stub::ListJobs, v1::ListJobsRequest(), &list);
  EXPECT_EQ(status.error_code(), StatusCode::DATA_LOSS);
  EXPECT_EQ(ReasonOf(status), "DATA_LOSS");
}

TEST_F(JobServiceTest, NothingIsTakenOnceTheSchedulerStops) {
  rpc_->scheduler().Stop();
  v1::CreateJobResponse response;
  EXPECT_EQ(rpc_->Create(RequestFor(SmallSpec("late")), &response).error_code(), StatusCode::UNAVAILABLE);
}

// --- ids ---

TEST_F(JobServiceTest, AnyOtherIdIsNotFound) {
  rpc_->Submit("one");
  for (const std::string& id : {std::string(), std::string("2"), std::string("x"), std::string("0"),
                                std::string("-1"), std::string("01"), std::string("1 "), std::string("1; DROP TABLE"),
                                std::string("99999999999999999999"), std::string("\xD0\xB6"),
                                std::string(1'000'000, '7')}) {
    v1::Job job;
    const grpc::Status status = rpc_->Get(id, &job);
    EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
    EXPECT_EQ(ReasonOf(status), "JOB_NOT_FOUND");
    if (id.size() < 60) {
      EXPECT_EQ(status.error_message(), "no job '" + id + "'");
    }
    EXPECT_EQ(rpc_->Cancel(id, &job).error_code(), StatusCode::NOT_FOUND);
    EXPECT_EQ(ReasonOf(rpc_->Delete(id)), "JOB_NOT_FOUND");
    v1::ListEpochMetricsRequest metrics;
    metrics.add_job_ids(id);
    v1::ListEpochMetricsResponse rows;
    EXPECT_EQ(ReasonOf(RpcHarness::Call(rpc_->jobs(), &v1::JobService::Stub::ListEpochMetrics, metrics, &rows)),
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
  ASSERT_TRUE(RpcHarness::Call(rpc_->jobs(), &v1::JobService::Stub::ListJobs, v1::ListJobsRequest(), &list).ok());
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

// --- ListJobs ---

class ListJobsTest : public JobServiceTest {
 protected:
  grpc::Status List(const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
    return RpcHarness::Call(rpc_->jobs(), &v1::JobService::Stub::ListJobs, request, response);
  }

  static std::vector<std::string> Ids(const v1::ListJobsResponse& response) {
    std::vector<std::string> ids;
    for (const v1::Job& job : response.jobs()) ids.push_back(job.id());
    return ids;
  }
};

TEST_F(ListJobsTest, PagesNewestFirstEachOnce) {
  for (int i = 1; i <= 7; ++i) rpc_->Submit("job");
  v1::ListJobsRequest request;
  request.set_page_size(3);
  v1::ListJobsResponse response;
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Ids(response), ElementsAre("7", "6", "5"));
  EXPECT_FALSE(response.jobs(0).has_spec());
  rpc_->Submit("a new one does not disturb");
  request.set_page_token(response.next_page_token());
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Ids(response), ElementsAre("4", "3", "2"));
  request.set_page_token(response.next_page_token());
  request.set_page_size(1000);  // the size may change from page to page
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Ids(response), ElementsAre("1"));
  EXPECT_TRUE(response.next_page_token().empty());
}

TEST_F(ListJobsTest, AFullLastPageHasNoNext) {
  rpc_->Submit("a");
  rpc_->Submit("b");
  v1::ListJobsRequest request;
  request.set_page_size(2);
  v1::ListJobsResponse response;
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_EQ(response.jobs_size(), 2);
  EXPECT_TRUE(response.next_page_token().empty());
}

TEST_F(ListJobsTest, TheDefaultIsFifty) {
  for (int i = 0; i < 51; ++i) rpc_->Submit("job");
  v1::ListJobsResponse response;
  ASSERT_TRUE(List(v1::ListJobsRequest(), &response).ok());
  EXPECT_EQ(response.jobs_size(), 50);
  EXPECT_FALSE(response.next_page_token().empty());
}

TEST_F(ListJobsTest, FiltersByStateAndName) {
  FakeTraining held;
  held.hold_before_epoch = 1;
  rpc_->engine().Script("alpha held", held);
  const std::string a = rpc_->Submit("alpha held");
  rpc_->engine().AwaitHeld("alpha held");
  const std::string b = rpc_->Submit("alpha done");
  const std::string c = rpc_->Submit("beta done");
  rpc_->WatchToEnd(b);
  rpc_->WatchToEnd(c);
  v1::ListJobsRequest request;
  v1::ListJobsResponse response;
  request.set_name_contains("alpha");
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Ids(response), ElementsAre(b, a));
  request.add_states(v1::Job::RUNNING);
  request.add_states(v1::Job::RUNNING);
  request.add_states(v1::Job::FAILED);
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Ids(response), ElementsAre(a));
  request.set_name_contains("ALPHA");
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Ids(response), IsEmpty());
  request.set_name_contains("%");
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Ids(response), IsEmpty());
}

TEST_F(ListJobsTest, RefusesWrongRequests) {
  v1::ListJobsResponse response;
  v1::ListJobsRequest request;
  request.set_page_size(-1);
  EXPECT_THAT(FieldsOf(List(request, &response)), ElementsAre("page_size"));
  request.Clear();
  request.add_states(v1::Job::RUNNING);
  request.add_states(v1::Job::STATE_UNSPECIFIED);
  request.add_states(static_cast<v1::Job::State>(99));
  EXPECT_THAT(FieldsOf(List(request, &response)), ElementsAre("states[1]", "states[2]"));
  request.Clear();
  request.set_page_token("rubbish");
  const grpc::Status status = List(request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(FieldsOf(status), ElementsAre("page_token"));
}

TEST_F(ListJobsTest, RefusesTheTokenOfAnotherQuery) {
  for (int i = 0; i < 3; ++i) rpc_->Submit("job");
  v1::ListJobsRequest request;
  request.set_page_size(1);
  v1::ListJobsResponse response;
  ASSERT_TRUE(List(request, &response).ok());
  const std::string token = response.next_page_token();
  request.set_page_token(token);
  request.set_name_contains("j");
  EXPECT_THAT(FieldsOf(List(request, &response)), ElementsAre("page_token"));
  v1::ListEpochMetricsRequest metrics;
  metrics.add_job_ids("1");
  metrics.set_page_token(token);
  v1::ListEpochMetricsResponse rows;
  EXPECT_THAT(FieldsOf(RpcHarness::Call(rpc_->jobs(), &v1::JobService::Stub::ListEpochMetrics, metrics, &rows)),
              ElementsAre("page_token"));
}

// --- ListEpochMetrics ---

class ListEpochMetricsTest : public JobServiceTest {
 protected:
  grpc::Status List(const v1::ListEpochMetricsRequest& request, v1::ListEpochMetricsResponse* response) {
    return RpcHarness::Call(rpc_->jobs(), &v1::JobService::Stub::ListEpochMetrics, request, response);
  }

  // A job that has ended after this many epochs.
  std::string Trained(int64_t epochs) {
    const std::string name = absl::StrCat("trained ", epochs);
    FakeTraining training;
    training.epochs = epochs;
    rpc_->engine().Script(name, training);
    const std::string id = rpc_->Submit(name, std::max<int64_t>(1, epochs));
    rpc_->WatchToEnd(id);
    return id;
  }
};

TEST_F(ListEpochMetricsTest, PagesOverSeveralJobsInTheOrderAsked) {
  const std::string three = Trained(3);
  const std::string none = Trained(0);
  const std::string five = Trained(5);
  std::vector<std::string> expected;
  for (int i = 1; i <= 5; ++i) expected.push_back(absl::StrCat(five, ":", i));
  for (int i = 1; i <= 3; ++i) expected.push_back(absl::StrCat(three, ":", i));
  for (int page_size = 1; page_size <= 9; ++page_size) {
    v1::ListEpochMetricsRequest request;
    for (const std::string& id : {none, five, none, three, none}) request.add_job_ids(id);
    request.set_page_size(page_size);
    std::vector<std::string> seen;
    int pages = 0;
    do {
      v1::ListEpochMetricsResponse response;
      const grpc::Status status = List(request, &response);
      ASSERT_TRUE(status.ok()) << status.error_message();
      EXPECT_LE(response.epochs_size(), page_size);
      for (const v1::EpochMetrics& row : response.epochs()) seen.push_back(absl::StrCat(row.job_id(), ":", row.epoch()));
      request.set_page_token(response.next_page_token());
      ASSERT_LE(++pages, 8);
    } while (!request.page_token().empty());
    EXPECT_EQ(seen, expected) << page_size;
    EXPECT_EQ(pages, (8 + page_size - 1) / page_size);  // no empty page at the end
  }
}

TEST_F(ListEpochMetricsTest, FiltersMetrics) {
  v1::ListEpochMetricsRequest request;
  request.add_job_ids(Trained(2));
  request.add_metrics("loss");
  v1::ListEpochMetricsResponse response;
  ASSERT_TRUE(List(request, &response).ok());
  ASSERT_EQ(response.epochs_size(), 2);
  ASSERT_EQ(response.epochs(1).metrics_size(), 1);
  EXPECT_EQ(response.epochs(1).metrics(0).name(), "loss");
  EXPECT_DOUBLE_EQ(response.epochs(1).metrics(0).value(), 0.5);
}

TEST_F(ListEpochMetricsTest, RefusesWrongRequests) {
  v1::ListEpochMetricsResponse response;
  EXPECT_THAT(FieldsOf(List(v1::ListEpochMetricsRequest(), &response)), ElementsAre("job_ids"));
  const std::string id = Trained(2);
  v1::ListEpochMetricsRequest request;
  request.add_job_ids(id);
  request.set_page_size(-5);
  EXPECT_THAT(FieldsOf(List(request, &response)), ElementsAre("page_size"));
  request.set_page_size(1);
  request.set_page_token("AAAA");
  EXPECT_THAT(FieldsOf(List(request, &response)), ElementsAre("page_token"));
  // Told on the first page, though its turn would come later.
  request.clear_page_token();
  request.add_job_ids("777");
  const grpc::Status status = List(request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "no job '777'");
  request.Clear();
  for (int i = 0; i < 1001; ++i) request.add_job_ids(id);
  for (int i = 0; i < 101; ++i) request.add_metrics("m");
  EXPECT_THAT(FieldsOf(List(request, &response)), ElementsAre("job_ids", "metrics"));
}

TEST_F(ListEpochMetricsTest, AJobDeletedBetweenPagesIsNotFound) {
  v1::ListEpochMetricsRequest request;
  const std::string id = Trained(3);
  request.add_job_ids(id);
  request.set_page_size(1);
  v1::ListEpochMetricsResponse response;
  ASSERT_TRUE(List(request, &response).ok());
  ASSERT_TRUE(rpc_->Delete(id).ok());
  request.set_page_token(response.next_page_token());
  EXPECT_EQ(List(request, &response).error_code(), StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace anneal
