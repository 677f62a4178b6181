// A regular file, opened for reading in one go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace anneal {

// Move-only; closes the file when it goes. Messages name the path.
class InputFile {
 public:
  // Follows symbolic links; never blocks on a pipe or a device. NOT_FOUND: nothing has this path.
  // FAILED_PRECONDITION: it is not a regular file or cannot be opened (no permission, a loop of
  // links, ...).
  static absl::StatusOr<InputFile> Open(const std::string& path);

  InputFile(InputFile&& other) noexcept
      : path_(std::move(other.path_)),
        size_bytes_(other.size_bytes_),
        descriptor_(std::exchange(other.descriptor_, -1)) {}
  InputFile& operator=(InputFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(size_bytes_, other.size_bytes_);
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~InputFile();

  const std::string& path() const { return path_; }
  int64_t size_bytes() const { return size_bytes_; }  // when it was opened

  // Reads the whole file, size_bytes() bytes, into `buffer`. Once only. DATA_LOSS: reading failed,
  // or the file became shorter or longer since it was opened.
  absl::Status ReadAll(uint8_t* buffer);

 private:
  InputFile(std::string path, int64_t size_bytes, int descriptor)
      : path_(std::move(path)), size_bytes_(size_bytes), descriptor_(descriptor) {}

  std::string path_;
  int64_t size_bytes_ = 0;
  int descriptor_ = -1;
};

}  // namespace anneal
