// The border where SQLite's errors become absl::Status. Nothing above storage/ sees an SQLite code
// or exception.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace anneal {

struct SqliteError {
  int extended_code = 0;  // sqlite3_extended_errcode(), such as SQLITE_IOERR_FSYNC
  int system_errno =
      0;                // sqlite3_system_errno(): of the failed system call; 0 where there was none
  std::string message;  // sqlite3_errmsg()
};

// The status for an error of the database at `path`; its text names the path and what a person can
// do.
//
//   UNAVAILABLE          BUSY, LOCKED, PROTOCOL; IOERR of reading, writing, syncing or locking;
//   CANTOPEN for want of
//                        file descriptors: may pass
//   RESOURCE_EXHAUSTED   FULL, NOMEM; IOERR and CANTOPEN with ENOSPC, EDQUOT or EFBIG behind them
//   DATA_LOSS            CORRUPT, NOTADB, IOERR_CORRUPTFS, IOERR_SHORT_READ, IOERR_DATA
//   FAILED_PRECONDITION  READONLY, CANTOPEN, PERM, AUTH
//   INVALID_ARGUMENT     TOOBIG
//   INTERNAL             the rest
absl::Status SqliteStatus(const SqliteError& error, const std::string& path);

// DATA_LOSS for the database at `path`, with what was found and how to go on.
//
// Where no sqlite3 program with a working .recover is at hand: `sqlite3 FILE .dump | sed
// 's/^ROLLBACK.*/COMMIT;/' > dump.sql`, `sqlite3 new.db < dump.sql`, then in new.db `PRAGMA
// application_id = 1097756261` (kApplicationId) and `PRAGMA user_version = N`, the number of the
// damaged file.
absl::Status DamagedStatus(const std::string& path, const std::string& found);

}  // namespace anneal
