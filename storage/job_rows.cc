#include "storage/job_rows.h"

#include "storage/sql.h"

namespace anneal {

// The order of kJob's columns.
Job ReadJobRow(const Query& row) {
  Job job;
  job.id = row.Int64(0);
  job.name = row.Text(1);
  job.state = static_cast<JobState>(row.Int64(2));
  job.stop_reason = static_cast<StopReason>(row.Int64(3));
  job.message = row.Text(4);
  job.priority = static_cast<int32_t>(row.Int64(5));
  job.create_time_us = row.Int64(6);
  job.start_time_us = row.Int64(7);
  job.end_time_us = row.Int64(8);
  job.spec_sha256 = row.Text(9);
  job.attempt_count = row.Int64(10);
  job.kind = static_cast<JobKind>(row.Int64(11));
  if (const JobId sweep_id = row.Int64(12); sweep_id != 0) {  // NULL reads as 0
    job.trial = TrialPlace{sweep_id, row.Int64(13), {}};
  }
  job.model_job_id = row.Int64(14);  // NULL reads as 0, as the next do
  job.owner = row.Text(15);
  job.limits = {row.Int64(16), row.Int64(17)};
  job.front = row.Int64(18);
  job.needs = {row.Int64(19), row.Double(20)};
  job.restarts = row.Int64(21);
  return job;
}

void ReadSettings(Connection& connection, Job& job) {
  if (!job.trial) return;
  Query query(connection, sql::kTrialSettings);
  query.Bind(job.id);
  while (query.Step()) job.trial->settings.push_back({query.Text(0), query.Text(1)});
}

void ReadLabels(Connection& connection, Job& job) {
  Query query(connection, sql::kLabels);
  query.Bind(job.id);
  while (query.Step()) job.labels.emplace(query.Text(0), query.Text(1));
}

}  // namespace anneal
