// Connections that only read. In WAL mode they see the last commit and never wait for the writer.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/mutex.h"
#include "storage/connection.h"

namespace anneal {

// Thread-safe.
class ReaderPool {
 public:
  // `size` connections, at least 1, to an existing database in WAL mode that stays open for writing
  // elsewhere in this process. Errors as of SqliteStatus().
  static absl::StatusOr<std::unique_ptr<ReaderPool>> Open(const std::string& path, int size,
                                                          int busy_timeout_ms,
                                                          const std::string& vfs);

  // Runs `body` in a read transaction: all it reads is of one moment. It may throw what SQLiteCpp
  // throws. Blocks while all connections are in use by other readers.
  absl::Status Read(const std::function<absl::Status(Connection&)>& body) ANNEAL_EXCLUDES(mutex_);

 private:
  ReaderPool() = default;

  std::unique_ptr<Connection> Take() ANNEAL_EXCLUDES(mutex_);
  void GiveBack(std::unique_ptr<Connection> connection) ANNEAL_EXCLUDES(mutex_);

  Mutex mutex_;
  CondVar returned_;
  std::vector<std::unique_ptr<Connection>> idle_ ANNEAL_GUARDED_BY(mutex_);
};

}  // namespace anneal
