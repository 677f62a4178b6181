// What is known of a file of weights without opening it.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "server/core/job.h"

namespace anneal {

struct CheckpointInfo {
  std::string file;         // below the folder of artifacts: "7/final.safetensors"
  int64_t epoch = 0;        // that the weights are of
  int64_t bytes = 0;        // of the file
  std::string sha256;       // of the file, hex
  std::string description;  // serialized anneal.v1.ModelDescription
};

// Where a training that was interrupted can go on.
struct TrainingStateInfo {
  std::string file;         // below the folder of artifacts: "7/state-1-12.safetensors"
  int64_t epochs = 0;       // finished
  int64_t batches = 0;      // trained of the epoch after them
  int64_t bytes = 0;        // of the file
  std::string sha256;       // of the file, hex
  std::string fingerprint;  // of the attempt that wrote it; under another one what follows is not
                            // the same to the last bit
};

// The trained networks that can be used. Thread-safe.
class ModelCatalog {
 public:
  virtual ~ModelCatalog() = default;

  // The final weights of a training. NOT_FOUND: no such job. FAILED_PRECONDITION: it has not ended,
  // has none or is no training; the message says what it is ("job 7 is RUNNING; ..."). Errors of
  // the store otherwise.
  virtual absl::StatusOr<CheckpointInfo> FindModel(JobId id) const = 0;
};

}  // namespace anneal
