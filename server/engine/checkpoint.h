// A trained network in a file: safetensors, with an anneal.v1.ModelDescription in its metadata
// (key "anneal.model", base64).
//
// The tensors are the network's weights ("dense_3/kernel"; a Dense kernel is [inputs, units], a
// Conv2D kernel [height, width, channels / groups, filters], as in Keras) and what the input
// preparation was fitted to ("input_preparation/scale", ...).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "anneal/v1/model.pb.h"
#include "server/core/checkpoint_info.h"
#include "server/engine/engine.h"
#include "server/engine/input_preparation.h"
#include "server/engine/kernels/kernels.h"
#include "server/engine/network.h"
#include "server/spec/validated_spec.h"

namespace anneal {

// Of a network as it is when Write is called. What it is given must outlive it.
class Checkpoint final : public FinalWeights {
 public:
  Checkpoint(const Network& network, const InputPreparation& preparation,
             v1::ModelDescription description)
      : network_(network), preparation_(preparation), description_(std::move(description)) {}

  absl::StatusOr<CheckpointInfo> Write(const std::string& path) const override;

 private:
  const Network& network_;
  const InputPreparation& preparation_;
  const v1::ModelDescription description_;
};

// A network that can be used, but not trained on.
struct TrainedModel {
  std::unique_ptr<Network> network;
  InputPreparation preparation;
};

// Reads the file at `path` into a network of `spec`, whose weights it must have. DATA_LOSS: the file
// is missing, its size or SHA-256 is not that of `info`, or it does not hold what the spec needs;
// the message says what to do.
absl::StatusOr<TrainedModel> LoadCheckpoint(const std::string& path, const CheckpointInfo& info,
                                            const ValidatedSpec& spec,
                                            std::unique_ptr<Kernels> kernels);

}  // namespace anneal
