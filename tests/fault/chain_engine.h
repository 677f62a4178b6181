// An Engine whose weights are a chain of hashes: each epoch's follow from those before it and from
// nothing else, as in a training, so that a resume from a wrong or damaged state ends with other
// weights. Its files are real ones, with their real SHA-256.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "server/core/clock.h"
#include "server/core/metrics.h"
#include "server/engine/engine.h"

namespace anneal {

// The weights after `epochs` epochs: some thousand bytes.
std::string ChainWeights(const std::string& name, int64_t epochs);

// What the `epoch`th epoch measures.
std::vector<MetricValue> ChainMetrics(const std::string& name, int64_t epoch);

// The class that weights predict for an image, of `classes`.
int32_t ChainPrediction(const std::string& weights, int64_t image, int64_t classes);

// A clock that runs and can be moved ahead. Thread-safe.
class JumpingClock final : public Clock {
 public:
  int64_t NowUs() const override { return system_.NowUs() + ahead_us_.load(); }
  int64_t MonotonicUs() const override { return system_.MonotonicUs() + ahead_us_.load(); }
  void Advance(int64_t us) { ahead_us_.fetch_add(us); }

 private:
  const SystemClock system_;
  std::atomic<int64_t> ahead_us_{0};
};

// Thread-safe. Trains as many epochs as the spec says. Moves the clock ahead after every epoch, so
// that a state is kept after each.
class ChainEngine final : public Engine {
 public:
  explicit ChainEngine(JumpingClock& clock) : clock_(clock) {}

  // Trainings of this name wait before this epoch (from 1), until OpenGate or a stop request.
  void SetGate(const std::string& name, int64_t before_epoch);
  void OpenGate(const std::string& name);
  bool IsHeld(const std::string& name) const;

  // States that were not what their row says: a training fell back to an older one.
  int64_t DamagedStates() const;

  std::vector<std::string> Devices() const override { return {"cpu"}; }
  absl::Status CheckDevice(const std::string&) const override { return absl::OkStatus(); }
  std::string Fingerprint(const std::string&) const override { return "chain"; }
  absl::StatusOr<TrainingOutcome> Train(const ValidatedSpec& spec,
                                        const std::vector<ResumePoint>& resume,
                                        std::stop_token stop, TrainingObserver& observer,
                                        ProgressCell& progress) override;
  absl::StatusOr<TrainingOutcome> Predict(const ValidatedPrediction& prediction,
                                          const std::string& checkpoint_path, int64_t stored,
                                          std::stop_token stop, PredictionObserver& observer,
                                          ProgressCell& progress) override;

 private:
  void WaitAtGate(const std::string& name, int64_t epoch, const std::stop_token& stop);

  JumpingClock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, int64_t> gates_;
  std::multiset<std::string> held_;
  int64_t damaged_states_ = 0;
};

}  // namespace anneal
