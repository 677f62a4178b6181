#include "server/scheduler/prediction_recorder.h"

#include <utility>

#include "server/core/status_macros.h"
#include "server/scheduler/storage_retry.h"

namespace anneal {

absl::StatusOr<int64_t> PredictionRecorder::Begin(PredictionSet set) {
  set.job_id = id_;
  absl::StatusOr<int64_t> stored = absl::UnknownError("");
  RETURN_IF_ERROR(RetryTransient(
      [&] {
        stored = store_.BeginPredictions(id_, attempt_, set);
        return stored.status();
      },
      storage_retry_us_, clock_, stop_));
  return stored;
}

absl::Status PredictionRecorder::OnChunk(const PredictionChunk& chunk) {
  error_ = RetryTransient([&] { return store_.AppendPredictions(id_, attempt_, chunk); },
                          storage_retry_us_, clock_, stop_);
  return error_;
}

}  // namespace anneal
