#include "server/rpc/job_view.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "server/core/status_macros.h"
#include "server/rpc/convert.h"
#include "server/rpc/convert_predictions.h"
#include "server/rpc/sweep_result.h"
#include "server/spec/defaults.h"

namespace anneal {
namespace {

// Nothing happens to it by itself: its progress is what is stored.
bool IsAtRest(JobState state) { return IsTerminal(state) || state == JobState::kPaused; }

void AddPlace(const Scheduler::QueuePlace& place, v1::Job& proto) {
  proto.set_queue_position(place.position);
  proto.set_waiting_for(place.waiting_for);
  if (place.estimated_start_us.has_value())
    *proto.mutable_estimated_start_time() = ToTimestamp(*place.estimated_start_us);
}

void AddImages(const PredictionSet& set, v1::Job& proto) {
  proto.mutable_progress()->set_batch(set.stored);
  proto.mutable_progress()->set_batches(set.images);
}

}  // namespace

absl::StatusOr<v1::Job> JobView::Whole(const Job& job) const {
  ASSIGN_OR_RETURN(v1::Job proto, ToProto(job));
  if (job.state == JobState::kQueued && job.kind != JobKind::kSweep)
    AddPlace(scheduler_.QueuePlaces({job.id})[0], proto);
  switch (job.kind) {
    case JobKind::kSweep: {
      // Its trials have their own progress.
      ASSIGN_OR_RETURN(*proto.mutable_sweep_result(), SweepResultOf(store_, job.id, proto.spec()));
      return proto;
    }
    case JobKind::kPrediction:
      if (job.attempt_count > 0) RETURN_IF_ERROR(AddPrediction(job.id, proto));
      break;
    case JobKind::kTraining:
      if (job.state == JobState::kSucceeded) RETURN_IF_ERROR(AddCheckpoint(job.id, proto));
      break;
    case JobKind::kLearningRateRangeTest:
      break;
  }
  if (IsActive(job.state)) {
    AddLiveProgress(job.id, proto);
  } else if (IsAtRest(job.state) && job.kind != JobKind::kPrediction) {
    RETURN_IF_ERROR(AddLastEpoch(job, proto));
  }
  return proto;
}

void JobView::AddLiveProgress(JobId id, v1::Job& proto) const {
  if (const auto snapshot = scheduler_.Progress(id); snapshot.has_value())
    *proto.mutable_progress() = ToProto(*snapshot);
}

// Of a training or range test at rest.
absl::Status JobView::AddLastEpoch(const Job& job, v1::Job& proto) const {
  ASSIGN_OR_RETURN(const std::vector<LastEpoch> last, store_.ListLastEpochs({job.id}));
  if (last.empty()) return absl::OkStatus();
  ProgressSnapshot snapshot;
  snapshot.epoch = last[0].record.epoch;
  snapshot.epochs = defaults::Epochs(proto.spec().training());
  snapshot.metrics = last[0].record.metrics;
  if (!job.attempts.empty()) {
    const Attempt& attempt = job.attempts.back();
    snapshot.elapsed_us = std::max<int64_t>(0, attempt.end_time_us - attempt.start_time_us);
  }
  *proto.mutable_progress() = ToProto(snapshot);
  return absl::OkStatus();
}

// What it predicts, and at rest how far it is; nothing where no attempt has come so far.
absl::Status JobView::AddPrediction(JobId id, v1::Job& proto) const {
  const absl::StatusOr<PredictionSet> set = store_.GetPredictionSet(id);
  if (absl::IsNotFound(set.status())) return absl::OkStatus();
  RETURN_IF_ERROR(set.status());
  *proto.mutable_prediction() = ToProto(*set);
  if (IsAtRest(static_cast<JobState>(proto.state()))) AddImages(*set, proto);
  return absl::OkStatus();
}

absl::Status JobView::AddCheckpoint(JobId id, v1::Job& proto) const {
  const absl::StatusOr<CheckpointInfo> checkpoint = store_.GetCheckpoint(id);
  if (absl::IsNotFound(checkpoint.status())) return absl::OkStatus();
  RETURN_IF_ERROR(checkpoint.status());
  *proto.mutable_checkpoint() = ToProto(*checkpoint);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::Job>> JobView::List(const std::vector<Job>& jobs) const {
  std::vector<JobId> at_rest;
  std::vector<JobId> queued;
  for (const Job& job : jobs) {
    if (job.state == JobState::kQueued && job.kind != JobKind::kSweep) queued.push_back(job.id);
    if (IsAtRest(job.state) && job.kind != JobKind::kPrediction) at_rest.push_back(job.id);
  }
  std::map<JobId, EpochRecord> last_epochs;
  if (!at_rest.empty()) {
    ASSIGN_OR_RETURN(std::vector<LastEpoch> epochs, store_.ListLastEpochs(at_rest));
    for (LastEpoch& last : epochs) last_epochs[last.job_id] = std::move(last.record);
  }
  std::vector<Scheduler::QueuePlace> places;
  if (!queued.empty()) places = scheduler_.QueuePlaces(queued);
  auto place = places.begin();
  std::vector<v1::Job> views;
  views.reserve(jobs.size());
  for (const Job& job : jobs) {
    ASSIGN_OR_RETURN(v1::Job proto, ToProto(job));
    if (job.state == JobState::kQueued && job.kind != JobKind::kSweep) AddPlace(*place++, proto);
    if (IsActive(job.state)) {
      AddLiveProgress(job.id, proto);
    } else if (job.kind == JobKind::kPrediction && IsAtRest(job.state)) {
      const absl::StatusOr<PredictionSet> set = store_.GetPredictionSet(job.id);
      if (set.ok()) {
        AddImages(*set, proto);
      } else if (!absl::IsNotFound(set.status())) {
        return set.status();
      }
    } else if (const auto last = last_epochs.find(job.id); last != last_epochs.end()) {
      ProgressSnapshot snapshot;
      snapshot.epoch = last->second.epoch;
      // How many were asked is in the spec, which may be large and is not read for lists. A job
      // that completed did them all.
      if (job.stop_reason == StopReason::kCompleted) snapshot.epochs = snapshot.epoch;
      snapshot.metrics = std::move(last->second.metrics);
      *proto.mutable_progress() = ToProto(snapshot);
    }
    views.push_back(std::move(proto));
  }
  return views;
}

}  // namespace anneal
