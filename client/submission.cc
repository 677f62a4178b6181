#include "client/submission.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <random>
#include <string>
#include <utility>

#include "anneal/v1/job_service.grpc.pb.h"
#include "client/follow.h"
#include "client/job_options.h"
#include "client/watch_printer.h"

namespace anneal::client {
namespace {

constexpr std::chrono::seconds kRetryLimit{30};

// 128 random bits, hex.
std::string RandomId() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) {
    std::array<char, 9> word;
    std::snprintf(word.data(), word.size(), "%08x", static_cast<unsigned>(random()));
    id += word.data();
  }
  return id;
}

// A daemon that answers UNAVAILABLE, or goes away in the middle, may or may not have made the job;
// with the same request id asking again is safe.
grpc::Status CreateWithRetries(Session& session, const v1::CreateJobRequest& request,
                               v1::CreateJobResponse* response) {
  if (grpc::Status status = session.Connect(); !status.ok()) return status;
  const std::atomic<bool> never{false};
  const int64_t begin_us = session.environment().clock->MonotonicUs();
  auto backoff = kFirstBackoff;
  grpc::Status status = session.Call(&v1::JobService::Stub::CreateJob, request, response);
  while (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    const int64_t waited_us = session.environment().clock->MonotonicUs() - begin_us;
    if (waited_us >= std::chrono::microseconds(kRetryLimit).count()) break;
    session.environment().sleep(backoff, never);
    backoff = std::min(backoff * 2, kLastBackoff);
    status = session.Connect();
    if (status.ok()) status = session.Call(&v1::JobService::Stub::CreateJob, request, response);
  }
  return status;
}

}  // namespace

void AddSubmissionOptions(CLI::App& command, SubmissionOptions& options) {
  AddQueueOptions(command, options.queue);
  command.add_flag("--watch", options.watch,
                   "Follows the job to its end; Ctrl-C leaves it running");
}

grpc::Status CreateJob(Session& session, v1::CreateJobRequest request,
                       v1::CreateJobResponse* response) {
  request.set_request_id(RandomId());
  return CreateWithRetries(session, request, response);
}

int Submit(Session& session, v1::CreateJobRequest request, bool watch) {
  const v1::JobSpec spec = request.spec();
  v1::CreateJobResponse response;
  const grpc::Status status = CreateJob(session, std::move(request), &response);
  if (!status.ok()) return session.Fail(status);
  if (session.json()) {
    session.PrintJson(response);
  } else {
    if (!watch) PrintWarnings(session, response);  // else the job's events tell of them
    session.out() << Escape(response.job().id()) << "\n" << std::flush;
  }
  if (!watch) return kExitDone;
  return FollowAndPrint(session, response.job().id(), spec, /*reached_before=*/true);
}

}  // namespace anneal::client
