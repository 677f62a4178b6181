#include "server/scheduler/artifact_folder.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace anneal {

std::string ArtifactFolder::FinalWeights(JobId id) {
  return absl::StrCat(id, "/final.safetensors");
}

void ArtifactFolder::Remove(const std::vector<JobId>& ids) const {
  for (const JobId id : ids) {
    std::error_code ignored;
    std::filesystem::remove_all(PathOf(absl::StrCat(id)), ignored);
  }
}

}  // namespace anneal
