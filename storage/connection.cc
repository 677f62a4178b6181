#include "storage/connection.h"

#include <SQLiteCpp/Column.h>
#include <sqlite3.h>

#include <cmath>
#include <exception>
#include <limits>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/sqlite_status.h"

namespace anneal {
namespace {

int OpenFlags(Connection::Mode mode) {
  // NOMUTEX: a connection is used by one thread at a time, its own lock would only cost.
  return (mode == Connection::Mode::kReadOnly ? SQLITE_OPEN_READONLY
                                              : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
         SQLITE_OPEN_NOMUTEX;
}

int CheckedSize(size_t bytes) {
  if (bytes > static_cast<size_t>(std::numeric_limits<int>::max())) {
    throw SQLite::Exception("string or blob too big", SQLITE_TOOBIG);
  }
  return static_cast<int>(bytes);
}

}  // namespace

Connection::Connection(const std::string& path, Mode mode, int busy_timeout_ms,
                       const std::string& vfs)
    : path_(path), database_(path, OpenFlags(mode), busy_timeout_ms, vfs) {}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& path, Mode mode,
                                                             int busy_timeout_ms,
                                                             const std::string& vfs) {
  try {
    std::unique_ptr<Connection> connection(new Connection(path, mode, busy_timeout_ms, vfs));
    // Where a file cannot be written, SQLite opens it for reading without a word.
    if (mode == Mode::kReadWriteCreate &&
        sqlite3_db_readonly(connection->database_.getHandle(), "main") == 1) {
      return SqliteStatus({SQLITE_READONLY, 0, "attempt to write a readonly database"}, path);
    }
    return connection;
  } catch (const SQLite::Exception& error) {
    return SqliteStatus({error.getExtendedErrorCode(), 0, error.what()}, path);
  }
}

absl::Status Connection::Guard(const std::function<absl::Status()>& body) {
  try {
    return body();
  } catch (const SQLite::Exception& error) {
    const int code =
        error.getExtendedErrorCode() > 0 ? error.getExtendedErrorCode() : error.getErrorCode();
    const int primary = code & 0xff;
    // Only for these is the number the one of the call that failed.
    const int system_errno = primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN
                                 ? sqlite3_system_errno(database_.getHandle())
                                 : 0;
    return SqliteStatus({code, system_errno, error.what()}, path_);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat("database '", path_, "': out of memory"));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("database '", path_, "': ", error.what()));
  }
}

bool Connection::InTransaction() const {
  return sqlite3_get_autocommit(database_.getHandle()) == 0;
}

absl::Status Connection::CheckInPlace() {
  int moved = 0;
  sqlite3_file_control(database_.getHandle(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  if (moved == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "database '", path_,
      "' was moved, deleted or replaced while it was open; put it back, or start again"));
}

void Connection::Rollback() noexcept {
  if (InTransaction()) database_.tryExec("ROLLBACK");
}

SQLite::Statement& Connection::Prepared(const char* sql) {
  const auto found = statements_.find(sql);
  if (found != statements_.end()) return *found->second;
  auto statement = std::make_unique<SQLite::Statement>(database_, sql);
  return *statements_.emplace(sql, std::move(statement)).first->second;
}

Query::Query(Connection& connection, const char* sql)
    : connection_(connection), statement_(connection.Prepared(sql)) {}

Query::~Query() {
  // Its result repeats an error that was already thrown. A statement left at a row would keep its
  // snapshot of the database, and with it the write-ahead log, for ever.
  statement_.tryReset();
  statement_.clearBindings();
}

Query& Query::Bind(int64_t value) {
  statement_.bind(next_++, value);
  return *this;
}

Query& Query::Bind(double value) {
  if (std::isnan(value)) return BindNull();
  statement_.bind(next_++, value);
  return *this;
}

Query& Query::BindText(const std::string& value) {
  CheckedSize(value.size());
  statement_.bindNoCopy(next_++, value);
  return *this;
}

Query& Query::BindBlob(const std::string& value) {
  return BindBlob(value.data(), value.size());
}

Query& Query::BindBlob(const void* data, size_t bytes) {
  statement_.bindNoCopy(next_++, data, CheckedSize(bytes));
  return *this;
}

Query& Query::BindNull() {
  statement_.bind(next_++);
  return *this;
}

int64_t Query::Run() {
  while (statement_.executeStep()) {
  }
  return connection_.database_.getChanges();
}

bool Query::Step() { return statement_.executeStep(); }

bool Query::IsNull(int column) const { return statement_.isColumnNull(column); }

int64_t Query::Int64(int column) const { return statement_.getColumn(column).getInt64(); }

double Query::Double(int column) const {
  const SQLite::Column value = statement_.getColumn(column);
  return value.isNull() ? std::numeric_limits<double>::quiet_NaN() : value.getDouble();
}

std::string Query::Text(int column) const { return statement_.getColumn(column).getString(); }

}  // namespace anneal
