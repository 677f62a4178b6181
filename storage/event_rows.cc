#include "storage/event_rows.h"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "storage/sql.h"

namespace anneal {
namespace {

// The columns that depend on the kind.
struct EventRow {
  EventKind kind = EventKind::kStateChange;
  std::optional<int64_t> state{};
  std::optional<int64_t> stop_reason{};
  std::optional<int64_t> attempt{};
  std::optional<std::string> text{};
  std::optional<int64_t> epoch{};
  std::optional<int64_t> trial_job_id{};
  std::optional<int64_t> trial{};
  std::optional<int64_t> batches{};
  std::optional<int64_t> bytes{};
};

void Fill(const JobStateChange& change, EventRow& row) {
  row.kind = EventKind::kStateChange;
  row.state = static_cast<int64_t>(change.state);
  row.stop_reason = static_cast<int64_t>(change.stop_reason);
  row.attempt = change.attempt;
  row.text = change.message;
}

void Fill(const EpochRecord& record, EventRow& row) {
  row.kind = EventKind::kEpoch;
  row.epoch = record.epoch;
}

void Fill(const JobWarning& warning, EventRow& row) {
  row.kind = EventKind::kWarning;
  row.text = warning.text;
}

void Fill(const TrainingResult& /*result*/, EventRow& row) { row.kind = EventKind::kResult; }

void Fill(const JobTrialEnd& end, EventRow& row) {
  row.kind = EventKind::kTrialEnd;
  row.state = static_cast<int64_t>(end.state);
  row.trial_job_id = end.job_id;
  row.trial = end.trial;
}

void Fill(const JobStateKept& kept, EventRow& row) {
  row.kind = EventKind::kStateKept;
  row.epoch = kept.epochs;
  row.batches = kept.batches;
  row.bytes = kept.bytes;
}

void Fill(const JobNote& note, EventRow& row) {
  row.kind = EventKind::kNote;
  row.text = note.text;
}

}  // namespace

void WriteEvent(Connection& connection, JobEvent& event) {
  {
    Query last(connection, sql::kLastSequence);
    last.Bind(event.job_id).Step();
    event.sequence = last.Int64(0) + 1;  // NULL, where there is none, reads as 0
  }
  EventRow row;
  std::visit([&](const auto& what) { Fill(what, row); }, event.what);
  const auto bind = [](Query& query, const std::optional<int64_t>& value) {
    value ? query.Bind(*value) : query.BindNull();
  };
  Query insert(connection, sql::kInsertEvent);
  insert.Bind(event.job_id).Bind(event.sequence).Bind(event.time_us);
  insert.Bind(static_cast<int64_t>(row.kind));
  bind(insert, row.state);
  bind(insert, row.stop_reason);
  bind(insert, row.attempt);
  row.text ? insert.BindText(*row.text) : insert.BindNull();
  bind(insert, row.epoch);
  bind(insert, row.trial_job_id);
  bind(insert, row.trial);
  bind(insert, row.batches);
  bind(insert, row.bytes);
  insert.Run();
}

}  // namespace anneal
