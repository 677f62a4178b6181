#include "server/engine/checkpoint.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "server/core/durable_file.h"
#include "server/core/status_macros.h"
#include "server/engine/safetensors.h"
#include "server/engine/sha256.h"

namespace anneal {
namespace {

constexpr char kDescriptionKey[] = "anneal.model";
constexpr char kPreparationPrefix[] = "input_preparation/";

absl::Status Unusable(const std::string& path, const std::string& what) {
  return absl::DataLossError(
      absl::StrCat("the checkpoint ", path, " ", what,
                   "; restore it from a copy, or train again: the same job file gives the same "
                   "weights"));
}

absl::StatusOr<std::string> ReadWhole(const std::string& path, const CheckpointInfo& info) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return Unusable(path, absl::StrCat("cannot be read: ", std::strerror(errno)));
  const auto bytes = static_cast<int64_t>(file.tellg());
  if (bytes != info.bytes) {
    return Unusable(path, absl::StrCat("has ", bytes, " bytes and was written with ", info.bytes));
  }
  std::string contents(static_cast<size_t>(bytes), '\0');
  file.seekg(0);
  if (!file.read(contents.data(), bytes)) return Unusable(path, "could not be read to its end");
  Sha256 digest;
  digest.Add(contents.data(), contents.size());
  if (const std::string sha256 = digest.Hex(); sha256 != info.sha256) {
    return Unusable(path, absl::StrCat("has changed since it was written: its SHA-256 is ", sha256,
                                       ", not ", info.sha256));
  }
  return contents;
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

  ASSIGN_OR_RETURN(const std::unique_ptr<DurableFile> file, DurableFile::Create(path));
  Sha256 digest;
  RETURN_IF_ERROR(
      WriteSafetensors(tensors, metadata, [&](const void* bytes, size_t count) -> absl::Status {
        digest.Add(bytes, count);
        info.bytes += static_cast<int64_t>(count);
        return file->Write(bytes, count);
      }));
  RETURN_IF_ERROR(file->Commit());
  info.sha256 = digest.Hex();
  return info;
}

absl::StatusOr<TrainedModel> LoadCheckpoint(const std::string& path, const CheckpointInfo& info,
                                            const ValidatedSpec& spec,
                                            std::unique_ptr<Kernels> kernels) {
  ASSIGN_OR_RETURN(const std::string contents, ReadWhole(path, info));
  absl::StatusOr<Safetensors> parsed = ParseSafetensors(contents);
  if (!parsed.ok()) return Unusable(path, std::string(parsed.status().message()));

  TrainedModel model;
  model.network = Network::Create(spec, std::move(kernels));
  for (const NamedWeight& weight : model.network->weights()) {
    const auto found = parsed->tensors.find(weight.name);
    if (found == parsed->tensors.end() || found->second.sizes() != weight.value.sizes() ||
        found->second.scalar_type() != weight.value.scalar_type()) {
      return Unusable(path, absl::StrCat("has no weight ", weight.name, " of shape [",
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
  if (!preparation.ok()) return Unusable(path, std::string(preparation.status().message()));
  model.preparation = *std::move(preparation);
  return model;
}

}  // namespace anneal
