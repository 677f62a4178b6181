#include "server/core/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/status_macros.h"

namespace anneal {
namespace {

// write() takes no more at once.
constexpr size_t kLargestWrite = size_t{1} << 30;

absl::Status FileError(const std::string& what, int error) {
  const std::string text = absl::StrCat(what, ": ", std::strerror(error));
  if (error == ENOSPC || error == EDQUOT || error == EFBIG)
    return absl::ResourceExhaustedError(text);
  return absl::InternalError(text);
}

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

absl::Status SyncFolder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FileError(absl::StrCat("cannot open the folder ", folder), errno);
  const int result = fsync(fd);
  const int error = errno;
  close(fd);
  if (result != 0) return FileError(absl::StrCat("cannot sync the folder ", folder), error);
  return absl::OkStatus();
}

// With every missing folder above it, each durable in the one that holds it.
absl::Status MakeFolder(const std::string& folder) {
  if (mkdir(folder.c_str(), 0700) == 0) return SyncFolder(FolderOf(folder));
  int error = errno;
  if (error == ENOENT) {
    RETURN_IF_ERROR(MakeFolder(FolderOf(folder)));
    if (mkdir(folder.c_str(), 0700) == 0) return SyncFolder(FolderOf(folder));
    error = errno;
  }
  if (std::error_code ignored; std::filesystem::is_directory(folder, ignored))
    return absl::OkStatus();
  return FileError(absl::StrCat("cannot make the folder ", folder), error);
}

}  // namespace

DurableFile::DurableFile(std::string path, int fd)
    : path_(std::move(path)), temporary_path_(path_ + ".tmp"), fd_(fd) {}

absl::StatusOr<std::unique_ptr<DurableFile>> DurableFile::Create(const std::string& path) {
  RETURN_IF_ERROR(MakeFolder(FolderOf(path)));
  const std::string temporary = path + ".tmp";
  // One left behind by a process that was killed is overwritten.
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return FileError(absl::StrCat("cannot write ", temporary), errno);
  return std::unique_ptr<DurableFile>(new DurableFile(path, fd));
}

DurableFile::~DurableFile() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(temporary_path_.c_str());
}

absl::Status DurableFile::Write(const void* bytes, size_t count) {
  const auto* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t written = write(fd_, next, std::min(count, kLargestWrite));
    if (written < 0) {
      if (errno == EINTR) continue;
      return FileError(absl::StrCat("cannot write ", temporary_path_), errno);
    }
    next += written;
    count -= static_cast<size_t>(written);
  }
  return absl::OkStatus();
}

absl::Status DurableFile::Commit() {
  if (fsync(fd_) != 0) return FileError(absl::StrCat("cannot sync ", temporary_path_), errno);
  const int fd = std::exchange(fd_, -1);
  if (close(fd) != 0) {
    const int error = errno;
    unlink(temporary_path_.c_str());
    return FileError(absl::StrCat("cannot close ", temporary_path_), error);
  }
  if (rename(temporary_path_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    unlink(temporary_path_.c_str());
    return FileError(absl::StrCat("cannot rename ", temporary_path_, " to ", path_), error);
  }
  return SyncFolder(FolderOf(path_));
}

}  // namespace anneal
