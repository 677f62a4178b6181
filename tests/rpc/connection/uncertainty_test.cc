// GetUncertainty, trouble of the store, and both calls on a real database.
#include "server/core/uncertainty.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/rpc/connection/prediction_fixture.h"

namespace anneal {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;

using UncertaintyTest = PredictionServiceTest;

TEST_F(UncertaintyTest, OfBothSides) {
  PredictionSet set = SmallSet(60, 5);
  const JobId id = Predict(set);
  v1::GetUncertaintyRequest request;
  request.set_job_id(absl::StrCat(id));
  request.set_bins(4);
  request.set_rank_by("entropy");
  v1::Uncertainty response;
  ASSERT_TRUE(Get(request, &response).ok());
  UncertaintyBuilder builder(set, {4, Measure::kEntropy});
  builder.Add(SmallChunk(set, 100, 60));
  const Uncertainty expected = builder.Finish();
  EXPECT_EQ(response.set().stored(), 60);
  ASSERT_TRUE(response.has_monte_carlo());
  const auto compare = [](const v1::SetMeasures& answer, const SetMeasures& measures) {
    EXPECT_EQ(answer.accuracy(), measures.accuracy);
    EXPECT_EQ(answer.nll(), measures.nll);
    EXPECT_EQ(answer.brier(), measures.brier);
    EXPECT_EQ(answer.ece(), measures.ece);
    EXPECT_TRUE(answer.has_aurc());
    EXPECT_EQ(answer.aurc(), *measures.aurc);
    ASSERT_EQ(answer.bins_size(), 4);
    for (int i = 0; i < 4; ++i) {
      const CalibrationBin& bin = measures.bins[static_cast<size_t>(i)];
      EXPECT_EQ(answer.bins(i).lower(), bin.lower);
      EXPECT_EQ(answer.bins(i).upper(), bin.upper);
      EXPECT_EQ(answer.bins(i).images(), bin.images);
      EXPECT_EQ(answer.bins(i).accuracy(), bin.accuracy);
      EXPECT_EQ(answer.bins(i).confidence(), bin.confidence);
    }
    ASSERT_EQ(answer.coverages_size(), 5);
    for (int i = 0; i < 5; ++i) {
      const Coverage& coverage = measures.coverages[static_cast<size_t>(i)];
      EXPECT_EQ(answer.coverages(i).coverage(), coverage.coverage);
      EXPECT_EQ(answer.coverages(i).images(), coverage.images);
      EXPECT_EQ(answer.coverages(i).accuracy(), coverage.accuracy);
      EXPECT_EQ(answer.coverages(i).threshold(), coverage.threshold);
    }
    ASSERT_EQ(answer.measures_size(), static_cast<int>(measures.measures.size()));
    for (int i = 0; i < answer.measures_size(); ++i) {
      const MeasureSummary& summary = measures.measures[static_cast<size_t>(i)];
      EXPECT_EQ(answer.measures(i).name(), MeasureName(summary.measure));
      ASSERT_TRUE(summary.right.has_value() && summary.wrong.has_value());
      EXPECT_EQ(answer.measures(i).right(), *summary.right);
      EXPECT_EQ(answer.measures(i).wrong(), *summary.wrong);
      EXPECT_EQ(answer.measures(i).has_auroc(), summary.auroc.has_value());
      EXPECT_EQ(answer.measures(i).auroc(), summary.auroc.value_or(0));
    }
  };
  compare(response.monte_carlo(), *expected.monte_carlo);
  compare(response.deterministic(), expected.deterministic);

  request.set_rank_by("mutual_information");
  ASSERT_TRUE(Get(request, &response).ok());
  EXPECT_TRUE(response.monte_carlo().has_aurc());
  EXPECT_FALSE(response.deterministic().has_aurc());
  EXPECT_EQ(response.deterministic().coverages_size(), 0);
}

TEST_F(UncertaintyTest, Defaults) {
  const JobId id = Predict(SmallSet(10, 0));
  v1::GetUncertaintyRequest request;
  request.set_job_id(absl::StrCat(id));
  v1::Uncertainty response;
  ASSERT_TRUE(Get(request, &response).ok());
  EXPECT_FALSE(response.has_monte_carlo());
  EXPECT_EQ(response.deterministic().bins_size(), 15);
  // Ranked by confidence: the threshold of all is the least of them.
  EXPECT_LT(response.deterministic().coverages(0).threshold(), 1);
  EXPECT_GT(response.deterministic().coverages(0).threshold(), 0.5);
}

TEST_F(UncertaintyTest, Refusals) {
  const JobId id = Predict(SmallSet(10, 0));
  v1::GetUncertaintyRequest request;
  request.set_job_id(absl::StrCat(id));
  request.set_bins(1001);
  request.set_rank_by("doubt");
  v1::Uncertainty response;
  grpc::Status status = Get(request, &response);
  EXPECT_THAT(FieldsOf(status), ElementsAre("bins", "rank_by"));
  EXPECT_THAT(status.error_message(), HasSubstr("must be from 1 to 1000, is 1001"));
  EXPECT_THAT(status.error_message(),
              HasSubstr("is \"doubt\"; images can be ranked by confidence, entropy"));
  request.set_bins(-1);
  request.set_rank_by("nll");
  status = Get(request, &response);
  EXPECT_THAT(FieldsOf(status), ElementsAre("bins", "rank_by"));
  EXPECT_THAT(status.error_message(), HasSubstr("is \"nll\", which needs the label; images can"));
  request.set_bins(1000);
  request.set_rank_by("mutual_information");
  status = Get(request, &response);
  EXPECT_THAT(FieldsOf(status), ElementsAre("rank_by"));
  EXPECT_THAT(status.error_message(), HasSubstr("which compares samples"));
}

TEST_F(UncertaintyTest, TroubleOfTheStoreIsTold) {
  const JobId id = Predict(SmallSet(10, 0));
  v1::ListPredictionsResponse response;
  v1::GetUncertaintyRequest request;
  request.set_job_id(absl::StrCat(id));
  v1::Uncertainty uncertainty;
  for (const FakeStore::Call call :
       {FakeStore::Call::kGetJob, FakeStore::Call::kGetPredictionSet,
        FakeStore::Call::kListPredictions, FakeStore::Call::kReadPredictions}) {
    store_.Fail(call, FakeStore::kForEver, absl::UnavailableError("the database is busy"));
    if (call != FakeStore::Call::kReadPredictions) {
      const grpc::Status status = List(Request(id), &response);
      EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
      EXPECT_EQ(ReasonOf(status), "UNAVAILABLE");
    }
    if (call != FakeStore::Call::kListPredictions) {
      EXPECT_EQ(Get(request, &uncertainty).error_code(), StatusCode::UNAVAILABLE);
    }
    store_.Heal(call);
  }
}

class PredictionDatabaseTest : public SqliteRpcTest {};

TEST_F(PredictionDatabaseTest, WhatWasStoredIsAnswered) {
  PredictionSet set = SmallSet(1500, 4, true);
  BeginStoredPrediction(*store_, CreateStoredJob(*store_, JobKind::kTraining), set);
  StoreAll(*store_, set);
  const auto stub = v1::PredictionService::NewStub(rpc_->channel());
  v1::ListPredictionsRequest request;
  request.set_job_id(absl::StrCat(set.job_id));
  request.set_filter("wrong and (entropy > 0.5 or label = \"two words\")");
  request.set_order_by("entropy desc");
  request.set_page_size(100);
  request.set_sample_probabilities(true);
  std::vector<v1::Prediction> rows;
  v1::ListPredictionsResponse response;
  do {
    request.set_page_token(response.next_page_token());
    const grpc::Status status =
        RpcHarness::Call(*stub, &v1::PredictionService::Stub::ListPredictions, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    rows.insert(rows.end(), response.predictions().begin(), response.predictions().end());
  } while (!response.next_page_token().empty());

  const PredictionChunk chunk = SmallChunk(set, 100, 1500);
  size_t expected = 0;
  for (size_t i = 0; i < 1500; ++i) {
    const int32_t label = chunk.fact(ImageFact::kLabel)[i];
    const bool wrong = label != chunk.fact(ImageFact::kPredicted)[i];
    expected += wrong && (chunk.measure(Measure::kEntropy)[i] > 0.5F || label == 2) ? 1 : 0;
  }
  EXPECT_EQ(rows.size(), expected);
  EXPECT_GT(expected, 0u);
  EXPECT_EQ(response.total_size(), static_cast<int64_t>(expected));
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto place = static_cast<size_t>(rows[i].image() - 100);
    EXPECT_EQ(rows[i].entropy(), chunk.measure(Measure::kEntropy)[place]);
    EXPECT_EQ(rows[i].sample_probabilities(7), chunk.sample_probabilities[place * 12 + 7]);
    if (i == 0) continue;
    EXPECT_TRUE(
        rows[i - 1].entropy() > rows[i].entropy() ||
        (rows[i - 1].entropy() == rows[i].entropy() && rows[i - 1].image() < rows[i].image()));
  }
  v1::GetUncertaintyRequest summary;
  summary.set_job_id(absl::StrCat(set.job_id));
  v1::Uncertainty uncertainty;
  ASSERT_TRUE(
      RpcHarness::Call(*stub, &v1::PredictionService::Stub::GetUncertainty, summary, &uncertainty)
          .ok());
  UncertaintyBuilder builder(set, {});
  builder.Add(chunk);
  EXPECT_EQ(uncertainty.monte_carlo().aurc(), *builder.Finish().monte_carlo->aurc);
}

}  // namespace
}  // namespace anneal
