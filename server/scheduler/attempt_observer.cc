#include "server/scheduler/attempt_observer.h"

#include "absl/strings/str_cat.h"
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

absl::Status AttemptObserver::OnFinalWeights(const FinalWeights& weights) {
  const std::string file = ArtifactFolder::FinalWeights(id_);
  const absl::Status stored = RetryTransient(
      [&] {
        absl::StatusOr<CheckpointInfo> written = weights.Write(artifacts_.PathOf(file));
        if (written.ok()) {
          checkpoint_ = *std::move(written);
          checkpoint_->file = file;
        }
        return written.status();
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
