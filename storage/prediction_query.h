// Lists of stored predictions. Inside a transaction of the caller; throws what SQLiteCpp throws.
#pragma once

#include "absl/status/statusor.h"
#include "storage/connection.h"
#include "storage/store.h"

namespace anneal {

// One pass over the columns that the filter and the order need, then the rows of those that are
// returned. Contract: Store::ListPredictions. INTERNAL: there is no such column to sort by.
absl::StatusOr<PredictionPage> ReadPredictionPage(Connection& connection,
                                                  const PredictionQuery& query);

}  // namespace anneal
