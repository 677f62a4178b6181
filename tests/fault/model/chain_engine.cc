#include "tests/fault/model/chain_engine.h"

#include <algorithm>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/durable_file.h"
#include "server/core/status_macros.h"
#include "server/rpc/digest.h"
#include "server/spec/model_description.h"
#include "server/spec/validated_spec.h"
#include "tests/fault/model/plan.h"

namespace anneal::model {
namespace {

constexpr char kFingerprint[] = "chain of hashes";

// In pieces, with work between them, as large files are: a kill has time to come in the middle.
absl::Status WriteSlowly(const std::string& path, const std::string& contents) {
  constexpr size_t kPiece = 4096;
  uint64_t work = contents.size();
  [[maybe_unused]] volatile uint64_t done = 0;  // so that the work is not left out
  ASSIGN_OR_RETURN(const std::unique_ptr<DurableFile> file, DurableFile::Create(path));
  for (size_t begin = 0; begin < contents.size(); begin += kPiece) {
    for (int round = 0; round < 10'000; ++round) work = Mix(work);
    done = work;
    RETURN_IF_ERROR(
        file->Write(contents.data() + begin, std::min(kPiece, contents.size() - begin)));
  }
  return file->Commit();
}

std::string ReadWhole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

class ChainStateFile final : public TrainingState {
 public:
  explicit ChainStateFile(const ChainState& state)
      : state_(state), contents_(state.Serialize() + "\n" + std::string(16'000, '.')) {}

  absl::StatusOr<TrainingStateInfo> Write(const std::string& path) const override {
    RETURN_IF_ERROR(WriteSlowly(path, contents_));
    written_ = true;
    TrainingStateInfo info;
    info.epochs = state_.epochs;
    info.batches = state_.steps;
    info.bytes = static_cast<int64_t>(contents_.size());
    info.sha256 = Sha256Hex(contents_);
    info.fingerprint = kFingerprint;
    return info;
  }

  bool written() const { return written_; }

 private:
  const ChainState state_;
  const std::string contents_;
  mutable bool written_ = false;
};

class ChainWeights final : public FinalWeights {
 public:
  ChainWeights(const ValidatedSpec& spec, const TrainingResult& result)
      : result_(result),
        description_(DescribeModel(spec, result.epochs, result.weights_sha256, kFingerprint)
                         .SerializeAsString()) {}

  absl::StatusOr<CheckpointInfo> Write(const std::string& path) const override {
    const std::string contents = FinalWeightsText(result_);
    RETURN_IF_ERROR(WriteSlowly(path, contents));
    CheckpointInfo info;
    info.epoch = result_.epochs;
    info.bytes = static_cast<int64_t>(contents.size());
    info.sha256 = Sha256Hex(contents);
    info.description = description_;
    return info;
  }

 private:
  const TrainingResult result_;
  const std::string description_;
};

// Nothing where the file is not, bit for bit, what its info says.
std::optional<ChainState> ReadState(const ResumePoint& point) {
  const std::string contents = ReadWhole(point.path);
  if (Sha256Hex(contents) != point.info.sha256) return std::nullopt;
  std::optional<ChainState> state = ChainState::Parse(contents);
  if (state && (state->epochs != point.info.epochs || state->steps != point.info.batches))
    return std::nullopt;
  return state;
}

}  // namespace

absl::Status ChainEngine::CheckDevice(const std::string& device) const {
  if (device.empty() || device == "auto" || device == "cpu") return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("there is no device \"", device, "\"; there is: cpu"));
}

std::string ChainEngine::Fingerprint(const std::string& /*device*/) const { return kFingerprint; }

// From the first state that is whole; kill -9 damages none, so one that is not is written down.
ChainState ChainEngine::Start(const ChainPlan& plan, const std::vector<ResumePoint>& resume,
                              const WorkRecord& who, TrainingObserver& observer) const {
  for (const ResumePoint& point : resume) {
    if (const std::optional<ChainState> state = ReadState(point)) return *state;
    WorkRecord record = who;
    record.kind = WorkRecord::Kind::kDamaged;
    log_.Add(record);
    observer.OnWarning(absl::StrCat("the state in ", point.info.file, " is damaged"));
  }
  return FirstState(plan);
}

absl::StatusOr<TrainingOutcome> ChainEngine::Train(const ValidatedSpec& spec,
                                                   const std::vector<ResumePoint>& resume,
                                                   std::stop_token stop, TrainingObserver& observer,
                                                   ProgressCell& progress) {
  const ChainPlan plan = PlanOf(spec.proto());
  WorkRecord who;
  who.run = runs_.fetch_add(1);
  who.job = JobKeyOf(spec.proto().name());
  ChainState state = Start(plan, resume, who, observer);
  const auto note = [&](WorkRecord::Kind kind) {
    who.kind = kind;
    who.steps = state.TotalSteps(plan);
    log_.Add(who);
  };
  const auto keep = [&](bool stopping) {
    const ChainStateFile file(state);
    observer.OnState(file, stopping);
    if (file.written()) note(WorkRecord::Kind::kKept);
  };

  note(WorkRecord::Kind::kBegin);
  progress.BeginAttempt(plan.epochs, plan.steps_per_epoch, spec.training_samples(),
                        clock_.MonotonicUs());
  for (;;) {
    if (const std::optional<ChainEnd> end = EndOf(plan, state)) {
      TrainingOutcome outcome;
      outcome.stop_reason = end->stop_reason;
      outcome.result = end->result;
      if (end->succeeded() && !observer.OnFinalWeights(ChainWeights(spec, end->result)).ok())
        outcome.stop_reason = StopReason::kStorage;
      note(WorkRecord::Kind::kEnd);
      return outcome;
    }
    progress.BeginEpoch(state.epochs + 1, clock_.MonotonicUs());
    while (state.steps < plan.steps_per_epoch) {
      if (stop.stop_requested()) {
        keep(/*stopping=*/true);
        note(WorkRecord::Kind::kStopped);
        return absl::CancelledError("stopped");
      }
      note(WorkRecord::Kind::kStep);
      TakeStep(plan, state);
      progress.Step(state.steps, state.steps, 0, 0);
    }
    const EpochRecord record = EndEpoch(plan, state);
    progress.EndEpoch(record, clock_.MonotonicUs());
    if (!observer.OnEpoch(record).ok()) {
      TrainingOutcome outcome;
      outcome.stop_reason = StopReason::kStorage;
      note(WorkRecord::Kind::kEnd);
      return outcome;
    }
    if (!EndOf(plan, state).has_value()) keep(/*stopping=*/false);
  }
}

absl::StatusOr<TrainingOutcome> ChainEngine::Predict(const ValidatedPrediction& /*prediction*/,
                                                     const std::string& /*checkpoint_path*/,
                                                     int64_t /*stored*/, std::stop_token /*stop*/,
                                                     PredictionObserver& /*observer*/,
                                                     ProgressCell& /*progress*/) {
  TrainingOutcome outcome;
  outcome.stop_reason = StopReason::kInternal;
  outcome.message = "chains of hashes predict nothing";
  return outcome;
}

}  // namespace anneal::model
