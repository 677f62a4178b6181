// SQLite's own file layer with a hand on it: it can refuse writes and syncs, hold syncs, and tell
// what a power failure would leave.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <string>

#include "server/core/mutex.h"

namespace anneal {

// Thread-safe. Must outlive every connection opened through it.
class FaultVfs {
 public:
  FaultVfs();  // registers itself under name()
  ~FaultVfs();
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;

  const std::string& name() const { return name_; }

  // From now on every write (or sync) fails with this SQLite code; SQLITE_OK ends that.
  void FailWrites(int code);
  void FailSyncs(int code);

  // From now on a sync waits until ReleaseSyncs().
  void HoldSyncs();
  // Blocks until a sync waits.
  void AwaitHeldSync();
  void ReleaseSyncs();

  // Syncs that succeeded.
  int64_t Syncs() const;

  // Writes to `folder` what is certain to survive a power failure now: each file as it was at its
  // last successful sync, under its own name. (Of later writes any part may survive; here none
  // does.)
  void WriteDurableFiles(const std::string& folder) const;

 private:
  friend struct FaultFile;

  int BeforeWrite();
  int BeforeSync();
  void AfterSync(const std::string& path);
  void AfterDelete(const std::string& path);

  static int Open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags,
                  int* out_flags);
  static int Delete(sqlite3_vfs* vfs, const char* path, int sync_folder);

  const std::string name_;
  sqlite3_vfs vfs_;
  sqlite3_vfs* const real_;

  mutable Mutex mutex_;
  CondVar changed_;
  int write_code_ ANNEAL_GUARDED_BY(mutex_) = SQLITE_OK;
  int sync_code_ ANNEAL_GUARDED_BY(mutex_) = SQLITE_OK;
  bool hold_ ANNEAL_GUARDED_BY(mutex_) = false;
  int held_ ANNEAL_GUARDED_BY(mutex_) = 0;
  int64_t syncs_ ANNEAL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::string> durable_ ANNEAL_GUARDED_BY(mutex_);  // path -> bytes
};

}  // namespace anneal
