#include "server/scheduler/attempt_observer.h"

#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/core/failpoint.h"
#include "server/core/status_macros.h"
#include "server/scheduler/storage_retry.h"

namespace anneal {

absl::Status AttemptObserver::OnEpoch(const EpochRecord& record) {
  const absl::Status stored =
      RetryTransient([&] { return recorder_.AppendEpoch(id_, attempt_, record); },
                     storage_retry_us_, clock_, stop_);
  if (!stored.ok()) {
    error_ = absl::Status(stored.code(), absl::StrCat("epoch ", record.epoch,
                                                      " could not be stored: ", stored.message()));
  }
  return stored.ok() ? stored : error_;
}

void AttemptObserver::OnState(const TrainingState& state, bool stopping) {
  if (!stopping && clock_.MonotonicUs() - last_state_us_ < kStateIntervalUs) return;
  const absl::Status kept = KeepState(state);
  last_state_us_ = clock_.MonotonicUs();
  if (kept.ok() || told_of_state_) return;
  told_of_state_ = true;
  (void)recorder_.AppendWarning(
      id_, absl::StrCat("where the training stands could not be kept, so that an interruption may "
                        "cost work that is done again: ",
                        kept.message()));
}

absl::Status AttemptObserver::KeepState(const TrainingState& state) {
  state_count_ += 1;
  const std::string file = ArtifactFolder::TrainingState(id_, attempt_, state_count_);
  absl::StatusOr<TrainingStateInfo> written = state.Write(artifacts_.PathOf(file));
  if (!written.ok()) {
    artifacts_.RemoveFile(file);
    return written.status();
  }
  written->file = file;
  RETURN_IF_ERROR(PassFailpoint("state.written"));
  // After an error the row may be there all the same: so is the file.
  ASSIGN_OR_RETURN(const std::vector<std::string> gone,
                   recorder_.AppendTrainingState(id_, attempt_, *written));
  RETURN_IF_ERROR(PassFailpoint("state.stored"));
  for (const std::string& each : gone) artifacts_.RemoveFile(each);
  if (!gone.empty()) PassCrashpoint("state.old_removed");
  return absl::OkStatus();
}

absl::Status AttemptObserver::OnFinalWeights(const FinalWeights& weights) {
  const std::string file = ArtifactFolder::FinalWeights(id_);
  const absl::Status stored = RetryTransient(
      [&] {
        absl::StatusOr<CheckpointInfo> written = weights.Write(artifacts_.PathOf(file));
        if (written.ok()) {
          checkpoint_ = *std::move(written);
          checkpoint_->file = file;
        }
        return written.ok() ? PassFailpoint("weights.written") : written.status();
      },
      storage_retry_us_, clock_, stop_);
  if (!stored.ok()) {
    error_ = absl::Status(stored.code(), absl::StrCat("the final weights could not be stored: ",
                                                      stored.message()));
  }
  return stored.ok() ? stored : error_;
}

void AttemptObserver::OnWarning(const std::string& text) {
  (void)RetryTransient([&] { return recorder_.AppendWarning(id_, text); }, storage_retry_us_,
                       clock_, stop_);
}

}  // namespace anneal
