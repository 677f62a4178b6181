#include "server/rpc/rpc_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include "grpc/health/v1/health_service.grpc.pb.h"
#include "server/core/version.h"
#include "tests/rpc/connection/rpc_harness.h"

namespace anneal {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;

using RpcServerTest = FakeStoreRpcTest;

grpc::health::v1::HealthCheckResponse::ServingStatus Health(
    const std::shared_ptr<grpc::Channel>& channel, grpc::Status* status) {
  const auto stub = grpc::health::v1::Health::NewStub(channel);
  grpc::health::v1::HealthCheckResponse response;
  *status = RpcHarness::Call(*stub, &grpc::health::v1::Health::Stub::Check,
                             grpc::health::v1::HealthCheckRequest(), &response);
  return response.status();
}

TEST_F(RpcServerTest, IsHealthyWhileItServes) {
  grpc::Status status;
  EXPECT_EQ(Health(rpc_.channel(), &status), grpc::health::v1::HealthCheckResponse::SERVING);
  EXPECT_TRUE(status.ok());
  rpc_.server().Stop(1'000'000);
  Health(rpc_.channel(), &status);
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
}

// The messages of grpc.reflection.v1alpha by hand (its protos are not installed):
// ServerReflectionRequest.list_services is field 7, a string; the answer names every service as a
// string.
TEST_F(RpcServerTest, ReflectionListsTheServices) {
  grpc::GenericStub stub(rpc_.channel());
  grpc::ClientContext context;
  RpcHarness::SetDeadline(context);
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  void* tag = nullptr;
  bool ok = false;
  const auto step = [&] { return queue.Next(&tag, &ok) && ok; };
  call->StartCall(nullptr);
  ASSERT_TRUE(step());
  const grpc::Slice slice("\x3A\x01*");
  call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  ASSERT_TRUE(step());
  grpc::ByteBuffer answer;
  call->Read(&answer, nullptr);
  ASSERT_TRUE(step());
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(answer.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& part : slices)
    bytes.append(reinterpret_cast<const char*>(part.begin()), part.size());
  for (const char* service : {"anneal.v1.JobService", "anneal.v1.DatasetService",
                              "anneal.v1.ServerService", "grpc.health.v1.Health"}) {
    EXPECT_THAT(bytes, HasSubstr(service));
  }
  call->WritesDone(nullptr);
  step();
  grpc::Status status;
  call->Finish(&status, nullptr);
  step();
  EXPECT_TRUE(status.ok()) << status.error_message();
}

TEST_F(RpcServerTest, TellsAboutItself) {
  FakeTraining training;
  training.hold_before_epoch = 1;
  for (const std::string name : {"a", "b"}) {
    rpc_.engine().Script(name, training);
    rpc_.Submit(name);
    rpc_.engine().AwaitHeld(name);
  }
  rpc_.Submit("waits");
  const auto stub = v1::ServerService::NewStub(rpc_.channel());
  v1::ServerInfo info;
  ASSERT_TRUE(RpcHarness::Call(*stub, &v1::ServerService::Stub::GetServerInfo,
                               v1::GetServerInfoRequest(), &info)
                  .ok());
  EXPECT_EQ(info.version(), kVersion);
  EXPECT_EQ(info.build(), kBuild);
  EXPECT_EQ(info.fingerprint(), "fake on auto");
  EXPECT_THAT(info.devices(), ElementsAre("cpu"));
  EXPECT_THAT(info.listen(), ElementsAre(rpc_.server().listening()[0]));
  EXPECT_THAT(info.listen(0), testing::MatchesRegex("127\\.0\\.0\\.1:[1-9][0-9]*"));
  EXPECT_EQ(info.data_dir(), "/data/anneal");
  EXPECT_EQ(info.workers(), 2);
  EXPECT_EQ(info.running_jobs(), 2);
  EXPECT_EQ(info.queued_jobs(), 1);
  EXPECT_EQ(info.start_time().seconds(), ManualClock::kStartUs / 1'000'000);
  EXPECT_EQ(info.pid(), getpid());
}

TEST_F(RpcServerTest, ListsDataSetsAlsoThoseThatCannotBeRead) {
  ASSERT_TRUE(rpc_.datasets().Register("broken", "cifar10", "/no/such\xFF/folder").ok());
  const auto stub = v1::DatasetService::NewStub(rpc_.channel());
  v1::ListDatasetsResponse list;
  const grpc::Status status = RpcHarness::Call(*stub, &v1::DatasetService::Stub::ListDatasets,
                                               v1::ListDatasetsRequest(), &list);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(list.datasets_size(), 2);
  EXPECT_EQ(list.datasets(0).name(), "broken");
  EXPECT_THAT(list.datasets(0).error(), HasSubstr("/no/such\xEF\xBF\xBD/folder"));
  EXPECT_EQ(list.datasets(0).shape_size(), 0);
  EXPECT_FALSE(list.datasets(0).loaded());
  EXPECT_EQ(list.datasets(1).name(), "synthetic-shapes");
  EXPECT_THAT(list.datasets(1).shape(), ElementsAre(32, 32, 3));
  EXPECT_EQ(list.datasets(1).class_names_size(), 10);
  EXPECT_GE(list.datasets(1).splits_size(), 2);
  EXPECT_EQ(list.datasets(1).error(), "");
  EXPECT_FALSE(list.datasets(1).loaded());
}

TEST_F(RpcServerTest, BytesThatAreNoMessageAreAnError) {
  grpc::GenericStub stub(rpc_.channel());
  for (const std::string method :
       {"/anneal.v1.JobService/CreateJob", "/anneal.v1.JobService/WatchJob",
        "/anneal.v1.JobService/NoSuchMethod", "/no.such.Service/X"}) {
    grpc::ClientContext context;
    RpcHarness::SetDeadline(context);
    grpc::CompletionQueue queue;
    const grpc::Slice slice(std::string("\xFF\xFF\xFF garbage"));
    const auto call = stub.PrepareUnaryCall(&context, method, grpc::ByteBuffer(&slice, 1), &queue);
    call->StartCall();
    grpc::ByteBuffer answer;
    grpc::Status status;
    call->Finish(&answer, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
    EXPECT_FALSE(status.ok()) << method;
  }
  EXPECT_FALSE(rpc_.Submit("still alive").empty());
}

int Threads() {
  int threads = 0;
  for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task"))
    ++threads;
  return threads;
}

// Reflection holds a thread a call; its calls must not use up the machine, nor keep others out.
TEST_F(RpcServerTest, ManyReflectionStreamsHoldFewThreads) {
  rpc_.Submit("before");
  const int before = Threads();
  constexpr int kStreams = 300;
  int answered = 0;
  grpc::GenericStub stub(rpc_.channel());
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::GenericClientAsyncReaderWriter>> calls;
  void* tag = nullptr;
  bool ok = false;
  for (int i = 0; i < kStreams; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    RpcHarness::SetDeadline(*contexts.back());
    calls.push_back(
        stub.PrepareCall(contexts.back().get(),
                         "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue));
    // One question and its answer: then the call is where it holds its thread, or was turned away.
    calls.back()->StartCall(nullptr);
    ASSERT_TRUE(queue.Next(&tag, &ok));
    const grpc::Slice question("\x3A\x01*");
    calls.back()->Write(grpc::ByteBuffer(&question, 1), nullptr);
    ASSERT_TRUE(queue.Next(&tag, &ok));
    grpc::ByteBuffer answer;
    calls.back()->Read(&answer, nullptr);
    ASSERT_TRUE(queue.Next(&tag, &ok));
    answered += ok ? 1 : 0;
  }
  EXPECT_GE(answered, 1);
  EXPECT_FALSE(rpc_.Submit("beside").empty());
  EXPECT_LT(Threads(), before + 100);
  for (const auto& context : contexts) context->TryCancel();
  std::vector<grpc::Status> statuses(kStreams);
  for (size_t i = 0; i < calls.size(); ++i) {
    calls[i]->Finish(&statuses[i], nullptr);
    ASSERT_TRUE(queue.Next(&tag, &ok));
  }
}

class RpcServerListenTest : public RpcServerTest {
 protected:
  absl::StatusOr<std::unique_ptr<RpcServer>> Listen(const std::vector<std::string>& texts) {
    std::vector<ListenAddress> addresses;
    for (const std::string& text : texts) addresses.push_back(*ParseListenAddress(text, false));
    return RpcServer::Create(store_, rpc_.scheduler(), rpc_.bus(), rpc_.engine(), rpc_.datasets(),
                             addresses, {});
  }

  TempFolder folder_;
};

TEST_F(RpcServerListenTest, OnASocketAndAPortAtOnce) {
  const std::string path = folder_.Join("s");
  auto server = Listen({"unix:" + path, "localhost:0"});
  ASSERT_TRUE(server.ok()) << server.status();
  ASSERT_EQ((*server)->listening().size(), 2u);
  EXPECT_EQ((*server)->listening()[0], "unix:" + path);
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  for (const std::string& address : (*server)->listening()) {
    grpc::Status status;
    EXPECT_EQ(Health(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()), &status),
              grpc::health::v1::HealthCheckResponse::SERVING)
        << address << ": " << status.error_message();
  }
  // A second one gets neither.
  EXPECT_THAT(std::string(Listen({"unix:" + path}).status().message()),
              HasSubstr("another process listens"));
  EXPECT_THAT(std::string(Listen({(*server)->listening()[1]}).status().message()),
              HasSubstr("the port is in use"));
  (*server)->Stop(0);
  server->reset();
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_TRUE(Listen({"unix:" + path}).ok());
}

TEST_F(RpcServerListenTest, NeedsAnAddress) {
  EXPECT_EQ(Listen({}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(RpcServerListenTest, TheSameAddressTwiceIsAnError) {
  const std::string path = folder_.Join("s");
  auto first = Listen({"localhost:0"});
  ASSERT_TRUE(first.ok());
  const std::string port = (*first)->listening()[0];
  first->reset();
  EXPECT_EQ(Listen({port, port}).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace anneal
