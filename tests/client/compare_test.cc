// `anneal compare` against a daemon that answers by script.
#include <atomic>
#include <cmath>
#include <cstdint>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "client/cli.h"
#include "client/comparison_text.h"
#include "gmock/gmock.h"
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

int Count(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

class CompareTest : public testing::Test {
 protected:
  CompareTest() {
    server_.get_job = [this](const v1::GetJobRequest& request, v1::Job* job) {
      const auto found = jobs_.find(request.id());
      if (found == jobs_.end())
        return grpc::Status(grpc::NOT_FOUND, "no job '" + request.id() + "'");
      *job = found->second;
      return grpc::Status::OK;
    };
    server_.list_epoch_metrics = [this](const v1::ListEpochMetricsRequest& request,
                                        v1::ListEpochMetricsResponse* response) {
      ++pages_;
      // The token is how many epochs have been sent.
      const size_t begin = request.page_token().empty() ? 0 : std::stoul(request.page_token());
      size_t number = 0;
      for (const std::string& id : request.job_ids()) {
        for (const v1::EpochMetrics& epoch : epochs_[id]) {
          if (number >= begin && number < begin + page_size_) {
            v1::EpochMetrics* sent = response->add_epochs();
            *sent = epoch;
            sent->clear_metrics();
            for (const v1::Metric& metric : epoch.metrics()) {
              for (const std::string& wanted : request.metrics()) {
                if (wanted == metric.name()) *sent->add_metrics() = metric;
              }
            }
          }
          ++number;
        }
      }
      if (number > begin + page_size_)
        response->set_next_page_token(std::to_string(begin + page_size_));
      return grpc::Status::OK;
    };
    server_.Start();
    Add("12", "deep", {2.0, 1.5, 1.45}, {0.2, 0.4, 0.48}, 2'000'000);
    jobs_["12"].mutable_summary()->set_trainable_parameters(310'000);
    v1::Metric* test = jobs_["12"].mutable_result()->add_metrics();
    test->set_name("test_accuracy");
    test->set_value(0.47);
    Add("13", "wide", {1.9, 1.4}, {0.3, 0.4}, 1'000'000);
  }

  void Add(const std::string& id, const std::string& name, const std::vector<double>& losses,
           const std::vector<double>& accuracies, int64_t duration_us,
           const std::string& prefix = "val_") {
    v1::Job& job = jobs_[id];
    job.set_id(id);
    job.set_name(name);
    job.set_state(v1::Job::SUCCEEDED);
    for (size_t i = 0; i < losses.size(); ++i) {
      v1::EpochMetrics& epoch = epochs_[id].emplace_back();
      epoch.set_job_id(id);
      epoch.set_epoch(static_cast<int64_t>(i) + 1);
      epoch.set_duration_us(duration_us);
      const auto add = [&](const std::string& metric, double value) {
        v1::Metric* added = epoch.add_metrics();
        added->set_name(metric);
        added->set_value(value);
      };
      add(prefix + "accuracy", accuracies[i]);
      add(prefix + "loss", losses[i]);
      add("extra", 1.0);
    }
  }

  int Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--server", server_.address(), "compare"});
    return world_.Run(arguments);
  }
  std::string out() { return world_.out.str(); }

  std::map<std::string, v1::Job> jobs_;
  std::map<std::string, std::vector<v1::EpochMetrics>> epochs_;
  size_t page_size_ = 10'000;
  std::atomic<int> pages_ = 0;
  FakeServer server_;
  TestEnvironment world_;
};

TEST_F(CompareTest, TablesAndVerdict) {
  EXPECT_EQ(Run({"12", "13", "--no-chart"}), 0) << world_.err.str();
  EXPECT_EQ(out(),
            "JOB  NAME  STATE      EPOCHS  PARAMETERS  PER EPOCH  TOTAL\n"
            " 12  deep  SUCCEEDED       3     310,000      2.0 s  6.0 s\n"
            " 13  wide  SUCCEEDED       2           -      1.0 s  2.0 s\n"
            "\n"
            "JOB  BEST val_loss  EPOCH  BEST val_accuracy  EPOCH  test_accuracy\n"
            " 12         1.4500      3             0.4800      3         0.4700\n"
            " 13         1.4000      2             0.4000      2              -\n"
            "\n"
            "Reaches the best val_loss of\n"
            "JOB   job 12: 1.4500   job 13: 1.4000\n"
            " 12  3 epochs, 6.0 s            never\n"
            " 13  2 epochs, 2.0 s  2 epochs, 2.0 s\n"
            "\n"
            "Reaches the best val_accuracy of\n"
            "JOB   job 12: 0.4800   job 13: 0.4000\n"
            " 12  3 epochs, 6.0 s  2 epochs, 4.0 s\n"
            " 13            never  2 epochs, 2.0 s\n"
            "\n"
            "- Better model: job 12, with a best val_accuracy of 0.4800 in epoch 3; job 13\n"
            "  has 0.4000 in epoch 2, 0.0800 worse.\n"
            "- By val_loss it is job 13, with 1.4000 against 1.4500 of job 12.\n"
            "- Converges faster in epochs: none; in seconds: job 13. To val_accuracy 0.4000,\n"
            "  the best of job 13, job 12 takes 2 epochs and 4.0 s (2.00 times as long); job\n"
            "  13 takes 2 epochs and 2.0 s. 0.4800, the best of job 12, is reached by no\n"
            "  other in the epochs stored.\n"
            "- Cost of an epoch: 1.0 s for job 13; 2.0 s for job 12, 2.00 times as long\n"
            "  (310,000 parameters).\n"
            "- This is one run of each: another seed may turn a small difference around.\n"
            "  Seconds depend on what else the machine did.\n");
}

TEST_F(CompareTest, ChartsOfLossAndAccuracyOrOfWhatIsAsked) {
  EXPECT_EQ(Run({"12", "13"}), 0);
  EXPECT_THAT(out(), AllOf(HasSubstr(" val_loss\n"), HasSubstr(" val_accuracy\n"),
                           HasSubstr("* job 12  o job 13")));
  EXPECT_EQ(Count(out(), "* job 12"), 2);
  EXPECT_EQ(Run({"12", "13", "--metric", "extra", "--metric", "none\x1b", "--metric", "extra"}), 0);
  EXPECT_THAT(out(), AllOf(HasSubstr(" extra\n"), HasSubstr("no finite none\\x1b is stored"),
                           HasSubstr("BEST val_loss"), Not(HasSubstr("\x1b"))));
  EXPECT_EQ(Count(out(), "* job 12"), 1);
}

TEST_F(CompareTest, CsvHasTheColumnsThatHelpNames) {
  EXPECT_EQ(Run({"12", "13", "--format", "csv"}), 0);
  EXPECT_EQ(out(),
            std::string(kComparisonCsvColumns) +
                "\n"
                "12,12,deep,SUCCEEDED,3,310000,2.000000,6.000000,val_loss,1.45,3,val_accuracy,"
                "0.47999999999999998,3,0.46999999999999997,3,6.000000,3,6.000000\n"
                "12,13,deep,SUCCEEDED,3,310000,2.000000,6.000000,val_loss,1.45,3,val_accuracy,"
                "0.47999999999999998,3,0.46999999999999997,,,2,4.000000\n"
                "13,12,wide,SUCCEEDED,2,,1.000000,2.000000,val_loss,1.3999999999999999,2,"
                "val_accuracy,0.40000000000000002,2,,2,2.000000,,\n"
                "13,13,wide,SUCCEEDED,2,,1.000000,2.000000,val_loss,1.3999999999999999,2,"
                "val_accuracy,0.40000000000000002,2,,2,2.000000,2,2.000000\n");
  EXPECT_EQ(world_.Run({"compare", "--help"}), 0);
  std::string help = out();
  std::erase_if(help, [](char c) { return c == '\n' || c == ' '; });
  EXPECT_THAT(help, HasSubstr(kComparisonCsvColumns));
}

TEST_F(CompareTest, EveryLineOfCsvHasEveryColumn) {
  Add("14", "a,\"b\"\n=1+1", {}, {}, 0);
  Add("15", "", {NAN}, {NAN}, 1);
  EXPECT_EQ(Run({"12", "14", "15", "--format", "csv"}), 0);
  std::string text = out();
  const std::string name = "\"a,\"\"b\"\"\\n=1+1\"";
  EXPECT_EQ(Count(text, name), 3);
  for (size_t at = text.find(name); at != std::string::npos; at = text.find(name))
    text.replace(at, name.size(), "n");
  std::istringstream lines(text);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count)
    EXPECT_EQ(Count(line, ","), Count(kComparisonCsvColumns, ",")) << line;
  EXPECT_EQ(count, 1 + 9);
}

TEST_F(CompareTest, Json) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"12", "13", "--output", "json"}, {"12", "13", "--format", "json"}}) {
    EXPECT_EQ(Run(arguments), 0);
    EXPECT_EQ(Count(out(), "\n"), 1);
    const nlohmann::json json = nlohmann::json::parse(out());
    EXPECT_EQ(json["lossMetric"], "val_loss");
    EXPECT_EQ(json["jobs"][0]["parameters"], "310000");
    EXPECT_EQ(json["jobs"][0]["bestAccuracy"]["value"], 0.48);
    EXPECT_EQ(json["jobs"][1]["meanEpochUs"], "1000000");
    EXPECT_FALSE(json["jobs"][1].contains("parameters"));
    EXPECT_EQ(json["reaches"].size(), 8u);
    EXPECT_EQ(json["reaches"][2]["epochs"], "2");
    EXPECT_EQ(json["verdict"]["ranking"], (std::vector<std::string>{"12", "13"}));
  }
}

TEST_F(CompareTest, HundredsOfEpochsOverManyPages) {
  std::vector<double> losses;
  std::vector<double> accuracies;
  for (int i = 1; i <= 700; ++i) {
    losses.push_back(1.0 / i);
    accuracies.push_back(1 - 1.0 / i);
  }
  Add("20", "long", losses, accuracies, 1'000'000);
  Add("21", "longer", losses, accuracies, 1'000'000);
  page_size_ = 99;
  EXPECT_EQ(Run({"20", "21"}), 0);
  EXPECT_EQ(pages_, 15);
  EXPECT_THAT(out(), AllOf(HasSubstr("700 epochs, 11m 40s"), HasSubstr("level at a best")));
  EXPECT_LT(Count(out(), "\n"), 80);
}

TEST_F(CompareTest, AJobTwiceIsOneJob) {
  EXPECT_EQ(Run({"12", "12"}), 0);
  EXPECT_EQ(Count(out(), "deep"), 1);
  EXPECT_THAT(out(), AllOf(HasSubstr("Nothing to judge: one job."),
                           Not(HasSubstr("Reaches the best")), HasSubstr("BEST val_loss")));
}

TEST_F(CompareTest, AnUnknownJobIsRefused) {
  EXPECT_EQ(Run({"12", "99\x1b"}), 3);
  EXPECT_EQ(out(), "");
  EXPECT_EQ(world_.err.str(), "anneal: no job '99\\x1b' (NOT_FOUND)\n");
}

TEST_F(CompareTest, EightJobsAtMost) {
  std::vector<std::string> ids;
  for (int i = 1; i <= 8; ++i) {
    ids.push_back(std::to_string(100 + i));
    Add(ids.back(), "n", {1.0 / i}, {0.1 * i}, 1'000'000);
  }
  world_.columns = 80;
  EXPECT_EQ(Run(ids), 0);
  EXPECT_THAT(out(), AllOf(HasSubstr("Best model: job 108"), HasSubstr("# job 105"),
                           HasSubstr("= job 108")));
  std::istringstream lines(out());
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
  ids.push_back("12");
  EXPECT_EQ(Run(ids), 2);
  EXPECT_EQ(world_.err.str(), "anneal: compare: at most 8 jobs at once, are 9\n");
  ids.back() = "101";  // twice
  EXPECT_EQ(Run(ids), 0);
}

TEST_F(CompareTest, JobsThatRunAndJobsWithoutEpochs) {
  jobs_["13"].set_state(v1::Job::RUNNING);
  Add("14", "waits", {}, {}, 0);
  jobs_["14"].set_state(v1::Job::QUEUED);
  EXPECT_EQ(Run({"12", "13", "14", "--no-chart"}), 0);
  EXPECT_THAT(
      out(),
      AllOf(HasSubstr(" 14  waits  QUEUED          0           -          -      -\n"),
            HasSubstr(" 14              -      -                  -      -              -\n"),
            HasSubstr("- Not judged: job 14, without a finite val_accuracy so far."),
            HasSubstr("- Not ended yet: jobs 13 and 14.")));
  EXPECT_EQ(Run({"14"}), 0);
  EXPECT_THAT(out(), StartsWith("JOB  NAME   STATE   EPOCHS"));
  EXPECT_EQ(Run({"14", "--format", "json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out())["jobs"][0]["state"], "QUEUED");
}

TEST_F(CompareTest, WithoutValidationTheHeaderNamesTheTrainingMetrics) {
  Add("15", "unvalidated", {1.0}, {0.5}, 1, "");
  Add("16", "unvalidated", {2.0}, {0.4}, 1, "");
  EXPECT_EQ(Run({"15", "16", "--no-chart"}), 0);
  EXPECT_THAT(out(), AllOf(HasSubstr("BEST loss"), HasSubstr("BEST accuracy"),
                           HasSubstr("training metrics are compared")));
}

TEST_F(CompareTest, HostileNames) {
  Add("17", "日本 \x1b[2J\n\xe2\x80\xaetxt", {1.0}, {0.5}, 1);
  for (const char* format : {"table", "csv"}) {
    EXPECT_EQ(Run({"12", "17", "--format", format}), 0);
    EXPECT_THAT(out(), AllOf(HasSubstr("日本 \\x1b[2J"), Not(HasSubstr("\x1b")),
                             Not(HasSubstr("\xe2\x80\xae"))));
  }
}

TEST_F(CompareTest, WrongUsage) {
  EXPECT_EQ(Run({}), 2);
  EXPECT_EQ(Run({"12", "--format", "xml"}), 2);
  EXPECT_EQ(Run({"12", "--metric"}), 2);
  server_.Kill();
  EXPECT_EQ(Run({"12", "13"}), 4);
}

}  // namespace
}  // namespace anneal::client
