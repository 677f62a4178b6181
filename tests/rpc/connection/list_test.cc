// ListJobs, ListEpochMetrics.
#include "server/rpc/job_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/rpc/connection/rpc_harness.h"

namespace anneal {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::IsEmpty;

class ListJobsTest : public SqliteRpcTest {
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

TEST_F(ListJobsTest, EndedJobsShowTheirLastEpoch) {
  FakeTraining completes;
  completes.epochs = 5;
  rpc_->engine().Script("completes", completes);
  FakeTraining stops_early;
  stops_early.epochs = 4;
  stops_early.outcome.stop_reason = StopReason::kEarlyStopped;
  rpc_->engine().Script("stops early", stops_early);
  FakeTraining held;
  held.hold_before_epoch = 1;
  rpc_->engine().Script("held", held);
  for (const char* name : {"completes", "stops early"}) rpc_->WatchToEnd(rpc_->Submit(name, 5));
  const std::string cancelled = rpc_->Submit("held");
  rpc_->engine().AwaitHeld("held");
  v1::Job job;
  ASSERT_TRUE(rpc_->Cancel(cancelled, &job).ok());
  rpc_->WatchToEnd(cancelled);

  v1::ListJobsResponse response;
  ASSERT_TRUE(List(v1::ListJobsRequest(), &response).ok());
  ASSERT_THAT(Ids(response), ElementsAre("3", "2", "1"));
  EXPECT_FALSE(response.jobs(0).has_progress());  // no epoch
  EXPECT_EQ(response.jobs(1).progress().epoch(), 4);
  EXPECT_EQ(response.jobs(1).progress().epochs(), 0);  // how many were asked is not said
  EXPECT_EQ(response.jobs(2).progress().epoch(), 5);
  EXPECT_EQ(response.jobs(2).progress().epochs(), 5);
  for (const int i : {1, 2}) {
    const v1::Progress& progress = response.jobs(i).progress();
    ASSERT_EQ(progress.metrics_size(), 2);
    EXPECT_EQ(progress.metrics(0).name(), "accuracy");
    EXPECT_EQ(progress.metrics(1).name(), "loss");
    EXPECT_DOUBLE_EQ(progress.metrics(1).value(), 1.0 / static_cast<double>(progress.epoch()));
  }
}

class ListJobsTroubleTest : public FakeStoreRpcTest {};

TEST_F(ListJobsTroubleTest, OneReadOfTheStoreAPage) {
  for (int i = 0; i < 5; ++i) rpc_.WatchToEnd(rpc_.Submit("job"));
  const int64_t before = store_.CallCount(FakeStore::Call::kListLastEpochs);
  v1::ListJobsResponse response;
  const auto list = [&] {
    return RpcHarness::Call(rpc_.jobs(), &v1::JobService::Stub::ListJobs, v1::ListJobsRequest(),
                            &response);
  };
  ASSERT_TRUE(list().ok());
  EXPECT_EQ(response.jobs_size(), 5);
  EXPECT_EQ(response.jobs(4).progress().epoch(), 1);
  EXPECT_EQ(store_.CallCount(FakeStore::Call::kListLastEpochs), before + 1);
  store_.Fail(FakeStore::Call::kListLastEpochs, 1, absl::UnavailableError("the disk is busy"));
  EXPECT_EQ(list().error_code(), StatusCode::UNAVAILABLE);
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
  EXPECT_THAT(FieldsOf(RpcHarness::Call(rpc_->jobs(), &v1::JobService::Stub::ListEpochMetrics,
                                        metrics, &rows)),
              ElementsAre("page_token"));
}

class ListEpochMetricsTest : public SqliteRpcTest {
 protected:
  grpc::Status List(const v1::ListEpochMetricsRequest& request,
                    v1::ListEpochMetricsResponse* response) {
    return RpcHarness::Call(rpc_->jobs(), &v1::JobService::Stub::ListEpochMetrics, request,
                            response);
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
      for (const v1::EpochMetrics& row : response.epochs())
        seen.push_back(absl::StrCat(row.job_id(), ":", row.epoch()));
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
