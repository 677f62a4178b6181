// Where trainings can go on, as rows. They throw what SQLiteCpp throws. Contracts are those of
// Store.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/core/checkpoint_info.h"
#include "storage/connection.h"
#include "storage/store.h"

namespace anneal {

// Inside a transaction of the caller; `now_us` is the time of the row.
absl::StatusOr<KeptState> WriteTrainingState(Connection& connection, JobId id, int64_t attempt,
                                             const TrainingStateInfo& state, int64_t now_us);

// Inside the transaction that ends the job's last attempt.
void EraseTrainingStates(Connection& connection, JobId id);

std::vector<TrainingStateInfo> ReadTrainingStates(Connection& connection, JobId id);

// Of all jobs, those of final weights too.
std::vector<std::string> ReadFiles(Connection& connection);

}  // namespace anneal
