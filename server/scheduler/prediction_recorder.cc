#include "server/scheduler/prediction_recorder.h"

#include <utility>

#include "server/core/failpoint.h"
#include "server/core/status_macros.h"
#include "server/scheduler/storage_retry.h"

namespace anneal {

absl::StatusOr<int64_t> PredictionRecorder::Begin(PredictionSet set) {
  set.job_id = id_;
  absl::StatusOr<int64_t> stored = absl::UnknownError("");
  const absl::Status begun = RetryTransient(
      [&] {
        stored = store_.BeginPredictions(id_, attempt_, set);
        return stored.ok() ? PassFailpoint("predictions.begun") : stored.status();
      },
      storage_retry_us_, clock_, stop_);
  RETURN_IF_ERROR(begun);
  return stored;
}

absl::Status PredictionRecorder::OnChunk(const PredictionChunk& chunk) {
  error_ = RetryTransient([&] { return StoreOnce(chunk); }, storage_retry_us_, clock_, stop_);
  return error_;
}

absl::Status PredictionRecorder::StoreOnce(const PredictionChunk& chunk) {
  RETURN_IF_ERROR(PassFailpoint("predictions.before"));
  RETURN_IF_ERROR(store_.AppendPredictions(id_, attempt_, chunk));
  return PassFailpoint("predictions.stored");
}

}  // namespace anneal
