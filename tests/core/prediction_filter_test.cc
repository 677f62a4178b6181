#include "server/core/prediction_filter.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

const std::vector<std::string> kClasses = {"cat",      "dog",   "Dog",   "polar bear", "say \"hi\"",
                                           "back\\it", "3",     "naïve", "猫",         "wrong",
                                           "twin",     "T-s/x", "twin",  "and"};

// Image 20 + i is of label labels[i] and so on; a column without a value is not there at all.
struct Chunk {
  std::vector<int32_t> labels = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  std::vector<int32_t> predicted = {0, 1, 2, 3, 4, 0, 0, 0, 0, 0};
  std::vector<int32_t> deterministic = {0, 0, 0, 0, 0, 0, 0, 0, 0, 3};
  std::vector<float> entropy = {0.0F, 0.1F, 0.2F, 0.3F, 0.4F, 0.5F, 0.6F, 0.7F, 0.8F, 0.9F};

  PredictionColumns Columns(const PredictionFilter& filter) const {
    PredictionColumns columns;
    columns.begin = 20;
    columns.count = 10;
    const auto fact = [&](ImageFact which, const std::vector<int32_t>& values) {
      if (filter.needs(which)) columns.facts[static_cast<size_t>(which)] = values.data();
    };
    fact(ImageFact::kLabel, labels);
    fact(ImageFact::kPredicted, predicted);
    fact(ImageFact::kDeterministicPredicted, deterministic);
    if (filter.needs(Measure::kEntropy)) {
      columns.measures[static_cast<size_t>(Measure::kEntropy)] = entropy.data();
    }
    return columns;
  }
};

// The images of Chunk that match, less 20.
std::vector<int> Matches(std::string_view text) {
  const absl::StatusOr<PredictionFilter> filter = PredictionFilter::Parse(text, kClasses);
  if (!filter.ok()) {
    ADD_FAILURE() << text << ": " << filter.status();
    return {};
  }
  const Chunk chunk;
  std::vector<uint8_t> matches(3, 7);
  filter->Match(chunk.Columns(*filter), matches);
  EXPECT_EQ(matches.size(), 10u);
  std::vector<int> images;
  for (size_t i = 0; i < matches.size(); ++i) {
    EXPECT_LE(matches[i], 1);
    if (matches[i] == 1) images.push_back(static_cast<int>(i));
  }
  return images;
}

std::string ErrorOf(std::string_view text) {
  const absl::StatusOr<PredictionFilter> filter = PredictionFilter::Parse(text, kClasses);
  if (filter.ok()) return "none";
  EXPECT_EQ(filter.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(filter.status().message());
}

TEST(PredictionFilter, NothingMatchesEverything) {
  for (const char* text : {"", " ", "\t\r\n"}) {
    const auto filter = PredictionFilter::Parse(text, kClasses);
    ASSERT_TRUE(filter.ok()) << filter.status();
    EXPECT_TRUE(filter->matches_all());
    EXPECT_EQ(Matches(text).size(), 10u);
  }
  EXPECT_TRUE(PredictionFilter().matches_all());
}

TEST(PredictionFilter, EveryComparison) {
  EXPECT_THAT(Matches("entropy = 0.3"), ElementsAre(3));
  EXPECT_THAT(Matches("entropy == 0.3"), ElementsAre(3));
  EXPECT_THAT(Matches("entropy != 0.3"), ElementsAre(0, 1, 2, 4, 5, 6, 7, 8, 9));
  EXPECT_THAT(Matches("entropy < 0.3"), ElementsAre(0, 1, 2));
  EXPECT_THAT(Matches("entropy <= 0.3"), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(Matches("entropy > 0.7"), ElementsAre(8, 9));
  EXPECT_THAT(Matches("entropy >= 0.7"), ElementsAre(7, 8, 9));
}

TEST(PredictionFilter, EveryField) {
  EXPECT_THAT(Matches("image = 23"), ElementsAre(3));
  EXPECT_THAT(Matches("image<22"), ElementsAre(0, 1));
  EXPECT_THAT(Matches("label >= 8"), ElementsAre(8, 9));
  EXPECT_THAT(Matches("predicted = 4"), ElementsAre(4));
  EXPECT_THAT(Matches("deterministic_predicted != 0"), ElementsAre(9));
  EXPECT_THAT(Matches("wrong"), ElementsAre(5, 6, 7, 8, 9));
  EXPECT_THAT(Matches("right"), ElementsAre(0, 1, 2, 3, 4));
  for (const Measure measure : kAllMeasures) {
    const std::string text = std::string(MeasureName(measure)) + " > 0.5";
    const auto filter = PredictionFilter::Parse(text, kClasses);
    ASSERT_TRUE(filter.ok()) << filter.status();
    for (const Measure other : kAllMeasures) EXPECT_EQ(filter->needs(other), other == measure);
    for (const ImageFact fact : kAllImageFacts) EXPECT_FALSE(filter->needs(fact));
    const std::vector<float> column = {0.4F, 0.6F};
    PredictionColumns columns;
    columns.count = 2;
    columns.measures[static_cast<size_t>(measure)] = column.data();
    std::vector<uint8_t> matches;
    filter->Match(columns, matches);
    EXPECT_THAT(matches, ElementsAre(0, 1)) << text;
  }
}

TEST(PredictionFilter, NeedsTheColumnsItReads) {
  const auto filter = PredictionFilter::Parse("not wrong and entropy > 1", kClasses);
  ASSERT_TRUE(filter.ok());
  EXPECT_TRUE(filter->needs(ImageFact::kLabel));
  EXPECT_TRUE(filter->needs(ImageFact::kPredicted));
  EXPECT_FALSE(filter->needs(ImageFact::kDeterministicPredicted));
  EXPECT_TRUE(filter->needs(Measure::kEntropy));
  EXPECT_FALSE(filter->needs(Measure::kConfidence));
  const auto images = PredictionFilter::Parse("image > 1 or label = 0", kClasses);
  ASSERT_TRUE(images.ok());
  EXPECT_TRUE(images->needs(ImageFact::kLabel));
  EXPECT_FALSE(images->needs(ImageFact::kPredicted));
  // A column of measures has the index of the fact `label`.
  EXPECT_FALSE(images->needs(Measure::kConfidence));
}

TEST(PredictionFilter, AndBindsCloserThanOrAndNotCloserThanAnd) {
  EXPECT_THAT(Matches("image = 20 or image = 21 and wrong"), ElementsAre(0));
  EXPECT_THAT(Matches("(image = 20 or image = 21) and wrong"), IsEmpty());
  EXPECT_THAT(Matches("wrong and image = 25 or image = 20"), ElementsAre(0, 5));
  EXPECT_THAT(Matches("not image = 20 and image < 22"), ElementsAre(1));
  EXPECT_THAT(Matches("not (image = 20 and image < 22)"), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_THAT(Matches("not not wrong"), ElementsAre(5, 6, 7, 8, 9));
  EXPECT_THAT(Matches("NOT Wrong AnD (image>22 OR RIGHT)"), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(Matches("image=20 or(image=22)or(not(wrong)and image=21)"), ElementsAre(0, 1, 2));
}

TEST(PredictionFilter, ClassesByName) {
  EXPECT_THAT(Matches("label = cat"), ElementsAre(0));
  EXPECT_THAT(Matches("label = \"cat\""), ElementsAre(0));
  EXPECT_THAT(Matches("label = dog"), ElementsAre(1));
  EXPECT_THAT(Matches("label = Dog"), ElementsAre(2));
  EXPECT_THAT(Matches("label=\"polar bear\""), ElementsAre(3));
  EXPECT_THAT(Matches(R"(label = "say \"hi\"")"), ElementsAre(4));
  EXPECT_THAT(Matches(R"(label = "back\\it")"), ElementsAre(5));
  EXPECT_THAT(Matches("label = \"3\""), ElementsAre(6));
  EXPECT_THAT(Matches("label = 3"), ElementsAre(3));
  EXPECT_THAT(Matches("label = naïve"), ElementsAre(7));
  EXPECT_THAT(Matches("label = 猫 and wrong"), ElementsAre(8));
  EXPECT_THAT(Matches("label = wrong or label = cat"), ElementsAre(0, 9));
  EXPECT_THAT(Matches("predicted != cat"), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Matches("label < dog"), ElementsAre(0));
  EXPECT_THAT(Matches("label = T-s/x"), IsEmpty());
  EXPECT_THAT(Matches("label = and and wrong"), IsEmpty());
}

TEST(PredictionFilter, Numbers) {
  EXPECT_THAT(Matches("entropy > +.85"), ElementsAre(9));
  EXPECT_THAT(Matches("entropy > 8.5e-1"), ElementsAre(9));
  EXPECT_THAT(Matches("entropy > 85.E-2"), ElementsAre(9));
  EXPECT_THAT(Matches("entropy = -0"), ElementsAre(0));
  EXPECT_THAT(Matches("label = -0"), ElementsAre(0));
  EXPECT_THAT(Matches("label = 3.0"), ElementsAre(3));
  EXPECT_THAT(Matches("image = 2.1e1"), ElementsAre(1));
  EXPECT_THAT(Matches("image > -1 and image < 1e300"), testing::SizeIs(10));
  // Beyond float32, not beyond double: more than every measure.
  EXPECT_THAT(Matches("entropy < 1e39"), testing::SizeIs(10));
  EXPECT_THAT(Matches("entropy <= -1e300"), IsEmpty());
}

// 0.3 is not a float32; the stored one must equal it all the same.
TEST(PredictionFilter, NumbersAreRoundedAsMeasuresAre) {
  EXPECT_THAT(Matches("entropy >= 0.3 and entropy <= 0.30000000001"), ElementsAre(3));
}

TEST(PredictionFilter, NotANumberIsUnequalToAllAndInNoOrder) {
  const std::vector<float> column = {std::numeric_limits<float>::quiet_NaN(), 1.0F};
  PredictionColumns columns;
  columns.count = 2;
  columns.measures[static_cast<size_t>(Measure::kNll)] = column.data();
  std::vector<uint8_t> matches;
  const auto match = [&](std::string_view text) {
    const auto filter = PredictionFilter::Parse(text, kClasses);
    EXPECT_TRUE(filter.ok()) << text;
    filter->Match(columns, matches);
    return matches;
  };
  EXPECT_THAT(match("nll >= 0"), ElementsAre(0, 1));
  EXPECT_THAT(match("nll < 0"), ElementsAre(0, 0));
  EXPECT_THAT(match("nll != 1"), ElementsAre(1, 0));
  EXPECT_THAT(match("not nll < 0"), ElementsAre(1, 1));
}

TEST(PredictionFilter, AChunkMayBeEmpty) {
  const auto filter = PredictionFilter::Parse("wrong or entropy > 1", kClasses);
  ASSERT_TRUE(filter.ok());
  std::vector<uint8_t> matches(4, 1);
  filter->Match(PredictionColumns(), matches);
  EXPECT_THAT(matches, IsEmpty());
}

TEST(PredictionFilter, MatchReusesItsVector) {
  const auto filter =
      PredictionFilter::Parse("image = 21 or (wrong and (right or image = 22))", kClasses);
  ASSERT_TRUE(filter.ok());
  const Chunk chunk;
  std::vector<uint8_t> matches;
  filter->Match(chunk.Columns(*filter), matches);
  EXPECT_THAT(matches, ElementsAre(0, 1, 0, 0, 0, 0, 0, 0, 0, 0));
  const uint8_t* const place = matches.data();
  filter->Match(chunk.Columns(*filter), matches);
  EXPECT_THAT(matches, ElementsAre(0, 1, 0, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_EQ(matches.data(), place);
}

struct Mistake {
  const char* text;
  int character;
  const char* words;
};

TEST(PredictionFilter, ErrorsSayWhereAndWhatWouldBeRight) {
  const Mistake mistakes[] = {
      {"entrpy > 1", 1, "there is no field \"entrpy\"; there are image, label, predicted"},
      {"entrpy > 1", 1, "mutual_information, variation_ratio, margin, nll, brier, and \"wrong\""},
      {"wrong and Entropy > 1", 11, "there is no field \"Entropy\""},
      {"naïve > 1", 1, "\"naïve\""},
      {"label = naïve or x", 18, "there is no field \"x\""},
      {"label = 猫 @", 11, "unexpected \"@\""},
      {"label = 猫猫", 9, "there is no class \"猫猫\"; there are \"cat\", \"dog\""},
      {"label = bird", 9, "\"polar bear\""},
      {"label = \"bird", 9, "these double quotes are not closed"},
      {"label = \"a\\n\"", 11, "a backslash stands before"},
      {"label = \"a\\", 11, "a backslash stands before"},
      {"label = 'cat'", 9, "write \" instead of '"},
      {"label = twin", 9, "classes 10 and 12 are both called \"twin\"; write the index"},
      {"label = 14", 9, "there is no class 14; the classes are 0 to 13"},
      {"label = -1", 9, "there is no class -1; the classes are 0 to 13"},
      {"label < 1e300", 9, "there is no class 1e300; the classes are 0 to 13"},
      {"label = 2.5", 9, "there is no class 2.5; the classes are 0 to 13"},
      {"label = (", 9, "\"label\" is compared with a class's index or name, not \"(\""},
      {"label =", 8, "\"label\" is compared with a class's index or name, not the end"},
      {"entropy > cat", 11, "\"entropy\" is compared with a number, not \"cat\""},
      {"entropy > \"1\"", 11, "\"entropy\" is compared with a number, not \"1\""},
      {"entropy > nan", 11, "is compared with a number, not \"nan\""},
      {"entropy > inf", 11, "is compared with a number, not \"inf\""},
      {"entropy > -inf", 11, "\"-inf\" is not a number"},
      {"entropy > +nan(x)", 11, "\"+nan\" is not a number"},
      {"entropy > 0x10", 11, "\"0x10\" is not a number"},
      {"entropy > 1_000", 11, "\"1_000\" is not a number"},
      {"entropy > 1.2.3", 11, "\"1.2.3\" is not a number"},
      {"entropy > 1e", 11, "\"1e\" is not a number"},
      {"entropy > .", 11, "\".\" is not a number"},
      {"entropy > +", 11, "\"+\" is not a number"},
      {"entropy > +-1", 11, "\"+\" is not a number"},
      {"entropy > --1", 11, "\"-\" is not a number"},
      {"label = 3cats", 9, "a class's name that begins so stands in double quotes"},
      {"entropy > 1e999", 11, "\"1e999\" is beyond the numbers known here"},
      {"entropy > 1e-999", 11, "\"1e-999\" is beyond the numbers known here"},
      {"image = 1.5", 9, "an image is a whole number, not \"1.5\""},
      {"image = cat", 9, "\"image\" is compared with a number, not \"cat\""},
      {"entropy", 8, "expected =, !=, <, <=, > or >= after \"entropy\", not the end"},
      {"entropy 1", 9, "expected =, !=, <, <=, > or >= after \"entropy\", not \"1\""},
      {"entropy => 1", 10, "is compared with a number, not \">\""},
      {"entropy <> 1", 10, "is compared with a number, not \">\""},
      {"0.3 < entropy", 1, "expected a field, \"wrong\", \"right\", \"not\" or \"(\", not \"0.3\""},
      {"entropy > 1 < 2", 13, "expected \"and\", \"or\" or the end, not \"<\""},
      {"wrong = 1", 7, "expected \"and\", \"or\" or the end, not \"=\""},
      {"wrong entropy > 1", 7, "expected \"and\", \"or\" or the end, not \"entropy\""},
      {"wrong & right", 7, "write \"and\" instead of"},
      {"wrong || right", 7, "write \"or\" instead of"},
      {"!wrong", 1, "write \"not\" or \"!=\""},
      {"not", 4, "expected a field"},
      {"wrong and", 10, "expected a field"},
      {"or wrong", 1, "there is no field \"or\""},
      {"()", 2, "expected a field"},
      {"(wrong", 7, "the \")\" of the \"(\" at character 1, not the end"},
      {"wrong and (right]", 17, "unexpected \"]\""},
      {"wrong)", 6, "expected \"and\", \"or\" or the end, not \")\""},
      {"wrong\x01", 6, "a control character, U+0001"},
      {"label = \"\x7f\"", 10, "a control character, U+007F"},
      {"wrong \xff", 7, "this is not UTF-8"},
      {"label = \"a\xc3\"", 11, "this is not UTF-8"},
      {"label = a\xed\xa0\x80", 10, "this is not UTF-8"},
      {"entropy > 1\xe7\x8c", 12, "this is not UTF-8"},
  };
  for (const Mistake& mistake : mistakes) {
    const std::string error = ErrorOf(mistake.text);
    const std::string begin = "at character " + std::to_string(mistake.character) + ": ";
    EXPECT_THAT(error, StartsWith(begin)) << mistake.text;
    EXPECT_THAT(error, HasSubstr(mistake.words)) << mistake.text;
  }
  EXPECT_THAT(ErrorOf(std::string_view("wrong\0", 6)),
              StartsWith("at character 6: a control character, U+0000"));
}

TEST(PredictionFilter, ErrorsAreShortAndOnOneLine) {
  const std::string error = ErrorOf("label = \"" + std::string(3000, 'a') + "\n\"");
  EXPECT_LT(error.size(), 500u);
  EXPECT_THAT(ErrorOf("label = \"a\nb\tc\""), HasSubstr("no class \"a b c\""));
  const std::vector<std::string> many(1000, std::string(2000, 'x'));
  const auto filter = PredictionFilter::Parse("label = y", many);
  EXPECT_LT(filter.status().message().size(), 1500u);
  EXPECT_THAT(std::string(filter.status().message()), HasSubstr(" and 980 more"));
}

std::string Repeated(std::string_view text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

TEST(PredictionFilter, Bounds) {
  const auto nested = [](int levels) {
    return Repeated("(", levels) + "wrong" + Repeated(")", levels);
  };
  EXPECT_THAT(Matches(nested(100)), ElementsAre(5, 6, 7, 8, 9));
  EXPECT_EQ(ErrorOf(nested(101)),
            "at character 101: more than 100 levels of parentheses and \"not\"");
  EXPECT_THAT(Matches(Repeated("not ", 100) + "wrong"), ElementsAre(5, 6, 7, 8, 9));
  EXPECT_THAT(ErrorOf(Repeated("not ", 101) + "wrong"),
              StartsWith("at character 401: more than 100 levels"));
  EXPECT_THAT(ErrorOf(Repeated("(", 4000)), StartsWith("at character 101: more than 100 levels"));
  // Levels beside each other do not add up.
  EXPECT_THAT(Matches("wrong" + Repeated(" and (not (wrong or right) or wrong)", 66)),
              testing::SizeIs(5));

  EXPECT_THAT(Matches("wrong" + Repeated(" or wrong", 199)), testing::SizeIs(5));
  EXPECT_THAT(ErrorOf("wrong" + Repeated(" or wrong", 200)),
              StartsWith("at character 1801: more than 200 comparisons"));
  // As many operands as there can be: ( a or ( b or ( ...
  EXPECT_THAT(Matches(Repeated("wrong and (", 99) + "wrong" + Repeated(")", 99)),
              testing::SizeIs(5));

  EXPECT_THAT(Matches("wrong" + std::string(3995, ' ')), testing::SizeIs(5));
  EXPECT_EQ(ErrorOf("wrong" + std::string(3996, ' ')),
            "at character 4001: a filter has at most 4000 bytes, this one has 4001");
  EXPECT_THAT(ErrorOf(Repeated("ä", 100'000)),
              StartsWith("at character 2001: a filter has at most 4000 bytes"));
}

}  // namespace
}  // namespace anneal
