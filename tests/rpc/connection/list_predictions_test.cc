// ListPredictions, and which predictions a job's id means.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/rpc/connection/prediction_fixture.h"

namespace anneal {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

using ListPredictionsTest = PredictionServiceTest;

TEST_F(ListPredictionsTest, ARowAsItIsStored) {
  PredictionSet set = SmallSet(5, 3, true);
  const JobId id = Predict(set);
  v1::ListPredictionsRequest request = Request(id);
  request.set_filter("image = 103");
  request.set_sample_probabilities(true);
  v1::ListPredictionsResponse response;
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_EQ(response.total_size(), 1);
  EXPECT_TRUE(response.next_page_token().empty());
  ASSERT_EQ(response.predictions_size(), 1);
  const v1::Prediction& row = response.predictions(0);
  const PredictionChunk chunk = SmallChunk(set, 103, 1);
  EXPECT_EQ(row.image(), 103);
  EXPECT_EQ(row.label(), chunk.fact(ImageFact::kLabel)[0]);
  EXPECT_EQ(row.predicted(), chunk.fact(ImageFact::kPredicted)[0]);
  EXPECT_EQ(row.deterministic_predicted(), chunk.fact(ImageFact::kDeterministicPredicted)[0]);
  EXPECT_EQ(row.confidence(), chunk.measure(Measure::kConfidence)[0]);
  EXPECT_EQ(row.entropy(), chunk.measure(Measure::kEntropy)[0]);
  EXPECT_EQ(row.expected_entropy(), chunk.measure(Measure::kExpectedEntropy)[0]);
  EXPECT_EQ(row.mutual_information(), chunk.measure(Measure::kMutualInformation)[0]);
  EXPECT_EQ(row.variation_ratio(), chunk.measure(Measure::kVariationRatio)[0]);
  EXPECT_EQ(row.margin(), chunk.measure(Measure::kMargin)[0]);
  EXPECT_EQ(row.nll(), chunk.measure(Measure::kNll)[0]);
  EXPECT_EQ(row.brier(), chunk.measure(Measure::kBrier)[0]);
  EXPECT_THAT(row.probabilities(), testing::ElementsAreArray(chunk.probabilities));
  EXPECT_THAT(row.deviations(), testing::ElementsAreArray(chunk.deviations));
  EXPECT_THAT(row.deterministic_probabilities(),
              testing::ElementsAreArray(chunk.deterministic_probabilities));
  EXPECT_THAT(row.sample_probabilities(), testing::ElementsAreArray(chunk.sample_probabilities));
  EXPECT_EQ(row.sample_probabilities_size(), 9);

  request.set_sample_probabilities(false);
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(response.predictions(0).sample_probabilities(), IsEmpty());
}

TEST_F(ListPredictionsTest, TheSetComesWithIt) {
  PredictionSet set = SmallSet(5, 3);
  set.consistent_masks = true;
  const JobId id = Predict(set);
  v1::ListPredictionsResponse response;
  ASSERT_TRUE(List(Request(id), &response).ok());
  const v1::PredictionSet& answer = response.set();
  EXPECT_EQ(answer.job_id(), absl::StrCat(id));
  EXPECT_EQ(answer.model_job_id(), absl::StrCat(training_));
  EXPECT_EQ(answer.checkpoint_sha256(), std::string(64, 'c'));
  EXPECT_EQ(answer.dataset(), "shapes");
  EXPECT_EQ(answer.split(), "test");
  EXPECT_EQ(answer.samples(), 3);
  EXPECT_EQ(answer.seed(), 18446744073709551615u);
  EXPECT_TRUE(answer.consistent_masks());
  EXPECT_FALSE(answer.keeps_samples());
  EXPECT_EQ(answer.begin(), 100);
  EXPECT_EQ(answer.images(), 5);
  EXPECT_EQ(answer.stored(), 5);
  EXPECT_THAT(answer.class_names(), ElementsAre("zero", "one", "two words"));
  EXPECT_EQ(response.total_size(), 5);
  EXPECT_THAT(Images(response), ElementsAre(100, 101, 102, 103, 104));
}

TEST_F(ListPredictionsTest, FiltersByClassNames) {
  const JobId id = Predict(SmallSet(6, 0));
  v1::ListPredictionsRequest request = Request(id);
  request.set_filter("label = \"two words\"");  // 2 = 101 % 3
  v1::ListPredictionsResponse response;
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Images(response), ElementsAre(101, 104));
  EXPECT_EQ(response.total_size(), 2);
}

TEST_F(ListPredictionsTest, PagesEachOnceInEveryOrder) {
  const JobId id = Predict(SmallSet(60, 5));
  for (const char* order_by : {"", "image desc", "label", "predicted desc", "entropy desc",
                               "margin", "mutual_information", "nll desc", "brier asc"}) {
    v1::ListPredictionsRequest request = Request(id);
    request.set_order_by(order_by);
    request.set_filter("image != 110");
    request.set_page_size(100);
    v1::ListPredictionsResponse whole;
    ASSERT_TRUE(List(request, &whole).ok());
    ASSERT_EQ(whole.predictions_size(), 59) << order_by;
    for (const int page_size : {1, 7, 59}) {
      request.set_page_size(page_size);
      int pages = 0;
      EXPECT_EQ(AllPages(request, &pages), Images(whole)) << order_by << ", " << page_size;
      EXPECT_EQ(pages, (59 + page_size - 1) / page_size);
    }
  }
}

TEST_F(ListPredictionsTest, PagesThroughWhatIsNotANumber) {
  PredictionSet set = SmallSet(6, 0);
  BeginStoredPrediction(store_, training_, set);
  PredictionChunk chunk = SmallChunk(set, 100, 6);
  chunk.measure(Measure::kEntropy) = {0.5F, kNaN, -0.0F, kNaN, 0.0F, 0.25F};
  ASSERT_TRUE(store_.AppendPredictions(set.job_id, 1, chunk).ok());
  v1::ListPredictionsRequest request = Request(set.job_id);
  request.set_order_by("entropy");
  request.set_page_size(1);
  EXPECT_THAT(AllPages(request), ElementsAre(102, 104, 105, 100, 101, 103));
  request.set_order_by("entropy desc");
  EXPECT_THAT(AllPages(request), ElementsAre(100, 105, 102, 104, 101, 103));
}

TEST_F(ListPredictionsTest, PageSizes) {
  const JobId id = Predict(SmallSet(60, 0));
  v1::ListPredictionsRequest request = Request(id);
  v1::ListPredictionsResponse response;
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_EQ(response.predictions_size(), 50);
  request.set_page_size(2'000'000'000);
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_EQ(response.predictions_size(), 60);
  request.set_page_size(-1);
  EXPECT_THAT(FieldsOf(List(request, &response)), ElementsAre("page_size"));
}

TEST_F(ListPredictionsTest, ATokenIsOfItsQueryAlone) {
  const JobId id = Predict(SmallSet(60, 0));
  const JobId other = Predict(SmallSet(60, 0));
  v1::ListPredictionsRequest request = Request(id);
  v1::ListPredictionsResponse response;
  ASSERT_TRUE(List(request, &response).ok());
  const std::string token = response.next_page_token();
  ASSERT_FALSE(token.empty());
  for (int field = 0; field < 5; ++field) {
    v1::ListPredictionsRequest changed = request;
    changed.set_page_token(token);
    if (field == 0) changed.set_job_id(absl::StrCat(other));
    if (field == 1) changed.set_filter("image >= 0");
    if (field == 2) changed.set_order_by("image");
    if (field == 3) changed.set_sample_probabilities(true);
    if (field == 4) changed.set_page_token("x" + token);
    const grpc::Status status = List(changed, &response);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << field;
    EXPECT_THAT(FieldsOf(status), ElementsAre("page_token")) << field;
  }
}

// Gradually stored, while somebody reads.

TEST_F(ListPredictionsTest, WhatIsStoredMeanwhileComesToo) {
  PredictionSet set = SmallSet(4, 0);
  BeginStoredPrediction(store_, training_, set);
  v1::ListPredictionsRequest request = Request(set.job_id);
  request.set_page_size(1);
  v1::ListPredictionsResponse response;
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_EQ(response.total_size(), 0);
  EXPECT_EQ(response.set().stored(), 0);
  EXPECT_EQ(response.set().images(), 4);
  EXPECT_TRUE(response.next_page_token().empty());
  ASSERT_TRUE(store_.AppendPredictions(set.job_id, 1, SmallChunk(set, 100, 2)).ok());
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_EQ(response.set().stored(), 2);
  EXPECT_THAT(Images(response), ElementsAre(100));
  request.set_page_token(response.next_page_token());
  ASSERT_TRUE(store_.AppendPredictions(set.job_id, 1, SmallChunk(set, 102, 2)).ok());
  request.set_page_size(10);
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_THAT(Images(response), ElementsAre(101, 102, 103));
}

TEST_F(ListPredictionsTest, ATrainingMeansItsNewestPredictionWithImages) {
  v1::ListPredictionsRequest request = Request(training_);
  request.set_page_size(2);
  v1::ListPredictionsResponse response;
  const grpc::Status none = List(request, &response);
  EXPECT_EQ(none.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(none), "NO_PREDICTIONS");
  EXPECT_THAT(none.error_message(), HasSubstr(absl::StrCat("anneal predict ", training_)));

  const JobId first = Predict(SmallSet(5, 0));
  PredictionSet empty = SmallSet(5, 0);
  BeginStoredPrediction(store_, training_, empty);
  for (int i = 0; i < 250; ++i) CreateStoredJob(store_, JobKind::kPrediction, training_);
  // Of another training.
  PredictionSet others = SmallSet(5, 0);
  BeginStoredPrediction(store_, CreateStoredJob(store_, JobKind::kTraining), others);
  StoreAll(store_, others);

  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_EQ(response.set().job_id(), absl::StrCat(first));
  request.set_page_token(response.next_page_token());

  // A newer one does not get between two pages.
  const JobId second = Predict(SmallSet(5, 0));
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_EQ(response.set().job_id(), absl::StrCat(first));
  EXPECT_THAT(Images(response), ElementsAre(102, 103));
  v1::GetUncertaintyRequest summary;
  summary.set_job_id(absl::StrCat(training_));
  v1::Uncertainty uncertainty;
  ASSERT_TRUE(Get(summary, &uncertainty).ok());
  EXPECT_EQ(uncertainty.set().job_id(), absl::StrCat(second));
}

TEST_F(ListPredictionsTest, JobsWithoutPredictions) {
  const JobId queued = CreateStoredJob(store_, JobKind::kPrediction, training_);
  const JobId sweep = CreateStoredJob(store_, JobKind::kSweep);
  const JobId range_test = CreateStoredJob(store_, JobKind::kLearningRateRangeTest);
  for (const JobId id : {queued, sweep, range_test}) {
    v1::ListPredictionsResponse response;
    const grpc::Status list = List(Request(id), &response);
    EXPECT_EQ(list.error_code(), StatusCode::FAILED_PRECONDITION) << id;
    EXPECT_EQ(ReasonOf(list), "NO_PREDICTIONS");
    EXPECT_THAT(list.error_message(),
                HasSubstr(id == queued ? "has no predictions yet; it is QUEUED"
                                       : "is neither a prediction nor a training"));
    v1::GetUncertaintyRequest request;
    request.set_job_id(absl::StrCat(id));
    v1::Uncertainty uncertainty;
    EXPECT_EQ(ReasonOf(Get(request, &uncertainty)), "NO_PREDICTIONS");
  }
  PredictionSet set = SmallSet(5, 0);
  v1::GetUncertaintyRequest request;
  request.set_job_id(absl::StrCat(BeginStoredPrediction(store_, training_, set)));
  v1::Uncertainty uncertainty;
  const grpc::Status begun = Get(request, &uncertainty);
  EXPECT_EQ(begun.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(begun), "NO_PREDICTIONS");
}

TEST_F(ListPredictionsTest, NoSuchJob) {
  for (const char* id : {"", "0", "-1", "99999", "07", "all", "9999999999999999999999"}) {
    v1::ListPredictionsRequest request;
    request.set_job_id(id);
    v1::ListPredictionsResponse response;
    const grpc::Status list = List(request, &response);
    EXPECT_EQ(list.error_code(), StatusCode::NOT_FOUND) << id;
    EXPECT_EQ(ReasonOf(list), "JOB_NOT_FOUND");
    v1::GetUncertaintyRequest summary;
    summary.set_job_id(id);
    v1::Uncertainty uncertainty;
    EXPECT_EQ(ReasonOf(Get(summary, &uncertainty)), "JOB_NOT_FOUND");
  }
}

TEST_F(ListPredictionsTest, DeletedBetweenTwoPages) {
  PredictionSet set = SmallSet(5, 0);
  BeginStoredPrediction(store_, training_, set);
  StoreAll(store_, set);
  v1::ListPredictionsRequest request = Request(set.job_id);
  request.set_page_size(2);
  v1::ListPredictionsResponse response;
  ASSERT_TRUE(List(request, &response).ok());
  AttemptEnd end;
  end.from = JobState::kRunning;
  end.to = JobState::kSucceeded;
  end.stop_reason = StopReason::kCompleted;
  end.outcome = "SUCCEEDED";
  ASSERT_TRUE(store_.EndAttempt(set.job_id, 1, end).ok());
  ASSERT_TRUE(store_.DeleteJob(set.job_id).ok());
  request.set_page_token(response.next_page_token());
  const grpc::Status status = List(request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(status), "JOB_NOT_FOUND");
}

TEST_F(ListPredictionsTest, EveryMistakeIsTold) {
  const JobId id = Predict(SmallSet(5, 0));
  v1::ListPredictionsRequest request = Request(id);
  request.set_filter("wrong and lable = one");
  request.set_order_by("entrpy");
  v1::ListPredictionsResponse response;
  const grpc::Status status = List(request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "INVALID_REQUEST");
  const auto violations = ViolationsOf(status);
  ASSERT_EQ(violations.size(), 2u);
  EXPECT_EQ(violations[0].field(), "filter");
  EXPECT_THAT(violations[0].description(),
              StartsWith("at character 11: there is no field \"lable\"; there are image, label"));
  EXPECT_EQ(violations[1].field(), "order_by");
  EXPECT_THAT(violations[1].description(), HasSubstr("mutual_information"));

  // Bytes that gRPC's own strings cannot be are refused before; control characters come here.
  for (const std::string& filter : {std::string("wrong\0", 6), std::string(1'000'000, '('),
                                    std::string("label = \"\x01\""), std::string("label = 3")}) {
    v1::ListPredictionsRequest hostile = Request(id);
    hostile.set_filter(filter);
    EXPECT_THAT(FieldsOf(List(hostile, &response)), ElementsAre("filter"));
  }
}

// 4 MiB is what a client takes that has said nothing.

TEST_F(ListPredictionsTest, AnAnswerFitsIntoWhatClientsTake) {
  PredictionSet set = SmallSet(3000, 0);
  set.class_names.clear();
  for (int i = 0; i < 1000; ++i) set.class_names.push_back(absl::StrCat("class number ", i));
  const JobId id = Predict(set);
  v1::ListPredictionsRequest request = Request(id);
  request.set_page_size(10'000);
  const auto channel = rpc_.Connect(4 << 20);
  const auto stub = v1::PredictionService::NewStub(channel);
  v1::ListPredictionsResponse response;
  const grpc::Status status =
      RpcHarness::Call(*stub, &v1::PredictionService::Stub::ListPredictions, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_GT(response.predictions_size(), 300);
  EXPECT_LT(response.predictions_size(), 400);
  EXPECT_EQ(response.total_size(), 3000);
  int pages = 0;
  const std::vector<int64_t> images = AllPages(request, &pages);
  ASSERT_EQ(images.size(), 3000u);
  for (size_t i = 0; i < images.size(); ++i) ASSERT_EQ(images[i], static_cast<int64_t>(100 + i));
  EXPECT_LE(pages, 10);
}

// Every row as large as it can be for its lists.

TEST_F(ListPredictionsTest, TheBoundOfARowHolds) {
  PredictionSet set = SmallSet(10'000, 3, true);
  set.begin = std::numeric_limits<int64_t>::max() - 20'000;
  BeginStoredPrediction(store_, training_, set);
  PredictionChunk chunk = MakePredictionChunk(set, set.begin, set.images);
  for (auto& fact : chunk.facts) std::fill(fact.begin(), fact.end(), -1);  // ten bytes each
  for (auto& measure : chunk.measures) std::fill(measure.begin(), measure.end(), 0.1F);
  ASSERT_TRUE(store_.AppendPredictions(set.job_id, 1, chunk).ok());
  v1::ListPredictionsRequest request = Request(set.job_id);
  request.set_sample_probabilities(true);
  v1::ListPredictionsResponse response;
  request.set_page_size(1);
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_LE(response.predictions(0).ByteSizeLong(), 160u + 4 * 3 * (3 + 3));
}

TEST_F(ListPredictionsTest, OneRowMayBeLargerThanThat) {
  PredictionSet set = SmallSet(2, 400'000, true);  // 4.8 MB of samples an image
  const JobId id = Predict(set);
  v1::ListPredictionsRequest request = Request(id);
  request.set_sample_probabilities(true);
  v1::ListPredictionsResponse response;
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_EQ(response.predictions_size(), 1);
  EXPECT_EQ(response.predictions(0).sample_probabilities_size(), 1'200'000);
  EXPECT_FALSE(response.next_page_token().empty());
  EXPECT_THAT(AllPages(request), ElementsAre(100, 101));
  request.set_sample_probabilities(false);
  ASSERT_TRUE(List(request, &response).ok());
  EXPECT_EQ(response.predictions_size(), 2);
}

TEST_F(ListPredictionsTest, ARowThatIsTooLargeIsRefused) {
  PredictionSet set = SmallSet(2, 5'000'000, true);
  BeginStoredPrediction(store_, training_, set);
  v1::ListPredictionsRequest request = Request(set.job_id);
  request.set_sample_probabilities(true);
  v1::ListPredictionsResponse response;
  const grpc::Status status = List(request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(FieldsOf(status), ElementsAre("sample_probabilities"));
  EXPECT_THAT(status.error_message(), HasSubstr("57.2 MiB; an answer has at most 48.0 MiB"));
  request.set_sample_probabilities(false);
  EXPECT_TRUE(List(request, &response).ok());
}

// The same through the database.

}  // namespace
}  // namespace anneal
