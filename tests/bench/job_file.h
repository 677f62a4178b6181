// A job file, made ready to be measured: on generated images under the name of its data set.
#pragma once

#include <fstream>
#include <sstream>
#include <string>

#include "absl/status/statusor.h"
#include "anneal/v1/job.pb.h"
#include "google/protobuf/text_format.h"
#include "server/data/dataset_registry.h"

namespace anneal::bench {

// INVALID_ARGUMENT: `path` cannot be read or is no job file. Errors of DatasetRegistry::Register.
inline absl::StatusOr<v1::JobSpec> ReadJobFile(const std::string& path, DatasetRegistry& datasets) {
  const std::ifstream file(path);
  if (!file.is_open()) return absl::InvalidArgumentError(path + " cannot be read");
  std::stringstream text;
  text << file.rdbuf();
  v1::JobSpec job;
  if (!google::protobuf::TextFormat::ParseFromString(text.str(), &job))
    return absl::InvalidArgumentError(path + " is not a job file");
  const absl::Status registered =
      datasets.Register(job.training().dataset().name(), "synthetic-shapes", "");
  if (!registered.ok()) return registered;
  return job;
}

}  // namespace anneal::bench
