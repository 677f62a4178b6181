// The daemon as a client sees it that loses answers and never gives up: CreateJob with request ids.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <memory>
#include <string>

#include "anneal/v1/job_service.grpc.pb.h"

namespace anneal::fault {

// Thread-safe.
class JobClient {
 public:
  using Stub = v1::JobService::Stub;
  using Milliseconds = std::chrono::milliseconds;

  // `address`: "unix:PATH" or "HOST:PORT". Does not connect yet.
  explicit JobClient(const std::string& address);

  // Tries once, waiting for a connection too, for at most `limit`. DEADLINE_EXCEEDED: the answer,
  // if there was one, is lost; the job may have been made.
  grpc::Status Create(const v1::CreateJobRequest& request, std::chrono::microseconds limit,
                      v1::CreateJobResponse* response);

  // Tries again after whatever may pass, such as a daemon that was killed, until the job is
  // acknowledged or refused, or for `patience`. The request needs a request_id.
  grpc::Status CreateUntilAnswered(const v1::CreateJobRequest& request, Milliseconds patience,
                                   v1::CreateJobResponse* response);

  // Calls any other method of the service in the same way: `call(stub, context)`.
  template <typename Call>
  grpc::Status UntilAnswered(Milliseconds patience, const Call& call) {
    const auto end = std::chrono::steady_clock::now() + patience;
    for (;;) {
      grpc::ClientContext context;
      Prepare(context, kCallLimit);
      const grpc::Status status = call(*stub_, context);
      if (!MayPass(status) || std::chrono::steady_clock::now() >= end) return status;
    }
  }

  // Worth another try: the daemon was gone, is ending, or has not answered in time.
  static bool MayPass(const grpc::Status& status);

 private:
  static constexpr Milliseconds kCallLimit{20'000};

  static void Prepare(grpc::ClientContext& context, std::chrono::microseconds limit);

  const std::unique_ptr<Stub> stub_;
};

}  // namespace anneal::fault
