// The schema of the database: numbered migrations, and the checks that a file is ours.
//
// PRAGMA application_id says that a file is Anneal's, PRAGMA user_version the last migration it has
// seen; 0 is an empty file. Both live in the file's header and change with the transaction that
// changes them, so a migration is applied with its number or not at all.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/connection.h"

namespace anneal {

inline constexpr int32_t kApplicationId = 0x416E6E65;  // "Anne"

struct Migration {
  int64_t version = 0;  // from 1, without gaps
  const char* sql = nullptr;
};

// Every migration, oldest first.
const std::vector<Migration>& Migrations();

// The version of the file, without writing to it. FAILED_PRECONDITION: another program's database,
// or one with a newer schema than `newest`. DATA_LOSS: no database.
absl::StatusOr<int64_t> CheckedVersion(Connection& connection, int64_t newest);

// Applies those of `migrations` that the file has not seen, each in one transaction. A failing one
// leaves the file at the version before it. Foreign keys are not enforced meanwhile, so that tables
// can be rebuilt; a migration that leaves a broken reference is INTERNAL. Errors of
// CheckedVersion().
absl::Status Migrate(Connection& connection, const std::vector<Migration>& migrations);

}  // namespace anneal
