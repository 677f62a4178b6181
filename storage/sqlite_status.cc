#include "storage/sqlite_status.h"

#include <sqlite3.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"

namespace anneal {
namespace {

bool IsOutOfSpace(int system_errno) {
  return system_errno == ENOSPC || system_errno == EDQUOT || system_errno == EFBIG;
}

std::string Describe(const SqliteError& error, const std::string& path) {
  std::string text =
      absl::StrCat("database '", path, "': ", error.message, " (",
                   sqlite3_errstr(error.extended_code), ", SQLite code ", error.extended_code);
  if (error.system_errno != 0) absl::StrAppend(&text, ", ", std::strerror(error.system_errno));
  absl::StrAppend(&text, ")");
  return text;
}

absl::Status OutOfSpace(const SqliteError& error, const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return absl::ResourceExhaustedError(
      absl::StrCat(Describe(error, path), "; free space on the disk of '", folder, "'"));
}

absl::Status InputOutput(const SqliteError& error, const std::string& path) {
  if (IsOutOfSpace(error.system_errno)) return OutOfSpace(error, path);
  switch (error.extended_code) {
    case SQLITE_IOERR_NOMEM: return absl::ResourceExhaustedError(Describe(error, path));
    case SQLITE_IOERR_CORRUPTFS:
    case SQLITE_IOERR_SHORT_READ:
    case SQLITE_IOERR_DATA: return DamagedStatus(path, error.message);
    case SQLITE_IOERR:
    case SQLITE_IOERR_READ:
    case SQLITE_IOERR_WRITE:
    case SQLITE_IOERR_FSYNC:
    case SQLITE_IOERR_DIR_FSYNC:
    case SQLITE_IOERR_TRUNCATE:
    case SQLITE_IOERR_FSTAT:
    case SQLITE_IOERR_LOCK:
    case SQLITE_IOERR_RDLOCK:
    case SQLITE_IOERR_UNLOCK:
    case SQLITE_IOERR_CHECKRESERVEDLOCK:
    case SQLITE_IOERR_BLOCKED:
    case SQLITE_IOERR_ACCESS:
    case SQLITE_IOERR_SHMOPEN:
    case SQLITE_IOERR_SHMSIZE:
    case SQLITE_IOERR_SHMLOCK:
    case SQLITE_IOERR_SHMMAP: return absl::UnavailableError(Describe(error, path));
    default: return absl::InternalError(Describe(error, path));
  }
}

absl::Status NotOpened(const SqliteError& error, const std::string& path) {
  if (IsOutOfSpace(error.system_errno)) return OutOfSpace(error, path);
  if (error.system_errno == EMFILE || error.system_errno == ENFILE) {
    return absl::UnavailableError(Describe(error, path));
  }
  return absl::FailedPreconditionError(absl::StrCat(
      Describe(error, path),
      "; it and its folder must be readable and writable by the user of this process"));
}

}  // namespace

absl::Status SqliteStatus(const SqliteError& error, const std::string& path) {
  switch (error.extended_code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return absl::UnavailableError(
          absl::StrCat(Describe(error, path), "; another process holds it, try again"));
    case SQLITE_FULL: return OutOfSpace(error, path);
    case SQLITE_NOMEM: return absl::ResourceExhaustedError(Describe(error, path));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return DamagedStatus(path, error.message);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH: return NotOpened(error, path);
    case SQLITE_IOERR: return InputOutput(error, path);
    case SQLITE_TOOBIG: return absl::InvalidArgumentError(Describe(error, path));
    default: return absl::InternalError(Describe(error, path));
  }
}

// Debian builds the sqlite3 program without what .recover needs (SQLITE_ENABLE_DBPAGE_VTAB); it
// then says "SQL logic error" and writes nothing.
absl::Status DamagedStatus(const std::string& path, const std::string& found) {
  return absl::DataLossError(absl::StrCat(
      "database '", path, "' is damaged or no database (", found,
      "). Stop every process that uses it and copy it with its -wal and -shm files elsewhere. Then "
      "restore a copy "
      "made earlier, or save what can be read: `sqlite3 '",
      path,
      "' .recover > dump.sql`, `sqlite3 new.db < dump.sql`, and put new.db in its place, without "
      "-wal and -shm "
      "(if .recover says \"SQL logic error\", use the sqlite3 program from sqlite.org)"));
}

}  // namespace anneal
