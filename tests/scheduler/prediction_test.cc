// Prediction jobs in the queue: what is kept of trainings, and what becomes of predictions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/scheduler/artifact_folder.h"
#include "server/scheduler/stored_models.h"
#include "tests/scheduler/scheduler_fixture.h"
#include "tests/support/temp_folder.h"

namespace anneal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PredictionJobTest : public SchedulerFixture {
 protected:
  PredictionJobTest() {
    options_.storage_retry_us = 0;
    Make();
    FakeTraining training;
    training.keeps_weights = true;
    engine_.Script("model", training);
  }

  // A training that has SUCCEEDED and left weights.
  JobId Trained() {
    const JobId id = Submit("model");
    AwaitEnd(id);
    EXPECT_EQ(Get(id).state, JobState::kSucceeded);
    return id;
  }

  JobId Predict(JobId model, int64_t images = 10) {
    v1::JobSpec spec;
    v1::PredictionSpec& prediction = *spec.mutable_prediction();
    prediction.set_job_id(absl::StrCat(model));
    prediction.set_samples(0);
    prediction.mutable_images()->set_count(images);
    NewJob job;
    job.kind = JobKind::kPrediction;
    job.model_job_id = model;
    job.spec = spec.SerializeAsString();
    job.spec_sha256 = "hash";
    const absl::StatusOr<CreatedJob> created = scheduler_->Submit(job);
    EXPECT_TRUE(created.ok()) << created.status();
    return created->job.id;
  }

  int64_t Stored(JobId id) {
    const absl::StatusOr<PredictionSet> set = store_.GetPredictionSet(id);
    return set.ok() ? set->stored : -1;
  }

};

TEST_F(PredictionJobTest, ATrainingLeavesItsWeights) {
  Start();
  const JobId id = Trained();
  const absl::StatusOr<CheckpointInfo> checkpoint = store_.GetCheckpoint(id);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->file, "1/final.safetensors");
  EXPECT_EQ(checkpoint->bytes,
            static_cast<int64_t>(std::filesystem::file_size(folder_.Join("artifacts/1/final.safetensors"))));
}

TEST_F(PredictionJobTest, StoresEveryImageAndTheirMeasures) {
  Start();
  const JobId model = Trained();
  const JobId id = Predict(model);
  AwaitEnd(id);
  const Job job = Get(id);
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.message;
  EXPECT_EQ(job.stop_reason, StopReason::kCompleted);
  EXPECT_EQ(Stored(id), 10);
  ASSERT_TRUE(job.result.has_value());
  ASSERT_EQ(job.result->metrics.size(), 4U);
  EXPECT_EQ(job.result->metrics[0].name, "accuracy");
  EXPECT_DOUBLE_EQ(job.result->metrics[0].value, 0.1);  // the fake is sure of class 0
  EXPECT_THAT(engine_.PredictedFrom(), ElementsAre(0));
  EXPECT_THAT(engine_.CheckpointPaths(), ElementsAre(folder_.Join("artifacts/1/final.safetensors")));
}

TEST_F(PredictionJobTest, ACancelledOneKeepsWholeChunksAndSaysHowFarItCame) {
  FakeTraining script;
  script.hold_before_epoch = 2;  // chunks of four images
  engine_.Script("prediction", script);
  Start();
  const JobId id = Predict(Trained());
  engine_.AwaitHeld("prediction");
  ASSERT_TRUE(scheduler_->Cancel(id).ok());
  AwaitEnd(id);
  const Job job = Get(id);
  EXPECT_EQ(job.state, JobState::kCancelled);
  EXPECT_EQ(job.message, "4 of 10 images are stored");
  EXPECT_EQ(Stored(id), 4);
}

TEST_F(PredictionJobTest, AfterARestartItGoesOn) {
  FakeTraining script;
  script.hold_before_epoch = 2;
  engine_.Script("prediction", script);
  Start();
  const JobId id = Predict(Trained());
  engine_.AwaitHeld("prediction");
  scheduler_->Stop();
  EXPECT_EQ(Get(id).state, JobState::kQueued);
  engine_.Script("prediction", FakeTraining());
  Make();
  Start();
  AwaitEnd(id);
  EXPECT_EQ(Get(id).state, JobState::kSucceeded);
  EXPECT_EQ(Stored(id), 10);
  EXPECT_THAT(engine_.PredictedFrom(), ElementsAre(0, 4));
}

TEST_F(PredictionJobTest, AModelStaysWhileItPredictsAndItsFilesGoWithIt) {
  Start();
  const JobId model = Trained();
  FakeTraining script;
  script.hold_before_epoch = 1;
  engine_.Script("prediction", script);
  const JobId id = Predict(model);
  engine_.AwaitHeld("prediction");
  EXPECT_TRUE(absl::IsFailedPrecondition(scheduler_->Delete(model)));
  EXPECT_TRUE(std::filesystem::exists(folder_.Join("artifacts/1/final.safetensors")));
  engine_.Release("prediction");
  AwaitEnd(id);
  ASSERT_TRUE(scheduler_->Delete(model).ok());
  EXPECT_FALSE(std::filesystem::exists(folder_.Join("artifacts/1")));
}

// The store refuses to delete a model that is needed; a database that was mended by hand may lack it.
TEST_F(PredictionJobTest, WithoutItsModelAPredictionFails) {
  Start();
  const JobId model = Trained();
  const JobId blocker = [&] {
    FakeTraining training;
    training.hold_before_epoch = 1;
    engine_.Script("blocker", training);
    return Submit("blocker");
  }();
  engine_.AwaitHeld("blocker");
  const JobId id = Predict(model);
  store_.Fail(Call::kGetCheckpoint, FakeStore::kForEver, absl::NotFoundError("it has none"));
  engine_.Release("blocker");
  AwaitEnd(blocker);
  AwaitEnd(id);
  EXPECT_EQ(Get(id).state, JobState::kFailed);
  EXPECT_EQ(Get(id).stop_reason, StopReason::kInvalidData);
  EXPECT_THAT(Get(id).message, HasSubstr("its weights were not kept"));
  EXPECT_TRUE(engine_.PredictedFrom().empty());
}

TEST_F(PredictionJobTest, WhatCannotBeStoredStopsItWithItsReason) {
  Start();
  const JobId model = Trained();
  store_.Fail(Call::kAppendPredictions, FakeStore::kForEver, absl::ResourceExhaustedError("disk full"));
  const JobId id = Predict(model);
  AwaitEnd(id);
  const Job job = Get(id);
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_EQ(job.stop_reason, StopReason::kStorage);
  EXPECT_THAT(job.message, HasSubstr("disk full"));
  EXPECT_THAT(job.message, HasSubstr("0 of 10 images are stored"));
}

TEST_F(PredictionJobTest, AStoreThatIsBusySaysNothingOfTheModel) {
  options_.storage_retry_us = 30'000'000;
  Make();
  Start();
  const JobId model = Trained();
  store_.Fail(Call::kGetCheckpoint, 3, absl::UnavailableError("busy"));
  store_.Fail(Call::kBeginPredictions, 2, absl::UnavailableError("busy"));
  store_.Fail(Call::kAppendPredictions, 2, absl::UnavailableError("busy"));
  const JobId id = Predict(model);
  AwaitEnd(id);
  EXPECT_EQ(Get(id).state, JobState::kSucceeded) << Get(id).message;
  EXPECT_EQ(Stored(id), 10);
}

TEST_F(PredictionJobTest, WeightsThatCannotBeWrittenFailTheTraining) {
  options_.artifact_folder = folder_.Join("file/below");
  std::ofstream(folder_.Join("file")) << "x";
  Make();
  Start();
  const JobId id = Submit("model");
  AwaitEnd(id);
  const Job job = Get(id);
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_EQ(job.stop_reason, StopReason::kStorage);
  EXPECT_THAT(job.message, HasSubstr("the final weights could not be stored: cannot make the folder"));
  EXPECT_TRUE(absl::IsNotFound(store_.GetCheckpoint(id).status()));
}

TEST_F(PredictionJobTest, AnExceptionOfTheEngineIsTheJobsOwn) {
  FakeTraining script;
  script.exception = "a kernel threw";
  engine_.Script("prediction", script);
  Start();
  const JobId model = Trained();
  const JobId id = Predict(model);
  AwaitEnd(id);
  EXPECT_EQ(Get(id).stop_reason, StopReason::kInternal);
  EXPECT_THAT(Get(id).message, HasSubstr("a kernel threw"));
}

TEST_F(PredictionJobTest, SaysWhyAJobIsNoModel) {
  const StoredModels models(store_);
  const auto why = [&](JobId id) {
    const absl::Status status = models.FindModel(id).status();
    EXPECT_FALSE(status.ok());
    return std::string(status.message());
  };
  EXPECT_THAT(why(77), HasSubstr("there is no such job"));
  const JobId waiting = Submit("waiting");
  EXPECT_THAT(why(waiting), HasSubstr("it has not finished: it is QUEUED"));
  Start();
  AwaitEnd(waiting);
  EXPECT_THAT(why(waiting), HasSubstr("its weights were not kept"));
  FakeTraining diverges;
  diverges.outcome.stop_reason = StopReason::kDiverged;
  engine_.Script("diverges", diverges);
  const JobId failed = Submit("diverges");
  AwaitEnd(failed);
  EXPECT_THAT(why(failed), HasSubstr("it is FAILED (DIVERGED) and has left no weights"));
  const JobId model = Trained();
  EXPECT_TRUE(models.FindModel(model).ok());
  const JobId prediction = Predict(model);
  AwaitEnd(prediction);
  EXPECT_THAT(why(prediction), HasSubstr(absl::StrCat("name the training that it is of, job ", model)));
}

}  // namespace
}  // namespace anneal
