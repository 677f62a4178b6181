#include "client/verdict_text.h"

#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace anneal::client {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

v1::Comparison Parse(const std::string& text) {
  v1::Comparison comparison;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &comparison)) << text;
  return comparison;
}

// On one line a sentence.
std::string Text(const v1::Comparison& comparison) {
  Style style;
  style.columns = 100;
  std::string text = VerdictText(comparison, style);
  for (size_t at = text.find("\n  "); at != std::string::npos; at = text.find("\n  "))
    text.replace(at, 3, " ");
  return text;
}

constexpr char kTwo[] = R"(
    loss_metric: "val_loss" accuracy_metric: "val_accuracy"
    jobs { id: "12" epochs: 20 mean_epoch_us: 2000000 total_us: 40000000 parameters: 310000
           best_loss { value: 1.45 epoch: 15 } best_accuracy { value: 0.4841 epoch: 18 } }
    jobs { id: "13" epochs: 20 mean_epoch_us: 1600000 total_us: 32000000
           best_loss { value: 1.4 epoch: 12 } best_accuracy { value: 0.471 epoch: 16 } }
    reaches { metric: "val_accuracy" job_id: "12" target_job_id: "12" target_value: 0.4841 reached: true
              epochs: 18 duration_us: 36000000 }
    reaches { metric: "val_accuracy" job_id: "12" target_job_id: "13" target_value: 0.471 reached: true
              epochs: 8 duration_us: 16000000 }
    reaches { metric: "val_accuracy" job_id: "13" target_job_id: "12" target_value: 0.4841 }
    reaches { metric: "val_accuracy" job_id: "13" target_job_id: "13" target_value: 0.471 reached: true
              epochs: 16 duration_us: 25600000 }
    verdict { metric: "val_accuracy" ranking: ["12", "13"] })";

TEST(VerdictTextTest, TwoJobs) {
  EXPECT_EQ(
      Text(Parse(kTwo)),
      "- Better model: job 12, with a best val_accuracy of 0.4841 in epoch 18; job 13 has "
      "0.4710 in epoch 16, 0.0131 worse.\n"
      "- By val_loss it is job 13, with 1.4000 against 1.4500 of job 12.\n"
      "- Converges faster: job 12. To val_accuracy 0.4710, the best of job 13, job 12 takes 8 "
      "epochs and 16.0 s; job 13 takes 16 epochs (2.00 times as many) and 25.6 s (1.60 times "
      "as long). 0.4841, the best of job 12, is reached by no other in the epochs stored.\n"
      "- Cost of an epoch: 1.6 s for job 13; 2.0 s for job 12, 1.25 times as long (310,000 "
      "parameters).\n"
      "- This is one run of each: another seed may turn a small difference around. Seconds "
      "depend on what else the machine did.\n");
}

TEST(VerdictTextTest, FasterInEpochsAndSlowerInSeconds) {
  v1::Comparison comparison = Parse(kTwo);
  comparison.mutable_reaches(3)->set_duration_us(8'000'000);
  EXPECT_THAT(Text(comparison),
              HasSubstr("Converges faster in epochs: job 12; in seconds: job 13. To val_accuracy "
                        "0.4710, the best of job 13, job 12 takes 8 epochs and 16.0 s (2.00 times "
                        "as long); job 13 takes 16 epochs (2.00 times as many) and 8.0 s."));
  comparison.mutable_reaches(3)->set_epochs(8);
  EXPECT_THAT(Text(comparison), HasSubstr("Converges faster in epochs: none; in seconds: job 13."));
}

TEST(VerdictTextTest, JobsThatAreLevel) {
  v1::Comparison comparison = Parse(kTwo);
  comparison.mutable_jobs(1)->mutable_best_accuracy()->set_value(0.4841);
  comparison.mutable_reaches(2)->set_reached(true);
  const std::string text = Text(comparison);
  EXPECT_THAT(text, AllOf(HasSubstr("No better model: jobs 12 and 13 are level at a best "
                                    "val_accuracy of 0.4841."),
                          Not(HasSubstr("reached by no other"))));
}

TEST(VerdictTextTest, ALossThatIsLessIsBetter) {
  v1::Comparison comparison = Parse(kTwo);
  comparison.mutable_verdict()->set_metric("val_loss");
  comparison.mutable_verdict()->clear_ranking();
  comparison.mutable_verdict()->add_ranking("13");
  comparison.mutable_verdict()->add_ranking("12");
  for (v1::Comparison::Reach& reach : *comparison.mutable_reaches()) reach.set_metric("val_loss");
  EXPECT_THAT(Text(comparison),
              AllOf(HasSubstr("Better model: job 13, with a best val_loss of 1.4000 in epoch 12; "
                              "job 12 has 1.4500 in epoch 15, 0.0500 worse."),
                    Not(HasSubstr("By val_loss"))));
}

TEST(VerdictTextTest, JobsThatCannotBeJudgedAreNamed) {
  v1::Comparison comparison = Parse(kTwo);
  comparison.add_jobs()->set_id("14\x1b");
  comparison.add_notes("hostile \x1b[2J");
  EXPECT_THAT(Text(comparison),
              AllOf(HasSubstr("Not judged: job 14\\x1b, without a finite val_accuracy so far."),
                    HasSubstr("- hostile \\x1b[2J\n"), Not(HasSubstr("\x1b"))));
}

TEST(VerdictTextTest, NothingToJudge) {
  EXPECT_EQ(Text(Parse("jobs { id: '1' epochs: 1 mean_epoch_us: 5 }")),
            "- Nothing to judge: one job. Name more to compare it with.\n");
  EXPECT_THAT(Text(Parse("jobs { id: '1' } jobs { id: '2' }")),
              AllOf(HasSubstr("Nothing to judge yet"), Not(HasSubstr("Cost"))));
}

TEST(VerdictTextTest, LinesAreBroken) {
  Style style;
  style.columns = 60;
  const std::string text = VerdictText(Parse(kTwo), style);
  size_t begin = 0;
  int lines = 0;
  while (begin < text.size()) {
    const size_t end = text.find('\n', begin);
    ASSERT_NE(end, std::string::npos);
    EXPECT_LE(end - begin, 60u);
    EXPECT_TRUE(text.compare(begin, 2, "- ") == 0 || text.compare(begin, 2, "  ") == 0);
    begin = end + 1;
    ++lines;
  }
  EXPECT_GE(lines, 10);
}

}  // namespace
}  // namespace anneal::client
