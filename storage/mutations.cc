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
                  const std::optional<TimeSpent>& spent, int64_t end_us) {
  Query end(connection, sql::kEndAttempt);
  end.Bind(id).Bind(attempt).Bind(end_us).BindText(outcome);
  if (spent) {
    end.Bind(spent->loading_us)
        .Bind(spent->training_us)
        .Bind(spent->validating_us)
        .Bind(spent->saving_us);
  } else {
    end.BindNull().BindNull().BindNull().BindNull();
  }
  return end.Run() > 0;
}

absl::Status AttemptNotOpen(JobId id, int64_t attempt) {
  return absl::AbortedError(absl::StrCat("attempt ", attempt, " of job ", id, " is not running"));
}

}  // namespace

void EndRestarts(Connection& connection, JobId id) {
  Query(connection, sql::kEndRestarts).Bind(id).Run();
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
  EndRestarts(connection, id);
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
  if (end.is_restart && end.to != JobState::kQueued) {
    return absl::InternalError(
        absl::StrCat("job ", id, ": ", Name(end.to), " is not the queue, so this is no restart"));
  }
  ASSIGN_OR_RETURN(JobEvent change, UpdateState(connection, id, end.from, end.to, end.stop_reason,
                                                end.message, now_us));
  if (!CloseAttempt(connection, id, attempt, end.outcome, end.time_spent, now_us))
    return AttemptNotOpen(id, attempt);
  if (end.is_restart) Query(connection, sql::kAddRestart).Bind(id).Run();

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

absl::StatusOr<std::vector<JobId>> WriteRecovery(Connection& connection, int64_t max_restarts,
                                                 int64_t now_us) {
  struct Active {
    JobId id = 0;
    JobState state = JobState::kRunning;
    int64_t attempt = 0;
    int64_t restarts = 0;  // before this one
  };
  std::vector<Active> active;
  {
    Query query(connection, sql::kActiveJobs);
    while (query.Step()) {
      active.push_back({query.Int64(0), static_cast<JobState>(query.Int64(1)), query.Int64(2),
                        query.Int64(3)});
    }
  }
  std::vector<JobId> changed;
  for (const Active& job : active) {
    const bool is_hopeless =
        job.state == JobState::kRunning && max_restarts > 0 && job.restarts >= max_restarts;
    const std::optional<JobState> next =
        NextState(job.state, is_hopeless ? JobTransition::kFail : JobTransition::kInterrupt);
    if (!next) {
      return absl::InternalError(
          absl::StrCat("job ", job.id, " is ", Name(job.state), " and cannot be interrupted"));
    }
    const StopReason reason = is_hopeless         ? StopReason::kTooManyRestarts
                              : IsTerminal(*next) ? StopReason::kUser
                                                  : StopReason::kNone;
    const std::string message =
        is_hopeless ? absl::StrCat("the daemon ended ", job.restarts + 1,
                                   " times in a row while this job was running and had come no "
                                   "further since the time before; at most ",
                                   max_restarts, " restarts are tried")
                    : kInterruptedMessage;
    int64_t end_us = now_us;  // an event of it is the last that is known of the attempt
    {
      Query last(connection, sql::kLastEventTime);
      if (last.Bind(job.id).Step()) end_us = std::min(end_us, last.Int64(0));
    }
    ASSIGN_OR_RETURN(JobEvent event, UpdateState(connection, job.id, job.state, *next, reason,
                                                 message, now_us));
    CloseAttempt(connection, job.id, job.attempt, "INTERRUPTED", std::nullopt, end_us);
    Query(connection, sql::kAddRestart).Bind(job.id).Run();
    if (is_hopeless) EraseTrainingStates(connection, job.id);
    WriteEvent(connection, event);
    changed.push_back(job.id);
  }
  return changed;
}

}  // namespace anneal
