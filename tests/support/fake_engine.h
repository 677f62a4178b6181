// An Engine that trains by script: what each job does is said beforehand, under the name in its
// spec.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/core/metrics.h"
#include "server/core/progress.h"
#include "server/engine/engine.h"
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

  absl::StatusOr<TrainingOutcome> Train(const ValidatedSpec& spec, std::stop_token stop,
                                        TrainingObserver& observer,
                                        ProgressCell& progress) override {
    const std::string name = spec.proto().name();
    const FakeTraining training = Begin(name);
    const Ending ending(*this);
    progress.BeginAttempt(training.epochs, 1, spec.training_samples(), clock_.MonotonicUs());
    for (const std::string& warning : training.warnings) observer.OnWarning(warning);
    for (int64_t epoch = 1; epoch <= training.epochs; ++epoch) {
      Hold(name, training, epoch, stop);
      if (!training.deaf && stop.stop_requested()) return absl::CancelledError("stopped");
      progress.BeginEpoch(epoch, clock_.MonotonicUs());
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
    }
    Hold(name, training, training.epochs + 1, stop);
    if (!training.deaf && stop.stop_requested()) return absl::CancelledError("stopped");
    if (!training.exception.empty()) throw std::runtime_error(training.exception);
    if (!training.status.ok()) return training.status;
    TrainingOutcome outcome = training.outcome;
    outcome.result.epochs = training.epochs;
    outcome.result.weights_sha256 = absl::StrCat("weights of ", name);
    return outcome;
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
  int at_once_ = 0;
  int most_at_once_ = 0;
};

}  // namespace anneal
