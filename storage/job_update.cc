// What of a job may change besides its state (mutations.h).
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "server/core/job_update.h"
#include "server/core/status_macros.h"
#include "storage/event_rows.h"
#include "storage/mutations.h"
#include "storage/reads.h"
#include "storage/sql.h"

namespace anneal {
namespace {

void WriteRow(Connection& connection, const JobUpdate& update, const Job& job) {
  {
    Query row(connection, sql::kUpdateJob);
    row.Bind(job.id).Bind(int64_t{job.priority}).Bind(job.front);
    job.limits.deadline_us == 0 ? row.BindNull() : row.Bind(job.limits.deadline_us);
    job.limits.max_run_time_us == 0 ? row.BindNull() : row.Bind(job.limits.max_run_time_us);
    row.Run();
  }
  for (const std::string& key : update.remove_labels)
    Query(connection, sql::kRemoveLabel).Bind(job.id).BindText(key).Run();
  for (const auto& [key, value] : update.set_labels)
    Query(connection, sql::kSetLabel).Bind(job.id).BindText(key).BindText(value).Run();
}

}  // namespace

absl::StatusOr<UpdatedJob> WriteUpdate(Connection& connection, JobId id, const JobUpdate& update,
                                       int64_t now_us) {
  ASSIGN_OR_RETURN(Job job, ReadJob(connection, id));
  RETURN_IF_ERROR(CheckUpdate(job, update));
  int64_t new_front = 0;
  if (update.to_front) {
    Query greatest(connection, sql::kGreatestFront);
    greatest.Step();
    new_front = greatest.Int64(0) + 1;  // NULL, where nothing waits, reads as 0
  }
  UpdatedJob updated;
  const bool was_over = IsTerminal(job.state);
  const std::string note = ApplyUpdate(update, new_front, job);
  WriteRow(connection, update, job);
  // Nothing comes after the event of the end.
  if (!note.empty() && !was_over) {
    JobEvent event{.job_id = id, .time_us = now_us, .what = JobEvent::Note{note}};
    WriteEvent(connection, event);
    updated.events.push_back(std::move(event));
  }
  if (job.kind == JobKind::kSweep) {
    JobQuery trials;
    trials.sweep_id = id;
    trials.limit = std::numeric_limits<int64_t>::max();
    for (Job& trial : ReadJobs(connection, trials)) {
      if (IsTerminal(trial.state)) continue;
      RETURN_IF_ERROR(CheckLabels(trial, update));
      ApplyUpdate(update, new_front, trial);
      WriteRow(connection, update, trial);
      updated.changed.push_back(std::move(trial));
    }
  }
  job.spec.clear();
  job.attempts.clear();
  job.result.reset();
  updated.changed.push_back(std::move(job));
  return updated;
}

}  // namespace anneal
