#include "server/engine/checkpoint.h"

#include <map>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "server/core/status_macros.h"
#include "server/engine/tensor_file.h"

namespace anneal {
namespace {

constexpr char kDescriptionKey[] = "anneal.model";
constexpr char kPreparationPrefix[] = "input_preparation/";

absl::Status Unusable(const std::string& what) {
  return absl::DataLossError(absl::StrCat(
      "the checkpoint ", what,
      "; restore it from a copy, or train again: the same job file gives the same weights"));
}

}  // namespace

absl::StatusOr<CheckpointInfo> Checkpoint::Write(const std::string& path) const {
  CheckpointInfo info;
  info.epoch = description_.epoch();
  info.description = description_.SerializeAsString();
  std::vector<NamedTensor> tensors;
  for (const NamedWeight& weight : network_.weights())
    tensors.push_back({weight.name, weight.value});
  for (const NamedTensor& fitted : preparation_.Fitted())
    tensors.push_back({kPreparationPrefix + fitted.name, fitted.value});
  const SafetensorsMetadata metadata = {{kDescriptionKey, absl::Base64Escape(info.description)}};

  ASSIGN_OR_RETURN(const FileIdentity identity, WriteTensorFile(path, tensors, metadata));
  info.bytes = identity.bytes;
  info.sha256 = identity.sha256;
  return info;
}

absl::StatusOr<TrainedModel> LoadCheckpoint(const std::string& path, const CheckpointInfo& info,
                                            const ValidatedSpec& spec,
                                            std::unique_ptr<Kernels> kernels) {
  const absl::StatusOr<Safetensors> parsed = ReadTensorFile(path, {info.bytes, info.sha256});
  if (!parsed.ok()) return Unusable(std::string(parsed.status().message()));

  TrainedModel model;
  model.network = Network::Create(spec, std::move(kernels));
  for (const NamedWeight& weight : model.network->weights()) {
    const auto found = parsed->tensors.find(weight.name);
    if (found == parsed->tensors.end() || found->second.sizes() != weight.value.sizes() ||
        found->second.scalar_type() != weight.value.scalar_type()) {
      return Unusable(absl::StrCat(path, " has no weight ", weight.name, " of shape [",
                                         absl::StrJoin(weight.value.sizes().vec(), ", "), "]"));
    }
    weight.value.copy_(found->second);
  }
  std::map<std::string, at::Tensor> fitted;
  for (const auto& [name, tensor] : parsed->tensors) {
    absl::string_view rest = name;
    if (absl::ConsumePrefix(&rest, kPreparationPrefix)) fitted[std::string(rest)] = tensor;
  }
  absl::StatusOr<InputPreparation> preparation =
      InputPreparation::Restore(spec.training().input(), spec.dataset().shape, fitted);
  if (!preparation.ok())
    return Unusable(absl::StrCat(path, ": ", preparation.status().message()));
  model.preparation = *std::move(preparation);
  return model;
}

}  // namespace anneal
