#include "server/rpc/job_lookup.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "server/rpc/convert.h"
#include "server/rpc/status.h"
#include "server/rpc/utf8.h"

namespace anneal {

absl::Status JobNotFound(const std::string& id) {
  return WithReason(absl::NotFoundError(absl::StrCat("no job '", Shorten(id, 60), "'")),
                    "JOB_NOT_FOUND");
}

absl::StatusOr<JobId> RequireJobId(const std::string& id) {
  const std::optional<JobId> parsed = ParseJobId(id);
  if (!parsed.has_value()) return JobNotFound(id);
  return *parsed;
}

absl::Status AboutJob(const std::string& id, const absl::Status& status,
                      std::string_view precondition) {
  if (absl::IsNotFound(status)) return JobNotFound(id);
  if (absl::IsFailedPrecondition(status)) return WithReason(status, precondition);
  return status;
}

}  // namespace anneal
