#include "storage/schema.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "server/core/failpoint.h"
#include "server/core/status_macros.h"
#include "storage/migrations/v1.h"
#include "storage/migrations/v2.h"
#include "storage/migrations/v3.h"
#include "storage/migrations/v4.h"

namespace anneal {
namespace {

int64_t Number(Connection& connection, const char* sql) {
  return connection.database().execAndGet(sql).getInt64();
}

absl::Status Apply(Connection& connection, const Migration& migration, int64_t newest) {
  RETURN_IF_ERROR(PassFailpoint("migration.before"));
  SQLite::Database& database = connection.database();
  database.exec("BEGIN IMMEDIATE");
  // Another process may have been quicker.
  ASSIGN_OR_RETURN(const int64_t version, CheckedVersion(connection, newest));
  if (version >= migration.version) return absl::OkStatus();
  database.exec(migration.sql);
  SQLite::Statement broken(database, "PRAGMA foreign_key_check");
  if (broken.executeStep()) {
    return absl::InternalError(absl::StrCat("database '", connection.path(), "': migration ",
                                            migration.version, " breaks a reference of table '",
                                            broken.getColumn(0).getString(), "'"));
  }
  // PRAGMA takes no bound values; both are our own numbers.
  database.exec(absl::StrCat("PRAGMA application_id = ", kApplicationId));
  database.exec(absl::StrCat("PRAGMA user_version = ", migration.version));
  RETURN_IF_ERROR(PassFailpoint("migration.commit"));
  database.exec("COMMIT");
  return PassFailpoint("migration.done");
}

}  // namespace

const std::vector<Migration>& Migrations() {
  static const auto& migrations = *new std::vector<Migration>{
      {1, kMigrationV1}, {2, kMigrationV2}, {3, kMigrationV3}, {4, kMigrationV4}};
  return migrations;
}

absl::StatusOr<int64_t> CheckedVersion(Connection& connection, int64_t newest) {
  int64_t version = 0;
  RETURN_IF_ERROR(connection.Guard([&]() -> absl::Status {
    const int64_t application = Number(connection, "PRAGMA application_id");
    version = Number(connection, "PRAGMA user_version");
    const bool empty = application == 0 && version == 0 &&
                       Number(connection, "SELECT count(*) FROM sqlite_schema") == 0;
    if (application != kApplicationId && !empty) {
      return absl::FailedPreconditionError(absl::StrCat(
          "database '", connection.path(), "' belongs to another program (application_id ",
          application, ", not ", kApplicationId, "); name another file, or move this one away"));
    }
    if (version > newest) {
      return absl::FailedPreconditionError(absl::StrCat(
          "database '", connection.path(), "' has schema version ", version,
          ", this program knows versions up to ", newest,
          "; use the newer program that wrote it, or restore a copy made before it was upgraded"));
    }
    return absl::OkStatus();
  }));
  return version;
}

absl::Status Migrate(Connection& connection, const std::vector<Migration>& migrations) {
  const int64_t newest = migrations.empty() ? 0 : migrations.back().version;
  ASSIGN_OR_RETURN(const int64_t version, CheckedVersion(connection, newest));
  RETURN_IF_ERROR(connection.Guard([&]() -> absl::Status {
    connection.database().exec("PRAGMA foreign_keys = OFF");  // has no effect inside a transaction
    return absl::OkStatus();
  }));
  for (const Migration& migration : migrations) {
    if (migration.version <= version) continue;
    const absl::Status applied =
        connection.Guard([&] { return Apply(connection, migration, newest); });
    connection.Rollback();
    RETURN_IF_ERROR(applied);
  }
  return absl::OkStatus();
}

}  // namespace anneal
