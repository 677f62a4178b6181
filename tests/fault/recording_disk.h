// A disk that remembers what is done to it (DiskHistory), leaves out syncs, and fails.
//
// It lies under both users of the disk: SQLite, as a VFS, and durable files, as FileCalls. Below
// them is the system's file system.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "server/core/file_calls.h"
#include "tests/fault/disk_history.h"

namespace anneal {

// Thread-safe. One at a time in a process. Must outlive every connection opened through it.
class RecordingDisk final : public FileCalls {
 public:
  // Syncs that it leaves out without a word: a program that forgot them.
  struct Omissions {
    bool file_sync = false;    // of durable files
    bool folder_sync = false;  // of folders, by durable files
    bool commit_sync = false;  // SQLite runs with synchronous=NORMAL, whatever it is told
  };

  // How it fails: the `at`th of the operations that can (from 1), and if `for_ever` all after it.
  // What fails is done in part, or not at all.
  struct Fault {
    int64_t at = 0;  // 0: never
    bool for_ever = false;
    int error = 0;  // EIO, ENOSPC
  };

  // Remembers what happens below `folder`, which is empty now and durable itself. From now on it is
  // the process's CurrentFileCalls, and SQLite's log is checkpointed every few pages.
  explicit RecordingDisk(std::string folder);
  RecordingDisk(std::string folder, const Omissions& omissions, const Fault& fault);
  ~RecordingDisk() override;

  // For SqliteStore::Options.
  const std::string& vfs() const { return name_; }

  // So far.
  int64_t Operations() const;
  int64_t Fallible() const;  // of those that can fail
  bool HasFailed() const;

  DiskHistory History() const;

  int Open(const char* path, int flags, mode_t mode) override;
  ssize_t Write(int fd, const void* bytes, size_t count) override;
  int Sync(int fd) override;
  int Close(int fd) override;
  int Rename(const char* from, const char* to) override;
  int Unlink(const char* path) override;
  int MakeFolder(const char* path, mode_t mode) override;
  int RemoveFolder(const char* path) override;

 private:
  friend struct RecordedFile;

  struct OpenFile {
    int64_t file = 0;
    int64_t offset = 0;
    std::string folder{};  // set where it is one
  };

  bool Knows(const std::string& path) const;
  void Record(DiskOperation operation);
  int64_t FileAt(const std::string& path);
  void Made(const std::string& path);
  void Unlinked(const std::string& path);
  void SyncedFolder(const std::string& path);
  // The error number, or 0.
  int FailNext();
  static int OpenDirectory(const char* path, int* fd);
  static int OnConnect(sqlite3* database, const char** error, const struct sqlite3_api_routines*);
  static int VfsOpen(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags,
                     int* out_flags);
  static int VfsDelete(sqlite3_vfs* vfs, const char* path, int sync_folder);

  const std::string folder_;
  const Omissions omissions_;
  const Fault fault_;
  const std::string name_;
  sqlite3_vfs vfs_;
  sqlite3_vfs* const real_;
  int (*real_open_directory_)(const char*, int*) = nullptr;

  mutable std::mutex mutex_;
  DiskHistory history_;
  std::map<std::string, int64_t> files_;  // by path, now
  std::map<int, OpenFile> open_;          // by file descriptor
  int64_t last_file_ = 0;
  int64_t fallible_ = 0;
};

}  // namespace anneal
