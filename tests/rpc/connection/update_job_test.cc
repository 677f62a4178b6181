// UpdateJob, and what else requests say of a job besides its spec.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/core/job_labels.h"
#include "server/rpc/job_request.h"
#include "tests/rpc/connection/rpc_harness.h"
#include "tests/rpc/error_details.h"
#include "tests/rpc/small_spec.h"

namespace anneal {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

class UpdateJobTest : public SqliteRpcTest {
 protected:
  // Both workers are busy from now on.
  void Occupy() {
    FakeTraining training;
    training.hold_before_epoch = 1;
    for (const char* name : {"busy 1", "busy 2"}) {
      rpc_->engine().Script(name, training);
      rpc_->Submit(name);
      rpc_->engine().AwaitHeld(name);
    }
  }
  grpc::Status Update(const v1::UpdateJobRequest& request, v1::Job* job) {
    return RpcHarness::Call(rpc_->jobs(), &v1::JobService::Stub::UpdateJob, request, job);
  }
  grpc::Status Create(const v1::CreateJobRequest& request, v1::CreateJobResponse* response) {
    return RpcHarness::Call(rpc_->jobs(), &v1::JobService::Stub::CreateJob, request, response);
  }
  std::vector<std::string> ListIds(const v1::ListJobsRequest& request) {
    v1::ListJobsResponse response;
    const grpc::Status status =
        RpcHarness::Call(rpc_->jobs(), &v1::JobService::Stub::ListJobs, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<std::string> ids;
    for (const v1::Job& job : response.jobs()) ids.push_back(job.id());
    return ids;
  }
};

TEST_F(UpdateJobTest, EverythingThatASubmitSaysComesBack) {
  Occupy();
  v1::CreateJobRequest request;
  *request.mutable_spec() = SmallSpec("job");
  request.set_owner("ada");
  (*request.mutable_labels())["project"] = "thesis \xC3\xBC";
  (*request.mutable_labels())["gpu"] = "";
  request.mutable_deadline()->set_seconds(4'000'000'000);
  request.mutable_deadline()->set_nanos(5'000);
  request.mutable_max_run_time()->set_seconds(90);
  v1::CreateJobResponse response;
  const grpc::Status status = Create(request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  v1::Job job;
  ASSERT_TRUE(rpc_->Get(response.job().id(), &job).ok());
  for (const v1::Job& shown : {response.job(), job}) {
    EXPECT_EQ(shown.owner(), "ada");
    EXPECT_EQ(shown.labels().size(), 2u);
    EXPECT_EQ(shown.labels().at("project"), "thesis \xC3\xBC");
    EXPECT_EQ(shown.deadline().seconds(), 4'000'000'000);
    EXPECT_EQ(shown.deadline().nanos(), 5'000);
    EXPECT_EQ(shown.max_run_time().seconds(), 90);
    EXPECT_GT(shown.memory_bytes(), 0);
    EXPECT_EQ(shown.queue_position(), 1);
  }
}

TEST_F(UpdateJobTest, ChangesComeBackAndMoveTheJob) {
  Occupy();
  const std::string first = rpc_->Submit("first"), second = rpc_->Submit("second");
  v1::UpdateJobRequest request;
  request.set_id(second);
  request.set_priority(3);
  (*request.mutable_set_labels())["k"] = "v";
  request.mutable_deadline()->set_seconds(4'000'000'000);
  v1::Job job;
  ASSERT_TRUE(Update(request, &job).ok());
  EXPECT_EQ(job.priority(), 3);
  EXPECT_EQ(job.queue_position(), 1);
  EXPECT_EQ(job.labels().at("k"), "v");
  EXPECT_EQ(job.deadline().seconds(), 4'000'000'000);

  request.Clear();
  request.set_id(first);
  request.set_to_front(true);
  ASSERT_TRUE(Update(request, &job).ok());
  EXPECT_EQ(job.queue_position(), 1);

  request.Clear();
  request.set_id(second);
  request.add_remove_labels("k");
  request.set_no_deadline(true);
  ASSERT_TRUE(Update(request, &job).ok());
  EXPECT_TRUE(job.labels().empty());
  EXPECT_FALSE(job.has_deadline());
  EXPECT_EQ(job.queue_position(), 2);
}

TEST_F(UpdateJobTest, ListsByOwnerAndLabels) {
  Occupy();
  for (const auto& [owner, project] :
       std::vector<std::pair<std::string, std::string>>{{"ada", "x"}, {"ada", "y"}, {"ben", "x"}}) {
    v1::CreateJobRequest request;
    *request.mutable_spec() = SmallSpec("job");
    request.set_owner(owner);
    (*request.mutable_labels())["project"] = project;
    v1::CreateJobResponse response;
    ASSERT_TRUE(Create(request, &response).ok());
  }
  v1::ListJobsRequest list;
  list.set_owner("ada");
  EXPECT_THAT(ListIds(list), ElementsAre("4", "3"));
  list.add_labels("project=x");
  EXPECT_THAT(ListIds(list), ElementsAre("3"));
  list.clear_owner();
  EXPECT_THAT(ListIds(list), ElementsAre("5", "3"));
  list.set_labels(0, "project");
  EXPECT_THAT(ListIds(list), ElementsAre("5", "4", "3"));
  list.add_labels("other");
  EXPECT_THAT(ListIds(list), ElementsAre());
}

TEST_F(UpdateJobTest, EndedJobsKeepAllButTheirLabels) {
  const std::string id = rpc_->Submit("short");
  rpc_->WatchToEnd(id);
  v1::UpdateJobRequest request;
  request.set_id(id);
  request.set_priority(1);
  v1::Job job;
  grpc::Status status = Update(request, &job);
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "JOB_ENDED");
  request.clear_priority();
  (*request.mutable_set_labels())["kept"] = "yes";
  EXPECT_TRUE(Update(request, &job).ok());
  EXPECT_EQ(job.labels().at("kept"), "yes");
}

TEST_F(UpdateJobTest, OneThatRunsCannotBeMovedToTheFront) {
  Occupy();
  v1::UpdateJobRequest request;
  request.set_id("1");
  request.set_to_front(true);
  v1::Job job;
  const grpc::Status status = Update(request, &job);
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(status), "JOB_NOT_WAITING");
  request.set_id("77");
  EXPECT_EQ(ReasonOf(Update(request, &job)), "JOB_NOT_FOUND");
}

std::vector<std::string> Fields(const std::vector<Violation>& violations) {
  std::vector<std::string> fields;
  for (const Violation& violation : violations) fields.push_back(violation.field);
  return fields;
}

TEST(JobRequestTest, AllThatIsWrongIsToldAtOnce) {
  v1::CreateJobRequest request;
  request.set_priority(1001);
  request.set_request_id(std::string(101, 'x'));
  request.set_owner("two\nlines");
  (*request.mutable_labels())["bad key"] = "fine";
  (*request.mutable_labels())["fine"] = std::string(kMaxLabelValueBytes + 1, 'v');
  request.mutable_deadline()->set_seconds(-1);
  request.mutable_max_run_time();  // 0
  NewJob job;
  std::vector<Violation> violations;
  ReadJobRequest(request, job, violations);
  EXPECT_THAT(Fields(violations), UnorderedElementsAre("priority", "request_id", "owner", "labels",
                                                       "labels", "deadline", "max_run_time"));
}

TEST(JobRequestTest, UpdatesThatMakeNoSense) {
  std::vector<Violation> violations;
  v1::UpdateJobRequest request;
  ReadJobUpdate(request, violations);
  EXPECT_THAT(Fields(violations), ElementsAre("id")) << "nothing is asked for";
  violations.clear();
  request.set_priority(-1001);
  request.set_to_front(true);
  request.mutable_max_run_time()->set_nanos(-1);
  ReadJobUpdate(request, violations);
  EXPECT_THAT(Fields(violations), ElementsAre("priority", "to_front", "max_run_time"));
}

TEST(JobRequestTest, ListsThatMakeNoSense) {
  std::vector<Violation> violations;
  v1::ListJobsRequest request;
  request.add_labels("=value");
  request.add_labels("k=1");
  request.add_labels("k=2");
  request.add_labels("k=1");
  JobQuery query;
  ReadListRequest(request, query, violations);
  EXPECT_THAT(Fields(violations), ElementsAre("labels[0]", "labels[2]"));
}

}  // namespace
}  // namespace anneal
