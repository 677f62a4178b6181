#include "storage/training_state_rows.h"

#include "server/core/status_macros.h"
#include "storage/event_rows.h"
#include "storage/mutations.h"
#include "storage/reads.h"
#include "storage/sql.h"

namespace anneal {

absl::StatusOr<KeptState> WriteTrainingState(Connection& connection, JobId id, int64_t attempt,
                                             const TrainingStateInfo& state, int64_t now_us) {
  RETURN_IF_ERROR(CheckAttemptOpen(connection, id, attempt));
  // First: otherwise the file would be returned, later, while the new row still names it.
  Query(connection, sql::kDeleteTrainingStateOfFile).Bind(id).BindText(state.file).Run();
  Query(connection, sql::kInsertTrainingState)
      .Bind(id)
      .Bind(attempt)
      .BindText(state.file)
      .Bind(state.epochs)
      .Bind(state.batches)
      .Bind(state.bytes)
      .BindText(state.sha256)
      .BindText(state.fingerprint)
      .Bind(now_us)
      .Run();
  EndRestarts(connection, id);
  KeptState kept;
  kept.event = {.job_id = id,
                .time_us = now_us,
                .what = JobEvent::StateKept{state.epochs, state.batches, state.bytes}};
  WriteEvent(connection, kept.event);
  Query old(connection, sql::kDeleteOldTrainingStates);
  old.Bind(id);
  while (old.Step()) kept.replaced.push_back(old.Text(0));
  return kept;
}

void EraseTrainingStates(Connection& connection, JobId id) {
  Query(connection, sql::kDeleteTrainingStates).Bind(id).Run();
}

std::vector<TrainingStateInfo> ReadTrainingStates(Connection& connection, JobId id) {
  std::vector<TrainingStateInfo> states;
  Query query(connection, sql::kTrainingStates);
  query.Bind(id);
  while (query.Step()) {
    states.push_back({query.Text(0), query.Int64(1), query.Int64(2), query.Int64(3), query.Text(4),
                      query.Text(5)});
  }
  return states;
}

std::vector<std::string> ReadFiles(Connection& connection) {
  std::vector<std::string> files;
  Query query(connection, sql::kFiles);
  while (query.Step()) files.push_back(query.Text(0));
  return files;
}

}  // namespace anneal
