#include "server/rpc/prediction_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace anneal {
namespace {

using testing::HasSubstr;
using By = PredictionOrder::By;

void ExpectOrder(const std::string& text, By by, size_t column, bool descending) {
  const absl::StatusOr<PredictionOrder> order = ParsePredictionOrder(text);
  ASSERT_TRUE(order.ok()) << text << ": " << order.status();
  EXPECT_EQ(order->by, by) << text;
  EXPECT_EQ(order->column, column) << text;
  EXPECT_EQ(order->descending, descending) << text;
}

TEST(ParsePredictionOrder, EveryFieldBothWays) {
  ExpectOrder("", By::kImage, 0, false);
  ExpectOrder(" \t\n", By::kImage, 0, false);
  ExpectOrder("image", By::kImage, 0, false);
  ExpectOrder("image desc", By::kImage, 0, true);
  for (const ImageFact fact : kAllImageFacts) {
    const std::string name(ImageFactName(fact));
    ExpectOrder(name, By::kFact, static_cast<size_t>(fact), false);
    ExpectOrder(name + " desc", By::kFact, static_cast<size_t>(fact), true);
  }
  for (const Measure measure : kAllMeasures) {
    const std::string name(MeasureName(measure));
    ExpectOrder(name + " asc", By::kMeasure, static_cast<size_t>(measure), false);
    ExpectOrder("  " + name + "\tDESC ", By::kMeasure, static_cast<size_t>(measure), true);
  }
}

TEST(ParsePredictionOrder, SaysWhatThereIs) {
  const auto error = [](const std::string& text) {
    const absl::StatusOr<PredictionOrder> order = ParsePredictionOrder(text);
    EXPECT_EQ(order.status().code(), absl::StatusCode::kInvalidArgument) << text;
    return std::string(order.status().message());
  };
  EXPECT_THAT(error("entrpy"), HasSubstr("nothing is called \"entrpy\"; there are image, label"));
  EXPECT_THAT(error("Entropy"), HasSubstr("mutual_information"));
  EXPECT_THAT(error("desc"), HasSubstr("nothing is called \"desc\""));
  EXPECT_THAT(error("entropy down"),
              HasSubstr("after \"entropy\" comes asc, desc or nothing, not \"down\""));
  EXPECT_THAT(error("entropy desc image"), HasSubstr("not \"image\""));
  EXPECT_THAT(error("entropy desc, image"), HasSubstr("\"image\""));
  EXPECT_THAT(error("entropy,image"), HasSubstr("nothing is called \"entropy,image\""));
  EXPECT_LT(error(std::string(100'000, 'x')).size(), 400u);
  EXPECT_THAT(error(std::string("\0", 1)), HasSubstr("\\x00"));
}

}  // namespace
}  // namespace anneal
