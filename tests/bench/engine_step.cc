// The training step of the engine, measured from outside: a job file runs through Engine::Train, as
// in the daemon, on generated images under the name of its data set, and every epoch but the first
// is timed. So a step here is all that the trainer does: shuffle, gather and convert the batch,
// forward, loss, backward, optimizer, progress.
//
// usage: engine_step JOB_FILE [ROUNDS]
#include <cstdio>
#include <cstdlib>
#include <stop_token>
#include <string>

#include "server/core/clock.h"
#include "server/core/progress.h"
#include "server/data/dataset_registry.h"
#include "server/engine/engine.h"
#include "server/spec/defaults.h"
#include "server/spec/validated_spec.h"
#include "tests/bench/job_file.h"
#include "tests/bench/meter.h"

namespace {

// Each epoch after the first is a round.
class EpochMeter final : public anneal::TrainingObserver {
 public:
  EpochMeter(int rounds, double steps) : meter_(static_cast<size_t>(rounds)), steps_(steps) {}

  absl::Status OnEpoch(const anneal::EpochRecord& record) override {
    if (record.epoch > 1) meter_.End(steps_);
    meter_.Begin();
    return absl::OkStatus();
  }
  void OnState(const anneal::TrainingState&, bool) override {}
  absl::Status OnFinalWeights(const anneal::FinalWeights&) override { return absl::OkStatus(); }
  void OnWarning(const std::string& text) override { std::fprintf(stderr, "%s\n", text.c_str()); }

  void Print() const { meter_.Print("engine_step"); }

 private:
  anneal::bench::Meter meter_;
  const double steps_;
};

int Fail(const std::string& text) {
  std::fprintf(stderr, "engine_step: %s\n", text.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 3;
  if (argc < 2 || rounds < 1) {
    std::fprintf(stderr, "usage: %s JOB_FILE [ROUNDS]\n", argv[0]);
    return 2;
  }
  anneal::DatasetRegistry datasets;
  absl::StatusOr<anneal::v1::JobSpec> job = anneal::bench::ReadJobFile(argv[1], datasets);
  if (!job.ok()) return Fail(job.status().ToString());
  // Steps only.
  anneal::v1::TrainingSpec& training = *job->mutable_training();
  training.clear_validation();
  training.clear_test();
  training.clear_early_stopping();
  training.set_device("cpu");
  training.set_epochs(rounds + 1);

  const anneal::ValidationResult validation = anneal::Validate(*job, datasets);
  if (!validation.spec.has_value()) {
    return Fail(validation.violations[0].field + ": " + validation.violations[0].description);
  }
  EpochMeter observer(rounds, static_cast<double>(validation.spec->training_samples()) /
                                  static_cast<double>(anneal::defaults::BatchSize(training)));
  const anneal::SystemClock clock;
  anneal::ProgressCell progress;
  const auto outcome = anneal::CreateEngine(datasets, clock)
                           ->Train(*validation.spec, {}, std::stop_token(), observer, progress);
  if (!outcome.ok()) return Fail(outcome.status().ToString());
  if (!outcome->succeeded()) return Fail(outcome->message);
  observer.Print();
  return 0;
}
