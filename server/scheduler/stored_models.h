// The trained networks of a store.
#pragma once

#include "absl/status/statusor.h"
#include "server/core/checkpoint_info.h"
#include "storage/store.h"

namespace anneal {

// Thread-safe.
class StoredModels final : public ModelCatalog {
 public:
  // `store` must outlive it.
  explicit StoredModels(Store& store) : store_(store) {}

  absl::StatusOr<CheckpointInfo> FindModel(JobId id) const override;

 private:
  Store& store_;
};

}  // namespace anneal
