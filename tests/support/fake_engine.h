// An Engine that trains by script: what each job does is said beforehand, under the name in its
// spec.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/core/durable_file.h"
#include "server/core/metrics.h"
#include "server/core/prediction_measures.h"
#include "server/core/progress.h"
#include "server/engine/engine.h"
#include "server/spec/model_description.h"
#include "server/spec/validated_prediction.h"
#include "server/spec/validated_spec.h"

namespace anneal {

// What one training does. It looks at its stop token before every epoch, unless it is deaf.
struct FakeTraining {
  std::vector<std::string> warnings = {};  // reported first
  int64_t epochs = 1;                      // epoch k has loss 1/k and accuracy 1 - 1/k
  // Waits before this epoch (from 1; epochs + 1: at the end; 0: never) until FakeEngine::Release
  // or, unless told otherwise, a stop request.
  int64_t hold_before_epoch = 0;
  bool hold_through_stop = false;  // the hold ignores stop requests; what comes after it does not
  bool deaf = false;               // all of it ignores stop requests
  std::string exception = {};      // thrown at the end, unless empty
  absl::Status status = {};        // returned at the end, unless OK
  TrainingOutcome outcome =
      {};  // else this, with result.epochs and result.weights_sha256 filled in
  std::function<void()> in_epoch = {};  // called in every epoch: what takes time there
  bool keeps_weights = false;  // a training that succeeds hands weights to its observer
};

inline absl::Status WriteFakeFile(const std::string& path, const std::string& contents) {
  absl::StatusOr<std::unique_ptr<DurableFile>> file = DurableFile::Create(path);
  if (!file.ok()) return file.status();
  if (absl::Status status = (*file)->Write(contents.data(), contents.size()); !status.ok())
    return status;
  return (*file)->Commit();
}

// What FakeEngine writes for weights: the job's name.
class FakeWeights final : public FinalWeights {
 public:
  FakeWeights(const ValidatedSpec& spec, int64_t epoch)
      : contents_("weights of " + spec.proto().name()),
        description_(DescribeModel(spec, epoch, contents_, "fake").SerializeAsString()),
        epoch_(epoch) {}

  absl::StatusOr<CheckpointInfo> Write(const std::string& path) const override {
    if (absl::Status status = WriteFakeFile(path, contents_); !status.ok()) return status;
    CheckpointInfo info;
    info.epoch = epoch_;
    info.bytes = static_cast<int64_t>(contents_.size());
    info.sha256 = "sha256 of " + contents_;
    info.description = description_;
    return info;
  }

 private:
  const std::string contents_;
  const std::string description_;
  const int64_t epoch_;
};

// What FakeEngine writes for where a training stands: the job's name and the finished epochs.
class FakeTrainingState final : public TrainingState {
 public:
  FakeTrainingState(const std::string& name, int64_t epochs)
      : contents_(absl::StrCat("state of ", name, " after ", epochs, " epochs")), epochs_(epochs) {}

  absl::StatusOr<TrainingStateInfo> Write(const std::string& path) const override {
    if (absl::Status status = WriteFakeFile(path, contents_); !status.ok()) return status;
    TrainingStateInfo info;
    info.epochs = epochs_;
    info.bytes = static_cast<int64_t>(contents_.size());
    info.sha256 = "sha256 of " + contents_;
    info.fingerprint = "fake";
    return info;
  }

 private:
  const std::string contents_;
  const int64_t epochs_;
};

// Thread-safe.
class FakeEngine final : public Engine {
 public:
  explicit FakeEngine(const Clock& clock) : clock_(clock) {}

  // --- for tests ---

  // What jobs of this name do from now on. Without a script: one epoch, COMPLETED.
  void Script(const std::string& name, FakeTraining training) {
    const std::lock_guard<std::mutex> lock(mutex_);
    scripts_[name] = std::move(training);
  }

  // Blocks until a training of this name waits in its hold.
  void AwaitHeld(const std::string& name) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return held_[name] > 0; });
  }

  // Lets every training of this name pass its hold, now and later.
  void Release(const std::string& name) {
    const std::lock_guard<std::mutex> lock(mutex_);
    released_[name] = true;
    changed_.notify_all();
  }

  // Names in the order their trainings began.
  std::vector<std::string> Began() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return began_;
  }

  // Of every training that began: the states it was given.
  std::vector<std::vector<ResumePoint>> Resumed() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return resumed_;
  }

  // Of every prediction that began: how many images were stored, and where its weights are.
  std::vector<int64_t> PredictedFrom() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return predicted_from_;
  }
  std::vector<std::string> CheckpointPaths() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return checkpoint_paths_;
  }

  int MostAtOnce() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return most_at_once_;
  }

  // --- Engine ---

  std::vector<std::string> Devices() const override { return {"cpu"}; }

  absl::Status CheckDevice(const std::string& device) const override {
    if (device.empty() || device == "auto" || device == "cpu") return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("there is no device \"", device, "\"; there is: cpu"));
  }

  std::string Fingerprint(const std::string& device) const override {
    return absl::StrCat("fake on ", device.empty() ? "auto" : device);
  }

  // Goes on after the epochs of the first state, whatever is in its file.
  absl::StatusOr<TrainingOutcome> Train(const ValidatedSpec& spec,
                                        const std::vector<ResumePoint>& resume,
                                        std::stop_token stop, TrainingObserver& observer,
                                        ProgressCell& progress) override {
    const std::string name = spec.proto().name();
    const FakeTraining training = Begin(name);
    const Ending ending(*this);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      resumed_.push_back(resume);
    }
    const auto stopped = [&](int64_t epochs) {
      if (training.deaf || !stop.stop_requested()) return false;
      observer.OnState(FakeTrainingState(name, epochs), /*stopping=*/true);
      return true;
    };
    progress.BeginAttempt(training.epochs, 1, spec.training_samples(), clock_.MonotonicUs());
    for (const std::string& warning : training.warnings) observer.OnWarning(warning);
    const int64_t done = resume.empty() ? 0 : resume[0].info.epochs;
    for (int64_t epoch = done + 1; epoch <= training.epochs; ++epoch) {
      Hold(name, training, epoch, stop);
      if (stopped(epoch - 1)) return absl::CancelledError("stopped");
      progress.BeginEpoch(epoch, clock_.MonotonicUs());
      if (training.in_epoch) training.in_epoch();
      EpochRecord record;
      record.epoch = epoch;
      const double share = 1.0 / static_cast<double>(epoch);
      record.metrics = {{"accuracy", 1 - share}, {"loss", share}};
      progress.Step(1, spec.training_samples(),
                    share * static_cast<double>(spec.training_samples()), 0);
      progress.EndEpoch(record, clock_.MonotonicUs());
      if (const absl::Status stored = observer.OnEpoch(record); !stored.ok()) {
        TrainingOutcome outcome;
        outcome.stop_reason = StopReason::kStorage;
        outcome.message = std::string(stored.message());
        outcome.result.epochs = epoch;
        return outcome;
      }
      if (epoch < training.epochs)
        observer.OnState(FakeTrainingState(name, epoch), /*stopping=*/false);
    }
    Hold(name, training, training.epochs + 1, stop);
    if (stopped(training.epochs)) return absl::CancelledError("stopped");
    if (!training.exception.empty()) throw std::runtime_error(training.exception);
    if (!training.status.ok()) return training.status;
    TrainingOutcome outcome = training.outcome;
    outcome.result.epochs = training.epochs;
    outcome.result.weights_sha256 = absl::StrCat("weights of ", name);
    if (training.keeps_weights && outcome.succeeded()) {
      const absl::Status kept = observer.OnFinalWeights(FakeWeights(spec, training.epochs));
      if (!kept.ok()) {
        outcome.stop_reason = StopReason::kStorage;
        outcome.message = std::string(kept.message());
      }
    }
    return outcome;
  }

  // Chunks of four images. Does what was said under the name "prediction": epochs are chunks there,
  // whose number is not taken from the script. Image k is of class k % classes; the network is sure
  // of class 0.
  absl::StatusOr<TrainingOutcome> Predict(const ValidatedPrediction& prediction,
                                          const std::string& checkpoint_path, int64_t stored,
                                          std::stop_token stop, PredictionObserver& observer,
                                          ProgressCell& progress) override {
    const FakeTraining script = Begin("prediction");
    const Ending ending(*this);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      predicted_from_.push_back(stored);
      checkpoint_paths_.push_back(checkpoint_path);
    }
    const PredictionSet& set = prediction.set();
    progress.BeginAttempt(1, set.images, set.images - stored, clock_.MonotonicUs());
    progress.BeginEpoch(1, clock_.MonotonicUs());
    std::vector<float> probabilities(static_cast<size_t>(set.classes()));
    probabilities[0] = 1;
    int64_t number = 1;
    for (int64_t done = stored; done < set.images; ++number) {
      Hold("prediction", script, number, stop);
      if (!script.deaf && stop.stop_requested()) return absl::CancelledError("stopped");
      PredictionChunk chunk = MakePredictionChunk(set, set.begin + done,
                                                  std::min<int64_t>(4, set.images - done));
      for (int64_t n = 0; n < chunk.count; ++n) {
        ImageProbabilities image;
        image.label = static_cast<int32_t>((chunk.begin + n) % set.classes());
        image.classes = set.classes();
        image.deterministic = probabilities.data();
        image.samples = 1;
        image.sampled = probabilities.data();
        if (set.samples == 0) image.samples = 0;
        MeasureImage(image, n, chunk);
      }
      if (const absl::Status kept = observer.OnChunk(chunk); !kept.ok()) {
        TrainingOutcome outcome;
        outcome.stop_reason = StopReason::kStorage;
        outcome.message = std::string(kept.message());
        return outcome;
      }
      done += chunk.count;
      progress.Step(done, done - stored, 0, 0);
    }
    if (!script.exception.empty()) throw std::runtime_error(script.exception);
    if (!script.status.ok()) return script.status;
    return script.outcome;
  }

 private:
  // Counts the training out, however it ends.
  class Ending {
   public:
    explicit Ending(FakeEngine& engine) : engine_(engine) {}
    ~Ending() {
      const std::lock_guard<std::mutex> lock(engine_.mutex_);
      engine_.at_once_ -= 1;
    }

   private:
    FakeEngine& engine_;
  };

  FakeTraining Begin(const std::string& name) {
    const std::lock_guard<std::mutex> lock(mutex_);
    began_.push_back(name);
    at_once_ += 1;
    most_at_once_ = std::max(most_at_once_, at_once_);
    const auto script = scripts_.find(name);
    return script == scripts_.end() ? FakeTraining() : script->second;
  }

  void Hold(const std::string& name, const FakeTraining& training, int64_t epoch,
            const std::stop_token& stop) {
    if (training.hold_before_epoch != epoch) return;
    std::unique_lock<std::mutex> lock(mutex_);
    held_[name] += 1;
    changed_.notify_all();
    if (training.deaf || training.hold_through_stop) {
      changed_.wait(lock, [&] { return released_[name]; });
    } else {
      changed_.wait(lock, stop, [&] { return released_[name]; });
    }
    held_[name] -= 1;
  }

  const Clock& clock_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, FakeTraining> scripts_;
  std::map<std::string, bool> released_;
  std::map<std::string, int> held_;
  std::vector<std::string> began_;
  std::vector<std::vector<ResumePoint>> resumed_;
  std::vector<int64_t> predicted_from_;
  std::vector<std::string> checkpoint_paths_;
  int at_once_ = 0;
  int most_at_once_ = 0;
};

}  // namespace anneal
