// Queuing a job, whatever its kind: what `submit` and `sweep` share.
#pragma once

#include "CLI/CLI.hpp"
#include "anneal/v1/job_service.pb.h"
#include "client/queue_options.h"
#include "client/session.h"

namespace anneal::client {

struct SubmissionOptions {
  QueueOptions queue;
  bool watch = false;
};

// Adds --watch and those of queue_options.h.
void AddSubmissionOptions(CLI::App& command, SubmissionOptions& options);

// Queues the job, trying again, safely, while the daemon is unavailable.
grpc::Status CreateJob(Session& session, v1::CreateJobRequest request,
                       v1::CreateJobResponse* response);

// Queues the job, prints its id, and follows it where `watch`; the exit code.
int Submit(Session& session, v1::CreateJobRequest request, bool watch);

}  // namespace anneal::client
