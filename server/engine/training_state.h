// A training between two batches: in memory, in a file, and back.
//
// The file's tensors are the flat buffers as they lie in memory: "parameters", "buffers",
// "moments/0", ..., and where there are any "best_parameters", "best_buffers" (of early stopping)
// and "pruning_mask". Numbers are in an anneal.v1.TrainingStateRecord in the metadata (key
// "anneal.training_state", base64).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anneal/v1/training.pb.h"
#include "anneal/v1/training_state.pb.h"
#include "server/core/checkpoint_info.h"
#include "server/engine/early_stopping.h"
#include "server/engine/engine.h"
#include "server/engine/reduce_on_plateau.h"
#include "server/engine/safetensors.h"
#include "server/engine/training_step.h"

namespace anneal {

// What a training remembers beside its TrainingStep.
struct TrainingMemory {
  int64_t epochs = 0;  // finished

  // Of the epoch under way.
  int64_t batches = 0;
  LossSums sums;
  int64_t elapsed_us = 0;  // by earlier attempts

  std::optional<EarlyStopping> early_stopping;  // where the spec asks for it, as the next
  std::optional<ReduceOnPlateau> plateau;
  at::Tensor best_parameters;  // shape of the network's; defined where the best are to be restored
  at::Tensor best_buffers;

  // Whether best_parameters have been the best of some epoch.
  bool has_best() const { return best_parameters.defined() && early_stopping->best_epoch() > 0; }

  void BeginEpoch() {
    batches = 0;
    sums = {};
    elapsed_us = 0;
  }
};

// What a state must be of to be gone on from: the SHA-256 of the spec, hex.
std::string TrainingSha256(const v1::TrainingSpec& training);

// Where `step` and `memory` stand. Shares their tensors: to be written before they change.
class CapturedTrainingState final : public TrainingState {
 public:
  // `fingerprint`: of the attempt.
  CapturedTrainingState(TrainingStep& step, const TrainingMemory& memory,
                        const std::string& training_sha256, const std::string& fingerprint);

  absl::StatusOr<TrainingStateInfo> Write(const std::string& path) const override;

 private:
  v1::TrainingStateRecord record_;
  std::vector<NamedTensor> tensors_;
};

struct LoadedTrainingState {
  v1::TrainingStateRecord record;
  std::map<std::string, at::Tensor> tensors;  // on the CPU
};

// DATA_LOSS: the file is not, bit for bit, what `info` says, or is of another spec or format.
absl::StatusOr<LoadedTrainingState> LoadTrainingState(const std::string& path,
                                                      const TrainingStateInfo& info,
                                                      const std::string& training_sha256);

// Puts `step` and `memory`, both as at the beginning of the same training, where they were when the
// state was captured. DATA_LOSS: it does not fit them; nothing is changed then.
absl::Status RestoreTrainingState(const LoadedTrainingState& state, TrainingStep& step,
                                  TrainingMemory& memory);

}  // namespace anneal
