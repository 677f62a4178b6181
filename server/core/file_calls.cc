#include "server/core/file_calls.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

namespace anneal {
namespace {

std::atomic<FileCalls*>& Replacement() {
  static std::atomic<FileCalls*> replacement{nullptr};
  return replacement;
}

}  // namespace

int FileCalls::Open(const char* path, int flags, mode_t mode) { return open(path, flags, mode); }
ssize_t FileCalls::Write(int fd, const void* bytes, size_t count) {
  return write(fd, bytes, count);
}
int FileCalls::Sync(int fd) { return fsync(fd); }
int FileCalls::Close(int fd) { return close(fd); }
int FileCalls::Rename(const char* from, const char* to) { return rename(from, to); }
int FileCalls::Unlink(const char* path) { return unlink(path); }
int FileCalls::MakeFolder(const char* path, mode_t mode) { return mkdir(path, mode); }
int FileCalls::RemoveFolder(const char* path) { return rmdir(path); }

FileCalls& CurrentFileCalls() {
  static FileCalls system;
  FileCalls* const replacement = Replacement().load(std::memory_order_acquire);
  return replacement == nullptr ? system : *replacement;
}

void SetFileCalls(FileCalls* calls) { Replacement().store(calls, std::memory_order_release); }

}  // namespace anneal
