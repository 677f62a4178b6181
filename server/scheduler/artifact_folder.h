// Where the files that jobs leave behind lie: one folder a job below the folder of artifacts.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
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

  // "7/state-1-12.safetensors": of the `number`th state that an attempt at a training writes,
  // relative to the folder.
  static std::string TrainingState(JobId id, int64_t attempt, int64_t number);

  // Where a relative name lies.
  std::string PathOf(const std::string& file) const { return path_ + "/" + file; }

  // Removes a file of a relative name. What cannot be removed is found by RemoveStates.
  void RemoveFile(const std::string& file) const;

  // Removes all states of the job's trainings but those of the relative names `kept`, and what a
  // write that was cut short has left of them. Not while one is being written.
  void RemoveStates(JobId id, const std::vector<std::string>& kept = {}) const;

  // As RemoveStates, and the final weights too, unless they are among `kept`; and the job's folder,
  // where nothing is left in it.
  void RemoveWeights(JobId id, const std::vector<std::string>& kept) const;

  // Removes the job's final weights, and what a write of them that was cut short has left.
  void RemoveFinalWeights(JobId id) const;

  // Those that have a folder, in no order; none where the folder cannot be read.
  std::vector<JobId> Jobs() const;

  // Removes everything of these jobs, which are gone from the store. What cannot be removed stays
  // behind: nothing refers to it, and ids are never given again.
  void Remove(const std::vector<JobId>& ids) const;

 private:
  void RemoveWhere(JobId id, const std::vector<std::string>& kept,
                   const std::function<bool(const std::string&)>& is_ours) const;

  const std::string path_;
};

}  // namespace anneal
