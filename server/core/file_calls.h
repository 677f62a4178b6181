// The system calls with which files are made durable and removed, so that a test can put a disk of
// its own there: one that loses what was not synced, or is full.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace anneal {

// Thread-safe. Every call is the system's of that name: its effect, its result (-1 for a failure)
// and its errno. A test derives from it, overrides what it wants to see or to refuse, and calls the
// base class for the real thing.
class FileCalls {
 public:
  virtual ~FileCalls() = default;

  virtual int Open(const char* path, int flags, mode_t mode);
  virtual ssize_t Write(int fd, const void* bytes, size_t count);
  virtual int Sync(int fd);  // fsync; also of a folder
  virtual int Close(int fd);
  virtual int Rename(const char* from, const char* to);
  virtual int Unlink(const char* path);
  virtual int MakeFolder(const char* path, mode_t mode);
  virtual int RemoveFolder(const char* path);
};

// Those that DurableFile and ArtifactFolder use: the system's, unless a test has set others.
FileCalls& CurrentFileCalls();

// For tests. `calls`: used by every thread from now on, until others are set; null: the system's.
// Not while a file is being written.
void SetFileCalls(FileCalls* calls);

}  // namespace anneal
