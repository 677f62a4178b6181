// Images and labels in memory, as every reader delivers them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/core/dataset_info.h"

namespace anneal {

// One split. uint8 [samples, H, W, C] (channels last), row-major; one label a sample, 0 <= label < classes.
struct DatasetSplit {
  std::string name;
  std::vector<uint8_t> images;
  std::vector<int32_t> labels;

  int64_t samples() const { return static_cast<int64_t>(labels.size()); }
};

// Immutable once made, shared between jobs as shared_ptr<const Dataset>.
class Dataset {
 public:
  Dataset(DatasetInfo info, std::vector<DatasetSplit> splits)
      : info_(std::move(info)), splits_(std::move(splits)) {}

  const DatasetInfo& info() const { return info_; }

  // Null where there is no such split. Owned by the Dataset.
  const DatasetSplit* FindSplit(std::string_view name) const {
    for (const DatasetSplit& split : splits_) {
      if (split.name == name) return &split;
    }
    return nullptr;
  }

  // Values in one sample: H * W * C.
  int64_t features() const {
    int64_t product = 1;
    for (const int64_t side : info_.shape) product *= side;
    return product;
  }

 private:
  DatasetInfo info_;
  std::vector<DatasetSplit> splits_;
};

}  // namespace anneal
