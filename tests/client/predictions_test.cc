// `predictions` against a daemon that answers by script, and its parts.
#include <limits>
#include <string>
#include <vector>

#include "client/class_bars.h"
#include "client/filter_error.h"
#include "client/prediction_csv.h"
#include "client/prediction_table.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/client/fake_server.h"
#include "tests/client/parse.h"
#include "tests/client/test_environment.h"

namespace anneal::client {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char kSet[] = R"(
    job_id: "8" model_job_id: "3" dataset: "d" split: "test" samples: 4 images: 1000 stored: 1000
    class_names: ["cat", "dog", "deer"])";
// 0.5, 0.25 and 0.125 are exact; the samples vote dog, dog, cat, deer.
constexpr char kImage[] = R"(
    image: 42 label: 0 predicted: 1 confidence: 0.5 entropy: 1.0397208 expected_entropy: 0.75
    mutual_information: 0.28972077 variation_ratio: 0.5 margin: 0.125 nll: 0.98082924 brier: 0.78125
    probabilities: [0.375, 0.5, 0.125] deviations: [0.25, 0.125, 0.1]
    deterministic_predicted: 2 deterministic_probabilities: [0.25, 0.25, 0.5])";
constexpr char kSamples[] =
    "sample_probabilities: [0.25, 0.5, 0.25,  0.1, 0.8, 0.1,  0.5, 0.5, 0,  0, 0, 1]";

Style Plain(int columns = 100) {
  Style style;
  style.columns = columns;
  return style;
}
Style Unicode(int columns = 100) {
  Style style = Plain(columns);
  style.unicode = true;
  return style;
}

TEST(ClassBarsTest, AsHighAsTheProbability) {
  const auto eighths = Parse<v1::Prediction>(
      "label: 9 predicted: 9 probabilities: [0, 0.0624, 0.0626, 0.25, 0.375, 0.5, 0.625, 0.75, "
      "0.875, 1, 7, -1, nan, inf]");
  EXPECT_EQ(ClassBars(eighths, Unicode()), "··▁▂▃▄▅▆▇██··█");
  const auto tenths = Parse<v1::Prediction>(
      "label: 9 probabilities: [0, 0.049, 0.051, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, -inf]");
  EXPECT_EQ(ClassBars(tenths, Plain()),
            "..123456789"
            "9.");
  EXPECT_EQ(ClassBars({}, Plain()), "");
}

TEST(ClassBarsTest, TheLabelIsGreenAndAWrongPredictionRed) {
  Style style = Plain();
  style.color = true;
  const auto wrong = Parse<v1::Prediction>("label: 0 predicted: 1 probabilities: [0.3, 0.5, 0.2]");
  EXPECT_EQ(ClassBars(wrong, style), "\x1b[32m3\x1b[0m\x1b[31m5\x1b[0m2");
  const auto right = Parse<v1::Prediction>("label: 1 predicted: 1 probabilities: [0.3, 0.5, 0.2]");
  EXPECT_EQ(ClassBars(right, style), "3\x1b[32m5\x1b[0m2");
}

TEST(LikelyClassesTest, AsManyAsFit) {
  const auto set = Parse<v1::PredictionSet>(kSet);
  const auto image = Parse<v1::Prediction>(kImage);
  EXPECT_EQ(LikelyClasses(image, set, 40, Plain()), "dog 0.50, cat 0.38, deer 0.12");
  EXPECT_EQ(LikelyClasses(image, set, 29, Plain()), "dog 0.50, cat 0.38, deer 0.12");
  EXPECT_EQ(LikelyClasses(image, set, 28, Plain()), "dog 0.50, cat 0.38");
  EXPECT_EQ(LikelyClasses(image, set, 6, Plain()), "dog 0~");
  const auto sure = Parse<v1::Prediction>("probabilities: [0.996, 0.004, 0]");
  EXPECT_EQ(LikelyClasses(sure, set, 40, Plain()), "cat 1.00");
  const auto equals = Parse<v1::Prediction>("probabilities: [0.25, 0.25, nan, 0.5]");
  EXPECT_EQ(LikelyClasses(equals, set, 40, Plain()), "3 0.50, cat 0.25, dog 0.25");
}

TEST(VotesTest, EachSampleVotesForItsLikeliestClass) {
  const auto set = Parse<v1::PredictionSet>(kSet);
  EXPECT_EQ(VotesText(Parse<v1::Prediction>(std::string(kImage) + kSamples), set),
            "dog 2, cat 1, deer 1");
  EXPECT_EQ(VotesText(Parse<v1::Prediction>(kImage), set), "");
  EXPECT_EQ(VotesText({}, set), "");
}

TEST(PredictionTableTest, ALineAnImage) {
  const auto set = Parse<v1::PredictionSet>(kSet);
  const auto image = Parse<v1::Prediction>(kImage);
  const PredictionTable table(set, "entropy", Unicode());
  EXPECT_EQ(table.Header(), "IMAGE  LABEL  PREDICTED  CONFIDENCE  ENTROPY  MUTUAL INFO  012\n");
  EXPECT_EQ(table.Row(image), "   42  cat    dog            0.5000   1.0397       0.2897  ▃▄▁\n");
  const PredictionTable with_nll(set, "nll", Plain());
  EXPECT_EQ(with_nll.Header(),
            "IMAGE  LABEL  PREDICTED  CONFIDENCE  ENTROPY  MUTUAL INFO      NLL  012\n");
  EXPECT_EQ(with_nll.Row(Parse<v1::Prediction>(std::string(kImage) + kSamples)),
            "   42  cat    dog            0.5000   1.0397       0.2897   0.9808  451\n"
            "       votes dog 2, cat 1, deer 1\n");
}

TEST(PredictionTableTest, ColumnsAreWideEnoughForEveryRow) {
  auto set = Parse<v1::PredictionSet>(kSet);
  set.set_begin(9'999'990);
  set.set_class_names(2, "日本語\x1b[2J and a very long name");
  const PredictionTable table(set, "", Unicode());
  auto image = Parse<v1::Prediction>(kImage);
  image.set_label(2);
  EXPECT_EQ(
      table.Header(),
      "   IMAGE  LABEL             PREDICTED         CONFIDENCE  ENTROPY  MUTUAL INFO  012\n");
  EXPECT_EQ(
      table.Row(image),
      "      42  日本語\\x1b[2J a…  dog                   0.5000   1.0397       0.2897  ▃▄▁\n");
}

TEST(PredictionTableTest, FitsTheTerminal) {
  auto set = Parse<v1::PredictionSet>(kSet);
  v1::Prediction image = Parse<v1::Prediction>(kImage);
  for (int i = 3; i < 99; ++i) {
    set.add_class_names("class " + std::to_string(i));
    image.add_probabilities(0);
  }
  for (const int columns : {1, 40, 60, 80, 81, 150, 170, 171, 400}) {
    const PredictionTable table(set, "brier", Unicode(columns));
    // What is never left out takes 72 columns here.
    EXPECT_LE(DisplayWidth(table.Header()) - 1, std::max(columns, 72)) << columns;
    EXPECT_LE(DisplayWidth(table.Row(image)) - 1, std::max(columns, 72)) << columns;
  }
  EXPECT_THAT(PredictionTable(set, "", Plain(120)).Row(image), HasSubstr("dog 0.50, cat 0.38"));
  EXPECT_THAT(PredictionTable(set, "", Plain(400)).Row(image), HasSubstr("  451....."));
  EXPECT_THAT(PredictionTable(set, "", Plain(400)).Header(), HasSubstr("CLASSES"));
}

TEST(PredictionTableTest, WhatIsAskedForAndTheClassesComeBeforeTheEntropy) {
  const auto set = Parse<v1::PredictionSet>(kSet);
  const auto header = [&](int columns) {
    return PredictionTable(set, "nll", Plain(columns)).Header();
  };
  EXPECT_EQ(header(71),
            "IMAGE  LABEL  PREDICTED  CONFIDENCE  ENTROPY  MUTUAL INFO      NLL  012\n");
  EXPECT_EQ(header(70), "IMAGE  LABEL  PREDICTED  CONFIDENCE  MUTUAL INFO      NLL  012\n");
  EXPECT_EQ(header(62), "IMAGE  LABEL  PREDICTED  CONFIDENCE  MUTUAL INFO      NLL  012\n");
  EXPECT_EQ(header(61), "IMAGE  LABEL  PREDICTED  CONFIDENCE  MUTUAL INFO      NLL\n");
}

TEST(PredictionTableTest, WhateverADaemonSends) {
  const auto hostile = Parse<v1::PredictionSet>(
      "begin: 9223372036854775807 images: 9223372036854775807 class_names: 'a'");
  auto image = Parse<v1::Prediction>(kImage);
  image.set_label(-2147483648);
  image.set_confidence(std::numeric_limits<float>::quiet_NaN());
  EXPECT_THAT(PredictionTable(hostile, "x", Plain()).Row(image),
              AllOf(HasSubstr("-2147483648"), HasSubstr("nan"), Not(HasSubstr("451"))));
  EXPECT_NE(PredictionTable({}, "", Plain()).Row({}), "");
}

TEST(PredictionTableTest, ManyClassesAreNamed) {
  auto set = Parse<v1::PredictionSet>(kSet);
  auto image = Parse<v1::Prediction>(kImage);
  while (set.class_names_size() < kManyClasses) {
    set.add_class_names("x");
    image.add_probabilities(0);
  }
  EXPECT_THAT(PredictionTable(set, "", Plain(1000)).Row(image),
              HasSubstr("  dog 0.50, cat 0.38, deer 0.12\n"));
}

TEST(PredictionTableTest, WrongOnesAreRed) {
  Style style = Plain(70);
  style.color = true;
  const auto set = Parse<v1::PredictionSet>(kSet);
  auto image = Parse<v1::Prediction>(kImage);
  EXPECT_THAT(PredictionTable(set, "", style).Row(image), HasSubstr("cat    \x1b[31mdog"));
  image.set_label(1);
  EXPECT_THAT(PredictionTable(set, "", style).Row(image), HasSubstr("dog    dog"));
}

TEST(PredictionCsvTest, FullPrecision) {
  auto set = Parse<v1::PredictionSet>(kSet);
  EXPECT_EQ(PredictionCsvHeader(set),
            "job,image,label,label_name,predicted,predicted_name,confidence,entropy,"
            "expected_entropy,mutual_information,variation_ratio,margin,nll,brier,"
            "deterministic_predicted,deterministic_predicted_name,p_0,p_1,p_2,std_0,std_1,std_2,"
            "deterministic_p_0,deterministic_p_1,deterministic_p_2\n");
  set.set_class_names(0, "a \"cat\", black\x1b");
  EXPECT_EQ(PredictionCsvRow(set, Parse<v1::Prediction>(kImage)),
            "8,42,0,\"a \"\"cat\"\", black\\x1b\",1,dog,0.5,1.03972077,0.75,0.289720774,0.5,0.125,"
            "0.980829239,0.78125,2,deer,0.375,0.5,0.125,0.25,0.125,0.100000001,0.25,0.25,0.5\n");
  // As many fields, whatever is missing.
  EXPECT_EQ(PredictionCsvRow(set, Parse<v1::Prediction>("label: 1 nll: inf entropy: nan")),
            "8,0,1,dog,0,\"a \"\"cat\"\", black\\x1b\",0,nan,0,0,0,0,inf,0,0,\"a \"\"cat\"\", "
            "black\\x1b\",,,,,,,,,\n");
}

TEST(PredictionCsvTest, ALineASample) {
  const auto set = Parse<v1::PredictionSet>(kSet);
  EXPECT_EQ(SampleCsvHeader(set), "job,image,label,label_name,sample,p_0,p_1,p_2\n");
  EXPECT_EQ(SampleCsvRows(set, Parse<v1::Prediction>(std::string(kImage) + kSamples)),
            "8,42,0,cat,1,0.25,0.5,0.25\n"
            "8,42,0,cat,2,0.100000001,0.800000012,0.100000001\n"
            "8,42,0,cat,3,0.5,0.5,0\n"
            "8,42,0,cat,4,0,0,1\n");
  EXPECT_EQ(SampleCsvRows(set, Parse<v1::Prediction>(kImage)), "");
}

grpc::Status WrongFilter(const std::string& description) {
  return InvalidWith("the filter cannot be understood", {{"filter", description}});
}

TEST(FilterErrorTest, ACaretUnderTheCharacter) {
  EXPECT_EQ(FilterErrorText("wrong an x", WrongFilter("at character 7: \"an\""), Plain()),
            "  wrong an x\n        ^\n");
  EXPECT_EQ(FilterErrorText("wrong", WrongFilter("at character 1: x"), Plain()), "  wrong\n  ^\n");
  // The end, and what lies beyond it.
  EXPECT_EQ(FilterErrorText("not", WrongFilter("at character 4: x"), Plain()), "  not\n     ^\n");
  EXPECT_EQ(FilterErrorText("not", WrongFilter("at character 99: x"), Plain()), "  not\n     ^\n");
}

TEST(FilterErrorTest, WidthsAreThoseOfTheTerminal) {
  // Two wide characters, a combining one and an escaped tab: 2 + 2 + 0 + 2 columns.
  EXPECT_EQ(FilterErrorText("日本\u0301\t= ?", WrongFilter("at character 7: x"), Unicode()),
            "  日本\u0301\\t= ?\n          ^\n");
  EXPECT_EQ(FilterErrorText("label = \"日本\" x", WrongFilter("at character 14: x"), Unicode()),
            "  label = \"日本\" x\n                 ^\n");
}

TEST(FilterErrorTest, LongFiltersAreCut) {
  const std::string filter = std::string(200, 'a') + "?" + std::string(200, 'b');
  for (const int columns : {10, 40, 80, 200}) {
    const std::string text =
        FilterErrorText(filter, WrongFilter("at character 201: x"), Plain(columns));
    const size_t end = text.find('\n');
    EXPECT_LE(end, std::max<size_t>(22, static_cast<size_t>(columns)));
    EXPECT_EQ(text.find('?'), text.find('^') - end - 1) << text;
    EXPECT_THAT(text, AllOf(StartsWith("  ~aaa"), HasSubstr("b~\n")));
  }
  const std::string at_end =
      FilterErrorText(std::string(300, 'a'), WrongFilter("at character 301: x"), Plain(40));
  EXPECT_EQ(at_end, "  ~" + std::string(36, 'a') + "\n" + std::string(39, ' ') + "^\n");
}

TEST(FilterErrorTest, OtherErrorsHaveNone) {
  EXPECT_EQ(FilterErrorText("x", InvalidWith("", {{"order_by", "at character 1: x"}}), Plain()),
            "");
  EXPECT_EQ(FilterErrorText("x", WrongFilter("at character x: y"), Plain()), "");
  EXPECT_EQ(FilterErrorText("x", WrongFilter("at character 0: y"), Plain()), "");
  EXPECT_EQ(FilterErrorText("x", WrongFilter("at character 1"), Plain()), "");
  EXPECT_EQ(FilterErrorText("x", WrongFilter("is too long"), Plain()), "");
  EXPECT_EQ(FilterErrorText("x", grpc::Status(grpc::INTERNAL, "x"), Plain()), "");
}

class PredictionsTest : public testing::Test {
 protected:
  PredictionsTest() {
    // Images 0 .. matching_ - 1 in order, pages by their first image.
    server_.list_predictions = [this](const v1::ListPredictionsRequest& request,
                                      v1::ListPredictionsResponse* response) {
      requests_.push_back(request);
      *response->mutable_set() = set_;
      response->set_total_size(matching_);
      const int64_t begin = request.page_token().empty() ? 0 : std::stoll(request.page_token());
      const int64_t end = std::min<int64_t>(matching_, begin + request.page_size());
      for (int64_t i = begin; i < end; ++i) {
        v1::Prediction& image = *response->add_predictions();
        image = Parse<v1::Prediction>(kImage);
        image.set_image(i);
        if (request.sample_probabilities() && set_.keeps_samples())
          image.MergeFrom(Parse<v1::Prediction>(kSamples));
      }
      if (end < matching_) response->set_next_page_token(std::to_string(end));
      return grpc::Status::OK;
    };
    server_.Start();
  }

  int Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--server", server_.address(), "predictions"});
    requests_.clear();
    return world_.Run(arguments);
  }
  int64_t Lines() const {
    const std::string text = world_.out.str();
    return std::count(text.begin(), text.end(), '\n');
  }

  v1::PredictionSet set_ = Parse<v1::PredictionSet>(kSet);
  int64_t matching_ = 1000;
  std::vector<v1::ListPredictionsRequest> requests_;
  FakeServer server_;
  TestEnvironment world_;
};

TEST_F(PredictionsTest, ATableOfTwenty) {
  EXPECT_EQ(Run({"8"}), 0);
  EXPECT_EQ(Lines(), 1 + 20 + 2);
  EXPECT_THAT(world_.out.str(),
              AllOf(StartsWith("IMAGE  LABEL  PREDICTED"), HasSubstr("\n   19  cat "),
                    HasSubstr("\n\n20 of 1,000 images; --limit 0 shows all\n")));
  EXPECT_EQ(world_.err.str(), "");
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_EQ(requests_[0].SerializeAsString(),
            Parse<v1::ListPredictionsRequest>(R"(job_id: "8" page_size: 20)").SerializeAsString());
}

TEST_F(PredictionsTest, PagesUpToTheLimit) {
  EXPECT_EQ(Run({"8", "--limit", "500", "--filter", "wrong", "--sort", "entropy"}), 0);
  EXPECT_EQ(Lines(), 1 + 500 + 2);
  EXPECT_THAT(
      world_.out.str(),
      HasSubstr("\n500 of 1,000 images that match, by entropy desc; --limit 0 shows all\n"));
  ASSERT_EQ(requests_.size(), 2u);
  EXPECT_EQ(requests_[0].page_size(), 20);
  EXPECT_EQ(requests_[1].page_size(), 480);
  EXPECT_EQ(requests_[1].page_token(), "20");
  EXPECT_EQ(requests_[1].filter(), "wrong");
  EXPECT_EQ(requests_[1].order_by(), "entropy desc");
  EXPECT_EQ(Run({"8", "--limit", "0"}), 0);
  EXPECT_EQ(Lines(), 1 + 1000 + 2);
  EXPECT_THAT(world_.out.str(), HasSubstr("\n\n1,000 images\n"));
  EXPECT_EQ(Run({"8", "--limit", "1"}), 0);
  EXPECT_EQ(requests_[0].page_size(), 1);
}

TEST_F(PredictionsTest, PagesAreOfMegabytes) {
  // 5 classes: (3 x 5 + 20) floats an image; with 100 samples 500 more.
  for (const char* name : {"e", "f"}) set_.add_class_names(name);
  set_.set_samples(100);
  set_.set_keeps_samples(true);
  matching_ = 50'000;
  EXPECT_EQ(Run({"8", "--format", "csv", "--limit", "30000"}), 0);
  ASSERT_EQ(requests_.size(), 4u);
  EXPECT_EQ(requests_[1].page_size(), 10'000);
  EXPECT_EQ(requests_[3].page_size(), 30'000 - 20 - 20'000);
  EXPECT_EQ(Run({"8", "--samples", "--format", "json", "--limit", "3000"}), 0);
  ASSERT_EQ(requests_.size(), 3u);
  EXPECT_EQ(requests_[0].page_size(), 1);
  EXPECT_EQ(requests_[1].page_size(), 4 * 1024 * 1024 / (535 * 4));
}

TEST_F(PredictionsTest, WhatMostDoubtsComesFirst) {
  for (const auto& [given, asked] : std::vector<std::pair<std::string, std::string>>{
           {"entropy", "entropy desc"},
           {"expected_entropy", "expected_entropy desc"},
           {"mutual_information", "mutual_information desc"},
           {"variation_ratio", "variation_ratio desc"},
           {"nll", "nll desc"},
           {"brier", "brier desc"},
           {"confidence", "confidence asc"},
           {"margin", "margin asc"},
           {"image", "image asc"},
           {"label", "label asc"},
           {"predicted", "predicted asc"},
           {"deterministic_predicted", "deterministic_predicted asc"},
           {"entropy:asc", "entropy asc"},
           {"confidence:desc", "confidence desc"}}) {
    EXPECT_EQ(Run({"8", "--sort", given}), 0);
    EXPECT_EQ(requests_[0].order_by(), asked);
  }
  for (const char* wrong : {":", ":asc", "entropy:", "entropy:up", "a:b:c"}) {
    EXPECT_EQ(Run({"8", "--sort", wrong}), 2) << wrong;
    EXPECT_THAT(world_.err.str(), HasSubstr("is not MEASURE, MEASURE:asc or MEASURE:desc"));
    EXPECT_TRUE(requests_.empty());
  }
}

TEST_F(PredictionsTest, CsvAndJsonAreWholeAndAlone) {
  EXPECT_EQ(Run({"8", "--format", "csv"}), 0);
  EXPECT_EQ(Lines(), 1 + 1000);
  EXPECT_THAT(world_.out.str(),
              AllOf(StartsWith("job,image,label,"), HasSubstr("\n8,999,0,cat,1,")));
  EXPECT_EQ(Run({"8", "--format", "csv", "--limit", "3"}), 0);
  EXPECT_EQ(Lines(), 1 + 3);
  EXPECT_EQ(Run({"8", "--format", "json"}), 0);
  EXPECT_EQ(Lines(), 1000);
  const std::string json = world_.out.str();
  EXPECT_EQ(Run({"8", "--output", "json"}), 0);
  EXPECT_EQ(world_.out.str(), json);
  const auto first = nlohmann::json::parse(json.substr(0, json.find('\n')));
  EXPECT_EQ(first["predicted"], 1);
  EXPECT_EQ(first["probabilities"], nlohmann::json({0.375, 0.5, 0.125}));
  EXPECT_EQ(world_.err.str(), "");
}

TEST_F(PredictionsTest, NoneThatMatches) {
  matching_ = 0;
  EXPECT_EQ(Run({"8", "--filter", "label = cat"}), 0);
  EXPECT_EQ(world_.out.str(), "no image matches\n");
  EXPECT_EQ(Run({"8", "--format", "csv"}), 0);
  EXPECT_EQ(Lines(), 1);
  EXPECT_EQ(Run({"8", "--format", "json"}), 0);
  EXPECT_EQ(world_.out.str(), "");
  matching_ = 1;
  EXPECT_EQ(Run({"8", "--filter", "label = cat"}), 0);
  EXPECT_THAT(world_.out.str(), HasSubstr("\n\n1 image that matches\n"));
}

TEST_F(PredictionsTest, WhatIsNotStoredYet) {
  set_.set_stored(400);
  EXPECT_EQ(Run({"8", "--limit", "2"}), 0);
  EXPECT_THAT(world_.out.str(), HasSubstr("shows all\n400 of 1,000 images are stored\n"));
}

// Between two pages a newer prediction may end: the rest must be of the same one.
// The server's page tokens keep to the prediction that the first page was of.
TEST_F(PredictionsTest, OfATrainingItSaysWhichPredictionAndAsksNoPageTwice) {
  EXPECT_EQ(Run({"3", "--format", "csv", "--limit", "100"}), 0);
  EXPECT_EQ(world_.err.str(), "job 3 is a training; its newest prediction is job 8\n");
  EXPECT_EQ(Lines(), 1 + 100);
  ASSERT_EQ(requests_.size(), 2u);
  EXPECT_EQ(requests_[0].job_id(), "3");
  EXPECT_EQ(requests_[0].page_token(), "");
  EXPECT_EQ(requests_[1].job_id(), "3");
  EXPECT_EQ(requests_[1].page_token(), "20");
}

TEST_F(PredictionsTest, AnotherSpellingOfAnIdIsNoTraining) {
  EXPECT_EQ(Run({"08"}), 0);
  EXPECT_EQ(world_.err.str(), "");
  EXPECT_EQ(requests_.size(), 1u);
}

TEST_F(PredictionsTest, Samples) {
  EXPECT_EQ(Run({"8", "--samples"}), 3);
  EXPECT_EQ(world_.err.str(),
            "anneal: job 8 did not keep its samples; predict again with --keep-samples\n");
  EXPECT_EQ(world_.out.str(), "");
  set_.set_keeps_samples(true);
  EXPECT_EQ(Run({"8", "--samples", "--limit", "2"}), 0);
  EXPECT_TRUE(requests_[0].sample_probabilities());
  EXPECT_EQ(Lines(), 1 + 2 * 2 + 2);
  EXPECT_THAT(world_.out.str(), HasSubstr("votes dog 2, cat 1, deer 1\n"));
  EXPECT_EQ(Run({"8", "--samples", "--limit", "2", "--format", "csv"}), 0);
  EXPECT_EQ(Lines(), 1 + 2 * 4);
  EXPECT_THAT(world_.out.str(), StartsWith("job,image,label,label_name,sample,p_0,p_1,p_2\n"));
}

TEST_F(PredictionsTest, AFilterThatCannotBeUnderstood) {
  server_.list_predictions = [](const v1::ListPredictionsRequest&, auto*) {
    return InvalidWith("the request has 1 violation",
                       {{"filter", "at character 10: \"an\" is no word of a filter"}});
  };
  EXPECT_EQ(Run({"8", "--filter", "wrong\n日本 an"}), 3);
  EXPECT_EQ(world_.err.str(),
            "anneal: the request has 1 violation (INVALID_ARGUMENT)\n"
            "  filter: at character 10: \"an\" is no word of a filter\n"
            "  wrong\\n日本 an\n"
            "              ^\n");
  EXPECT_EQ(world_.out.str(), "");
}

TEST_F(PredictionsTest, UsageErrors) {
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{},
                                             {"8", "9"},
                                             {"8", "--limit", "-1"},
                                             {"8", "--limit", "x"},
                                             {"8", "--format", "xml"},
                                             {"8", "--filter", "\xff"}}) {
    EXPECT_EQ(Run(wrong), 2) << testing::PrintToString(wrong);
    EXPECT_EQ(world_.out.str(), "");
    EXPECT_TRUE(requests_.empty());
  }
}

TEST_F(PredictionsTest, OutputThatNobodyReadsEndsIt) {
  world_.out.setstate(std::ios::badbit);
  EXPECT_EQ(Run({"8", "--format", "csv"}), 2);
  EXPECT_EQ(requests_.size(), 1u);
}

TEST_F(PredictionsTest, ADaemonThatGoesAwayBetweenPages) {
  const auto answer = server_.list_predictions;
  server_.list_predictions = [&](const v1::ListPredictionsRequest& request,
                                 v1::ListPredictionsResponse* response) {
    if (!request.page_token().empty()) return grpc::Status(grpc::UNAVAILABLE, "stopping");
    return answer(request, response);
  };
  EXPECT_EQ(Run({"8", "--format", "csv"}), 4);
  EXPECT_THAT(world_.err.str(), HasSubstr("stopping"));
  server_.list_predictions = nullptr;
  EXPECT_EQ(Run({"8"}), 3);
  EXPECT_THAT(world_.err.str(), HasSubstr("does not know this request"));
}

}  // namespace
}  // namespace anneal::client
