#include "server/scheduler/artifact_folder.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/core/failpoint.h"
#include "server/core/file_calls.h"

namespace anneal {
namespace {

constexpr char kStatePrefix[] = "state-";
constexpr char kFinalWeights[] = "final.safetensors";

bool IsState(const std::string& name) { return absl::StartsWith(name, kStatePrefix); }

// With all it holds; a link is removed, not what it leads to.
void RemoveTree(const std::string& path) {
  std::error_code error;
  std::filesystem::directory_iterator entry(path, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    std::error_code unknown;
    const bool folder = entry->symlink_status(unknown).type() == std::filesystem::file_type::directory;
    if (folder) {
      RemoveTree(entry->path().string());
    } else {
      CurrentFileCalls().Unlink(entry->path().c_str());
    }
  }
  CurrentFileCalls().RemoveFolder(path.c_str());
}

}  // namespace

std::string ArtifactFolder::FinalWeights(JobId id) { return absl::StrCat(id, "/", kFinalWeights); }

std::string ArtifactFolder::TrainingState(JobId id, int64_t attempt, int64_t number) {
  return absl::StrCat(id, "/", kStatePrefix, attempt, "-", number, ".safetensors");
}

void ArtifactFolder::RemoveFile(const std::string& file) const {
  PassCrashpoint("artifact.remove");
  CurrentFileCalls().Unlink(PathOf(file).c_str());
}

void ArtifactFolder::RemoveStates(JobId id, const std::vector<std::string>& kept) const {
  RemoveWhere(id, kept, IsState);
}

void ArtifactFolder::RemoveWeights(JobId id, const std::vector<std::string>& kept) const {
  RemoveWhere(id, kept, [](const std::string& name) {
    return IsState(name) || name == kFinalWeights || name == absl::StrCat(kFinalWeights, ".tmp");
  });
  if (!kept.empty()) return;
  CurrentFileCalls().RemoveFolder(PathOf(absl::StrCat(id)).c_str());  // not where it is not empty
}

void ArtifactFolder::RemoveFinalWeights(JobId id) const {
  RemoveFile(FinalWeights(id));
  RemoveFile(FinalWeights(id) + ".tmp");
}

std::vector<JobId> ArtifactFolder::Jobs() const {
  std::error_code error;
  std::filesystem::directory_iterator entry(path_, error);
  std::vector<JobId> ids;
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::optional<JobId> id = ParseJobId(entry->path().filename().string());
    if (id.has_value()) ids.push_back(*id);
  }
  return ids;
}

void ArtifactFolder::RemoveWhere(JobId id, const std::vector<std::string>& kept,
                                 const std::function<bool(const std::string&)>& is_ours) const {
  std::error_code error;
  std::filesystem::directory_iterator entry(PathOf(absl::StrCat(id)), error);
  std::vector<std::string> gone;
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    std::string file = absl::StrCat(id, "/", name);
    if (is_ours(name) && std::find(kept.begin(), kept.end(), file) == kept.end()) {
      gone.push_back(std::move(file));
    }
  }
  for (const std::string& file : gone) RemoveFile(file);
}

void ArtifactFolder::Remove(const std::vector<JobId>& ids) const {
  for (const JobId id : ids) RemoveTree(PathOf(absl::StrCat(id)));
}

}  // namespace anneal
