// Stores what a prediction computes while it runs.
#pragma once

#include <cstdint>
#include <stop_token>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/clock.h"
#include "server/core/prediction.h"
#include "server/engine/engine.h"
#include "storage/store.h"

namespace anneal {

// Of one attempt; used by the predicting thread only. Nothing of it is published: watchers follow
// the progress, and read what is stored.
class PredictionRecorder final : public PredictionObserver {
 public:
  // `storage_retry_us`: how long a write is retried. `stop` ends the retrying.
  PredictionRecorder(Store& store, const Clock& clock, int64_t storage_retry_us, JobId id,
                     int64_t attempt, std::stop_token stop)
      : store_(store),
        clock_(clock),
        storage_retry_us_(storage_retry_us),
        id_(id),
        attempt_(attempt),
        stop_(std::move(stop)) {}

  // How many images earlier attempts have stored. Errors of Store::BeginPredictions.
  absl::StatusOr<int64_t> Begin(PredictionSet set);

  // An error is kept.
  absl::Status OnChunk(const PredictionChunk& chunk) override;

  // OK, or why images could not be stored.
  const absl::Status& error() const { return error_; }

 private:
  absl::Status StoreOnce(const PredictionChunk& chunk);

  Store& store_;
  const Clock& clock_;
  const int64_t storage_retry_us_;
  const JobId id_;
  const int64_t attempt_;
  const std::stop_token stop_;
  absl::Status error_;
};

}  // namespace anneal
