// The common part of every unary handler: what it returns, converted and sent.
#pragma once

#include <utility>

#include <grpcpp/support/server_callback.h>

#include "absl/status/statusor.h"
#include "server/rpc/status.h"

namespace anneal {

// Sends `result` (into `response`, which gRPC owns) or its error. Finishes the call; the reactor
// frees itself.
template <typename Response>
grpc::ServerUnaryReactor* Reply(grpc::CallbackServerContext* context, Response* response,
                                absl::StatusOr<Response> result) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (result.ok()) {
    response->Swap(&*result);
    reactor->Finish(grpc::Status::OK);
  } else {
    reactor->Finish(ToGrpcStatus(result.status()));
  }
  return reactor;
}

}  // namespace anneal
