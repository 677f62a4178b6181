#include "server/scheduler/leftover_files.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/core/job.h"

namespace anneal {

void RemoveLeftoverFiles(Store& store, const ArtifactFolder& artifacts) {
  const std::vector<JobId> folders = artifacts.Jobs();
  if (folders.empty()) return;
  JobQuery query;
  query.limit = 1;
  const absl::StatusOr<std::vector<Job>> newest = store.ListJobs(query);
  absl::StatusOr<std::vector<std::string>> named = store.ListFiles();
  if (!newest.ok() || newest->empty() || !named.ok()) return;
  std::map<JobId, std::vector<std::string>> kept;
  for (std::string& file : *named) {
    const std::optional<JobId> id = ParseJobId(file.substr(0, file.find('/')));
    if (id.has_value()) kept[*id].push_back(std::move(file));
  }
  for (const JobId id : folders) {
    if (id <= newest->front().id) artifacts.RemoveWeights(id, kept[id]);
  }
}

}  // namespace anneal
