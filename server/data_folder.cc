#include "server/data_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "server/core/durable_file.h"
#include "server/core/status_macros.h"

namespace anneal {
namespace {

constexpr char kLockFile[] = "anneald.lock";

absl::Status FileError(const std::string& what, int error) {
  const std::string text = absl::StrCat(what, ": ", std::strerror(error));
  if (error == ENOSPC || error == EDQUOT || error == EFBIG)
    return absl::ResourceExhaustedError(text);
  return absl::FailedPreconditionError(text);
}

// What is acknowledged is in there: its name must survive a power failure, too.
absl::Status MakeFolder(const std::string& path) {
  const absl::Status made = MakeDurableFolder(path);
  if (made.ok() || absl::IsResourceExhausted(made)) return made;
  return absl::FailedPreconditionError(
      absl::StrCat("cannot make the data folder ", path, ": ", made.message()));
}

// The holder's note on one line; empty where there is none.
std::string ReadHolder(int fd) {
  char buffer[4096];
  const ssize_t bytes = pread(fd, buffer, sizeof(buffer), 0);
  if (bytes <= 0) return "";
  std::string text(buffer, static_cast<size_t>(bytes));
  absl::StripAsciiWhitespace(&text);
  return absl::StrReplaceAll(text, {{"\n", ", "}});
}

}  // namespace

DataFolder::DataFolder(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}

DataFolder::~DataFolder() { close(lock_fd_); }

absl::StatusOr<std::unique_ptr<DataFolder>> DataFolder::Open(const std::string& path) {
  RETURN_IF_ERROR(MakeFolder(path));
  const std::string lock_path = path + "/" + kLockFile;
  const int fd = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return FileError(absl::StrCat("cannot write in the data folder ", path, ": ", kLockFile),
                     errno);
  }
  std::unique_ptr<DataFolder> folder(new DataFolder(path, fd));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return FileError(absl::StrCat("cannot lock ", lock_path), errno);
    const std::string holder = ReadHolder(fd);
    return absl::FailedPreconditionError(
        absl::StrCat("the data folder ", path, " is in use by another anneald",
                     holder.empty() ? std::string() : absl::StrCat(" (", holder, ")"),
                     "; stop it, or choose another folder with --data-dir"));
  }
  RETURN_IF_ERROR(folder->WriteHolder({}));
  return folder;
}

absl::Status DataFolder::WriteHolder(const std::vector<std::string>& listening) {
  std::string text = absl::StrCat("pid ", getpid(), "\n");
  if (!listening.empty())
    absl::StrAppend(&text, "listening on ", absl::StrJoin(listening, " "), "\n");
  const std::string what = absl::StrCat("cannot write ", path_, "/", kLockFile);
  if (ftruncate(lock_fd_, 0) != 0) return FileError(what, errno);
  const ssize_t written = pwrite(lock_fd_, text.data(), text.size(), 0);
  if (written < 0) return FileError(what, errno);
  if (written != static_cast<ssize_t>(text.size())) return FileError(what, ENOSPC);
  return absl::OkStatus();
}

}  // namespace anneal
