// What is known of a data set without its pixels.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace anneal {

struct SplitInfo {
  std::string name;     // "train", "test"
  int64_t samples = 0;  // at least 1
};

struct DatasetInfo {
  std::string name;
  std::string format;                    // "cifar10", "synthetic-shapes"
  std::string source;                    // folder; empty where it is generated
  std::vector<int64_t> shape;            // of one sample: H, W, C
  std::vector<std::string> class_names;  // label k is class_names[k]
  std::vector<SplitInfo> splits;

  // Null where there is no such split.
  const SplitInfo* FindSplit(std::string_view split) const {
    for (const SplitInfo& candidate : splits) {
      if (candidate.name == split) return &candidate;
    }
    return nullptr;
  }
};

// The data sets one can train on. Thread-safe.
class DatasetCatalog {
 public:
  virtual ~DatasetCatalog() = default;

  // Sorted.
  virtual std::vector<std::string> Names() const = 0;

  // Cheap: looks at file sizes, reads no pixels. NOT_FOUND: no data set has this name.
  // FAILED_PRECONDITION: its files are missing or damaged; the message names the file and what is
  // wrong.
  virtual absl::StatusOr<DatasetInfo> Describe(std::string_view name) const = 0;
};

}  // namespace anneal
