// The engine of a model check: trains chains of hashes (chain_training.h), keeps and takes up real
// files of states, and writes down what it does.
#pragma once

#include <atomic>
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/core/clock.h"
#include "server/engine/engine.h"
#include "tests/fault/model/chain_training.h"
#include "tests/fault/model/work_log.h"

namespace anneal::model {

// Thread-safe.
class ChainEngine final : public Engine {
 public:
  // What it is given must outlive it.
  ChainEngine(const Clock& clock, const WorkLog& log) : clock_(clock), log_(log) {}

  std::vector<std::string> Devices() const override { return {"cpu"}; }
  absl::Status CheckDevice(const std::string& device) const override;
  std::string Fingerprint(const std::string& device) const override;

  // The spec's name ends with the job's key (JobKeyOf, plan.h).
  absl::StatusOr<TrainingOutcome> Train(const ValidatedSpec& spec,
                                        const std::vector<ResumePoint>& resume,
                                        std::stop_token stop, TrainingObserver& observer,
                                        ProgressCell& progress) override;

  // Predictions are no part of the model: FAILED, INTERNAL.
  absl::StatusOr<TrainingOutcome> Predict(const ValidatedPrediction& prediction,
                                          const std::string& checkpoint_path, int64_t stored,
                                          std::stop_token stop, PredictionObserver& observer,
                                          ProgressCell& progress) override;

 private:
  ChainState Start(const ChainPlan& plan, const std::vector<ResumePoint>& resume,
                   const WorkRecord& who, TrainingObserver& observer) const;

  const Clock& clock_;
  const WorkLog& log_;
  std::atomic<int64_t> runs_{0};
};

}  // namespace anneal::model
