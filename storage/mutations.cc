#include "storage/mutations.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/status_macros.h"
#include "server/core/strings.h"
#include "storage/checkpoint_rows.h"
#include "storage/curve_rows.h"
#include "storage/event_rows.h"
#include "storage/reads.h"
#include "storage/sql.h"
#include "storage/training_state_rows.h"

namespace anneal {
namespace {

constexpr char kInterruptedMessage[] = "the daemon ended while the job was running";

std::string Name(JobState state) { return std::string(JobStateName(state)); }

// As they will be read back: sorted by name, and without the sign of -0.0, which SQLite does not
// store.
void Normalize(std::vector<MetricValue>& metrics) {
  for (MetricValue& metric : metrics) metric.value += 0.0;
  std::sort(metrics.begin(), metrics.end(),
            [](const MetricValue& a, const MetricValue& b) { return a.name < b.name; });
}

// Why no job `id` in state `expected` was found.
absl::Status WrongState(Connection& connection, JobId id, JobState expected) {
  const std::optional<StateRow> row = ReadState(connection, id);
  if (!row) return NoSuchJob(id);
  return absl::AbortedError(
      absl::StrCat("job ", id, " is ", Name(row->state), ", no longer ", Name(expected)));
}

bool IsLegal(JobState from, JobState to) {
  return std::any_of(kAllJobTransitions.begin(), kAllJobTransitions.end(),
                     [&](JobTransition transition) { return NextState(from, transition) == to; });
}

absl::Status CheckChange(JobId id, JobState from, JobState to, StopReason stop_reason) {
  if (!IsLegal(from, to)) {
    return absl::InternalError(
        absl::StrCat("job ", id, ": no transition leads from ", Name(from), " to ", Name(to)));
  }
  if (stop_reason != StopReason::kNone && !IsTerminal(to)) {
    return absl::InternalError(absl::StrCat("job ", id, ": ", Name(to),
                                            " is no end and has no stop reason, but was given ",
                                            ToAbsl(StopReasonName(stop_reason))));
  }
  return absl::OkStatus();
}

// The event returned is not yet stored.
absl::StatusOr<JobEvent> UpdateState(Connection& connection, JobId id, JobState from, JobState to,
                                     StopReason stop_reason, const std::string& message,
                                     int64_t now_us) {
  {
    Query update(connection, sql::kChangeJob);
    update.Bind(id)
        .Bind(static_cast<int64_t>(from))
        .Bind(static_cast<int64_t>(to))
        .Bind(static_cast<int64_t>(stop_reason))
        .BindText(message);
    IsTerminal(to) ? update.Bind(now_us) : update.BindNull();
    if (update.Run() == 0) return WrongState(connection, id, from);
  }
  const std::optional<StateRow> row = ReadState(connection, id);
  return JobEvent{
      .job_id = id,
      .time_us = now_us,
      .what = JobEvent::StateChange{to, stop_reason, message, row ? row->attempt_count : 0}};
}

// Returns the event, not yet stored.
JobEvent WriteResult(Connection& connection, JobId id, TrainingResult result, int64_t now_us) {
  Normalize(result.metrics);
  Query(connection, sql::kInsertResult)
      .Bind(id)
      .Bind(result.epochs)
      .Bind(result.best_epoch)
      .BindText(result.weights_sha256)
      .Run();
  for (const MetricValue& metric : result.metrics) {
    Query(connection, sql::kInsertResultMetric)
        .Bind(id)
        .BindText(metric.name)
        .Bind(metric.value)
        .Run();
  }
  if (result.learning_rate_curve.has_value())
    WriteCurve(connection, id, *result.learning_rate_curve);
  return JobEvent{.job_id = id, .time_us = now_us, .what = std::move(result)};
}

bool CloseAttempt(Connection& connection, JobId id, int64_t attempt, const std::string& outcome,
                  int64_t now_us) {
  return Query(connection, sql::kEndAttempt)
             .Bind(id)
             .Bind(attempt)
             .Bind(now_us)
             .BindText(outcome)
             .Run() > 0;
}

absl::Status AttemptNotOpen(JobId id, int64_t attempt) {
  return absl::AbortedError(absl::StrCat("attempt ", attempt, " of job ", id, " is not running"));
}

// The job made by an earlier call with this request id, or nothing.
absl::StatusOr<std::optional<Job>> FindRequest(Connection& connection, const NewJob& job) {
  Query query(connection, sql::kJobOfRequest);
  query.BindText(job.request_id);
  if (!query.Step()) return std::nullopt;
  const JobId id = query.Int64(0);
  const std::string spec_sha256 = query.Text(1);
  if (spec_sha256 != job.spec_sha256) {
    return absl::AlreadyExistsError(absl::StrCat(
        "request id '", job.request_id, "' was used for job ", id, ", whose spec has SHA-256 ",
        spec_sha256, ", not ", job.spec_sha256, "; a new job needs a new request id"));
  }
  ASSIGN_OR_RETURN(Job found, ReadJob(connection, id));
  return std::optional<Job>(std::move(found));
}

JobId InsertJob(Connection& connection, const NewJob& job, int64_t now_us) {
  {
    Query insert(connection, sql::kInsertJob);
    job.request_id.empty() ? insert.BindNull() : insert.BindText(job.request_id);
    insert.BindText(job.name)
        .Bind(static_cast<int64_t>(JobState::kQueued))
        .Bind(int64_t{job.priority})
        .BindText(job.spec_sha256)
        .Bind(now_us)
        .Bind(static_cast<int64_t>(job.kind))
        .BindNull()
        .BindNull();
    job.model_job_id == 0 ? insert.BindNull() : insert.Bind(job.model_job_id);
    insert.Run();
  }
  const JobId id = connection.database().getLastInsertRowid();
  Query(connection, sql::kInsertSpec).Bind(id).BindBlob(job.spec).Run();
  return id;
}

JobId InsertTrial(Connection& connection, const NewTrial& trial, JobId sweep_id, int64_t number,
                  int32_t priority, int64_t now_us) {
  Query(connection, sql::kInsertJob)
      .BindNull()
      .BindText(trial.name)
      .Bind(static_cast<int64_t>(JobState::kQueued))
      .Bind(int64_t{priority})
      .BindText(trial.spec_sha256)
      .Bind(now_us)
      .Bind(static_cast<int64_t>(JobKind::kTraining))
      .Bind(sweep_id)
      .Bind(number)
      .BindNull()
      .Run();
  const JobId id = connection.database().getLastInsertRowid();
  Query(connection, sql::kInsertSpec).Bind(id).BindBlob(trial.spec).Run();
  for (size_t i = 0; i < trial.settings.size(); ++i) {
    Query(connection, sql::kInsertTrialSetting)
        .Bind(id)
        .Bind(static_cast<int64_t>(i))
        .BindText(trial.settings[i].path)
        .BindText(trial.settings[i].value)
        .Run();
  }
  JobEvent queued{.job_id = id, .time_us = now_us, .what = JobEvent::StateChange{}};
  WriteEvent(connection, queued);
  return id;
}

}  // namespace

absl::StatusOr<CreatedJob> WriteJob(Connection& connection, const NewJob& job, int64_t now_us) {
  CreatedJob created;
  if (!job.request_id.empty()) {
    ASSIGN_OR_RETURN(std::optional<Job> earlier, FindRequest(connection, job));
    if (earlier) {
      created.job = *std::move(earlier);
      created.trials = ReadTrialIds(connection, created.job.id);
      return created;
    }
  }
  if (job.model_job_id != 0 && !ReadState(connection, job.model_job_id)) {
    return NoSuchJob(job.model_job_id);
  }
  created.created = true;
  const JobId id = InsertJob(connection, job, now_us);
  for (size_t i = 0; i < job.trials.size(); ++i) {
    const auto number = static_cast<int64_t>(i) + 1;
    created.trials.push_back(
        InsertTrial(connection, job.trials[i], id, number, job.priority, now_us));
  }
  created.events.push_back({.job_id = id, .time_us = now_us, .what = JobEvent::StateChange{}});
  for (const std::string& warning : job.warnings) {
    created.events.push_back({.job_id = id, .time_us = now_us, .what = JobEvent::Warning{warning}});
  }
  for (JobEvent& event : created.events) WriteEvent(connection, event);
  ASSIGN_OR_RETURN(created.job, ReadJob(connection, id));
  return created;
}

absl::StatusOr<StartedAttempt> WriteAttempt(Connection& connection, JobId id,
                                            const std::string& fingerprint, int64_t now_us) {
  const int64_t started = Query(connection, sql::kStartJob)
                              .Bind(id)
                              .Bind(static_cast<int64_t>(JobState::kQueued))
                              .Bind(static_cast<int64_t>(JobState::kRunning))
                              .Bind(now_us)
                              .Run();
  const std::optional<StateRow> row = ReadState(connection, id);
  if (started == 0 || !row) return WrongState(connection, id, JobState::kQueued);

  StartedAttempt result;
  result.attempt = row->attempt_count;
  Query(connection, sql::kInsertAttempt)
      .Bind(id)
      .Bind(result.attempt)
      .Bind(now_us)
      .BindText(fingerprint)
      .Run();
  result.event = {
      .job_id = id,
      .time_us = now_us,
      .what = JobEvent::StateChange{JobState::kRunning, StopReason::kNone, "", result.attempt}};
  WriteEvent(connection, result.event);
  return result;
}

absl::StatusOr<std::optional<JobEvent>> WriteEpoch(Connection& connection, JobId id,
                                                   int64_t attempt, const EpochRecord& record,
                                                   int64_t now_us) {
  RETURN_IF_ERROR(CheckAttemptOpen(connection, id, attempt));
  EpochRecord stored = record;
  stored.attempt = attempt;
  stored.time_us = now_us;
  Normalize(stored.metrics);
  const int64_t inserted = Query(connection, sql::kInsertEpoch)
                               .Bind(id)
                               .Bind(stored.epoch)
                               .Bind(stored.attempt)
                               .Bind(stored.time_us)
                               .Bind(stored.duration_us)
                               .Run();
  if (inserted == 0) return std::nullopt;
  for (const MetricValue& metric : stored.metrics) {
    Query(connection, sql::kInsertEpochMetric)
        .Bind(id)
        .Bind(stored.epoch)
        .BindText(metric.name)
        .Bind(metric.value)
        .Run();
  }
  JobEvent event{.job_id = id, .time_us = now_us, .what = std::move(stored)};
  WriteEvent(connection, event);
  return std::optional<JobEvent>(std::move(event));
}

absl::StatusOr<JobEvent> WriteWarning(Connection& connection, JobId id, const std::string& text,
                                      int64_t now_us) {
  if (!ReadState(connection, id)) return NoSuchJob(id);
  JobEvent event{.job_id = id, .time_us = now_us, .what = JobEvent::Warning{text}};
  WriteEvent(connection, event);
  return event;
}

absl::StatusOr<std::vector<JobEvent>> WriteAttemptEnd(Connection& connection, JobId id,
                                                      int64_t attempt, const AttemptEnd& end,
                                                      int64_t now_us) {
  RETURN_IF_ERROR(CheckChange(id, end.from, end.to, end.stop_reason));
  if (!IsActive(end.from) || IsActive(end.to)) {
    return absl::InternalError(absl::StrCat("job ", id, ": from ", Name(end.from), " to ",
                                            Name(end.to), " no attempt ends"));
  }
  if (end.result && !IsTerminal(end.to)) {
    return absl::InternalError(
        absl::StrCat("job ", id, ": ", Name(end.to), " is no end and has no result"));
  }
  if (end.checkpoint && end.to != JobState::kSucceeded) {
    return absl::InternalError(
        absl::StrCat("job ", id, ": ", Name(end.to), " is no success and has no final weights"));
  }
  ASSIGN_OR_RETURN(JobEvent change, UpdateState(connection, id, end.from, end.to, end.stop_reason,
                                                end.message, now_us));
  if (!CloseAttempt(connection, id, attempt, end.outcome, now_us))
    return AttemptNotOpen(id, attempt);

  if (end.checkpoint) WriteCheckpoint(connection, id, *end.checkpoint, now_us);
  if (end.to == JobState::kSucceeded || end.to == JobState::kFailed) {
    EraseTrainingStates(connection, id);
  }
  std::vector<JobEvent> events;
  if (end.result) events.push_back(WriteResult(connection, id, *end.result, now_us));
  events.push_back(std::move(change));
  for (JobEvent& event : events) WriteEvent(connection, event);
  return events;
}

absl::StatusOr<JobEvent> WriteStateChange(Connection& connection, JobId id, JobState from,
                                          JobState to, StopReason stop_reason,
                                          const std::string& message, int64_t now_us) {
  RETURN_IF_ERROR(CheckChange(id, from, to, stop_reason));
  if (IsActive(from) != IsActive(to)) {
    return absl::InternalError(absl::StrCat("job ", id, ": from ", Name(from), " to ", Name(to),
                                            " an attempt must begin or end"));
  }
  ASSIGN_OR_RETURN(JobEvent event,
                   UpdateState(connection, id, from, to, stop_reason, message, now_us));
  WriteEvent(connection, event);
  return event;
}

absl::StatusOr<std::vector<JobId>> WriteRecovery(Connection& connection, int64_t now_us) {
  std::vector<std::pair<JobId, StateRow>> active;
  {
    Query query(connection, sql::kActiveJobs);
    while (query.Step()) {
      active.emplace_back(query.Int64(0),
                          StateRow{static_cast<JobState>(query.Int64(1)), query.Int64(2)});
    }
  }
  std::vector<JobId> changed;
  for (const auto& [id, row] : active) {
    const std::optional<JobState> next = NextState(row.state, JobTransition::kInterrupt);
    if (!next) {
      return absl::InternalError(
          absl::StrCat("job ", id, " is ", Name(row.state), " and cannot be interrupted"));
    }
    const StopReason reason = IsTerminal(*next) ? StopReason::kUser : StopReason::kNone;
    ASSIGN_OR_RETURN(JobEvent event, UpdateState(connection, id, row.state, *next, reason,
                                                 kInterruptedMessage, now_us));
    CloseAttempt(connection, id, row.attempt_count, "INTERRUPTED", now_us);
    WriteEvent(connection, event);
    changed.push_back(id);
  }
  return changed;
}

}  // namespace anneal
