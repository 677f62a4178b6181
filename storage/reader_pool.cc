#include "storage/reader_pool.h"

#include <algorithm>
#include <utility>

#include "server/core/status_macros.h"

namespace anneal {

absl::StatusOr<std::unique_ptr<ReaderPool>> ReaderPool::Open(const std::string& path, int size,
                                                             int busy_timeout_ms,
                                                             const std::string& vfs) {
  std::unique_ptr<ReaderPool> pool(new ReaderPool());
  for (int i = 0; i < std::max(size, 1); ++i) {
    ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection,
                     Connection::Open(path, Connection::Mode::kReadOnly, busy_timeout_ms, vfs));
    pool->GiveBack(std::move(connection));
  }
  return pool;
}

absl::Status ReaderPool::Read(const std::function<absl::Status(Connection&)>& body) {
  std::unique_ptr<Connection> connection = Take();
  absl::Status status = connection->Guard([&] {
    Query(*connection, "BEGIN").Run();
    return body(*connection);
  });
  connection->Rollback();
  GiveBack(std::move(connection));
  return status;
}

std::unique_ptr<Connection> ReaderPool::Take() {
  MutexLock lock(mutex_);
  while (idle_.empty()) returned_.Wait(mutex_);
  std::unique_ptr<Connection> connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

void ReaderPool::GiveBack(std::unique_ptr<Connection> connection) {
  MutexLock lock(mutex_);
  idle_.push_back(std::move(connection));
  returned_.NotifyOne();
}

}  // namespace anneal
