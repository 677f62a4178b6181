#include "server/core/durable_file.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/failpoint.h"
#include "server/core/file_calls.h"
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

// `may_be_unreadable`: one that this process may not read was not changed by it.
absl::Status SyncFolder(const std::string& folder, bool may_be_unreadable = false) {
  RETURN_IF_ERROR(PassFailpoint("file.folder_sync.before"));
  FileCalls& calls = CurrentFileCalls();
  const int fd = calls.Open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (fd < 0 && errno == EACCES && may_be_unreadable) return absl::OkStatus();
  if (fd < 0) return FileError(absl::StrCat("cannot open the folder ", folder), errno);
  const int result = calls.Sync(fd);
  const int error = errno;
  calls.Close(fd);
  if (result != 0) return FileError(absl::StrCat("cannot sync the folder ", folder), error);
  return PassFailpoint("file.folder_sync.done");
}

}  // namespace

absl::Status MakeDurableFolder(const std::string& folder) {
  if (folder.size() > 1 && folder.back() == '/')
    return MakeDurableFolder(folder.substr(0, folder.size() - 1));
  const std::string holder = FolderOf(folder);
  if (CurrentFileCalls().MakeFolder(folder.c_str(), 0700) == 0) return SyncFolder(holder);
  int error = errno;
  if (error == ENOENT) {
    RETURN_IF_ERROR(MakeDurableFolder(holder));
    if (CurrentFileCalls().MakeFolder(folder.c_str(), 0700) == 0) return SyncFolder(holder);
    error = errno;
  }
  std::error_code unknown;
  if (!std::filesystem::is_directory(folder, unknown))
    return FileError(absl::StrCat("cannot make the folder ", folder), error);
  return SyncFolder(holder, /*may_be_unreadable=*/true);
}

DurableFile::DurableFile(std::string path, int fd)
    : path_(std::move(path)), temporary_path_(path_ + ".tmp"), fd_(fd) {}

absl::StatusOr<std::unique_ptr<DurableFile>> DurableFile::Create(const std::string& path) {
  RETURN_IF_ERROR(MakeDurableFolder(FolderOf(path)));
  const std::string temporary = path + ".tmp";
  // One left behind by a process that was killed is overwritten.
  const int fd =
      CurrentFileCalls().Open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return FileError(absl::StrCat("cannot write ", temporary), errno);
  return std::unique_ptr<DurableFile>(new DurableFile(path, fd));
}

DurableFile::~DurableFile() {
  if (fd_ < 0) return;
  CurrentFileCalls().Close(fd_);
  CurrentFileCalls().Unlink(temporary_path_.c_str());
}

absl::Status DurableFile::Write(const void* bytes, size_t count) {
  RETURN_IF_ERROR(PassFailpoint("file.write.before"));
  const auto* next = static_cast<const char*>(bytes);
  while (count > 0) {
    // Where failpoints are looked at, there is a moment when half is written.
    const size_t part = FailpointsActive() ? (count + 1) / 2 : std::min(count, kLargestWrite);
    const ssize_t written = CurrentFileCalls().Write(fd_, next, part);
    if (written < 0) {
      if (errno == EINTR) continue;
      return FileError(absl::StrCat("cannot write ", temporary_path_), errno);
    }
    next += written;
    count -= static_cast<size_t>(written);
    if (count > 0) RETURN_IF_ERROR(PassFailpoint("file.write.half"));
  }
  return PassFailpoint("file.write.done");
}

absl::Status DurableFile::Commit() {
  FileCalls& calls = CurrentFileCalls();
  RETURN_IF_ERROR(PassFailpoint("file.sync.before"));
  if (calls.Sync(fd_) != 0) return FileError(absl::StrCat("cannot sync ", temporary_path_), errno);
  RETURN_IF_ERROR(PassFailpoint("file.sync.done"));
  const int fd = std::exchange(fd_, -1);
  if (calls.Close(fd) != 0) {
    const int error = errno;
    calls.Unlink(temporary_path_.c_str());
    return FileError(absl::StrCat("cannot close ", temporary_path_), error);
  }
  PassCrashpoint("file.rename.before");
  if (calls.Rename(temporary_path_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    calls.Unlink(temporary_path_.c_str());
    return FileError(absl::StrCat("cannot rename ", temporary_path_, " to ", path_), error);
  }
  RETURN_IF_ERROR(PassFailpoint("file.rename.done"));
  return SyncFolder(FolderOf(path_));
}

}  // namespace anneal
