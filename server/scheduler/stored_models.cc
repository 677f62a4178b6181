#include "server/scheduler/stored_models.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/strings.h"

namespace anneal {
namespace {

// Why a job that exists has no weights.
std::string WhyNot(const Job& job) {
  const std::string state(JobStateName(job.state));
  switch (job.kind) {
    case JobKind::kSweep:
      return "it is a sweep; name one of its trials";
    case JobKind::kLearningRateRangeTest:
      return "it is a learning-rate range test, which keeps no weights; name a training";
    case JobKind::kPrediction:
      return absl::StrCat("it is a prediction; name the training that it is of, job ",
                          job.model_job_id);
    case JobKind::kTraining:
      break;
  }
  if (!IsTerminal(job.state))
    return absl::StrCat("it has not finished: it is ", state, "; wait until it has SUCCEEDED");
  if (job.state != JobState::kSucceeded) {
    return absl::StrCat("it is ", state, " (", ToAbsl(StopReasonName(job.stop_reason)),
                        ") and has left no weights; name a training that has SUCCEEDED");
  }
  return "it has SUCCEEDED, but its weights were not kept: an earlier version trained it; train it "
         "again";
}

}  // namespace

absl::StatusOr<CheckpointInfo> StoredModels::FindModel(JobId id) const {
  absl::StatusOr<CheckpointInfo> checkpoint = store_.GetCheckpoint(id);
  if (!absl::IsNotFound(checkpoint.status())) return checkpoint;
  const absl::StatusOr<Job> job = store_.GetJob(id);
  if (absl::IsNotFound(job.status()))
    return absl::NotFoundError("there is no such job; see: anneal jobs");
  if (!job.ok()) return job.status();
  return absl::FailedPreconditionError(WhyNot(*job));
}

}  // namespace anneal
