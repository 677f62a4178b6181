// What must be right about a database's folder and file before it is used.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "storage/connection.h"

namespace anneal {

// FAILED_PRECONDITION: the folder of `path` does not exist or is not writable.
absl::Status CheckFolder(const std::string& path);

// DATA_LOSS: the file is cut off within a page, which SQLite would silently fill with zeros, or
// within its header. OK where there is no file, an empty one, or a write-ahead log or a rollback
// journal from which SQLite mends the file when it is first read: ask again after that.
absl::Status CheckFileSize(const std::string& path);

// Reads every page (PRAGMA quick_check): seconds for a gigabyte. DATA_LOSS.
absl::Status CheckContent(Connection& connection);

}  // namespace anneal
