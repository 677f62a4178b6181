#include "server/data/dataset_registry.h"

#include <algorithm>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/core/status_macros.h"
#include "server/core/strings.h"
#include "server/data/cifar10_reader.h"
#include "server/data/synthetic_shapes.h"

namespace anneal {
namespace {

constexpr size_t kMostNameBytes = 64;

bool IsName(const std::string& name) {
  return !name.empty() && name.size() <= kMostNameBytes &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                  c == '-';
         });
}

absl::StatusOr<std::unique_ptr<DatasetReader>> MakeReader(const std::string& name,
                                                          const std::string& format,
                                                          const std::string& path) {
  if (format == "cifar10") {
    if (path.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "data set \"", name, "\": the format cifar10 needs the folder of its files"));
    }
    if (path.find('\0') != std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("data set \"", name, "\": the folder has a zero byte in its name"));
    }
    return std::make_unique<Cifar10Reader>(name, path);
  }
  if (format == "synthetic-shapes") {
    if (!path.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("data set \"", name, "\": synthetic-shapes is generated; it takes no ",
                       "folder, but \"", path, "\" was given"));
    }
    return std::make_unique<SyntheticShapesReader>(name);
  }
  return absl::InvalidArgumentError(absl::StrCat("data set \"", name, "\": unknown format \"",
                                                 format,
                                                 "\"; known are cifar10 and synthetic-shapes"));
}

}  // namespace

absl::Status DatasetRegistry::Register(const std::string& name, const std::string& format,
                                       const std::string& path) {
  if (!IsName(name)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a data set cannot be named \"", name.substr(0, 2 * kMostNameBytes), "\": a name is 1 to ",
        kMostNameBytes, " of a-z, 0-9, dot, underscore and hyphen"));
  }
  auto entry = std::make_shared<Entry>();
  ASSIGN_OR_RETURN(entry->reader, MakeReader(name, format, path));
  MutexLock lock(mutex_);
  if (!entries_.emplace(name, std::move(entry)).second) {
    return absl::AlreadyExistsError(
        absl::StrCat("there is a data set named \"", name, "\" already"));
  }
  return absl::OkStatus();
}

std::vector<std::string> DatasetRegistry::Names() const {
  std::vector<std::string> names;
  MutexLock lock(mutex_);
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

absl::StatusOr<DatasetInfo> DatasetRegistry::Describe(std::string_view name) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<Entry> entry, Find(name));
  if (const std::shared_ptr<const Dataset> loaded = entry->Loaded()) return loaded->info();
  return entry->reader->Describe();
}

absl::StatusOr<std::shared_ptr<const Dataset>> DatasetRegistry::Load(std::string_view name) {
  ASSIGN_OR_RETURN(const std::shared_ptr<Entry> entry, Find(name));
  if (std::shared_ptr<const Dataset> loaded = entry->Loaded()) return loaded;
  MutexLock reading(entry->load_mutex);
  if (std::shared_ptr<const Dataset> loaded = entry->Loaded())
    return loaded;  // read while this call waited
  try {
    ASSIGN_OR_RETURN(Dataset dataset, entry->reader->Load());
    auto shared = std::make_shared<const Dataset>(std::move(dataset));
    MutexLock lock(entry->mutex);
    entry->loaded = shared;
    return shared;
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(
        absl::StrCat("data set \"", ToAbsl(name), "\": not enough memory to load it"));
  }
}

bool DatasetRegistry::IsLoaded(std::string_view name) const {
  const absl::StatusOr<std::shared_ptr<Entry>> entry = Find(name);
  return entry.ok() && (*entry)->Loaded() != nullptr;
}

absl::StatusOr<std::shared_ptr<DatasetRegistry::Entry>> DatasetRegistry::Find(
    std::string_view name) const {
  MutexLock lock(mutex_);
  const auto found = entries_.find(name);
  if (found != entries_.end()) return found->second;
  const std::string known = absl::StrJoin(
      entries_, ", ", [](std::string* out, const auto& entry) { *out += entry.first; });
  return absl::NotFoundError(absl::StrCat("no data set is named \"",
                                          ToAbsl(name.substr(0, 2 * kMostNameBytes)),
                                          "\"; this server has: ", known.empty() ? "none" : known));
}

}  // namespace anneal
