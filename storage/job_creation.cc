// The beginning of a job's rows (mutations.h).
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/status_macros.h"
#include "storage/event_rows.h"
#include "storage/mutations.h"
#include "storage/reads.h"
#include "storage/sql.h"

namespace anneal {
namespace {

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

void BindOrNull(Query& query, int64_t value) {
  value == 0 ? query.BindNull() : query.Bind(value);
}

// What a job and its trials have alike. `trial`: nothing where it is the job itself.
JobId InsertRow(Connection& connection, const NewJob& job, JobKind kind, const std::string& name,
                const std::string& spec, const std::string& spec_sha256,
                const std::optional<std::pair<JobId, int64_t>>& trial, int64_t now_us) {
  {
    Query insert(connection, sql::kInsertJob);
    trial || job.request_id.empty() ? insert.BindNull() : insert.BindText(job.request_id);
    insert.BindText(name)
        .Bind(static_cast<int64_t>(JobState::kQueued))
        .Bind(int64_t{job.priority})
        .BindText(spec_sha256)
        .Bind(now_us)
        .Bind(static_cast<int64_t>(kind));
    BindOrNull(insert, trial ? trial->first : 0);
    BindOrNull(insert, trial ? trial->second : 0);
    BindOrNull(insert, job.model_job_id);
    insert.BindText(job.owner);
    BindOrNull(insert, job.limits.deadline_us);
    BindOrNull(insert, job.limits.max_run_time_us);
    insert.Bind(job.needs.memory_bytes).Bind(job.needs.work_flops);
    insert.Run();
  }
  const JobId id = connection.database().getLastInsertRowid();
  Query(connection, sql::kInsertSpec).Bind(id).BindBlob(spec).Run();
  for (const auto& [key, value] : job.labels)
    Query(connection, sql::kSetLabel).Bind(id).BindText(key).BindText(value).Run();
  return id;
}

JobId InsertTrial(Connection& connection, const NewJob& job, const NewTrial& trial, JobId sweep_id,
                  int64_t number, int64_t now_us) {
  const JobId id = InsertRow(connection, job, JobKind::kTraining, trial.name, trial.spec,
                             trial.spec_sha256, std::pair(sweep_id, number), now_us);
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

int64_t Count(Query& query) {
  query.Step();
  return query.Int64(0);
}

absl::Status CheckQueueLimits(Connection& connection, const NewJob& job) {
  const auto more = std::max<int64_t>(static_cast<int64_t>(job.trials.size()), 1);
  const QueueLimits& limits = job.queue_limits;
  const auto refuse = [&](int64_t waiting, const std::string& whose, int64_t limit) {
    return absl::FailedPreconditionError(absl::StrCat(
        waiting, " jobs", whose, " wait already, and ", more, " more would be over the limit of ",
        limit, "; submit again when some have run, or cancel some"));
  };
  if (limits.jobs > 0) {
    Query query(connection, sql::kWaiting);
    if (const int64_t waiting = Count(query); waiting + more > limits.jobs)
      return refuse(waiting, "", limits.jobs);
  }
  if (limits.jobs_of_owner > 0) {
    const std::string whose =
        job.owner.empty() ? " without an owner" : absl::StrCat(" of \"", job.owner, "\"");
    Query query(connection, sql::kWaitingOfOwner);
    query.BindText(job.owner);
    if (const int64_t waiting = Count(query); waiting + more > limits.jobs_of_owner)
      return refuse(waiting, whose, limits.jobs_of_owner);
  }
  return absl::OkStatus();
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
  RETURN_IF_ERROR(CheckQueueLimits(connection, job));
  created.created = true;
  const JobId id = InsertRow(connection, job, job.kind, job.name, job.spec, job.spec_sha256,
                             std::nullopt, now_us);
  for (size_t i = 0; i < job.trials.size(); ++i) {
    const auto number = static_cast<int64_t>(i) + 1;
    created.trials.push_back(
        InsertTrial(connection, job, job.trials[i], id, number, now_us));
  }
  created.events.push_back({.job_id = id, .time_us = now_us, .what = JobEvent::StateChange{}});
  for (const std::string& warning : job.warnings) {
    created.events.push_back({.job_id = id, .time_us = now_us, .what = JobEvent::Warning{warning}});
  }
  for (JobEvent& event : created.events) WriteEvent(connection, event);
  ASSIGN_OR_RETURN(created.job, ReadJob(connection, id));
  return created;
}

}  // namespace anneal
