// A training that is interrupted ends with the weights, and has stored the epochs, of one that was
// not: to the last bit, wherever the interruptions were.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "server/engine/trainer.h"
#include "server/engine/training_state.h"
#include "tests/engine/small_training.h"
#include "tests/engine/watched_kernels.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_folder.h"

namespace anneal {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kFingerprint[] = "this machine";

struct Named {
  const char* name;
  const char* fields;
};

const Named kNetworks[] = {
    {"dense", R"(network { layers { flatten {} } layers { dense { units: 12 activation: ELU } }
        layers { dense { units: 4 activation: SOFTMAX } } })"},
    {"convolution", R"(network { layers { conv2d { filters: 4 kernel_size { height: 3 } activation: RELU } }
        layers { max_pooling2d {} } layers { flatten {} } layers { dense { units: 4 activation: SOFTMAX } } })"},
    {"batch_normalization", R"(network { layers { flatten {} } layers { dense { units: 12 } }
        layers { batch_normalization {} } layers { activation { function: RELU } }
        layers { dense { units: 4 activation: SOFTMAX } } })"},
    {"dropout", R"(network { layers { flatten {} } layers { dense { units: 12 activation: RELU } }
        layers { dropout { rate: 0.4 } } layers { dense { units: 4 activation: SOFTMAX } } })"},
    {"alpha_dropout", R"(network { layers { flatten {} } layers { dense { units: 12 activation: SELU } }
        layers { alpha_dropout { rate: 0.2 } } layers { gaussian_noise { stddev: 0.1 } }
        layers { dense { units: 4 activation: SOFTMAX } } })"},
    {"augmentation", R"(input { random_flip {} } input { random_translation { height_factor: 0.2 width_factor: 0.2 } }
        network { layers { flatten {} } layers { dense { units: 12 activation: RELU } }
        layers { dense { units: 4 activation: SOFTMAX } } })"},
};

const Named kOptimizers[] = {
    {"sgd", "sgd { learning_rate: 0.05 momentum: 0.9 nesterov: true } clipnorm: 1"},
    {"nadam", "nadam { learning_rate: 0.01 }"},
    {"adam", "adam { learning_rate: 0.01 amsgrad: true } weight_decay: 0.01"},
};

const Named kSchedules[] = {
    {"one_cycle", "schedule { one_cycle {} } } early_stopping { patience: 100 }"},
    {"plateau", "schedule { reduce_on_plateau { monitor: 'loss' patience: 1 min_delta: 0.5 cooldown: 1 } } }"},
    {"early_stopping", "} early_stopping { patience: 2 min_delta: 0.05 restore_best_weights: true }"},
};

// Metrics beside the loss, so that what is summed over an epoch is interrupted too.
constexpr char kRest[] = R"(input { rescale { factor: 0.00392156862745098 } } validation { fraction: 0.2 }
    test { split: 'test' } metrics { top_k_accuracy { k: 2 } }
    diagnostics { gradient_norm: true weight_norm: true learning_rate: true activations: true }
    batch_size: 13 epochs: 5 seed: 3 )";

class ResumeTest : public ::testing::Test {
 protected:
  // One attempt, which is asked to stop before its `batches`-th gathering of images from 0 (of
  // training, validation and diagnostics alike); -1: never.
  absl::StatusOr<TrainingOutcome> Attempt(const std::string& fields, int64_t batches,
                                          const std::string& fingerprint = kFingerprint) {
    observer_.stop = std::stop_source();
    WatchedTraining watched;
    int64_t gathered = 0;
    watched.before_batch = [&] {
      if (gathered++ == batches) observer_.stop.request_stop();
    };
    const std::vector<ResumePoint> resume = observer_.states;
    return RunTraining(SmallSpec(fields), dataset_,
                       std::make_unique<WatchedKernels>(MakeCpuKernels(), watched), fingerprint,
                       resume, clock_, observer_.stop.get_token(), observer_, progress_);
  }

  // Attempts that each get a little further, to the end. `step`: gatherings an attempt.
  TrainingOutcome Interrupted(const std::string& fields, int64_t step, int64_t* attempts) {
    for (*attempts = 1; *attempts < 20; ++*attempts) {
      absl::StatusOr<TrainingOutcome> outcome = Attempt(fields, step + *attempts % 3);
      if (outcome.ok()) return *std::move(outcome);
      EXPECT_TRUE(absl::IsCancelled(outcome.status())) << outcome.status();
    }
    ADD_FAILURE() << "it never ends";
    return {};
  }

  void Compare(const TrainingOutcome& whole, const std::vector<EpochRecord>& epochs,
               const TrainingOutcome& interrupted) {
    EXPECT_EQ(interrupted.stop_reason, whole.stop_reason);
    EXPECT_EQ(interrupted.message, whole.message);
    EXPECT_EQ(interrupted.result.weights_sha256, whole.result.weights_sha256);
    EXPECT_EQ(interrupted.result.metrics, whole.result.metrics);
    EXPECT_EQ(interrupted.result.epochs, whole.result.epochs);
    EXPECT_EQ(interrupted.result.best_epoch, whole.result.best_epoch);
    // A stop after the last epoch, while the test is measured, does that epoch again: the store
    // keeps the first row, and the second is the same.
    std::set<int64_t> seen;
    for (const EpochRecord& record : observer_.records) {
      ASSERT_LE(record.epoch, static_cast<int64_t>(epochs.size()));
      EXPECT_EQ(record.metrics, epochs[static_cast<size_t>(record.epoch - 1)].metrics)
          << "epoch " << record.epoch;
      const bool twice = !seen.insert(record.epoch).second;
      EXPECT_TRUE(!twice || record.epoch == epochs.back().epoch) << record.epoch << " twice";
    }
    EXPECT_EQ(seen.size(), epochs.size());
    EXPECT_THAT(observer_.warnings, IsEmpty());
  }

  void Begin() {
    observer_ = RecordingObserver();
    std::filesystem::remove_all(folder_.Join("states"));
    std::filesystem::create_directory(folder_.Join("states"));
    observer_.states_folder = folder_.Join("states");
  }

  const TempFolder folder_;
  const SystemClock clock_;
  const std::shared_ptr<Dataset> dataset_ = std::make_shared<Dataset>(SmallDataset());
  RecordingObserver observer_;
  ProgressCell progress_;
};

TEST_F(ResumeTest, IsExactForEveryNetworkOptimizerAndRule) {
  for (const Named& network : kNetworks) {
    for (const Named& optimizer : kOptimizers) {
      for (const Named& schedule : kSchedules) {
        SCOPED_TRACE(std::string(network.name) + " " + optimizer.name + " " + schedule.name);
        const std::string fields = std::string(network.fields) + " optimizer { " +
                                   optimizer.fields + " " + schedule.fields + " " + kRest;
        observer_ = RecordingObserver();
        const auto whole = Attempt(fields, -1);
        ASSERT_TRUE(whole.ok()) << whole.status();
        const std::vector<EpochRecord> epochs = observer_.records;
        Begin();
        int64_t attempts = 0;
        // Five to seven gatherings an attempt, of which an epoch has six: stops fall everywhere in it.
        const TrainingOutcome interrupted = Interrupted(fields, 5, &attempts);
        EXPECT_GE(attempts, 3);
        Compare(*whole, epochs, interrupted);
      }
    }
  }
}

TEST_F(ResumeTest, IsExactWhereverItStops) {
  const std::string fields = std::string(kNetworks[4].fields) +
                             " optimizer { nadam { learning_rate: 0.01 } } "
                             "early_stopping { patience: 3 restore_best_weights: true } "
                             "pruning { polynomial { final_sparsity: 0.5 begin_step: 3 end_step: 14 frequency: 2 } } " +
                             kRest;
  const auto whole = Attempt(fields, -1);
  ASSERT_TRUE(whole.ok()) << whole.status();
  const std::vector<EpochRecord> epochs = observer_.records;
  for (int64_t first = 0; first < 29; ++first) {
    SCOPED_TRACE(first);
    Begin();
    const auto stopped = Attempt(fields, first);
    ASSERT_TRUE(absl::IsCancelled(stopped.status())) << stopped.status();
    EXPECT_EQ(observer_.stopping_states, 1);
    const auto resumed = Attempt(fields, -1);
    ASSERT_TRUE(resumed.ok()) << resumed.status();
    Compare(*whole, epochs, *resumed);
  }
}

// What kill -9 leaves: the state of the last epoch, and epochs that are done again.
TEST_F(ResumeTest, GoesOnFromTheLastEpochAfterACrash) {
  const std::string fields = std::string(kNetworks[0].fields) + " optimizer { adam {} } " + kRest;
  const auto whole = Attempt(fields, -1);
  ASSERT_TRUE(whole.ok());
  Begin();
  ASSERT_TRUE(absl::IsCancelled(Attempt(fields, 20).status()));
  const std::vector<EpochRecord> before = observer_.records;
  ASSERT_EQ(before.size(), 3U);
  observer_.states.erase(observer_.states.begin());  // the one that a crash would not have written
  EXPECT_EQ(observer_.states[0].info.epochs, 3);
  EXPECT_EQ(observer_.states[0].info.batches, 0);
  const auto resumed = Attempt(fields, -1);
  ASSERT_TRUE(resumed.ok());
  EXPECT_EQ(resumed->result.weights_sha256, whole->result.weights_sha256);
  EXPECT_EQ(observer_.records.size(), 5U);
}

TEST_F(ResumeTest, ADamagedStateFallsBackToTheOneBefore) {
  const std::string fields = std::string(kNetworks[0].fields) + " optimizer { adam {} } " + kRest;
  const auto whole = Attempt(fields, -1);
  ASSERT_TRUE(whole.ok());
  Begin();
  ASSERT_TRUE(absl::IsCancelled(Attempt(fields, 20).status()));
  {
    std::fstream file(observer_.states[0].path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('\x7f');
  }
  auto resumed = Attempt(fields, -1);
  ASSERT_TRUE(resumed.ok());
  EXPECT_EQ(resumed->result.weights_sha256, whole->result.weights_sha256);
  ASSERT_EQ(observer_.warnings.size(), 1U);
  EXPECT_THAT(observer_.warnings[0], HasSubstr("cannot be gone on from"));
  EXPECT_THAT(observer_.warnings[0], HasSubstr("has changed since it was written"));

  // None is left: from the beginning, to the same weights.
  for (const ResumePoint& state : observer_.states) std::filesystem::remove(state.path);
  observer_.warnings.clear();
  resumed = Attempt(fields, -1);
  ASSERT_TRUE(resumed.ok());
  EXPECT_EQ(resumed->result.weights_sha256, whole->result.weights_sha256);
  EXPECT_EQ(observer_.warnings.back(), "no state is left: the training begins anew");
}

TEST_F(ResumeTest, AStateOfAnotherTrainingIsNotTaken) {
  const std::string fields = std::string(kNetworks[0].fields) + " optimizer { adam {} } " + kRest;
  Begin();
  ASSERT_TRUE(absl::IsCancelled(Attempt(fields, 20).status()));
  const auto other = Attempt(fields + " device: 'cpu'", -1);
  ASSERT_TRUE(other.ok());
  ASSERT_FALSE(observer_.warnings.empty());
  EXPECT_THAT(observer_.warnings[0], HasSubstr("is of another training"));
}

TEST_F(ResumeTest, AnotherFingerprintIsTold) {
  const std::string fields = std::string(kNetworks[0].fields) + " optimizer { adam {} } " + kRest;
  Begin();
  ASSERT_TRUE(absl::IsCancelled(Attempt(fields, 20).status()));
  ASSERT_TRUE(Attempt(fields, -1, "another machine").ok());
  ASSERT_EQ(observer_.warnings.size(), 1U);
  EXPECT_THAT(observer_.warnings[0], HasSubstr("another fingerprint"));
  EXPECT_THAT(observer_.warnings[0], HasSubstr("before: this machine"));
}

TEST_F(ResumeTest, AnEpochCountsTheTimeOfAllItsParts) {
  ManualClock clock;
  const std::string fields = std::string(kNetworks[0].fields) +
                             " optimizer { adam {} } batch_size: 10 epochs: 1 ";
  Begin();
  const auto run = [&](int64_t stop_at) {
    observer_.stop = std::stop_source();
    WatchedTraining watched;
    int64_t gathered = 0;
    watched.before_batch = [&] {
      clock.Advance(1'000'000);
      // Ten samples a second, and no more because another attempt has done some of them.
      const ProgressSnapshot snapshot = progress_.Snapshot(clock.MonotonicUs());
      if (snapshot.batch > 0) {
        EXPECT_LE(snapshot.samples_per_second, 10.0);
      }
      if (gathered++ == stop_at) observer_.stop.request_stop();
    };
    const std::vector<ResumePoint> resume = observer_.states;
    return RunTraining(SmallSpec(fields), dataset_,
                       std::make_unique<WatchedKernels>(MakeCpuKernels(), watched), kFingerprint,
                       resume, clock, observer_.stop.get_token(), observer_, progress_);
  };
  ASSERT_TRUE(absl::IsCancelled(run(2).status()));
  clock.Advance(500'000'000);  // the pause is not the epoch's
  ASSERT_TRUE(run(-1).ok());
  ASSERT_EQ(observer_.records.size(), 1U);
  EXPECT_EQ(observer_.records[0].duration_us, 6'000'000);  // six batches
}

}  // namespace
}  // namespace anneal
