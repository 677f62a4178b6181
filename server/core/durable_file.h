// A file that is there whole and for good, or not at all.
//
// Written beside its place under a temporary name, then fsync, rename, fsync of the folder: after
// Commit() it survives kill -9 and power loss, and until then an earlier file at its place is
// untouched. (Pillai et al. 2014, "All file systems are not created equal", section 4: without the
// first fsync the name may become durable before the contents, without the last the contents
// before the name.)
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace anneal {

// Makes the folder, readable by its owner alone, with every missing one above it. On return its name
// is durable, also where it was there: whoever made it may have been killed before he saw to that.
// Only where it is in a folder that this process may not read, it is taken as somebody else's work
// and as durable. Errors as of DurableFile.
absl::Status MakeDurableFolder(const std::string& folder);

// Used by one thread. Errors of every call: RESOURCE_EXHAUSTED (the disk is full, or a quota),
// INTERNAL (any other); the message names the file and what the system says.
class DurableFile {
 public:
  // `path`: where it will be, readable by the owner alone. Its folder is made durable, too.
  // Two of the same path at once would disturb each other: the caller sees to it that there is one.
  static absl::StatusOr<std::unique_ptr<DurableFile>> Create(const std::string& path);

  // Removes what was written, unless it was committed.
  ~DurableFile();
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;

  // Appends.
  absl::Status Write(const void* bytes, size_t count);

  // Blocks until it is durable. Once; no Write after it, whatever it returns. After an error the
  // file may be at its place or not, and nothing can be said of its contents.
  absl::Status Commit();

 private:
  DurableFile(std::string path, int fd);

  const std::string path_;
  const std::string temporary_path_;
  int fd_;
};

}  // namespace anneal
