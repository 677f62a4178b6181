// `uncertainty` against a daemon that answers by script, and its parts.
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "client/reliability_diagram.h"
#include "client/uncertainty_text.h"
#include "client/uncertainty_verdict.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/client/fake_server.h"
#include "tests/client/test_environment.h"

namespace anneal::client {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

v1::Uncertainty Parse(const std::string& text) {
  v1::Uncertainty message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

// 10,000 images: accuracies of 0.64 and 0.8, whose standard errors are 0.0048 and 0.004.
constexpr char kBoth[] = R"(
    set { job_id: "8" model_job_id: "3" dataset: "d" split: "test" samples: 50 seed: 9
          images: 10000 stored: 10000 }
    deterministic {
      accuracy: 0.64 nll: 1.5 brier: 0.5 ece: 0.25 aurc: 0.2
      bins { lower: 0 upper: 0.5 }
      bins { lower: 0.5 upper: 1 images: 10000 accuracy: 0.64 confidence: 0.89 }
      coverages { coverage: 1 images: 10000 accuracy: 0.64 threshold: 0.5 }
      coverages { coverage: 0.9 images: 9000 accuracy: 0.7 threshold: 0.6 }
      measures { name: "confidence" right: 0.9 wrong: 0.8 auroc: 0.75 }
      measures { name: "mutual_information" right: 0 wrong: 0 auroc: 0.5 } }
    monte_carlo {
      accuracy: 0.8 nll: 1 brier: 0.375 ece: 0.03125 aurc: 0.1
      bins { lower: 0 upper: 0.5 images: 2500 accuracy: 0.5 confidence: 0.4 }
      bins { lower: 0.5 upper: 1 images: 7500 accuracy: 0.9 confidence: 0.925 }
      coverages { coverage: 1 images: 10000 accuracy: 0.8 threshold: 0.25 }
      coverages { coverage: 0.9 images: 9000 accuracy: 0.875 threshold: 0.375 }
      measures { name: "confidence" right: 0.875 wrong: 0.5 auroc: 0.84375 }
      measures { name: "mutual_information" right: 0.125 wrong: 0.25 auroc: 0.75 }
      measures { name: "nll" right: 0.125 wrong: 2 auroc: 1 } })";

Style Plain(int columns = 100) {
  Style style;
  style.columns = columns;
  return style;
}

// On one line a sentence.
std::string Verdict(const v1::Uncertainty& uncertainty) {
  std::string text = UncertaintyVerdict(uncertainty, "confidence", Plain());
  for (size_t at = text.find("\n  "); at != std::string::npos; at = text.find("\n  "))
    text.replace(at, 3, " ");
  return text;
}

TEST(ShareErrorTest, Binomial) {
  EXPECT_DOUBLE_EQ(ShareError(0.64, 10'000), 0.0048);  // sqrt(0.64 * 0.36) / 100
  EXPECT_DOUBLE_EQ(ShareError(0.5, 1), 0.5);
  EXPECT_EQ(ShareError(1, 10), 0);
  EXPECT_TRUE(std::isnan(ShareError(0.5, 0)));
}

TEST(AurocErrorTest, HanleyAndMcNeil) {
  // At 1 nothing varies. At 0.5 Q1 = Q2 = 1/3, and the variance is that of Mann and Whitney.
  EXPECT_EQ(AurocError(1, 10, 20), 0.0);
  EXPECT_NEAR(*AurocError(0.5, 10, 20), std::sqrt(31.0 / 2400), 1e-12);
  EXPECT_NEAR(*ChanceAurocError(10, 20), std::sqrt(31.0 / 2400), 1e-12);
  EXPECT_EQ(AurocError(0.5, 0, 5), std::nullopt);
  EXPECT_EQ(AurocError(0.5, 5, 0), std::nullopt);
  EXPECT_EQ(AurocError(std::nan(""), 5, 5), std::nullopt);
  EXPECT_EQ(ChanceAurocError(0, 5), std::nullopt);
}

// Doubts that are exponential, as the model has it: the areas of many draws vary as it says.
TEST(AurocErrorTest, IsThatOfExponentialDoubts) {
  constexpr int kWrong = 10;
  constexpr int kRight = 25;
  constexpr int kDraws = 20'000;
  std::mt19937 random(1);
  std::exponential_distribution<double> wrong_doubt(1);
  std::exponential_distribution<double> right_doubt(3);  // smaller: the area is 3 / (1 + 3)
  double sum = 0;
  double squares = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    std::vector<double> right(kRight);
    for (double& doubt : right) doubt = right_doubt(random);
    int ordered = 0;
    for (int i = 0; i < kWrong; ++i) {
      const double wrong = wrong_doubt(random);
      for (const double doubt : right) ordered += wrong > doubt ? 1 : 0;
    }
    const double auroc = ordered / static_cast<double>(kWrong * kRight);
    sum += auroc;
    squares += auroc * auroc;
  }
  const double mean = sum / kDraws;
  EXPECT_NEAR(mean, 0.75, 0.003);
  EXPECT_NEAR(std::sqrt(squares / kDraws - mean * mean), *AurocError(0.75, kWrong, kRight), 0.002);
}

TEST(UncertaintyTextTest, BothWays) {
  EXPECT_EQ(UncertaintyText(Parse(kBoth), "confidence", Plain()),
            "job 8 by job 3 on d/test, 10,000 images, 50 samples, seed 9\n"
            "\n"
            "                 ACCURACY  STD ERROR     NLL   BRIER     ECE    AURC\n"
            "without dropout    0.6400     0.0048  1.5000  0.5000  0.2500  0.2000\n"
            "MC Dropout         0.8000     0.0040  1.0000  0.3750  0.0312  0.1000\n"
            "\n"
            "Accuracy where only the surest images are answered, by confidence\n"
            "COVERAGE  IMAGES  WITHOUT DROPOUT   ERROR  MC DROPOUT   ERROR\n"
            "   100 %  10,000           0.6400  0.3600      0.8000  0.2000\n"
            "    90 %   9,000           0.7000  0.3000      0.8750  0.1250\n"
            "\n"
            "Mean over right and wrong answers (MC Dropout); AUROC: how well it tells wrong from "
            "right, 0.5 not\nat all\n"
            "MEASURE              RIGHT   WRONG   AUROC  AUROC WITHOUT DROPOUT\n"
            "confidence          0.8750  0.5000  0.8438                 0.7500\n"
            "mutual_information  0.1250  0.2500  0.7500                 0.5000\n"
            "nll                 0.1250  2.0000  1.0000                      -\n"
            "\n"
            "Reliability: the bar is the accuracy, | the mean confidence, where it would end if "
            "answers were as\n"
            "good as they are sure\n"
            "            without dropout                              MC Dropout\n"
            "CONFIDENCE  IMAGES  ACCURACY                             IMAGES  ACCURACY\n"
            "0.00-0.50        0                                        2,500    0.5000  "
            "##########|##\n"
            "0.50-1.00   10,000    0.6400  ################      |     7,500    0.9000  "
            "#######################|\n");
}

// What compares samples ranks nothing without dropout.
TEST(UncertaintyTextTest, RankedByWhatComparesSamples) {
  v1::Uncertainty uncertainty = Parse(kBoth);
  uncertainty.mutable_deterministic()->clear_aurc();
  uncertainty.mutable_deterministic()->clear_coverages();
  EXPECT_THAT(
      UncertaintyText(uncertainty, "mutual_information", Plain()),
      AllOf(HasSubstr("without dropout    0.6400     0.0048  1.5000  0.5000  0.2500       -\n"),
            HasSubstr("by mutual_information\n"
                      "COVERAGE  IMAGES  MC DROPOUT   ERROR\n"
                      "   100 %  10,000      0.8000  0.2000\n"
                      "    90 %   9,000      0.8750  0.1250\n"
                      "\n")));
  const std::string csv = UncertaintyCsv({uncertainty});
  EXPECT_THAT(csv, AllOf(HasSubstr("8,monte_carlo,aurc,"), Not(HasSubstr("8,deterministic,aurc"))));
  uncertainty.clear_monte_carlo();
  EXPECT_THAT(UncertaintyText(uncertainty, "mutual_information", Plain()),
              Not(HasSubstr("COVERAGE")));
}

TEST(UncertaintyTextTest, WithoutSamplesThereIsOneWay) {
  v1::Uncertainty uncertainty = Parse(kBoth);
  uncertainty.clear_monte_carlo();
  uncertainty.mutable_set()->set_samples(0);
  const std::string text = UncertaintyText(uncertainty, "entropy", Plain());
  EXPECT_THAT(text, AllOf(StartsWith("job 8 by job 3 on d/test, 10,000 images, without dropout\n"),
                          HasSubstr("by entropy\nCOVERAGE  IMAGES  WITHOUT DROPOUT   ERROR\n"),
                          HasSubstr("\nMEASURE              RIGHT   WRONG   AUROC\n"),
                          Not(HasSubstr("MC D"))));
}

TEST(ReliabilityDiagramTest, TheMarkStandsAtTheConfidence) {
  v1::Uncertainty uncertainty = Parse(R"(deterministic {
      bins { lower: 0 upper: 0.5 images: 1 accuracy: 1 confidence: 0 }
      bins { lower: 0.5 upper: 1 images: 1234567 accuracy: 0.55 confidence: 1 }
      bins { lower: 0.9 upper: 1 } })");
  Style style = Plain(60);
  style.unicode = true;
  // Of a screen of 60 columns 60 - 10 - 2 - 9 - 2 - 8 - 2 = 27 are left.
  EXPECT_EQ(ReliabilityDiagram(AllAnswers(uncertainty), style),
            "\nReliability: the bar is the accuracy, │ the mean confidence,\n"
            "where it would end if answers were as good as they are sure\n"
            "            without dropout\n"
            "CONFIDENCE     IMAGES  ACCURACY\n"
            "0.00-0.50           1    1.0000  │██████████████████████████\n"
            "0.50-1.00   1,234,567    0.5500  ██████████████▉           │\n");
}

TEST(ReliabilityDiagramTest, FitsTheTerminalOrStandsBelowOneAnother) {
  const v1::Uncertainty uncertainty = Parse(kBoth);
  for (const int columns : {1, 40, 60, 69, 70, 72, 80, 120, 500}) {
    Style style = Plain(columns);
    style.unicode = true;
    std::string text = ReliabilityDiagram(AllAnswers(uncertainty), style);
    text.erase(0, text.find("sure\n") + 5);  // of the title, which is broken
    size_t lines = 0;
    for (size_t begin = 0; begin < text.size(); ++lines) {
      const size_t end = text.find('\n', begin);
      EXPECT_LE(DisplayWidth(text.substr(begin, end - begin)), std::max(columns, 40)) << text;
      begin = end + 1;
    }
    EXPECT_EQ(lines, columns < 70 ? 3u + 1 + 4 : 4u) << columns << "\n" << text;
  }
}

TEST(ReliabilityDiagramTest, NothingWhereThereIsNothing) {
  EXPECT_EQ(ReliabilityDiagram(AllAnswers({}), Plain()), "");
  const v1::Uncertainty empty = Parse("deterministic { bins { upper: 1 } }");
  EXPECT_EQ(ReliabilityDiagram(AllAnswers(empty), Plain()), "");
}

TEST(ReliabilityDiagramTest, BinsAreToldApart) {
  v1::Uncertainty uncertainty;
  for (int i = 0; i < 1000; ++i) {
    auto& bin = *uncertainty.mutable_deterministic()->add_bins();
    bin.set_lower(i / 1000.0);
    bin.set_upper((i + 1) / 1000.0);
    bin.set_images(i < 998 ? 0 : 1);
  }
  EXPECT_THAT(ReliabilityDiagram(AllAnswers(uncertainty), Plain()),
              AllOf(HasSubstr("\n0.9980-0.9990 "), HasSubstr("\n0.9990-1.0000 "),
                    Not(HasSubstr("0.9970-"))));
}

TEST(UncertaintyVerdictTest, DropoutThatHelps) {
  EXPECT_EQ(
      Verdict(Parse(kBoth)),
      "- MC Dropout raises accuracy from 0.6400 to 0.8000 (standard error 0.0048).\n"
      "- MC Dropout lowers NLL from 1.5000 to 1.0000, the Brier score from 0.5000 to 0.3750 and "
      "the calibration error (ECE) from 0.2500 to 0.0312. Lower is better.\n"
      "- Without dropout the network is overconfident (mean confidence 0.8900, accuracy 0.6400); "
      "with MC Dropout it is about as sure as it is good (mean confidence 0.7937, accuracy "
      "0.8000).\n"
      "- Abstaining on the least sure tenth (by confidence) raises accuracy from 0.8000 to "
      "0.8750.\n"
      "- Of all measures confidence tells wrong from right best, with AUROC 0.8438 (standard "
      "error 0.0057).\n"
      "- Mutual information tells wrong from right with AUROC 0.7500 (standard error 0.0067).\n"
      "- Standard errors are those of other images of the same kind; another training, or "
      "another seed of the masks, may differ by more.\n");
}

TEST(UncertaintyVerdictTest, AccuracyByItsStandardError) {
  v1::Uncertainty uncertainty = Parse(kBoth);
  const auto sentence = [&](double after) {
    uncertainty.mutable_monte_carlo()->set_accuracy(after);
    const std::string text = Verdict(uncertainty);
    return text.substr(0, text.find('\n'));
  };
  EXPECT_EQ(sentence(0.64), "- MC Dropout leaves accuracy at 0.6400 (standard error 0.0048).");
  EXPECT_EQ(
      sentence(0.6436),
      "- MC Dropout leaves accuracy about the same: it goes from 0.6400 to 0.6436, by less than "
      "a standard error (0.0048).");
  EXPECT_EQ(sentence(0.632),
            "- MC Dropout lowers accuracy from 0.6400 to 0.6320, by less than two standard errors "
            "(0.0048): it may be chance.");
  EXPECT_EQ(sentence(0.6),
            "- MC Dropout lowers accuracy from 0.6400 to 0.6000 (standard error 0.0049).");
}

TEST(UncertaintyVerdictTest, WhatGotWorseIsSaid) {
  v1::Uncertainty uncertainty = Parse(kBoth);
  uncertainty.mutable_monte_carlo()->set_nll(1.75);
  uncertainty.mutable_monte_carlo()->set_brier(0.50001);
  EXPECT_THAT(Verdict(uncertainty),
              HasSubstr("- MC Dropout lowers the calibration error (ECE) from 0.2500 to 0.0312; it "
                        "raises NLL from 1.5000 to 1.7500; it leaves the Brier score at 0.5000. "
                        "Lower is better.\n"));
  uncertainty.mutable_monte_carlo()->mutable_coverages(1)->set_accuracy(0.75);
  EXPECT_THAT(Verdict(uncertainty), HasSubstr("(by confidence) does not help: it lowers accuracy "
                                              "from 0.8000 to 0.7500.\n"));
  uncertainty.mutable_monte_carlo()->mutable_coverages(1)->set_accuracy(0.8);
  EXPECT_THAT(Verdict(uncertainty), HasSubstr("(by confidence) leaves accuracy at 0.8000.\n"));
  uncertainty.mutable_monte_carlo()->mutable_bins(1)->set_confidence(0.8);
  EXPECT_THAT(Verdict(uncertainty),
              HasSubstr("with MC Dropout it is underconfident (mean confidence 0.7"));
}

TEST(UncertaintyVerdictTest, DoubtsThatTellNothing) {
  v1::Uncertainty uncertainty = Parse(kBoth);
  auto& mutual = *uncertainty.mutable_monte_carlo()->mutable_measures(1);
  // 2,000 wrong and 8,000 right: the error of chance is sqrt(10001 / 1.92e8) = 0.0072.
  mutual.set_auroc(0.514);
  EXPECT_THAT(Verdict(uncertainty), HasSubstr("- Mutual information tells wrong from right with "
                                              "AUROC 0.5140 (standard error 0.0073); that is no "
                                              "better than chance.\n"));
  mutual.set_auroc(0.516);
  EXPECT_THAT(Verdict(uncertainty), HasSubstr("AUROC 0.5160 (standard error 0.0073).\n"));
  mutual.set_auroc(0.45);
  EXPECT_THAT(Verdict(uncertainty), HasSubstr("); that is worse than chance, it is larger where "
                                              "the answer is right.\n"));
  uncertainty.mutable_monte_carlo()->mutable_measures(0)->set_auroc(0.51);
  EXPECT_THAT(Verdict(uncertainty), HasSubstr("- Of all measures confidence tells wrong from right "
                                              "best, with AUROC 0.5100 (standard error 0.0072); "
                                              "even that is no better than chance.\n"));
}

TEST(UncertaintyVerdictTest, SamplesThatAgree) {
  v1::Uncertainty uncertainty = Parse(kBoth);
  auto& mutual = *uncertainty.mutable_monte_carlo()->mutable_measures(1);
  mutual.set_right(1e-9);
  mutual.set_wrong(0);
  EXPECT_THAT(Verdict(uncertainty),
              HasSubstr("- The samples agree on every image, mutual information is 0: dropout "
                        "changes nothing in this network. Has it a dropout layer?\n"));
  uncertainty.mutable_set()->set_samples(1);
  EXPECT_THAT(Verdict(uncertainty), HasSubstr("- One sample cannot disagree with itself"));
}

TEST(UncertaintyVerdictTest, FewImages) {
  v1::Uncertainty uncertainty = Parse(kBoth);
  uncertainty.mutable_set()->set_images(400);
  uncertainty.mutable_set()->set_stored(100);
  // 2 * sqrt(0.8 * 0.2 / 100)
  EXPECT_THAT(Verdict(uncertainty),
              AllOf(StartsWith("- Only the first 100 of 400 images are stored: all this is of "
                               "them.\n"),
                    HasSubstr("- These are only 100 images: accuracy is known to about 0.0800 (two "
                              "standard errors), and the calibration error comes out too large by "
                              "chance, the more so the more bins.\n")));
  uncertainty.mutable_monte_carlo()->set_accuracy(1);
  EXPECT_THAT(Verdict(uncertainty),
              AllOf(HasSubstr("- All answers are right: there is nothing for a measure of doubt"),
                    HasSubstr("no error among so few still allows a rate of up to about 0.0300, "
                              "and")));
  uncertainty.mutable_monte_carlo()->set_accuracy(0);
  EXPECT_THAT(Verdict(uncertainty), HasSubstr("- All answers are wrong: "));
}

TEST(UncertaintyVerdictTest, WithoutSamplesOnlyWhatCanBeSaid) {
  v1::Uncertainty uncertainty = Parse(kBoth);
  uncertainty.clear_monte_carlo();
  uncertainty.mutable_set()->set_samples(0);
  EXPECT_THAT(Verdict(uncertainty),
              AllOf(StartsWith("- Without dropout the network is overconfident"),
                    Not(HasSubstr("MC Dropout")), Not(HasSubstr("utual information")),
                    HasSubstr("raises accuracy from 0.6400 to 0.7000.\n")));
  EXPECT_NE(Verdict({}), "");  // whatever a daemon sends
}

TEST(UncertaintyRankingTest, NamesTheBest) {
  v1::Uncertainty other = Parse(kBoth);
  other.mutable_set()->set_job_id("9");
  other.mutable_monte_carlo()->set_nll(2);
  other.mutable_monte_carlo()->set_ece(0.01);
  EXPECT_EQ(
      UncertaintyRanking({Parse(kBoth), other}, Plain()),
      "- The highest accuracy is 0.8000, of job 8 with MC Dropout and job 9 with MC Dropout.\n"
      "- The lowest NLL is 1.0000, of job 8 with MC Dropout.\n"
      "- The lowest ECE is 0.0100, of job 9 with MC Dropout.\n");
  other.mutable_set()->set_split("train");
  EXPECT_THAT(UncertaintyRanking({Parse(kBoth), other}, Plain()),
              StartsWith("- These are not the same images: a difference"));
}

TEST(UncertaintyCsvTest, ALineANumber) {
  v1::Uncertainty uncertainty = Parse(kBoth);
  uncertainty.clear_deterministic();
  uncertainty.mutable_monte_carlo()->mutable_measures(1)->clear_auroc();
  uncertainty.mutable_monte_carlo()->mutable_measures(1)->set_name("a,b\x1b");
  uncertainty.mutable_monte_carlo()->mutable_bins(0)->set_images(0);
  std::string text = UncertaintyCsv({uncertainty});
  EXPECT_THAT(text, StartsWith("job,kind,measure,value\n8,deterministic,images,10000\n"));
  EXPECT_EQ(text.substr(text.find("8,monte_carlo")),
            "8,monte_carlo,images,10000\n"
            "8,monte_carlo,accuracy,0.80000000000000004\n"
            "8,monte_carlo,nll,1\n"
            "8,monte_carlo,brier,0.375\n"
            "8,monte_carlo,ece,0.03125\n"
            "8,monte_carlo,aurc,0.10000000000000001\n"
            "8,monte_carlo,coverage_1/images,10000\n"
            "8,monte_carlo,coverage_1/accuracy,0.80000000000000004\n"
            "8,monte_carlo,coverage_1/threshold,0.25\n"
            "8,monte_carlo,coverage_0.9/images,9000\n"
            "8,monte_carlo,coverage_0.9/accuracy,0.875\n"
            "8,monte_carlo,coverage_0.9/threshold,0.375\n"
            "8,monte_carlo,confidence/right,0.875\n"
            "8,monte_carlo,confidence/wrong,0.5\n"
            "8,monte_carlo,confidence/auroc,0.84375\n"
            "8,monte_carlo,\"a,b\\x1b/right\",0.125\n"
            "8,monte_carlo,\"a,b\\x1b/wrong\",0.25\n"
            "8,monte_carlo,nll/right,0.125\n"
            "8,monte_carlo,nll/wrong,2\n"
            "8,monte_carlo,nll/auroc,1\n"
            "8,monte_carlo,bin_1/lower,0\n"
            "8,monte_carlo,bin_1/upper,0.5\n"
            "8,monte_carlo,bin_1/images,0\n"
            "8,monte_carlo,bin_2/lower,0.5\n"
            "8,monte_carlo,bin_2/upper,1\n"
            "8,monte_carlo,bin_2/images,7500\n"
            "8,monte_carlo,bin_2/accuracy,0.90000000000000002\n"
            "8,monte_carlo,bin_2/confidence,0.92500000000000004\n");
}

class UncertaintyCliTest : public testing::Test {
 protected:
  UncertaintyCliTest() {
    server_.get_uncertainty = [this](const v1::GetUncertaintyRequest& request,
                                     v1::Uncertainty* response) {
      requests_.push_back(request);
      if (request.job_id() == "77")
        return grpc::Status(grpc::FAILED_PRECONDITION, "job 77 has no predictions yet");
      *response = Parse(kBoth);
      // 3 is the training of 8.
      response->mutable_set()->set_job_id(request.job_id() == "3" ? "8" : request.job_id());
      return grpc::Status::OK;
    };
    server_.Start();
  }

  int Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--server", server_.address(), "uncertainty"});
    requests_.clear();
    return world_.Run(arguments);
  }

  std::vector<v1::GetUncertaintyRequest> requests_;
  FakeServer server_;
  TestEnvironment world_;
};

TEST_F(UncertaintyCliTest, OneJob) {
  EXPECT_EQ(Run({"8"}), 0);
  const std::string text = world_.out.str();
  EXPECT_THAT(text,
              AllOf(StartsWith("job 8 by job 3 on d/test"), HasSubstr("by confidence\n"),
                    HasSubstr("\n\n- MC Dropout raises accuracy from"), Not(HasSubstr("JOB"))));
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_EQ(requests_[0].bins(), 0);
  EXPECT_EQ(requests_[0].rank_by(), "");
  EXPECT_EQ(Run({"8", "--bins", "20", "--rank-by", "mutual_information"}), 0);
  EXPECT_EQ(requests_[0].bins(), 20);
  EXPECT_EQ(requests_[0].rank_by(), "mutual_information");
  EXPECT_THAT(world_.out.str(), AllOf(HasSubstr("answered, by mutual_information\n"),
                                      HasSubstr("tenth (by mutual information)")));
}

TEST_F(UncertaintyCliTest, SeveralJobsAreComparedFirst) {
  EXPECT_EQ(Run({"8", "9", "8"}), 0);
  EXPECT_THAT(world_.out.str(),
              AllOf(StartsWith("JOB  MODEL  ANSWERS          ACCURACY  STD ERROR     NLL   BRIER  "
                               "   ECE    AURC\n"
                               "  8      3  without dropout    0.6400     0.0048  1.5000  0.5000  "
                               "0.2500  0.2000\n"
                               "  8      3  MC Dropout         0.8000"),
                    HasSubstr("\n  9      3  MC Dropout "), HasSubstr("- The highest accuracy"),
                    HasSubstr("\n\njob 8 by job 3 on"), HasSubstr("\n\njob 9 by job 3 on")));
  EXPECT_EQ(requests_.size(), 2u);
}

TEST_F(UncertaintyCliTest, OfATrainingItIsTheNewestAndOnce) {
  EXPECT_EQ(Run({"3", "8"}), 0);
  EXPECT_EQ(world_.err.str(), "job 3 is a training; its newest prediction is job 8\n");
  EXPECT_THAT(world_.out.str(), StartsWith("job 8 by job 3"));
}

TEST_F(UncertaintyCliTest, ForPrograms) {
  EXPECT_EQ(Run({"8", "9", "--format", "csv"}), 0);
  EXPECT_THAT(world_.out.str(), AllOf(StartsWith("job,kind,measure,value\n8,deterministic,"),
                                      HasSubstr("\n9,monte_carlo,nll,1\n")));
  EXPECT_EQ(Run({"8", "9", "--format", "json"}), 0);
  const std::string text = world_.out.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  const auto first = nlohmann::json::parse(text.substr(0, text.find('\n')));
  EXPECT_EQ(first["monteCarlo"]["nll"], 1);
  EXPECT_EQ(Run({"8", "9", "--output", "json"}), 0);
  EXPECT_EQ(world_.out.str(), text);
}

TEST_F(UncertaintyCliTest, ARefusalPrintsNothingElse) {
  EXPECT_EQ(Run({"8", "77"}), 3);
  EXPECT_EQ(world_.out.str(), "");
  EXPECT_EQ(world_.err.str(), "anneal: job 77 has no predictions yet (FAILED_PRECONDITION)\n");
  for (const std::vector<std::string>& wrong : std::vector<std::vector<std::string>>{
           {}, {"8", "--bins", "x"}, {"8", "--format", "xml"}, {"8", "--bins"}}) {
    EXPECT_EQ(Run(wrong), 2) << testing::PrintToString(wrong);
  }
}

}  // namespace
}  // namespace anneal::client
