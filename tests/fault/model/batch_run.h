// One batch from its first process to its judgement.
#pragma once

#include <cstdint>

#include "tests/fault/model/plan.h"
#include "tests/fault/model/record.h"

namespace anneal::model {

// Blocks. `folder` must exist and be empty; it is where the daemon's data are.
BatchRecord RunBatch(const PlannedBatch& plan, const std::string& folder, int64_t patience_us);

}  // namespace anneal::model
