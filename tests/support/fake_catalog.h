// A DatasetCatalog in memory, for the tests of every layer that judges specs.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/core/dataset_info.h"
#include "server/core/mutex.h"

namespace anneal {

// What Describe("cifar10") answers for the real data set: 32x32x3, ten classes, train 50,000, test 10,000.
inline DatasetInfo Cifar10Info() {
  DatasetInfo info;
  info.name = "cifar10";
  info.format = "cifar10";
  info.source = "/data/cifar10";
  info.shape = {32, 32, 3};
  info.class_names = {"airplane", "automobile", "bird", "cat", "deer",
                      "dog", "frog", "horse", "ship", "truck"};
  info.splits = {{"train", 50000}, {"test", 10000}};
  return info;
}

// Thread-safe, as every DatasetCatalog.
class FakeCatalog final : public DatasetCatalog {
 public:
  // Adds `info` under info.name, replacing what was there.
  void Add(DatasetInfo info) {
    const MutexLock lock(mutex_);
    std::string name = info.name;
    entries_.insert_or_assign(std::move(name), absl::StatusOr<DatasetInfo>(std::move(info)));
  }

  // Describe(name) fails with `status`, such as FAILED_PRECONDITION for damaged files. `status` must not be OK.
  void AddUnreadable(const std::string& name, absl::Status status) {
    const MutexLock lock(mutex_);
    entries_.insert_or_assign(name, absl::StatusOr<DatasetInfo>(std::move(status)));
  }

  std::vector<std::string> Names() const override {
    const MutexLock lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [name, info] : entries_) names.push_back(name);
    return names;
  }

  absl::StatusOr<DatasetInfo> Describe(std::string_view name) const override {
    const MutexLock lock(mutex_);
    const auto entry = entries_.find(name);
    if (entry == entries_.end()) {
      return absl::NotFoundError(absl::StrCat("no data set is named \"", std::string(name), "\""));
    }
    return entry->second;
  }

 private:
  mutable Mutex mutex_;
  std::map<std::string, absl::StatusOr<DatasetInfo>, std::less<>> entries_ ANNEAL_GUARDED_BY(mutex_);
};

}  // namespace anneal
