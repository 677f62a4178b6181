// One connection to the SQLite file, its prepared statements, and the frame that catches its
// exceptions.
#pragma once

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace anneal {

// Not thread-safe: used by one thread at a time.
class Connection {
 public:
  enum class Mode { kReadWriteCreate, kReadOnly };

  // `vfs`: name of a registered SQLite VFS; "" for the usual one. Errors as of SqliteStatus();
  // FAILED_PRECONDITION also where the file can be read but not written and `mode` wants to write.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& path, Mode mode,
                                                          int busy_timeout_ms,
                                                          const std::string& vfs);

  // Runs `body`, which may throw what SQLiteCpp throws, and turns that into a status. Everything
  // that touches database() or a Query runs inside.
  absl::Status Guard(const std::function<absl::Status()>& body);

  // Whether BEGIN has been executed and neither COMMIT nor ROLLBACK, which some errors (disk full
  // above all) imply.
  bool InTransaction() const;

  // FAILED_PRECONDITION: the file was moved, deleted or replaced since it was opened. In WAL mode
  // SQLite itself would go on writing to a file that nobody will find again.
  absl::Status CheckInPlace();

  // Rolls back if InTransaction(). Cannot fail: where SQLite reports an error, the transaction is
  // gone all the same.
  void Rollback() noexcept;

  const std::string& path() const { return path_; }
  SQLite::Database& database() { return database_; }

 private:
  friend class Query;

  Connection(const std::string& path, Mode mode, int busy_timeout_ms, const std::string& vfs);

  // Prepared at the first use of a text and kept.
  SQLite::Statement& Prepared(const char* sql);

  const std::string path_;
  SQLite::Database database_;
  std::unordered_map<std::string_view, std::unique_ptr<SQLite::Statement>> statements_;
};

// One execution of a prepared statement: bind in order, then Run() or Step() and read columns (from
// 0). The destructor makes the statement free for its next use, so no two queries of the same text
// may be alive at once. Throws SQLite::Exception.
class Query {
 public:
  // `sql` must live as long as the connection (a literal).
  Query(Connection& connection, const char* sql);
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  Query& Bind(int64_t value);
  Query& Bind(double value);  // NaN is stored as NULL and -0.0 as 0.0: SQLite has neither
  Query& BindText(const std::string& value);  // not copied: must outlive the query
  Query& BindBlob(const std::string& value);  // not copied: must outlive the query
  Query& BindBlob(const void* data, size_t bytes);  // the same
  Query& BindNull();

  // Executes a statement without rows. The number of rows changed, where it is an INSERT, UPDATE or
  // DELETE.
  int64_t Run();

  // The next row; false at the end.
  bool Step();

  bool IsNull(int column) const;
  int64_t Int64(int column) const;     // 0 for NULL
  double Double(int column) const;     // NaN for NULL
  std::string Text(int column) const;  // "" for NULL; also reads blobs

 private:
  Connection& connection_;
  SQLite::Statement& statement_;
  int next_ = 1;
};

}  // namespace anneal
