// The end of a job's rows (mutations.h).
#include "absl/strings/str_cat.h"
#include "server/core/strings.h"
#include "storage/mutations.h"
#include "storage/reads.h"
#include "storage/sql.h"

namespace anneal {

absl::StatusOr<std::vector<JobId>> EraseJob(Connection& connection, JobId id) {
  const std::optional<StateRow> row = ReadState(connection, id);
  if (!row) return NoSuchJob(id);
  if (!IsTerminal(row->state)) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", id, " is ", ToAbsl(JobStateName(row->state)),
                     "; only a job that has ended can be deleted, cancel it first"));
  }
  {
    Query relative(connection, sql::kUnendedRelative);
    relative.Bind(id);
    if (relative.Step()) {
      return absl::FailedPreconditionError(
          absl::StrCat("job ", relative.Int64(0), " of the same sweep as job ", id,
                       " has not ended; a sweep is deleted when all its trials have ended, and a "
                       "trial when its sweep has"));
    }
  }
  {
    Query prediction(connection, sql::kUnendedPrediction);
    prediction.Bind(id);
    if (prediction.Step()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "job ", prediction.Int64(0), ", which predicts with the weights of job ",
          prediction.Int64(1), ", has not ended; cancel it or wait for its end first"));
    }
  }
  std::vector<JobId> gone = ReadTrialIds(connection, id);
  gone.insert(gone.begin(), id);
  Query(connection, sql::kDeleteJob).Bind(id).Run();
  return gone;
}

}  // namespace anneal
