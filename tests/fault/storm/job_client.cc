#include "tests/fault/storm/job_client.h"

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

namespace anneal::fault {
namespace {

// One that looks for a daemon that was killed every few milliseconds.
std::shared_ptr<grpc::Channel> EagerChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 50);
  arguments.SetMaxReceiveMessageSize(64 * 1024 * 1024);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

JobClient::JobClient(const std::string& address)
    : stub_(v1::JobService::NewStub(EagerChannel(address))) {}

grpc::Status JobClient::Create(const v1::CreateJobRequest& request, std::chrono::microseconds limit,
                               v1::CreateJobResponse* response) {
  grpc::ClientContext context;
  Prepare(context, limit);
  return stub_->CreateJob(&context, request, response);
}

grpc::Status JobClient::CreateUntilAnswered(const v1::CreateJobRequest& request,
                                            Milliseconds patience,
                                            v1::CreateJobResponse* response) {
  return UntilAnswered(patience, [&](Stub& stub, grpc::ClientContext& context) {
    return stub.CreateJob(&context, request, response);
  });
}

bool JobClient::MayPass(const grpc::Status& status) {
  // A daemon that ends by itself cancels its calls.
  return status.error_code() == grpc::StatusCode::UNAVAILABLE ||
         status.error_code() == grpc::StatusCode::CANCELLED ||
         status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
}

void JobClient::Prepare(grpc::ClientContext& context, std::chrono::microseconds limit) {
  context.set_wait_for_ready(true);
  context.set_deadline(std::chrono::system_clock::now() + limit);
}

}  // namespace anneal::fault
