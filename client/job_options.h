// What verbs with a job file share: the file and the changes to it.
#pragma once

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anneal/v1/job.pb.h"
#include "anneal/v1/job_service.pb.h"
#include "client/session.h"

namespace anneal::client {

struct JobOptions {
  std::string file;
  std::vector<std::string> settings;
  std::string name;
};

// Adds FILE, --set and --name.
void AddJobOptions(CLI::App& command, JobOptions& options);

// Reads the job file and applies the changes.
absl::StatusOr<v1::JobSpec> LoadJob(Session& session, const JobOptions& options);

// INVALID_ARGUMENT, a sentence that names `verb`: the job file is of a prediction.
absl::Status RequireTraining(const v1::JobSpec& spec, const std::string& verb);

// Prints the warnings of an answer to standard error, one a line.
void PrintWarnings(Session& session, const v1::CreateJobResponse& response);

}  // namespace anneal::client
