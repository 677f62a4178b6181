// The data sets of a daemon: registered by name, loaded on first use, shared by all jobs.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/dataset_info.h"
#include "server/core/mutex.h"
#include "server/data/dataset.h"

namespace anneal {

// One format's reader.
class DatasetReader {
 public:
  virtual ~DatasetReader() = default;

  // Looks at file names and sizes only. FAILED_PRECONDITION: a file is missing, empty, or of the
  // wrong size; the message names the file, the byte offset or record number where it goes wrong,
  // and what would be right.
  virtual absl::StatusOr<DatasetInfo> Describe() const = 0;

  // Reads everything. Errors as Describe, and DATA_LOSS for bad contents (such as a label out of
  // range), naming the file, the record number (from 0) and the byte offset.
  virtual absl::StatusOr<Dataset> Load() const = 0;
};

// Thread-safe.
class DatasetRegistry final : public DatasetCatalog {
 public:
  // `format`: "cifar10" (a folder of CIFAR-10 binary batches) or "synthetic-shapes" (generated;
  // `path` must be empty). INVALID_ARGUMENT: an unknown format, a name that is not 1-64 of
  // [a-z0-9._-], or a path missing or given where it must be empty. ALREADY_EXISTS: the name is
  // taken. Does not look at the files.
  absl::Status Register(const std::string& name, const std::string& format,
                        const std::string& path);

  std::vector<std::string> Names() const override;

  // What is in memory once it is loaded, whatever became of the files, so that it agrees with what
  // Load returns.
  absl::StatusOr<DatasetInfo> Describe(std::string_view name) const override;

  // The data set in memory; the first call reads it (blocking), later and concurrent calls share
  // the result. An error is not kept: the next call tries again. Errors: NOT_FOUND (no such name),
  // RESOURCE_EXHAUSTED (not enough memory) and those of DatasetReader::Load.
  absl::StatusOr<std::shared_ptr<const Dataset>> Load(std::string_view name);

  // In memory now. False where there is no such name. Never waits for a Load.
  bool IsLoaded(std::string_view name) const;

 private:
  struct Entry {
    std::shared_ptr<const Dataset> Loaded() ANNEAL_EXCLUDES(mutex) {
      MutexLock lock(mutex);
      return loaded;
    }

    std::unique_ptr<DatasetReader> reader;
    Mutex load_mutex;  // held while reading, so that a data set is read once; taken before `mutex`
    Mutex mutex;
    std::shared_ptr<const Dataset> loaded ANNEAL_GUARDED_BY(mutex);
  };

  absl::StatusOr<std::shared_ptr<Entry>> Find(std::string_view name) const;

  mutable Mutex mutex_;
  std::map<std::string, std::shared_ptr<Entry>, std::less<>> entries_ ANNEAL_GUARDED_BY(mutex_);
};

}  // namespace anneal
