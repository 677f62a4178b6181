// A training between two batches, in a file and back.
//
// The tensors are the flat buffers as they lie in memory: "parameters", "buffers", "moments/0", ...,
// and where there are any "best_parameters", "best_buffers" (of early stopping) and "pruning_mask".
// Numbers are in an anneal.v1.TrainingStateRecord in the metadata.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "anneal/v1/training.pb.h"
#include "anneal/v1/training_state.pb.h"
#include "server/core/checkpoint_info.h"
#include "server/engine/engine.h"
#include "server/engine/safetensors.h"

namespace anneal {

// What a state must be of to be gone on from: the SHA-256 of the spec, hex.
std::string TrainingSha256(const v1::TrainingSpec& training);

// `tensors` share memory with the training: to be written before it goes on.
class WritableTrainingState final : public TrainingState {
 public:
  WritableTrainingState(v1::TrainingStateRecord record, std::vector<NamedTensor> tensors)
      : record_(std::move(record)), tensors_(std::move(tensors)) {}

  absl::StatusOr<TrainingStateInfo> Write(const std::string& path) const override;

 private:
  const v1::TrainingStateRecord record_;
  const std::vector<NamedTensor> tensors_;
};

struct LoadedTrainingState {
  v1::TrainingStateRecord record;
  std::map<std::string, at::Tensor> tensors;

  // Copies the tensor `name` into `target`. DATA_LOSS: there is none of its size and type.
  absl::Status CopyTo(const std::string& name, at::Tensor& target) const;
};

// DATA_LOSS: the file is not, bit for bit, what `info` says, or is of another spec or format.
absl::StatusOr<LoadedTrainingState> LoadTrainingState(const std::string& path,
                                                      const TrainingStateInfo& info,
                                                      const v1::TrainingSpec& training);

}  // namespace anneal
