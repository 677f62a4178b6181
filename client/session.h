// What every verb shares: the global flags, the connection, and how answers and errors are printed.
#pragma once

#include <chrono>
#include <memory>
#include <ostream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "client/channel.h"
#include "client/environment.h"
#include "client/render.h"
#include "client/status.h"
#include "google/protobuf/message.h"
#include "grpcpp/client_context.h"

namespace anneal::client {

class Session {
 public:
  // `environment` must outlive the session.
  Session(Environment& environment, Address address, bool json)
      : environment_(environment), address_(std::move(address)), json_(json) {}

  Environment& environment() { return environment_; }
  const Environment& environment() const { return environment_; }
  const Address& address() const { return address_; }
  bool json() const { return json_; }  // --output json
  std::ostream& out() { return *environment_.out; }
  std::ostream& err() { return *environment_.err; }

  // Of standard output, as it is now. Colours only on a terminal without NO_COLOR (no-color.org).
  Style style() const;

  // Makes a new channel and waits for it (see WaitUntilReady). The channel is replaced in any case.
  grpc::Status Connect();

  // Connected by the last Connect(); null before the first.
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

  // One unary call within kCallLimit; connects first where that has not been done. `method` is that
  // of a generated Stub: session.Call(&v1::JobService::Stub::GetJob, request, &job)
  template <typename Stub, typename Request, typename Response>
  grpc::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    if (channel_ == nullptr) {
      if (grpc::Status status = Connect(); !status.ok()) return status;
    }
    Stub stub(channel_);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kCallLimit);
    return (stub.*method)(&context, request, response);
  }

  // `message` as proto3 JSON on one line of standard output, flushed. `whole`: with the fields that
  // are at their default, so that a row has its zeros.
  void PrintJson(const google::protobuf::Message& message, bool whole = false);

  // Prints "anneal: " and what went wrong to standard error; the exit code.
  int Fail(const grpc::Status& status);
  int UsageError(const absl::Status& status);

  // How to go on from the shell: "anneal watch 7", with --server where it is not the default.
  std::string CommandLine(const std::string& verb_and_arguments) const;

 private:
  Environment& environment_;
  const Address address_;
  const bool json_;
  std::shared_ptr<grpc::Channel> channel_;
};

// Whether the locale's character set is UTF-8, by LC_ALL, LC_CTYPE and LANG.
bool IsUtf8Locale(const Environment& environment);

}  // namespace anneal::client
