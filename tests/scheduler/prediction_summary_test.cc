#include "server/scheduler/prediction_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "tests/support/fake_store.h"
#include "tests/support/manual_clock.h"
#include "tests/support/stored_predictions.h"

namespace anneal {
namespace {

using testing::HasSubstr;

class PredictionSummaryTest : public testing::Test {
 protected:
  JobId Begin(PredictionSet& set) {
    return BeginStoredPrediction(store_, CreateStoredJob(store_, JobKind::kTraining), set);
  }

  ManualClock clock_;
  FakeStore store_{clock_};
};

TEST_F(PredictionSummaryTest, IsWhatTheChunksSayTogether) {
  PredictionSet set = SmallSet(50, 4);
  const JobId id = Begin(set);
  StoreAll(store_, set, 20);
  const absl::StatusOr<Uncertainty> summary = SummarizePredictions(store_, id);
  ASSERT_TRUE(summary.ok()) << summary.status();
  UncertaintyBuilder builder(set, {});
  builder.Add(SmallChunk(set, 100, 50));
  const Uncertainty expected = builder.Finish();
  EXPECT_EQ(summary->set.stored, 50);
  EXPECT_EQ(summary->set.dataset, "shapes");
  ASSERT_TRUE(summary->monte_carlo.has_value());
  EXPECT_GT(summary->monte_carlo->accuracy, 0);
  EXPECT_GT(summary->monte_carlo->aurc, 0.0);
  EXPECT_LT(summary->monte_carlo->accuracy, 1);
  EXPECT_EQ(summary->monte_carlo->accuracy, expected.monte_carlo->accuracy);
  EXPECT_EQ(summary->monte_carlo->aurc, expected.monte_carlo->aurc);
  EXPECT_EQ(summary->deterministic.ece, expected.deterministic.ece);
  EXPECT_EQ(summary->deterministic.bins.size(), 15u);
}

TEST_F(PredictionSummaryTest, TakesOptions) {
  PredictionSet set = SmallSet(10, 4);
  const JobId id = Begin(set);
  StoreAll(store_, set);
  const auto summary = SummarizePredictions(store_, id, {3, Measure::kMutualInformation});
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->monte_carlo->bins.size(), 3u);
  EXPECT_TRUE(summary->monte_carlo->aurc.has_value());
  EXPECT_FALSE(summary->deterministic.aurc.has_value());
}

TEST_F(PredictionSummaryTest, Refusals) {
  EXPECT_EQ(SummarizePredictions(store_, 99).status().code(), absl::StatusCode::kNotFound);
  PredictionSet set = SmallSet(10, 0);
  const JobId id = Begin(set);
  const absl::Status none = SummarizePredictions(store_, id).status();
  EXPECT_EQ(none.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(none.message()), HasSubstr("has stored no predictions yet"));
  StoreAll(store_, set);
  EXPECT_TRUE(SummarizePredictions(store_, id).ok());
  for (const UncertaintyOptions& options :
       {UncertaintyOptions{0, Measure::kConfidence}, UncertaintyOptions{15, Measure::kNll},
        UncertaintyOptions{15, Measure::kBrier},
        UncertaintyOptions{15, Measure::kMutualInformation}}) {
    EXPECT_EQ(SummarizePredictions(store_, id, options).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST_F(PredictionSummaryTest, ALabelThatIsNoClassIsDamage) {
  for (const int32_t label : {-1, 3, std::numeric_limits<int32_t>::min()}) {
    PredictionSet set = SmallSet(10, 2);
    const JobId id = Begin(set);
    PredictionChunk chunk = SmallChunk(set, 100, 10);
    chunk.fact(ImageFact::kLabel)[7] = label;
    ASSERT_TRUE(store_.AppendPredictions(id, 1, chunk).ok());
    const absl::Status status = SummarizePredictions(store_, id).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr("image 107 has the label"));
  }
}

TEST_F(PredictionSummaryTest, TroubleOfTheStoreIsReturned) {
  PredictionSet set = SmallSet(10, 0);
  const JobId id = Begin(set);
  StoreAll(store_, set);
  store_.Fail(FakeStore::Call::kReadPredictions, 1, absl::UnavailableError("busy"));
  EXPECT_EQ(SummarizePredictions(store_, id).status().code(), absl::StatusCode::kUnavailable);
  store_.Fail(FakeStore::Call::kGetPredictionSet, 1, absl::DataLossError("damaged"));
  EXPECT_EQ(SummarizePredictions(store_, id).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace anneal
