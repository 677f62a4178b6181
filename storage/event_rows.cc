#include "storage/event_rows.h"

#include <variant>

#include "storage/sql.h"

namespace anneal {

void WriteEvent(Connection& connection, JobEvent& event) {
  {
    Query last(connection, sql::kLastSequence);
    last.Bind(event.job_id).Step();
    event.sequence = last.Int64(0) + 1;  // NULL, where there is none, reads as 0
  }
  Query insert(connection, sql::kInsertEvent);
  insert.Bind(event.job_id).Bind(event.sequence).Bind(event.time_us);
  const auto kind = [&](EventKind value) { insert.Bind(static_cast<int64_t>(value)); };
  if (const auto* change = std::get_if<JobEvent::StateChange>(&event.what)) {
    kind(EventKind::kStateChange);
    insert.Bind(static_cast<int64_t>(change->state))
        .Bind(static_cast<int64_t>(change->stop_reason))
        .Bind(change->attempt)
        .BindText(change->message)
        .BindNull();
  } else if (const auto* record = std::get_if<EpochRecord>(&event.what)) {
    kind(EventKind::kEpoch);
    insert.BindNull().BindNull().BindNull().BindNull().Bind(record->epoch);
  } else if (const auto* warning = std::get_if<JobEvent::Warning>(&event.what)) {
    kind(EventKind::kWarning);
    insert.BindNull().BindNull().BindNull().BindText(warning->text).BindNull();
  } else if (const auto* end = std::get_if<JobEvent::TrialEnd>(&event.what)) {
    kind(EventKind::kTrialEnd);
    insert.Bind(static_cast<int64_t>(end->state)).BindNull().BindNull().BindNull().BindNull();
    insert.Bind(end->job_id).Bind(end->trial);
  } else {
    kind(EventKind::kResult);
    insert.BindNull().BindNull().BindNull().BindNull().BindNull();
  }
  if (!std::holds_alternative<JobEvent::TrialEnd>(event.what)) insert.BindNull().BindNull();
  insert.Run();
}

}  // namespace anneal
