// Predictions as rows: what is written of them, and what is read in the order it was written
// (prediction_query.h has the lists). Inside a transaction of the caller; all throw what SQLiteCpp
// throws. Contracts are those of Store.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/prediction.h"
#include "storage/column_reader.h"
#include "storage/connection.h"

namespace anneal {

absl::StatusOr<int64_t> WritePredictionSet(Connection& connection, JobId id, int64_t attempt,
                                           const PredictionSet& set);
absl::Status WritePredictionChunk(Connection& connection, JobId id, int64_t attempt,
                                  const PredictionChunk& chunk);

absl::StatusOr<PredictionSet> ReadPredictionSet(Connection& connection, JobId id);
absl::Status ReadPredictionChunks(Connection& connection, JobId id,
                                  const std::function<absl::Status(const PredictionChunk&)>& visit);

// What the sizes of columns follow from.
struct PredictionSizes {
  int64_t begin = 0;
  int64_t images = 0;
  int64_t samples = 0;
  bool keeps_samples = false;
  int64_t classes = 0;

  // Values that an image has in the column of sample probabilities; 0: there is no such column.
  int64_t kept_values() const { return keeps_samples ? samples * classes : 0; }
};

// Nothing where the job has begun no predictions, or there is no job. DATA_LOSS.
absl::StatusOr<std::optional<PredictionSizes>> ReadPredictionSizes(Connection& connection,
                                                                   JobId id);

// NOT_FOUND: that there is no such job, or that it has begun no predictions.
absl::Status NoPredictions(Connection& connection, JobId id);

// The chunks of a job in order.
class ChunkScan {
 public:
  ChunkScan(Connection& connection, JobId id, const PredictionSizes& sizes);

  // The next one; nothing after the last. DATA_LOSS: it does not follow the one before, or goes
  // beyond what was asked.
  absl::StatusOr<std::optional<PredictionChunkPlace>> Next();

 private:
  Connection& connection_;
  const JobId id_;
  const int64_t end_;
  int64_t next_;
  Query query_;
};

}  // namespace anneal
