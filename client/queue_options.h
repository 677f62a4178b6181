// What verbs that queue a job say about it besides the job itself, and what of it other verbs
// share: priority, owner, labels, deadlines.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anneal/v1/job_service.pb.h"
#include "client/session.h"
#include "google/protobuf/map.h"

namespace anneal::client {

struct QueueOptions {
  int32_t priority = 0;
  std::vector<std::string> labels;
  std::optional<std::string> owner;
  std::optional<std::string> deadline;
  std::optional<std::string> max_time;

  friend bool operator==(const QueueOptions&, const QueueOptions&) = default;
};

// Adds --priority, --label, --owner, --deadline and --max-time.
void AddQueueOptions(CLI::App& command, QueueOptions& options);

// A request without a job. INVALID_ARGUMENT, naming the option: a value that cannot be understood.
absl::StatusOr<v1::CreateJobRequest> MakeRequest(Session& session, const QueueOptions& options);

// Whose jobs the user's are: $ANNEAL_OWNER, else the login name, else the number of the user.
// INVALID_ARGUMENT: $ANNEAL_OWNER is not UTF-8.
absl::StatusOr<std::string> OwnerOfUser(const Session& session);

// An option that takes one value and may be given several times.
CLI::Option* AddRepeated(CLI::App& command, const std::string& name,
                         std::vector<std::string>& values, const std::string& description);

// Of `texts`, each "KEY=VALUE", or "KEY" for the empty value. INVALID_ARGUMENT, naming `option`: no
// key, a key twice, not UTF-8.
absl::Status ParseLabels(const std::string& option, const std::vector<std::string>& texts,
                         google::protobuf::Map<std::string, std::string>* labels);

// A CLI11 check: an int32 as people write it. CLI11 itself reads nothing as not given and 010 as 8.
CLI::Validator IsPriority();

}  // namespace anneal::client
