// The engine as the daemon sees it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/data/dataset_registry.h"
#include "server/engine/engine.h"
#include "tests/engine/small_training.h"

namespace anneal {
namespace {

using ::testing::HasSubstr;

class TorchEngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(datasets_.Register("synthetic-shapes", "synthetic-shapes", "").ok());
    engine_ = CreateEngine(datasets_, clock_);
  }

  absl::StatusOr<TrainingOutcome> Train(const std::string& training) {
    v1::JobSpec proto;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
        "name: 'e' training {" + training + "}", &proto));
    const ValidationResult result = Validate(proto, datasets_);
    for (const Violation& violation : result.violations)
      ADD_FAILURE() << violation.field << violation.description;
    if (!result.spec.has_value()) return absl::InternalError("invalid");
    return engine_->Train(*result.spec, {}, observer_.stop.get_token(), observer_, progress_);
  }

  const SystemClock clock_;
  DatasetRegistry datasets_;
  std::unique_ptr<Engine> engine_;
  RecordingObserver observer_;
  ProgressCell progress_;
};

constexpr char kRest[] = R"(
  dataset { name: "synthetic-shapes" } input { rescale { factor: 0.0039 } } loss { sparse_categorical_crossentropy {} }
  optimizer { nadam {} } )";

TEST_F(TorchEngineTest, TrainsOnARegisteredDataSet) {
  const auto outcome =
      Train(std::string(kRest) +
            R"(batch_size: 512 epochs: 2 test { split: "test" } network { layers { flatten {} }
      layers { dense { units: 10 activation: SOFTMAX } } })");
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->stop_reason, StopReason::kCompleted) << outcome->message;
  EXPECT_EQ(observer_.records.size(), 2U);
  EXPECT_EQ(outcome->result.metrics.size(), 2U);
  EXPECT_EQ(progress_.Snapshot(clock_.MonotonicUs()).epoch, 2);
}

TEST_F(TorchEngineTest, ListsAndChecksDevices) {
  EXPECT_EQ(engine_->Devices().front(), "cpu");
  for (const char* const device : {"", "auto", "cpu"})
    EXPECT_TRUE(engine_->CheckDevice(device).ok()) << device;
  const absl::Status far = engine_->CheckDevice("cuda:1000");
  EXPECT_EQ(far.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(far.message()), HasSubstr("cuda:1000"));
  for (const char* const device : {"tpu", "cuda", "cuda:", "cuda:-1", "cuda:x"}) {
    EXPECT_EQ(engine_->CheckDevice(device).code(), absl::StatusCode::kInvalidArgument) << device;
  }
  EXPECT_THAT(engine_->Fingerprint("cpu"), HasSubstr("LibTorch"));
}

TEST_F(TorchEngineTest, MoreMemoryThanThereIsEndsAsThatJobsOutcome) {
  // Activations of hundreds of gigabytes: below what validation refuses, above what a machine here
  // has.
  const auto outcome = Train(std::string(kRest) + R"(epochs: 1 batch_size: 10000 network {
      layers { conv2d { filters: 4000 kernel_size { height: 3 } padding: SAME } }
      layers { flatten {} } layers { dense { units: 10 activation: SOFTMAX } } })");
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->stop_reason, StopReason::kOutOfMemory) << outcome->message;
  EXPECT_THAT(outcome->message, HasSubstr("batch_size"));
  EXPECT_TRUE(observer_.records.empty());
}

}  // namespace
}  // namespace anneal
