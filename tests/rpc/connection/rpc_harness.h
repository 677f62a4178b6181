// The services behind a real gRPC server on a port of its own, with a scripted engine and a real
// scheduler.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include "anneal/v1/dataset_service.grpc.pb.h"
#include "anneal/v1/job_service.grpc.pb.h"
#include "anneal/v1/server_service.grpc.pb.h"
#include "server/data/dataset_registry.h"
#include "server/rpc/rpc_server.h"
#include "server/scheduler/event_bus.h"
#include "server/scheduler/scheduler.h"
#include "storage/sqlite_store.h"
#include "tests/rpc/error_details.h"
#include "tests/rpc/small_spec.h"
#include "tests/support/fake_engine.h"
#include "tests/support/fake_store.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_folder.h"

namespace anneal {

class RpcHarness {
 public:
  // `store` must outlive it.
  explicit RpcHarness(Store& store, const Clock& clock, int workers = 2) : engine_(clock) {
    EXPECT_TRUE(datasets_.Register("synthetic-shapes", "synthetic-shapes", "").ok());
    Scheduler::Options options;
    options.workers = workers;
    options.progress_interval_us = 1'000;
    options.storage_retry_us = 0;
    options.artifact_folder = artifacts_.Join("artifacts");
    scheduler_ = Scheduler::Create(store, engine_, bus_, datasets_, clock, options);
    EXPECT_TRUE(scheduler_->Start().ok());
    ListenAddress address;
    address.host = "127.0.0.1";
    ServerIdentity identity;
    identity.data_dir = "/data/anneal";
    identity.workers = workers;
    identity.start_time_us = ManualClock::kStartUs;
    auto server = RpcServer::Create(store, *scheduler_, bus_, engine_, datasets_, {address},
                                    std::move(identity));
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = Connect();
    jobs_ = v1::JobService::NewStub(channel_);
  }

  ~RpcHarness() {
    server_->Stop(5'000'000);
    scheduler_->Stop();
  }

  FakeEngine& engine() { return engine_; }
  EventBus& bus() { return bus_; }
  Scheduler& scheduler() { return *scheduler_; }
  DatasetRegistry& datasets() { return datasets_; }
  RpcServer& server() { return *server_; }
  v1::JobService::Stub& jobs() { return *jobs_; }
  const std::shared_ptr<grpc::Channel>& channel() { return channel_; }

  // A connection of its own.
  std::shared_ptr<grpc::Channel> Connect(int max_receive_bytes = -1) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(max_receive_bytes);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(server_->listening()[0], grpc::InsecureChannelCredentials(),
                                     arguments);
  }

  // Every call has a deadline, so that a test that would hang fails.
  static void SetDeadline(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(120));
  }

  template <typename Stub, typename Request, typename Response>
  static grpc::Status Call(Stub& stub,
                           grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                        Response*),
                           const Request& request, Response* response) {
    grpc::ClientContext context;
    SetDeadline(context);
    return (stub.*method)(&context, request, response);
  }

  grpc::Status Create(const v1::CreateJobRequest& request, v1::CreateJobResponse* response) {
    return Call(jobs(), &v1::JobService::Stub::CreateJob, request, response);
  }

  // Submits; returns the id.
  std::string Submit(const std::string& name, int64_t epochs = 1, int32_t priority = 0) {
    v1::CreateJobRequest request;
    *request.mutable_spec() = SmallSpec(name, epochs);
    request.set_priority(priority);
    v1::CreateJobResponse response;
    const grpc::Status status = Create(request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.job().id();
  }

  grpc::Status Get(const std::string& id, v1::Job* job) {
    v1::GetJobRequest request;
    request.set_id(id);
    return Call(jobs(), &v1::JobService::Stub::GetJob, request, job);
  }

  grpc::Status Cancel(const std::string& id, v1::Job* job) {
    v1::CancelJobRequest request;
    request.set_id(id);
    return Call(jobs(), &v1::JobService::Stub::CancelJob, request, job);
  }

  grpc::Status Pause(const std::string& id, v1::Job* job) {
    v1::PauseJobRequest request;
    request.set_id(id);
    return Call(jobs(), &v1::JobService::Stub::PauseJob, request, job);
  }

  grpc::Status Resume(const std::string& id, v1::Job* job) {
    v1::ResumeJobRequest request;
    request.set_id(id);
    return Call(jobs(), &v1::JobService::Stub::ResumeJob, request, job);
  }

  grpc::Status Delete(const std::string& id) {
    v1::DeleteJobRequest request;
    request.set_id(id);
    google::protobuf::Empty empty;
    return Call(jobs(), &v1::JobService::Stub::DeleteJob, request, &empty);
  }

  // Blocks until the job has ended; its events.
  std::vector<v1::JobEvent> WatchToEnd(const std::string& id, int64_t after_sequence = 0) {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::WatchJobRequest request;
    request.set_id(id);
    request.set_after_sequence(after_sequence);
    const auto reader = jobs().WatchJob(&context, request);
    std::vector<v1::JobEvent> events;
    v1::WatchJobResponse response;
    while (reader->Read(&response)) events.push_back(response.event());
    const grpc::Status status = reader->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return events;
  }

 private:
  const TempFolder artifacts_;
  FakeEngine engine_;
  DatasetRegistry datasets_;
  EventBus bus_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<RpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::JobService::Stub> jobs_;
};

// On a real database.
class SqliteRpcTest : public testing::Test {
 protected:
  SqliteRpcTest() {
    auto store = SqliteStore::Open(folder_.Join("anneal.db"), clock_, {});
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    rpc_ = std::make_unique<RpcHarness>(*store_, clock_);
  }

  TempFolder folder_;
  ManualClock clock_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<RpcHarness> rpc_;
};

// On a store in memory that can be told to fail.
class FakeStoreRpcTest : public testing::Test {
 protected:
  ManualClock clock_;
  FakeStore store_{clock_};
  RpcHarness rpc_{store_, clock_};
};

}  // namespace anneal
