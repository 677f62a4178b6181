#include "server/engine/training_state.h"

#include <ATen/ATen.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/core/status_macros.h"
#include "server/engine/sha256.h"
#include "server/engine/tensor_file.h"

namespace anneal {
namespace {

using Record = v1::TrainingStateRecord;

constexpr int32_t kFormat = 1;
constexpr char kRecordKey[] = "anneal.training_state";
constexpr char kPruningMask[] = "pruning_mask";

// Every tensor of a state, by name: to be written, and to be filled. `mask` may be undefined.
std::vector<NamedTensor> Tensors(TrainingStep& step, const TrainingMemory& memory, bool with_best,
                                 const at::Tensor& mask) {
  std::vector<NamedTensor> tensors = {{"parameters", step.network().parameters()},
                                      {"buffers", step.network().buffers()}};
  const std::vector<at::Tensor>& moments = step.optimizer().moments();
  for (size_t k = 0; k < moments.size(); ++k)
    tensors.push_back({absl::StrCat("moments/", k), moments[k]});
  if (with_best) {
    tensors.push_back({"best_parameters", memory.best_parameters});
    tensors.push_back({"best_buffers", memory.best_buffers});
  }
  if (mask.defined()) tensors.push_back({kPruningMask, mask});
  return tensors;
}

std::optional<double> BestOf(const Record::Rule& rule) {
  return rule.has_best() ? std::optional<double>(rule.best()) : std::nullopt;
}

}  // namespace

std::string TrainingSha256(const v1::TrainingSpec& training) {
  const std::string bytes = training.SerializeAsString();  // no maps: one order
  Sha256 digest;
  digest.Add(bytes.data(), bytes.size());
  return digest.Hex();
}

CapturedTrainingState::CapturedTrainingState(TrainingStep& step, const TrainingMemory& memory,
                                             const std::string& training_sha256,
                                             const std::string& fingerprint)
    : tensors_(Tensors(step, memory, memory.has_best(), step.pruning().mask())) {
  record_.set_format(kFormat);
  record_.set_training_sha256(training_sha256);
  record_.set_fingerprint(fingerprint);
  record_.set_epochs(memory.epochs);
  record_.set_steps(step.steps());
  record_.set_batches(memory.batches);
  record_.set_loss_sum(memory.sums.loss);
  record_.set_correct(memory.sums.correct);
  record_.mutable_top_hits()->Add(step.top_hits().begin(), step.top_hits().end());
  record_.set_elapsed_us(memory.elapsed_us);
  const GradientNorms::Sums& norms = step.gradient_norms().sums();
  Record::GradientNorms& of_norms = *record_.mutable_gradient_norms();
  of_norms.set_steps(norms.steps);
  of_norms.set_total(norms.total);
  of_norms.mutable_by_layer()->Add(norms.by_layer.begin(), norms.by_layer.end());
  record_.set_learning_rate(step.optimizer().learning_rate());
  record_.set_momentum_product(step.optimizer().momentum_product());
  if (memory.early_stopping.has_value()) {
    Record::Rule& rule = *record_.mutable_early_stopping();
    const std::optional<double> best = memory.early_stopping->best_value();
    if (best.has_value()) rule.set_best(*best);
    rule.set_best_epoch(memory.early_stopping->best_epoch());
    rule.set_wait(memory.early_stopping->wait());
  }
  if (memory.plateau.has_value()) {
    Record::Rule& rule = *record_.mutable_plateau();
    const ReduceOnPlateau::State& state = memory.plateau->state();
    if (state.best.has_value()) rule.set_best(*state.best);
    rule.set_wait(state.wait);
    rule.set_rest(state.rest);
  }
}

absl::StatusOr<TrainingStateInfo> CapturedTrainingState::Write(const std::string& path) const {
  ASSIGN_OR_RETURN(
      const FileIdentity identity,
      WriteTensorFile(path, tensors_,
                      {{kRecordKey, absl::Base64Escape(record_.SerializeAsString())}}));
  TrainingStateInfo info;
  info.epochs = record_.epochs();
  info.batches = record_.batches();
  info.bytes = identity.bytes;
  info.sha256 = identity.sha256;
  info.fingerprint = record_.fingerprint();
  return info;
}

absl::StatusOr<LoadedTrainingState> LoadTrainingState(const std::string& path,
                                                      const TrainingStateInfo& info,
                                                      const std::string& training_sha256) {
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
  if (loaded.record.training_sha256() != training_sha256)
    return absl::DataLossError(absl::StrCat(path, " is of another training"));
  loaded.tensors = std::move(file.tensors);
  return loaded;
}

absl::Status RestoreTrainingState(const LoadedTrainingState& state, TrainingStep& step,
                                  TrainingMemory& memory) {
  const Record& record = state.record;
  const Record::GradientNorms& norms = record.gradient_norms();
  if (record.top_hits_size() != static_cast<int>(step.top_k().size()) ||
      norms.by_layer_size() != static_cast<int>(step.gradient_norms().sums().by_layer.size()) ||
      record.batches() > step.batches()) {
    return absl::DataLossError("its counts are those of another training");
  }
  at::Tensor mask;
  if (state.tensors.contains(kPruningMask)) mask = at::empty_like(step.network().parameters());
  const bool with_best =
      memory.best_parameters.defined() && record.early_stopping().best_epoch() > 0;
  const std::vector<NamedTensor> targets = Tensors(step, memory, with_best, mask);
  for (const NamedTensor& target : targets) {
    const auto found = state.tensors.find(target.name);
    if (found == state.tensors.end() || found->second.sizes() != target.value.sizes() ||
        found->second.scalar_type() != target.value.scalar_type()) {
      return absl::DataLossError(
          absl::StrCat("it has no tensor ", target.name, " of ", target.value.numel(), " numbers"));
    }
  }

  for (const NamedTensor& target : targets) target.value.copy_(state.tensors.at(target.name));
  if (mask.defined()) step.pruning().Restore(mask);
  Optimizer& optimizer = step.optimizer();
  optimizer.set_step(record.steps());
  optimizer.set_learning_rate(record.learning_rate());
  optimizer.set_momentum_product(record.momentum_product());
  step.set_steps(record.steps());
  step.set_top_hits({record.top_hits().begin(), record.top_hits().end()});
  step.gradient_norms().Restore(
      {norms.steps(), norms.total(), {norms.by_layer().begin(), norms.by_layer().end()}});
  memory.epochs = record.epochs();
  memory.batches = record.batches();
  memory.sums.loss = record.loss_sum();
  memory.sums.correct = record.correct();
  memory.elapsed_us = record.elapsed_us();
  if (memory.early_stopping.has_value()) {
    const Record::Rule& rule = record.early_stopping();
    memory.early_stopping->Restore(BestOf(rule), rule.best_epoch(), rule.wait());
  }
  if (memory.plateau.has_value()) {
    const Record::Rule& rule = record.plateau();
    memory.plateau->Restore({BestOf(rule), rule.wait(), rule.rest()});
  }
  return absl::OkStatus();
}

}  // namespace anneal
