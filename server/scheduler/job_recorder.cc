#include "server/scheduler/job_recorder.h"

#include <optional>
#include <tuple>
#include <utility>

#include "server/core/failpoint.h"
#include "server/core/status_macros.h"

namespace anneal {

absl::StatusOr<int64_t> JobRecorder::BeginAttempt(JobId id, const std::string& fingerprint) {
  const MutexLock lock(OrderOf(id));
  RETURN_IF_ERROR(PassFailpoint("attempt.begin.before"));
  ASSIGN_OR_RETURN(StartedAttempt started, store_.BeginAttempt(id, fingerprint));
  RETURN_IF_ERROR(PassFailpoint("attempt.begin.stored"));
  bus_.Publish(std::move(started.event));
  return started.attempt;
}

absl::Status JobRecorder::AppendEpoch(JobId id, int64_t attempt, const EpochRecord& record) {
  const MutexLock lock(OrderOf(id));
  RETURN_IF_ERROR(PassFailpoint("epoch.before"));
  ASSIGN_OR_RETURN(std::optional<JobEvent> event, store_.AppendEpoch(id, attempt, record));
  RETURN_IF_ERROR(PassFailpoint("epoch.stored"));
  if (event.has_value()) bus_.Publish(*std::move(event));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> JobRecorder::AppendTrainingState(
    JobId id, int64_t attempt, const TrainingStateInfo& state) {
  const MutexLock lock(OrderOf(id));
  ASSIGN_OR_RETURN(KeptState kept, store_.AppendTrainingState(id, attempt, state));
  bus_.Publish(std::move(kept.event));
  return std::move(kept.replaced);
}

absl::StatusOr<UpdatedJob> JobRecorder::UpdateJob(JobId id, const JobUpdate& update) {
  const MutexLock lock(OrderOf(id));
  ASSIGN_OR_RETURN(UpdatedJob updated, store_.UpdateJob(id, update));
  for (const JobEvent& event : updated.events) bus_.Publish(event);
  return updated;
}

absl::Status JobRecorder::AppendWarning(JobId id, const std::string& text) {
  const MutexLock lock(OrderOf(id));
  ASSIGN_OR_RETURN(JobEvent event, store_.AppendWarning(id, text));
  bus_.Publish(std::move(event));
  return absl::OkStatus();
}

absl::Status JobRecorder::EndAttempt(JobId id, int64_t attempt, const AttemptEnd& end) {
  const MutexLock lock(OrderOf(id));
  RETURN_IF_ERROR(PassFailpoint("attempt.end.before"));
  ASSIGN_OR_RETURN(std::vector<JobEvent> events, store_.EndAttempt(id, attempt, end));
  RETURN_IF_ERROR(PassFailpoint("attempt.end.stored"));
  for (JobEvent& event : events) bus_.Publish(std::move(event));
  return absl::OkStatus();
}

absl::StatusOr<int64_t> JobRecorder::ChangeState(JobId id, JobState from, JobState to,
                                                 StopReason stop_reason,
                                                 const std::string& message) {
  const MutexLock lock(OrderOf(id));
  ASSIGN_OR_RETURN(JobEvent event, store_.ChangeState(id, from, to, stop_reason, message));
  const int64_t time_us = event.time_us;
  bus_.Publish(std::move(event));
  return time_us;
}

absl::Status JobRecorder::AppendTrialEnds(JobId sweep_id) {
  const MutexLock lock(OrderOf(sweep_id));
  ASSIGN_OR_RETURN(std::vector<JobEvent> events, store_.AppendTrialEnds(sweep_id));
  for (JobEvent& event : events) bus_.Publish(std::move(event));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<JobId>> JobRecorder::CancelWaitingTrials(JobId sweep_id) {
  // Events of any number of jobs: all locks, in the one order, and nobody else holds two.
  std::array<std::optional<MutexLock>, std::tuple_size_v<decltype(order_)>> locks;
  for (size_t i = 0; i < order_.size(); ++i) locks[i].emplace(order_[i]);
  ASSIGN_OR_RETURN(std::vector<JobEvent> events, store_.CancelWaitingTrials(sweep_id));
  std::vector<JobId> cancelled;
  for (JobEvent& event : events) {
    cancelled.push_back(event.job_id);
    bus_.Publish(std::move(event));
  }
  return cancelled;
}

absl::Status JobRecorder::PublishNewest(JobId id) {
  constexpr int64_t kPage = 1000;
  const MutexLock lock(OrderOf(id));
  std::optional<JobEvent> newest;
  for (;;) {
    ASSIGN_OR_RETURN(std::vector<JobEvent> page,
                     store_.ListEvents(id, newest.has_value() ? newest->sequence : 0, kPage));
    if (page.empty()) break;
    newest = std::move(page.back());
  }
  if (newest.has_value()) bus_.Publish(*std::move(newest));
  return absl::OkStatus();
}

}  // namespace anneal
