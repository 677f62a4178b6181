#include "client/range_test_text.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace anneal::client {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

void AddPoint(v1::LearningRateRangeTestResult& result, double learning_rate, double smoothed) {
  auto* point = result.add_points();
  point->set_step(result.points_size());
  point->set_learning_rate(learning_rate);
  point->set_loss(smoothed + 0.25);
  point->set_smoothed_loss(smoothed);
}

// 2 until 1e-4, down to 1 at 0.1, then up and away.
v1::LearningRateRangeTestResult Fall() {
  v1::LearningRateRangeTestResult result;
  AddPoint(result, 1e-5, 2);
  AddPoint(result, 1e-4, 2);
  AddPoint(result, 1e-3, 1.75);
  AddPoint(result, 1e-2, 1.25);
  AddPoint(result, 1e-1, 1);
  AddPoint(result, 1, 9);
  result.set_steepest(0.00345678);
  result.set_valley(0.001);
  result.set_minimum_tenth(0.01);
  result.set_diverged(true);
  return result;
}

TEST(RangeTestTextTest, AllOfIt) {
  // 30 columns, 20 of them for 5 decades, 19/5 a decade; a quarter of the fall, which is 1, above 2
  // the curve is cut off.
  const std::string text = RangeTestText(Fall(), Style{.columns = 31});
  EXPECT_THAT(text, StartsWith("          smoothed loss\n"
                               ">2.2500 |                   *\n"
                               "        |\n"
                               "        |*   *\n"));
  EXPECT_THAT(text, HasSubstr(" 1.0000 |               *\n"
                              "        ++---+---+--+---+---+\n"
                              "                 V SM\n"));
  EXPECT_THAT(text, testing::EndsWith(
                        "\n"
                        "   SUGGESTION     LEARNING RATE\n"
                        "S  steepest             0.00346  where the loss falls fastest\n"
                        "V  valley                 0.001  in the middle of the longest fall\n"
                        "M  minimum_tenth           0.01  a tenth of where the loss is least\n"
                        "The loss diverged after step 6, at a learning rate of about 1.\n"));
}

TEST(RangeTestTextTest, ACurveThatStaysLowIsNotCut) {
  v1::LearningRateRangeTestResult result = Fall();
  result.mutable_points()->RemoveLast();
  AddPoint(result, 1, 1.5);
  result.set_diverged(false);
  result.clear_steepest();
  const std::string text = RangeTestText(result, Style{});
  EXPECT_THAT(text,
              AllOf(HasSubstr("\n2.0000 |"), Not(HasSubstr(">")), Not(HasSubstr("diverged"))));
  EXPECT_THAT(text, HasSubstr("S  steepest                none  where"));
}

TEST(RangeTestTextTest, ALossThatNeverFalls) {
  v1::LearningRateRangeTestResult result;
  AddPoint(result, 1e-5, 2);
  AddPoint(result, 1e-4, 2.5);
  AddPoint(result, 1e-3, 1000);
  result.set_diverged(true);
  const std::string text = RangeTestText(result, Style{});
  EXPECT_THAT(text, HasSubstr(">3.0000 |"));
  EXPECT_THAT(text, HasSubstr("\nNothing is suggested: the curve has too few points, or its loss "
                              "never falls."));
  EXPECT_THAT(text, HasSubstr("diverged after step 3, at a learning rate of about 0.001.\n"));
  EXPECT_EQ(RangeTestAdvice("anneal submit FILE --lr-from 7", result), "");
}

TEST(RangeTestTextTest, NothingAtAll) {
  v1::LearningRateRangeTestResult result;
  result.set_diverged(true);
  EXPECT_THAT(RangeTestText(result, Style{}), StartsWith("Nothing is suggested"));
  EXPECT_EQ(RangeTestCsv("7", result), "job,step,learning_rate,loss,smoothed_loss\n");
}

TEST(RangeTestTextTest, TheAdviceNamesWhatThereIs) {
  v1::LearningRateRangeTestResult result = Fall();
  EXPECT_EQ(RangeTestAdvice("anneal submit FILE --lr-from 7", result),
            "\nTrain with one of them: anneal submit FILE --lr-from "
            "7[:steepest|valley|minimum_tenth]\n");
  result.clear_valley();
  EXPECT_EQ(RangeTestAdvice("anneal submit FILE --lr-from 7", result),
            "\nTrain with one of them: anneal submit FILE --lr-from 7[:steepest|minimum_tenth]\n"
            "The default, valley, is not there: name one.\n");
}

TEST(RangeTestTextTest, CsvReadsBackToTheLastBit) {
  v1::LearningRateRangeTestResult result;
  AddPoint(result, 0.1, 0.3);
  EXPECT_EQ(RangeTestCsv("a,\x1b", result),
            "job,step,learning_rate,loss,smoothed_loss\n"
            "\"a,\\x1b\",1,0.10000000000000001,0.55000000000000004,0.29999999999999999\n");
}

TEST(RangeTestTextTest, Suggestions) {
  EXPECT_EQ(SuggestionNames(), "steepest, valley, minimum_tenth");
  ASSERT_NE(FindSuggestion(kDefaultSuggestion), nullptr);
  EXPECT_EQ(FindSuggestion("minimum_tenth")->In(Fall()), 0.01);
  EXPECT_EQ(FindSuggestion("Valley"), nullptr);
  EXPECT_EQ(FindSuggestion(""), nullptr);
  EXPECT_EQ(FormatLearningRate(0.0012345), "0.00123");
  EXPECT_EQ(FormatLearningRate(1.2345e-6), "1.23e-06");
  EXPECT_EQ(FormatLearningRate(9.996), "10");
}

}  // namespace
}  // namespace anneal::client
