// Queuing a job, whatever its kind: what `submit` and `sweep` share.
#pragma once

#include <cstdint>

#include "CLI/CLI.hpp"
#include "anneal/v1/job.pb.h"
#include "anneal/v1/job_service.pb.h"
#include "client/session.h"

namespace anneal::client {

struct SubmissionOptions {
  int32_t priority = 0;
  bool watch = false;
};

// Adds --priority and --watch.
void AddSubmissionOptions(CLI::App& command, SubmissionOptions& options);

// Queues `spec`, trying again, safely, while the daemon is unavailable.
grpc::Status CreateJob(Session& session, const v1::JobSpec& spec, int32_t priority,
                       v1::CreateJobResponse* response);

// Queues `spec`, prints the id, and follows the job where that is asked for; the exit code.
int Submit(Session& session, const v1::JobSpec& spec, const SubmissionOptions& options);

}  // namespace anneal::client
