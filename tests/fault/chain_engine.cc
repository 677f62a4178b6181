#include "tests/fault/chain_engine.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/core/durable_file.h"
#include "server/core/prediction_measures.h"
#include "server/core/status_macros.h"
#include "server/scheduler/attempt_observer.h"
#include "server/spec/model_description.h"
#include "server/spec/validated_prediction.h"
#include "server/spec/validated_spec.h"
#include "tests/fault/sha256.h"

namespace anneal {
namespace {

constexpr int64_t kBlocks = 100;       // of 64 bytes, in weights
constexpr size_t kPieceBytes = 3'000;  // of a file, at a time
constexpr int64_t kChunkImages = 4;

std::string NextLink(const std::string& link) { return Sha256Of(absl::StrCat("next ", link)); }

std::string LinkOf(const std::string& name, int64_t epochs) {
  std::string link = Sha256Of(name);
  for (int64_t epoch = 1; epoch <= epochs; ++epoch) link = NextLink(link);
  return link;
}

// Begins with the link, so that a state holds what it takes to go on.
std::string WeightsOf(const std::string& link) {
  std::string weights = link;
  for (int64_t block = 1; block < kBlocks; ++block) {
    absl::StrAppend(&weights, Sha256Of(absl::StrCat(link, block)));
  }
  return weights;
}

// From 0 to 1.
double NumberOf(const std::string& link) {
  return static_cast<double>(std::stoul(link.substr(0, 8), nullptr, 16)) / 4294967296.0;
}

std::vector<MetricValue> MetricsOf(const std::string& link) {
  return {{"accuracy", NumberOf(link.substr(8))}, {"loss", NumberOf(link)}};
}

absl::Status WriteWhole(const std::string& path, const std::string& contents) {
  ASSIGN_OR_RETURN(const std::unique_ptr<DurableFile> file, DurableFile::Create(path));
  for (size_t done = 0; done < contents.size(); done += kPieceBytes) {
    RETURN_IF_ERROR(
        file->Write(contents.data() + done, std::min(kPieceBytes, contents.size() - done)));
  }
  return file->Commit();
}

// The file's contents, if they are what they were written as.
std::optional<std::string> ReadWhole(const std::string& path, int64_t bytes,
                                     const std::string& sha256) {
  std::ifstream file(path, std::ios::binary);
  std::string contents{std::istreambuf_iterator<char>(file), {}};
  if (static_cast<int64_t>(contents.size()) != bytes || Sha256Of(contents) != sha256) {
    return std::nullopt;
  }
  return contents;
}

class ChainState final : public TrainingState {
 public:
  ChainState(const std::string& link, int64_t epochs)
      : contents_(WeightsOf(link)), epochs_(epochs) {}

  absl::StatusOr<TrainingStateInfo> Write(const std::string& path) const override {
    RETURN_IF_ERROR(WriteWhole(path, contents_));
    TrainingStateInfo info;
    info.epochs = epochs_;
    info.bytes = static_cast<int64_t>(contents_.size());
    info.sha256 = Sha256Of(contents_);
    info.fingerprint = "chain";
    return info;
  }

 private:
  const std::string contents_;
  const int64_t epochs_;
};

class ChainFinalWeights final : public FinalWeights {
 public:
  ChainFinalWeights(const ValidatedSpec& spec, const std::string& link, int64_t epochs)
      : contents_(WeightsOf(link)),
        description_(DescribeModel(spec, epochs, Sha256Of(contents_), "chain").SerializeAsString()),
        epochs_(epochs) {}

  absl::StatusOr<CheckpointInfo> Write(const std::string& path) const override {
    RETURN_IF_ERROR(WriteWhole(path, contents_));
    CheckpointInfo info;
    info.epoch = epochs_;
    info.bytes = static_cast<int64_t>(contents_.size());
    info.sha256 = Sha256Of(contents_);
    info.description = description_;
    return info;
  }

 private:
  const std::string contents_;
  const std::string description_;
  const int64_t epochs_;
};

TrainingOutcome NotStored(const absl::Status& status) {
  TrainingOutcome outcome;
  outcome.stop_reason = StopReason::kStorage;
  outcome.message = std::string(status.message());
  return outcome;
}

}  // namespace

std::string ChainWeights(const std::string& name, int64_t epochs) {
  return WeightsOf(LinkOf(name, epochs));
}

std::vector<MetricValue> ChainMetrics(const std::string& name, int64_t epoch) {
  return MetricsOf(LinkOf(name, epoch));
}

int32_t ChainPrediction(const std::string& weights, int64_t image, int64_t classes) {
  const std::string digest = Sha256Of(absl::StrCat(weights, image));
  return static_cast<int32_t>(std::stoul(digest.substr(0, 6), nullptr, 16) %
                              static_cast<unsigned long>(classes));
}

void ChainEngine::SetGate(const std::string& name, int64_t before_epoch) {
  const std::lock_guard<std::mutex> lock(mutex_);
  gates_[name] = before_epoch;
}

void ChainEngine::OpenGate(const std::string& name) {
  const std::lock_guard<std::mutex> lock(mutex_);
  gates_.erase(name);
  changed_.notify_all();
}

bool ChainEngine::IsHeld(const std::string& name) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return held_.count(name) > 0;
}

int64_t ChainEngine::DamagedStates() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return damaged_states_;
}

void ChainEngine::WaitAtGate(const std::string& name, int64_t epoch, const std::stop_token& stop) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto closed = [&] {
    const auto gate = gates_.find(name);
    return gate != gates_.end() && gate->second <= epoch;
  };
  if (!closed()) return;
  const auto held = held_.insert(name);
  changed_.wait(lock, stop, [&] { return !closed(); });
  held_.erase(held);
}

absl::StatusOr<TrainingOutcome> ChainEngine::Train(const ValidatedSpec& spec,
                                                   const std::vector<ResumePoint>& resume,
                                                   std::stop_token stop, TrainingObserver& observer,
                                                   ProgressCell& progress) {
  const std::string name = spec.proto().name();
  const int64_t epochs = spec.proto().training().epochs();
  int64_t done = 0;
  std::string link = Sha256Of(name);
  for (const ResumePoint& point : resume) {
    const std::optional<std::string> state =
        ReadWhole(point.path, point.info.bytes, point.info.sha256);
    if (state.has_value()) {
      done = point.info.epochs;
      link = state->substr(0, link.size());
      break;
    }
    observer.OnWarning(absl::StrCat(point.info.file, " is damaged"));
    const std::lock_guard<std::mutex> lock(mutex_);
    damaged_states_ += 1;
  }
  progress.BeginAttempt(epochs, 1, spec.training_samples(), clock_.MonotonicUs());
  const auto stopped = [&] {
    if (!stop.stop_requested()) return false;
    observer.OnState(ChainState(link, done), /*stopping=*/true);
    return true;
  };
  while (done < epochs) {
    WaitAtGate(name, done + 1, stop);
    if (stopped()) return absl::CancelledError("stopped");
    EpochRecord record;
    record.epoch = done + 1;
    link = NextLink(link);
    record.metrics = MetricsOf(link);
    if (const absl::Status stored = observer.OnEpoch(record); !stored.ok()) {
      return NotStored(stored);
    }
    done += 1;
    clock_.Advance(AttemptObserver::kStateIntervalUs);
    if (done < epochs) observer.OnState(ChainState(link, done), /*stopping=*/false);
  }
  if (stopped()) return absl::CancelledError("stopped");
  TrainingOutcome outcome;
  outcome.result.epochs = epochs;
  outcome.result.metrics = MetricsOf(link);
  outcome.result.weights_sha256 = Sha256Of(WeightsOf(link));
  const absl::Status kept = observer.OnFinalWeights(ChainFinalWeights(spec, link, epochs));
  return kept.ok() ? outcome : NotStored(kept);
}

absl::StatusOr<TrainingOutcome> ChainEngine::Predict(const ValidatedPrediction& prediction,
                                                     const std::string& checkpoint_path,
                                                     int64_t stored, std::stop_token stop,
                                                     PredictionObserver& observer,
                                                     ProgressCell& progress) {
  const PredictionSet& set = prediction.set();
  const CheckpointInfo& checkpoint = prediction.checkpoint();
  const std::optional<std::string> weights =
      ReadWhole(checkpoint_path, checkpoint.bytes, checkpoint.sha256);
  TrainingOutcome outcome;
  if (!weights.has_value()) {
    outcome.stop_reason = StopReason::kInvalidData;
    outcome.message = absl::StrCat(checkpoint_path, " is damaged");
    return outcome;
  }
  progress.BeginAttempt(1, set.images, set.images - stored, clock_.MonotonicUs());
  for (int64_t done = stored; done < set.images;) {
    if (stop.stop_requested()) return absl::CancelledError("stopped");
    PredictionChunk chunk =
        MakePredictionChunk(set, set.begin + done, std::min(kChunkImages, set.images - done));
    for (int64_t i = 0; i < chunk.count; ++i) {
      const int32_t predicted = ChainPrediction(*weights, chunk.begin + i, set.classes());
      std::vector<float> probabilities(static_cast<size_t>(set.classes()));
      probabilities[static_cast<size_t>(predicted)] = 1;
      ImageProbabilities image;
      image.label = static_cast<int32_t>((chunk.begin + i) % set.classes());
      image.classes = set.classes();
      image.deterministic = probabilities.data();
      MeasureImage(image, i, chunk);
    }
    if (const absl::Status kept = observer.OnChunk(chunk); !kept.ok()) return NotStored(kept);
    done += chunk.count;
  }
  return outcome;
}

}  // namespace anneal
