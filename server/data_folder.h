// The daemon's data folder, held by one daemon at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace anneal {

// Holds an flock on DIR/anneald.lock as long as it lives. The kernel gives it up when the process
// ends, however it ends; the file stays (removing it would let two daemons lock two files of one
// name). Not for network file systems that do not know flock.
class DataFolder {
 public:
  // Makes the folder (mode 0700) and those above it where they are missing. FAILED_PRECONDITION:
  // another daemon holds it (the message says which), or it cannot be made or written.
  // RESOURCE_EXHAUSTED: the disk is full.
  static absl::StatusOr<std::unique_ptr<DataFolder>> Open(const std::string& path);

  ~DataFolder();
  DataFolder(const DataFolder&) = delete;
  DataFolder& operator=(const DataFolder&) = delete;

  // Tells a second daemon, and people, who holds the folder. Errors as Open.
  absl::Status WriteHolder(const std::vector<std::string>& listening);

  const std::string& path() const { return path_; }

 private:
  DataFolder(std::string path, int lock_fd);

  const std::string path_;
  const int lock_fd_;
};

}  // namespace anneal
