// Stores what a training reports while it runs.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "server/core/checkpoint_info.h"
#include "server/core/clock.h"
#include "server/core/job.h"
#include "server/core/metrics.h"
#include "server/engine/engine.h"
#include "server/scheduler/artifact_folder.h"
#include "server/scheduler/job_recorder.h"
#include "storage/store.h"

namespace anneal {

// Of one attempt; used by the training thread only.
class AttemptObserver final : public TrainingObserver {
 public:
  // `storage_retry_us`: how long a write is retried. `stop` ends the retrying.
  AttemptObserver(Store& store, JobRecorder& recorder, const ArtifactFolder& artifacts,
                  const Clock& clock, int64_t storage_retry_us, JobId id, int64_t attempt,
                  std::stop_token stop)
      : store_(store),
        recorder_(recorder),
        artifacts_(artifacts),
        clock_(clock),
        storage_retry_us_(storage_retry_us),
        id_(id),
        attempt_(attempt),
        stop_(std::move(stop)),
        last_state_us_(clock.MonotonicUs()) {}

  // An error is kept, see below.
  absl::Status OnEpoch(const EpochRecord& record) override;

  // Keeps the state: first the file, then its row, then it removes the files of those that are not
  // kept any more. Where the training is not stopping, nothing is kept within kStateIntervalUs
  // after the last one or the beginning. Each write is tried once: the next state is a better one
  // than this one in a while, and who stops is waited for. The attempt's first failure becomes a
  // warning.
  void OnState(const TrainingState& state, bool stopping) override;
  static constexpr int64_t kStateIntervalUs = 1'000'000;

  // Writes the file; its row is the caller's, with the end of the attempt: what is on disk then is
  // whole, and a file without a row is overwritten by the next attempt.
  absl::Status OnFinalWeights(const FinalWeights& weights) override;

  // A warning that cannot be stored is dropped: the next epoch will meet the same trouble, and that
  // one counts.
  void OnWarning(const std::string& text) override;

  // OK, or why an epoch or the weights could not be stored: a sentence for people. CANCELLED:
  // because the job was stopped meanwhile.
  const absl::Status& error() const { return error_; }

  // The file of OnFinalWeights.
  const std::optional<CheckpointInfo>& checkpoint() const { return checkpoint_; }

 private:
  absl::Status KeepState(const TrainingState& state);

  Store& store_;
  JobRecorder& recorder_;
  const ArtifactFolder& artifacts_;
  const Clock& clock_;
  const int64_t storage_retry_us_;
  const JobId id_;
  const int64_t attempt_;
  const std::stop_token stop_;
  int64_t last_state_us_;   // when the last state, kept or not, was done with
  int64_t state_count_ = 0;  // files begun; no name is used twice
  bool told_of_state_ = false;
  absl::Status error_;
  std::optional<CheckpointInfo> checkpoint_;
};

}  // namespace anneal
