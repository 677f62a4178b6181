#include "server/scheduler/artifact_folder.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace anneal {
namespace {

constexpr char kStatePrefix[] = "state-";

}  // namespace

std::string ArtifactFolder::FinalWeights(JobId id) {
  return absl::StrCat(id, "/final.safetensors");
}

std::string ArtifactFolder::TrainingState(JobId id, int64_t attempt, int64_t number) {
  return absl::StrCat(id, "/", kStatePrefix, attempt, "-", number, ".safetensors");
}

void ArtifactFolder::RemoveFile(const std::string& file) const {
  std::error_code ignored;
  std::filesystem::remove(PathOf(file), ignored);
}

void ArtifactFolder::RemoveStates(JobId id, const std::vector<std::string>& kept) const {
  std::error_code error;
  std::filesystem::directory_iterator entry(PathOf(absl::StrCat(id)), error);
  std::vector<std::string> gone;
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    std::string file = absl::StrCat(id, "/", name);
    if (absl::StartsWith(name, kStatePrefix) &&
        std::find(kept.begin(), kept.end(), file) == kept.end()) {
      gone.push_back(std::move(file));
    }
  }
  for (const std::string& file : gone) RemoveFile(file);
}

void ArtifactFolder::Remove(const std::vector<JobId>& ids) const {
  for (const JobId id : ids) {
    std::error_code ignored;
    std::filesystem::remove_all(PathOf(absl::StrCat(id)), ignored);
  }
}

}  // namespace anneal
