#include "server/engine/training_state.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/core/status_macros.h"
#include "server/engine/sha256.h"
#include "server/engine/tensor_file.h"

namespace anneal {
namespace {

constexpr int32_t kFormat = 1;
constexpr char kRecordKey[] = "anneal.training_state";

}  // namespace

std::string TrainingSha256(const v1::TrainingSpec& training) {
  const std::string bytes = training.SerializeAsString();  // no maps: one order
  Sha256 digest;
  digest.Add(bytes.data(), bytes.size());
  return digest.Hex();
}

absl::StatusOr<TrainingStateInfo> WritableTrainingState::Write(const std::string& path) const {
  v1::TrainingStateRecord record = record_;
  record.set_format(kFormat);
  ASSIGN_OR_RETURN(const FileIdentity identity,
                   WriteTensorFile(path, tensors_,
                                   {{kRecordKey, absl::Base64Escape(record.SerializeAsString())}}));
  TrainingStateInfo info;
  info.epochs = record.epochs();
  info.batches = record.batches();
  info.bytes = identity.bytes;
  info.sha256 = identity.sha256;
  info.fingerprint = record.fingerprint();
  return info;
}

absl::Status LoadedTrainingState::CopyTo(const std::string& name, at::Tensor& target) const {
  const auto found = tensors.find(name);
  if (found == tensors.end() || found->second.sizes() != target.sizes() ||
      found->second.scalar_type() != target.scalar_type()) {
    return absl::DataLossError(
        absl::StrCat("it has no tensor ", name, " of ", target.numel(), " numbers"));
  }
  target.copy_(found->second);
  return absl::OkStatus();
}

absl::StatusOr<LoadedTrainingState> LoadTrainingState(const std::string& path,
                                                      const TrainingStateInfo& info,
                                                      const v1::TrainingSpec& training) {
  ASSIGN_OR_RETURN(Safetensors file, ReadTensorFile(path, {info.bytes, info.sha256}));
  LoadedTrainingState loaded;
  std::string bytes;
  if (!absl::Base64Unescape(file.metadata[kRecordKey], &bytes) ||
      !loaded.record.ParseFromString(bytes)) {
    return absl::DataLossError(absl::StrCat(path, " has no state of a training in its metadata"));
  }
  if (loaded.record.format() != kFormat) {
    return absl::DataLossError(absl::StrCat(path, " has format ", loaded.record.format(),
                                            "; this program knows format ", kFormat));
  }
  if (loaded.record.training_sha256() != TrainingSha256(training))
    return absl::DataLossError(absl::StrCat(path, " is of another training"));
  loaded.tensors = std::move(file.tensors);
  return loaded;
}

}  // namespace anneal
