// Predictions as the daemon runs them: from a trained job's file to chunks.
#include "server/engine/predictor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "anneal/v1/model.pb.h"
#include "server/engine/trainer.h"
#include "tests/engine/small_training.h"
#include "tests/support/temp_folder.h"

namespace anneal {
namespace {

using ::testing::HasSubstr;

// The one trained network, as job 1.
class OneModel final : public ModelCatalog {
 public:
  absl::StatusOr<CheckpointInfo> FindModel(JobId) const override { return checkpoint; }
  CheckpointInfo checkpoint;
};

class KeepingObserver final : public PredictionObserver {
 public:
  absl::Status OnChunk(const PredictionChunk& chunk) override {
    if (before) before();
    if (fail) return absl::ResourceExhaustedError("disk full");
    chunks.push_back(chunk);
    return absl::OkStatus();
  }
  std::function<void()> before;
  bool fail = false;
  std::vector<PredictionChunk> chunks;
};

class PredictorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    observer_.weights_path = path_;
    const auto trained = RunTraining(
        SmallSpec(R"(network { layers { flatten {} } layers { dense { units: 20 activation: RELU } }
            layers { batch_normalization {} } layers { dropout { rate: 0.5 } }
            layers { dense { units: 4 activation: SOFTMAX } } }
            input { standardize {} } test { split: 'test' } validation { first: 8 }
            early_stopping { patience: 3 restore_best_weights: true }
            optimizer { sgd { learning_rate: 0.1 } } batch_size: 16 epochs: 12 seed: 5)"),
        dataset_, MakeCpuKernels(), "fingerprint", {}, clock_, std::stop_token(), observer_, progress_);
    ASSERT_TRUE(trained.ok()) << trained.status();
    ASSERT_TRUE(trained->succeeded()) << trained->message;
    result_ = trained->result;
    models_.checkpoint = observer_.checkpoint;
    catalog_.Add(dataset_->info());
  }

  ValidatedPrediction Judge(const std::string& fields) {
    v1::JobSpec spec;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
        "prediction { job_id: '1' " + fields + " }", &spec));
    PredictionValidation judged = ValidatePrediction(spec, models_, catalog_);
    for (const Violation& violation : judged.violations)
      ADD_FAILURE() << violation.field << ": " << violation.description;
    return *judged.prediction;
  }

  absl::StatusOr<TrainingOutcome> Run(const std::string& fields, int64_t stored = 0) {
    predictions_.chunks.clear();
    return RunPrediction(Judge(fields), path_, stored, dataset_, MakeCpuKernels(), clock_,
                         stop_.get_token(), predictions_, progress_);
  }

  double Metric(const std::string& name) const {
    for (const MetricValue& metric : result_.metrics) {
      if (metric.name == name) return metric.value;
    }
    ADD_FAILURE() << name;
    return 0;
  }

  const TempFolder folder_;
  const std::string path_ = folder_.path() + "/final.safetensors";
  const SystemClock clock_;
  const std::shared_ptr<Dataset> dataset_ = std::make_shared<Dataset>(SmallDataset());
  FakeCatalog catalog_;
  OneModel models_;
  RecordingObserver observer_;
  KeepingObserver predictions_;
  ProgressCell progress_;
  std::stop_source stop_;
  TrainingResult result_;
};

TEST_F(PredictorTest, PlainPredictionsAreTheTestOfTheTraining) {
  const auto outcome = Run("samples: 0");
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->stop_reason, StopReason::kCompleted) << outcome->message;
  ASSERT_EQ(predictions_.chunks.size(), 1U);
  const PredictionChunk& chunk = predictions_.chunks[0];
  ASSERT_EQ(chunk.count, 20);
  double nll = 0;
  double right = 0;
  for (size_t n = 0; n < 20; ++n) {
    nll += chunk.measure(Measure::kNll)[n] / 20;
    right += chunk.fact(ImageFact::kPredicted)[n] == chunk.fact(ImageFact::kLabel)[n] ? 0.05 : 0;
  }
  EXPECT_NEAR(nll, Metric("test_loss"), 1e-6);
  EXPECT_NEAR(right, Metric("test_accuracy"), 1e-12);
}

TEST_F(PredictorTest, TheCheckpointIsOfTheBestEpoch) {
  v1::ModelDescription description;
  ASSERT_TRUE(description.ParseFromString(observer_.checkpoint.description));
  EXPECT_EQ(description.epoch(), result_.best_epoch);
  EXPECT_EQ(description.weights_sha256(), result_.weights_sha256);
  EXPECT_EQ(description.fingerprint(), "fingerprint");
}

// 5,120 samples are chunks of ten images.
TEST_F(PredictorTest, ASecondAttemptGoesOnWithTheSameBits) {
  ASSERT_TRUE(Run("samples: 5120 seed: 4").ok());
  ASSERT_EQ(predictions_.chunks.size(), 2U);
  const PredictionChunk second = predictions_.chunks[1];
  EXPECT_EQ(second.begin, 10);
  EXPECT_EQ(progress_.Snapshot(0).batch, 20);
  EXPECT_EQ(progress_.Snapshot(0).batches, 20);

  ASSERT_TRUE(Run("samples: 5120 seed: 4", 10).ok());
  ASSERT_EQ(predictions_.chunks.size(), 1U);
  EXPECT_EQ(predictions_.chunks[0].begin, 10);
  EXPECT_EQ(predictions_.chunks[0].probabilities, second.probabilities);
  EXPECT_EQ(predictions_.chunks[0].measures, second.measures);

  ASSERT_TRUE(Run("samples: 5120 seed: 4", 20).ok());
  EXPECT_TRUE(predictions_.chunks.empty());
}

TEST_F(PredictorTest, ARangeOfImagesIsThatPartOfAll) {
  ASSERT_TRUE(Run("samples: 30 seed: 4 keep_samples: true").ok());
  const PredictionChunk all = predictions_.chunks[0];
  ASSERT_TRUE(Run("samples: 30 seed: 4 keep_samples: true images { begin: 6 count: 3 }").ok());
  const PredictionChunk part = predictions_.chunks[0];
  EXPECT_EQ(part.begin, 6);
  ASSERT_EQ(part.count, 3);
  const auto from = all.sample_probabilities.begin() + int64_t{6} * 30 * 4;
  EXPECT_EQ(part.sample_probabilities, std::vector<float>(from, from + int64_t{3} * 30 * 4));
}

TEST_F(PredictorTest, StopsWithWholeChunks) {
  predictions_.before = [&] { stop_.request_stop(); };
  const auto outcome = Run("samples: 5120");
  EXPECT_TRUE(absl::IsCancelled(outcome.status())) << outcome.status();
  ASSERT_EQ(predictions_.chunks.size(), 1U);
  EXPECT_EQ(predictions_.chunks[0].count, 10);
}

TEST_F(PredictorTest, WhatCannotBeStoredEndsIt) {
  predictions_.fail = true;
  const auto outcome = Run("samples: 3");
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->stop_reason, StopReason::kStorage);
  EXPECT_THAT(outcome->message, HasSubstr("images 0 to 19 could not be stored: disk full"));
}

TEST_F(PredictorTest, ADamagedCheckpointEndsIt) {
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 1);
  const auto outcome = Run("samples: 3");
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->stop_reason, StopReason::kInvalidData);
  EXPECT_THAT(outcome->message, HasSubstr("final.safetensors has "));
  EXPECT_TRUE(predictions_.chunks.empty());
}

TEST_F(PredictorTest, ADataSetThatHasShrunkEndsIt) {
  const ValidatedPrediction judged = Judge("samples: 3");
  DatasetInfo info = dataset_->info();
  DatasetSplit split = *dataset_->FindSplit("test");
  split.labels.resize(19);
  const auto smaller = std::make_shared<Dataset>(info, std::vector<DatasetSplit>{split});
  const auto outcome = RunPrediction(judged, path_, 0, smaller, MakeCpuKernels(), clock_,
                                     stop_.get_token(), predictions_, progress_);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->stop_reason, StopReason::kInvalidData);
}

TEST_F(PredictorTest, ADataSetOfAnotherShapeEndsIt) {
  const ValidatedPrediction judged = Judge("samples: 3");
  DatasetInfo info = dataset_->info();
  info.shape = {4, 4, 2};
  DatasetSplit split = *dataset_->FindSplit("test");
  split.images.resize(split.labels.size() * 32);
  const auto other = std::make_shared<Dataset>(info, std::vector<DatasetSplit>{split});
  const auto outcome = RunPrediction(judged, path_, 0, other, MakeCpuKernels(), clock_,
                                     stop_.get_token(), predictions_, progress_);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->stop_reason, StopReason::kInvalidData);
}

// Every field of the block is read: each case is a block without and one with the field, which
// predict otherwise, or one of which is refused.
TEST_F(PredictorTest, EveryFieldOfTheBlockHasAnEffect) {
  const std::map<std::string, std::pair<std::string, std::string>> cases = {
      {"job_id", {"job_id: '1'", "job_id: '01'"}},
      {"dataset", {"job_id: '1'", "job_id: '1' dataset: 'other'"}},
      {"split", {"job_id: '1'", "job_id: '1' split: 'train'"}},
      {"samples", {"job_id: '1'", "job_id: '1' samples: 3"}},
      {"seed", {"job_id: '1'", "job_id: '1' seed: 1"}},
      {"consistent_masks", {"job_id: '1'", "job_id: '1' consistent_masks: true"}},
      {"keep_samples", {"job_id: '1'", "job_id: '1' keep_samples: true"}},
      {"images", {"job_id: '1'", "job_id: '1' images { count: 3 }"}},
      {"device", {"job_id: '1'", "job_id: '1' device: 'tpu'"}},
  };
  const auto outcome_of = [&](const std::string& fields) -> std::string {
    v1::JobSpec spec;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString("prediction { " + fields + " }", &spec));
    const PredictionValidation judged = ValidatePrediction(spec, models_, catalog_);
    if (!judged.prediction.has_value()) return judged.violations[0].field + " refused";
    predictions_.chunks.clear();
    const auto outcome = RunPrediction(*judged.prediction, path_, 0, dataset_, MakeCpuKernels(),
                                       clock_, stop_.get_token(), predictions_, progress_);
    EXPECT_TRUE(outcome.ok() && outcome->succeeded());
    std::string text;
    for (const PredictionChunk& chunk : predictions_.chunks) {
      absl::StrAppend(&text, chunk.begin, "+", chunk.count, ":",
                      absl::StrJoin(chunk.probabilities, " "), ";",
                      absl::StrJoin(chunk.sample_probabilities, " "), "\n");
    }
    return text;
  };
  const google::protobuf::Descriptor& block = *v1::PredictionSpec::descriptor();
  for (int i = 0; i < block.field_count(); ++i) {
    const std::string& name = block.field(i)->name();
    ASSERT_EQ(cases.count(name), 1U) << "no case shows that " << name << " is read";
    EXPECT_NE(outcome_of(cases.at(name).first), outcome_of(cases.at(name).second)) << name;
  }
}

TEST_F(PredictorTest, ASmallNetworkNeedsLittleMemory) {
  EXPECT_LT(PredictionBytes(Judge("samples: 100")), 8 << 20);
}

TEST(ChunkImages, AreAsManyAsTakeSeconds) {
  PredictionSet set;
  set.class_names.resize(10);
  const auto of = [&](int64_t samples, bool keeps) {
    set.samples = samples;
    set.keeps_samples = keeps;
    return ChunkImages(set);
  };
  EXPECT_EQ(of(0, false), 4096);
  EXPECT_EQ(of(1, false), 4096);
  EXPECT_EQ(of(100, false), 512);
  EXPECT_EQ(of(100, true), 512);
  EXPECT_EQ(of(100'000, false), 1);
  set.class_names.resize(1000);
  EXPECT_EQ(of(100, true), 167);  // 64 MiB of samples
  EXPECT_EQ(of(20'000, true), 1);
}

// Kept weights that cannot be written end the training.
TEST(FinalWeights, ThatCannotBeStoredEndTheTraining) {
  const SystemClock clock;
  ProgressCell progress;
  RecordingObserver observer;
  observer.fail_final_weights = true;
  const auto outcome = RunTraining(
      SmallSpec("network { layers { flatten {} } layers { dense { units: 4 activation: SOFTMAX } } } "
                "optimizer { sgd {} }"),
      std::make_shared<Dataset>(SmallDataset()), MakeCpuKernels(), "", {}, clock, std::stop_token(),
      observer, progress);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->stop_reason, StopReason::kStorage);
  EXPECT_THAT(outcome->message, HasSubstr("the weights could not be stored: disk full"));
  EXPECT_EQ(outcome->result.epochs, 1);
}

}  // namespace
}  // namespace anneal
