#include "storage/checkpoint_rows.h"

#include "absl/strings/str_cat.h"
#include "storage/reads.h"
#include "storage/sql.h"

namespace anneal {

void WriteCheckpoint(Connection& connection, JobId id, const CheckpointInfo& checkpoint,
                     int64_t now_us) {
  Query(connection, sql::kInsertCheckpoint)
      .Bind(id)
      .BindText(checkpoint.file)
      .Bind(checkpoint.epoch)
      .Bind(checkpoint.bytes)
      .BindText(checkpoint.sha256)
      .BindBlob(checkpoint.description)
      .Bind(now_us)
      .Run();
}

absl::StatusOr<CheckpointInfo> ReadCheckpoint(Connection& connection, JobId id) {
  Query query(connection, sql::kCheckpoint);
  query.Bind(id);
  if (!query.Step()) {
    if (!ReadState(connection, id)) return NoSuchJob(id);
    return absl::NotFoundError(absl::StrCat("job ", id, " has no final weights"));
  }
  return CheckpointInfo{query.Text(0), query.Int64(1), query.Int64(2), query.Text(3),
                        query.Text(4)};
}

}  // namespace anneal
