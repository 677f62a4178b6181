// Where the files that jobs leave behind lie: one folder a job below the folder of artifacts.
#pragma once

#include <string>
#include <vector>

#include "server/core/job.h"

namespace anneal {

// Thread-safe.
class ArtifactFolder {
 public:
  // `path` need not exist yet.
  explicit ArtifactFolder(std::string path) : path_(std::move(path)) {}

  // "7/final.safetensors": of a job's final weights, relative to the folder.
  static std::string FinalWeights(JobId id);

  // Where a relative name lies.
  std::string PathOf(const std::string& file) const { return path_ + "/" + file; }

  // Removes everything of these jobs, which are gone from the store. What cannot be removed stays
  // behind: nothing refers to it, and ids are never given again.
  void Remove(const std::vector<JobId>& ids) const;

 private:
  const std::string path_;
};

}  // namespace anneal
