// What is written of a sweep's trials because of the sweep (mutations.h).
#include <utility>

#include "server/core/status_macros.h"
#include "storage/event_rows.h"
#include "storage/mutations.h"
#include "storage/reads.h"
#include "storage/sql.h"

namespace anneal {

absl::StatusOr<std::vector<JobEvent>> WriteTrialEnds(Connection& connection, JobId sweep_id,
                                                     int64_t now_us) {
  const std::optional<StateRow> sweep = ReadState(connection, sweep_id);
  if (!sweep) return NoSuchJob(sweep_id);
  std::vector<JobEvent> events;
  if (IsTerminal(sweep->state)) return events;
  {
    Query query(connection, sql::kUntoldTrialEnds);
    query.Bind(sweep_id);
    while (query.Step()) {
      events.push_back({.job_id = sweep_id,
                        .time_us = now_us,
                        .what = JobEvent::TrialEnd{query.Int64(0), query.Int64(1),
                                                   static_cast<JobState>(query.Int64(2))}});
    }
  }
  for (JobEvent& event : events) WriteEvent(connection, event);
  return events;
}

absl::StatusOr<std::vector<JobEvent>> WriteTrialCancels(Connection& connection, JobId sweep_id,
                                                        int64_t now_us) {
  if (!ReadState(connection, sweep_id)) return NoSuchJob(sweep_id);
  std::vector<std::pair<JobId, JobState>> waiting;
  {
    Query query(connection, sql::kWaitingTrials);
    query.Bind(sweep_id);
    while (query.Step()) {
      waiting.emplace_back(query.Int64(0), static_cast<JobState>(query.Int64(1)));
    }
  }
  std::vector<JobEvent> events;
  for (const auto& [id, state] : waiting) {
    ASSIGN_OR_RETURN(JobEvent event, WriteStateChange(connection, id, state, JobState::kCancelled,
                                                      StopReason::kUser, "", now_us));
    events.push_back(std::move(event));
  }
  return events;
}

}  // namespace anneal
