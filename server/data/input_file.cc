#include "server/data/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace anneal {
namespace {

std::string ErrorText(int error) { return std::generic_category().message(error); }

}  // namespace

absl::StatusOr<InputFile> InputFile::Open(const std::string& path) {
  // O_NONBLOCK: opening a pipe that nobody writes to would otherwise wait for ever.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) {
    const int error = errno;
    if (error == ENOENT || error == ENOTDIR) {
      return absl::NotFoundError(absl::StrCat(path, " does not exist"));
    }
    return absl::FailedPreconditionError(
        absl::StrCat(path, " cannot be opened: ", ErrorText(error)));
  }
  InputFile file(path, 0, descriptor);
  struct stat status = {};
  if (fstat(descriptor, &status) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " cannot be examined: ", ErrorText(errno)));
  }
  if (!S_ISREG(status.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, S_ISDIR(status.st_mode) ? " is a folder, not a file" : " is not a regular file"));
  }
  file.size_bytes_ = static_cast<int64_t>(status.st_size);
  return file;
}

InputFile::~InputFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::Status InputFile::ReadAll(uint8_t* buffer) {
  int64_t done = 0;
  uint8_t beyond = 0;  // receives the byte after the end, which must not exist
  while (true) {
    const bool at_end = done == size_bytes_;
    const ssize_t count =
        at_end ? read(descriptor_, &beyond, 1)
               : read(descriptor_, buffer + done, static_cast<size_t>(size_bytes_ - done));
    if (count < 0) {
      if (errno == EINTR) continue;
      return absl::DataLossError(
          absl::StrCat(path_, " cannot be read at byte ", done, ": ", ErrorText(errno)));
    }
    if (at_end && count == 0) return absl::OkStatus();
    if (at_end) {
      return absl::DataLossError(
          absl::StrCat(path_, " grew beyond ", size_bytes_, " bytes while it was read"));
    }
    if (count == 0) {
      return absl::DataLossError(absl::StrCat(path_, " shrank from ", size_bytes_, " to ", done,
                                              " bytes while it was read"));
    }
    done += count;
  }
}

}  // namespace anneal
