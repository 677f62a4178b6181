#include "server/rpc/convert.h"

#include <limits>
#include <variant>

#include "absl/strings/str_cat.h"
#include "server/rpc/utf8.h"

namespace anneal {
namespace {

template <typename Metrics, typename Repeated>
void AddMetrics(const Metrics& metrics, Repeated* to) {
  to->Reserve(static_cast<int>(metrics.size()));
  for (const MetricValue& metric : metrics) {
    v1::Metric* added = to->Add();
    added->set_name(metric.name);
    added->set_value(metric.value);
  }
}

}  // namespace

google::protobuf::Timestamp ToTimestamp(int64_t time_us) {
  constexpr int64_t kMicros = 1'000'000;
  int64_t seconds = time_us / kMicros;
  int64_t micros = time_us % kMicros;
  if (micros < 0) {  // nanos count forward, also before 1970
    micros += kMicros;
    seconds -= 1;
  }
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(static_cast<int32_t>(micros * 1000));
  return timestamp;
}

google::protobuf::Duration ToDuration(int64_t duration_us) {
  google::protobuf::Duration duration;
  duration.set_seconds(duration_us / 1'000'000);
  duration.set_nanos(static_cast<int32_t>(duration_us % 1'000'000 * 1000));
  return duration;
}

v1::EpochMetrics ToProto(JobId job_id, const EpochRecord& record) {
  v1::EpochMetrics proto;
  proto.set_job_id(absl::StrCat(job_id));
  proto.set_epoch(record.epoch);
  proto.set_attempt(record.attempt);
  if (record.time_us != 0) *proto.mutable_time() = ToTimestamp(record.time_us);
  proto.set_duration_us(record.duration_us);
  AddMetrics(record.metrics, proto.mutable_metrics());
  return proto;
}

v1::TrainingResult ToProto(const TrainingResult& result) {
  v1::TrainingResult proto;
  AddMetrics(result.metrics, proto.mutable_metrics());
  proto.set_epochs(result.epochs);
  proto.set_best_epoch(result.best_epoch);
  proto.set_weights_sha256(result.weights_sha256);
  return proto;
}

v1::Progress ToProto(const ProgressSnapshot& snapshot) {
  v1::Progress proto;
  proto.set_epoch(snapshot.epoch);
  proto.set_epochs(snapshot.epochs);
  proto.set_batch(snapshot.batch);
  proto.set_batches(snapshot.batches);
  AddMetrics(snapshot.metrics, proto.mutable_metrics());
  proto.set_samples_per_second(snapshot.samples_per_second);
  proto.set_elapsed_us(snapshot.elapsed_us);
  proto.set_remaining_us(snapshot.remaining_us);
  return proto;
}

v1::JobEvent ToProto(const JobEvent& event) {
  v1::JobEvent proto;
  proto.set_sequence(event.sequence);
  if (event.time_us != 0) *proto.mutable_time() = ToTimestamp(event.time_us);
  if (const auto* change = std::get_if<JobEvent::StateChange>(&event.what)) {
    v1::JobEvent::StateChange* to = proto.mutable_state_change();
    to->set_state(static_cast<v1::Job::State>(change->state));
    to->set_stop_reason(static_cast<v1::Job::StopReason>(change->stop_reason));
    to->set_message(ToUtf8(change->message));
    to->set_attempt(change->attempt);
  } else if (const auto* epoch = std::get_if<EpochRecord>(&event.what)) {
    *proto.mutable_epoch() = ToProto(event.job_id, *epoch);
  } else if (const auto* warning = std::get_if<JobEvent::Warning>(&event.what)) {
    proto.set_warning(ToUtf8(warning->text));
  } else if (const auto* result = std::get_if<TrainingResult>(&event.what)) {
    *proto.mutable_result() = ToProto(*result);
  } else if (const auto* end = std::get_if<JobEvent::TrialEnd>(&event.what)) {
    v1::JobEvent::TrialEnd* to = proto.mutable_trial_end();
    to->set_job_id(absl::StrCat(end->job_id));
    to->set_trial(end->trial);
    to->set_state(static_cast<v1::Job::State>(end->state));
  } else if (const auto* kept = std::get_if<JobEvent::StateKept>(&event.what)) {
    v1::JobEvent::StateKept* to = proto.mutable_state_kept();
    to->set_epochs(kept->epochs);
    to->set_batches(kept->batches);
    to->set_bytes(kept->bytes);
  } else if (const auto* note = std::get_if<JobEvent::Note>(&event.what)) {
    proto.set_note(ToUtf8(note->text));
  }
  return proto;
}

v1::Dataset ToProto(const DatasetInfo& info) {
  v1::Dataset proto;
  proto.set_name(ToUtf8(info.name));
  proto.set_format(ToUtf8(info.format));
  proto.set_source(ToUtf8(info.source));
  proto.mutable_shape()->Add(info.shape.begin(), info.shape.end());
  for (const std::string& name : info.class_names) proto.add_class_names(ToUtf8(name));
  for (const SplitInfo& split : info.splits) {
    v1::Dataset::Split* to = proto.add_splits();
    to->set_name(ToUtf8(split.name));
    to->set_samples(split.samples);
  }
  return proto;
}

v1::LearningRateRangeTestResult ToProto(const LearningRateCurve& curve) {
  v1::LearningRateRangeTestResult proto;
  if (curve.steepest.has_value()) proto.set_steepest(*curve.steepest);
  if (curve.valley.has_value()) proto.set_valley(*curve.valley);
  if (curve.minimum_tenth.has_value()) proto.set_minimum_tenth(*curve.minimum_tenth);
  proto.set_diverged(curve.diverged);
  for (const LearningRatePoint& point : curve.points) {
    v1::LearningRateRangeTestResult::Point* to = proto.add_points();
    to->set_step(point.step);
    to->set_learning_rate(point.learning_rate);
    to->set_loss(point.loss);
    to->set_smoothed_loss(point.smoothed_loss);
  }
  return proto;
}

v1::TrialSetting ToProto(const TrialSetting& setting) {
  v1::TrialSetting proto;
  proto.set_path(ToUtf8(setting.path));
  proto.set_value(ToUtf8(setting.value));
  return proto;
}

v1::Trial ToProto(const TrialPlace& trial) {
  v1::Trial proto;
  if (trial.sweep_id != 0) proto.set_sweep_id(absl::StrCat(trial.sweep_id));
  proto.set_number(trial.number);
  for (const TrialSetting& setting : trial.settings) *proto.add_settings() = ToProto(setting);
  return proto;
}

absl::StatusOr<v1::Job> ToProto(const Job& job) {
  v1::Job proto;
  proto.set_kind(static_cast<v1::Job::Kind>(job.kind));
  if (job.trial.has_value()) *proto.mutable_trial() = ToProto(*job.trial);
  if (job.id != 0) proto.set_id(absl::StrCat(job.id));
  proto.set_name(ToUtf8(job.name));
  proto.set_state(static_cast<v1::Job::State>(job.state));
  proto.set_stop_reason(static_cast<v1::Job::StopReason>(job.stop_reason));
  proto.set_message(ToUtf8(job.message));
  proto.set_priority(job.priority);
  if (job.create_time_us != 0) *proto.mutable_create_time() = ToTimestamp(job.create_time_us);
  if (job.start_time_us != 0) *proto.mutable_start_time() = ToTimestamp(job.start_time_us);
  if (job.end_time_us != 0) *proto.mutable_end_time() = ToTimestamp(job.end_time_us);
  if (!job.spec.empty() && !proto.mutable_spec()->ParseFromString(job.spec)) {
    return absl::DataLossError(absl::StrCat("the stored spec of job ", job.id, " (",
                                            job.spec.size(),
                                            " bytes) is damaged: it does not parse"));
  }
  proto.set_spec_sha256(job.spec_sha256);
  for (const Attempt& attempt : job.attempts) {
    v1::Attempt* to = proto.add_attempts();
    to->set_number(attempt.number);
    if (attempt.start_time_us != 0) *to->mutable_start_time() = ToTimestamp(attempt.start_time_us);
    if (attempt.end_time_us != 0) *to->mutable_end_time() = ToTimestamp(attempt.end_time_us);
    to->set_outcome(attempt.outcome);
    to->set_fingerprint(ToUtf8(attempt.fingerprint));
  }
  if (job.result.has_value()) {
    *proto.mutable_result() = ToProto(*job.result);
    if (const auto& curve = job.result->learning_rate_curve; curve.has_value())
      *proto.mutable_lr_range_test_result() = ToProto(*curve);
  }
  proto.set_attempt_count(job.attempt_count);
  proto.set_owner(ToUtf8(job.owner));
  for (const auto& [key, value] : job.labels) (*proto.mutable_labels())[key] = ToUtf8(value);
  if (job.limits.deadline_us != 0) *proto.mutable_deadline() = ToTimestamp(job.limits.deadline_us);
  if (job.limits.max_run_time_us != 0)
    *proto.mutable_max_run_time() = ToDuration(job.limits.max_run_time_us);
  proto.set_memory_bytes(job.needs.memory_bytes);
  return proto;
}

v1::Checkpoint ToProto(const CheckpointInfo& checkpoint) {
  v1::Checkpoint proto;
  proto.set_epoch(checkpoint.epoch);
  proto.set_bytes(checkpoint.bytes);
  proto.set_sha256(checkpoint.sha256);
  return proto;
}

}  // namespace anneal
