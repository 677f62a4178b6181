#include "storage/sqlite_status.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cerrno>
#include <vector>

#include "tests/storage/storage_test_support.h"

namespace anneal {
namespace {

TEST(SqliteStatusTest, EachCodeHasItsStatus) {
  using absl::StatusCode;
  struct Case {
    int extended_code;
    int system_errno;
    StatusCode expected;
  };
  const std::vector<Case> cases = {
      {SQLITE_BUSY, 0, StatusCode::kUnavailable},
      {SQLITE_BUSY_RECOVERY, 0, StatusCode::kUnavailable},
      {SQLITE_LOCKED_SHAREDCACHE, 0, StatusCode::kUnavailable},
      {SQLITE_PROTOCOL, 0, StatusCode::kUnavailable},
      {SQLITE_FULL, 0, StatusCode::kResourceExhausted},
      {SQLITE_NOMEM, 0, StatusCode::kResourceExhausted},
      {SQLITE_CORRUPT, 0, StatusCode::kDataLoss},
      {SQLITE_CORRUPT_INDEX, 0, StatusCode::kDataLoss},
      {SQLITE_NOTADB, 0, StatusCode::kDataLoss},
      {SQLITE_READONLY_DBMOVED, 0, StatusCode::kFailedPrecondition},
      {SQLITE_CANTOPEN, EACCES, StatusCode::kFailedPrecondition},
      {SQLITE_CANTOPEN, ENOSPC, StatusCode::kResourceExhausted},
      {SQLITE_CANTOPEN, EMFILE, StatusCode::kUnavailable},
      {SQLITE_PERM, 0, StatusCode::kFailedPrecondition},
      {SQLITE_IOERR_WRITE, EIO, StatusCode::kUnavailable},
      {SQLITE_IOERR_WRITE, ENOSPC, StatusCode::kResourceExhausted},
      {SQLITE_IOERR_WRITE, EDQUOT, StatusCode::kResourceExhausted},
      {SQLITE_IOERR_FSYNC, EIO, StatusCode::kUnavailable},
      {SQLITE_IOERR_FSYNC, ENOSPC, StatusCode::kResourceExhausted},
      {SQLITE_IOERR_SHMSIZE, ENOSPC, StatusCode::kResourceExhausted},
      {SQLITE_IOERR_LOCK, 0, StatusCode::kUnavailable},
      {SQLITE_IOERR_NOMEM, 0, StatusCode::kResourceExhausted},
      {SQLITE_IOERR_CORRUPTFS, 0, StatusCode::kDataLoss},
      {SQLITE_IOERR_SHORT_READ, 0, StatusCode::kDataLoss},
      {SQLITE_IOERR_VNODE, 0, StatusCode::kInternal},
      {SQLITE_TOOBIG, 0, StatusCode::kInvalidArgument},
      {SQLITE_CONSTRAINT_UNIQUE, 0, StatusCode::kInternal},
      {SQLITE_MISUSE, 0, StatusCode::kInternal},
      {SQLITE_ERROR, 0, StatusCode::kInternal},
  };
  for (const Case& c : cases) {
    const absl::Status status =
        SqliteStatus({c.extended_code, c.system_errno, "what SQLite said"}, "/data/anneal.db");
    EXPECT_EQ(status.code(), c.expected) << c.extended_code << " " << status;
    EXPECT_TRUE(Says(status, "/data/anneal.db")) << status;
    EXPECT_TRUE(Says(status, "what SQLite said")) << status;
  }
  EXPECT_TRUE(Says(SqliteStatus({SQLITE_FULL, 0, ""}, "/data/anneal.db"), "disk of '/data'"));
}

}  // namespace
}  // namespace anneal
