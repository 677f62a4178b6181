// What happened to the files of a folder, in order; and what a power failure at any moment would
// leave of them. More than one file system does, it allows what any may do:
//
//  - What was written to a file and not synced may be there or not, each sector of 512 bytes for
//    itself, whatever came later; a file may be longer than what of it is there, with zeros or
//    rubbish between.
//  - A name that was made, changed or removed, and whose folder was not synced, may be so or as
//    before, each for itself. A file's sync says nothing about its name.
//  - After a sync of a file that failed, what it should have made durable will not be by a later
//    sync either, unless it is written again: Linux marks the pages clean (Rebello et al. 2020,
//    "Can Applications Recover from fsync Failures?").
//
// Pillai et al. 2014, "All File Systems Are Not Created Equal", has what file systems really do.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace anneal {

struct DiskOperation {
  enum class Kind {
    kMake,          // the name `path` for the new file
    kRename,        // `path`, of the file, becomes `to` in the same folder
    kUnlink,        // `path`
    kMakeFolder,    // `path`
    kRemoveFolder,  // `path`
    kSyncFolder,    // `path`
    kWrite,         // `bytes` at `offset` of the file
    kTruncate,      // the file, to `offset` bytes
    kSync,          // the file
    kFailedSync,    // the file
  };
  Kind kind = Kind::kMake;
  int64_t file = 0;  // from 1; a name may come to stand for another file
  std::string path{};
  std::string to{};
  int64_t offset = 0;
  std::string bytes{};
};

class DiskHistory {
 public:
  // Of `folder`, which was empty and durable.
  explicit DiskHistory(std::string folder) : folder_(std::move(folder)) {}

  void Add(DiskOperation operation) { operations_.push_back(std::move(operation)); }
  int64_t size() const { return static_cast<int64_t>(operations_.size()); }

  // Writes to `folder` what could be left when the power fails after so many operations. What of
  // the uncertain is, is drawn from `seed`; 0: nothing of it.
  void WriteAfterCut(int64_t operations, uint64_t seed, const std::string& folder) const;

 private:
  std::string folder_;
  std::vector<DiskOperation> operations_;
};

}  // namespace anneal
