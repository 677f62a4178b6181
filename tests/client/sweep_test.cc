// `sweep`, and what `watch`, `show` and `jobs` say of sweeps and trials.
#include <atomic>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "client/sweep_options.h"
#include "client/sweep_text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/client/fake_server.h"
#include "tests/client/parse.h"
#include "tests/client/test_environment.h"

namespace anneal::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> Split(const std::string& text) {
  const auto values = SplitValues(text);
  EXPECT_TRUE(values.ok()) << values.status();
  return values.ok() ? *values : std::vector<std::string>();
}

TEST(SplitValuesTest, AtCommasThatAreNotInside) {
  EXPECT_THAT(Split("1"), ElementsAre("1"));
  EXPECT_THAT(Split("0.1, 1e-3 ,RELU"), ElementsAre("0.1", "1e-3", "RELU"));
  EXPECT_THAT(Split("{a: [1, 2], b {}},{}"), ElementsAre("{a: [1, 2], b {}}", "{}"));
  EXPECT_THAT(Split("[1, 2],[]"), ElementsAre("[1, 2]", "[]"));
  EXPECT_THAT(Split(R"("a,b","c\",d",'e,"')"), ElementsAre(R"("a,b")", R"("c\",d")", R"('e,"')"));
  EXPECT_THAT(Split(R"({name: "x}, {y"},2)"), ElementsAre(R"({name: "x}, {y"})", "2"));
  EXPECT_THAT(Split(R"("")"), ElementsAre(R"("")"));
}

TEST(SplitValuesTest, WhatIsEmptyOrOpenIsAnError) {
  for (const char* text : {"", ",", "1,", ",1", "1,,2", " ", "{a: 1", "[1,2", "\"a", "'a,b", "{[}",
                           "\"a\\", "\"a\\\"", "{\"}"}) {
    EXPECT_FALSE(SplitValues(text).ok()) << text;
  }
}

TEST(ShortNamesTest, TheShortestEndThatIsTheirsAlone) {
  EXPECT_THAT(ShortNames({"training.optimizer.nadam.learning_rate", "training.batch_size"}),
              ElementsAre("learning_rate", "batch_size"));
  EXPECT_THAT(ShortNames({"training.network.layers[1].dense.units",
                          "training.network.layers[2].dense.units", "training.epochs"}),
              ElementsAre("layers[1].dense.units", "layers[2].dense.units", "epochs"));
  EXPECT_THAT(ShortNames({"training.optimizer", "training.x.optimizer"}),
              ElementsAre("training.optimizer", "x.optimizer"));
  EXPECT_THAT(ShortNames({"", "a"}), ElementsAre("", "a"));
}

constexpr char kSweep[] = R"(
  id: "1" kind: SWEEP state: SUCCEEDED stop_reason: COMPLETED create_time { seconds: 1700000000 }
  spec { training { epochs: 2 } sweep { grid {} } }
  sweep_result {
    monitor: "val_loss"
    trials { job_id: "3" number: 2 state: "SUCCEEDED" rank: 1 best: 0.25 best_epoch: 4
             settings { path: "training.optimizer.sgd.learning_rate" value: "0.1" } settings { path: "training.epochs" value: "4" } }
    trials { job_id: "2" number: 1 state: "FAILED"
             settings { path: "training.optimizer.sgd.learning_rate" value: "\x1b[2J" } settings { path: "training.epochs" value: "4" } }
  })";

constexpr char kRanking[] =
    "RANK  TRIAL  JOB  STATE      learning_rate  epochs  val_loss  EPOCH\n"
    "   1      2    3  SUCCEEDED  0.1            4         0.2500      4\n"
    "          1    2  FAILED     \\x1b[2J        4\n";

class SweepCliTest : public testing::Test {
 protected:
  SweepCliTest() {
    setenv("TZ", "UTC", 1);
    tzset();
    server_.create_job = [](const v1::CreateJobRequest&, v1::CreateJobResponse* response) {
      response->mutable_job()->set_id("1");
      return grpc::Status::OK;
    };
    server_.get_job = [this](const v1::GetJobRequest&, v1::Job* job) {
      ++gets_;
      *job = Parse<v1::Job>(kSweep);
      return grpc::Status::OK;
    };
    server_.Start();
  }

  int Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--server", server_.address()});
    return world_.Run(arguments);
  }

  // The sweep that a run of `sweep` with these flags asks for.
  v1::Sweep Asked(std::vector<std::string> flags, const std::string& file = "training {}") {
    world_.in.clear();
    world_.in.str(file);
    flags.insert(flags.begin(), {"sweep", "-"});
    EXPECT_EQ(Run(flags), 0) << world_.err.str();
    EXPECT_EQ(world_.out.str(), "1\n");
    return server_.created().empty() ? v1::Sweep() : server_.created().back().spec().sweep();
  }

  void ExpectUsageError(std::vector<std::string> flags, const std::string& what,
                        const std::string& file = "training {}") {
    world_.in.clear();
    world_.in.str(file);
    flags.insert(flags.begin(), {"sweep", "-"});
    EXPECT_EQ(Run(flags), 2);
    EXPECT_THAT(world_.err.str(), HasSubstr(what));
    EXPECT_TRUE(server_.created().empty());
  }

  FakeServer server_;
  TestEnvironment world_;
  std::atomic<int> gets_{0};
};

TEST_F(SweepCliTest, AGrid) {
  const v1::Sweep sweep =
      Asked({"--grid", "training.optimizer.sgd.learning_rate=1e-3,0.1", "--grid",
             "training.early_stopping={patience: 1, mode: MIN},{}", "--monitor", "val_accuracy",
             "--set", "sweep.mode=MAX", "--priority", "3", "--name", "n"});
  EXPECT_EQ(sweep.SerializeAsString(), Parse<v1::Sweep>(R"(
      grid { parameters { path: "training.optimizer.sgd.learning_rate" values: "1e-3" values: "0.1" }
             parameters { path: "training.early_stopping" values: "{patience: 1, mode: MIN}" values: "{}" } }
      monitor: "val_accuracy" mode: MAX)")
                                           .SerializeAsString());
  EXPECT_EQ(server_.created().back().priority(), 3);
  EXPECT_EQ(server_.created().back().spec().name(), "n");
  EXPECT_NE(server_.created().back().request_id(), "");
}

TEST_F(SweepCliTest, RandomValues) {
  const v1::Sweep sweep =
      Asked({"--random", "training.a=log_uniform:1e-5:1", "--random", "training.b=uniform:-1:2",
             "--random", "training.c=choice:{x: 1, y: 2},\"a,b\"", "--trials", "20", "--seed",
             "18446744073709551615"});
  EXPECT_EQ(sweep.SerializeAsString(), Parse<v1::Sweep>(R"(
      random { trials: 20
        parameters { path: "training.a" log_uniform { low: 1e-5 high: 1 } }
        parameters { path: "training.b" uniform { low: -1 high: 2 } }
        parameters { path: "training.c" choice { values: "{x: 1, y: 2}" values: "\"a,b\"" } } }
      seed: 18446744073709551615)")
                                           .SerializeAsString());
}

TEST_F(SweepCliTest, FlagsReplaceWhatTheFileSays) {
  constexpr char kFile[] =
      "training {} sweep { seed: 4 monitor: 'loss' random { trials: 7 parameters { path: 'p' } } }";
  v1::Sweep sweep = Asked({}, kFile);
  EXPECT_EQ(sweep.random().trials(), 7);
  sweep = Asked({"--trials", "9", "--seed", "5"}, kFile);
  EXPECT_EQ(sweep.random().trials(), 9);
  EXPECT_EQ(sweep.random().parameters(0).path(), "p");
  EXPECT_EQ(sweep.seed(), 5);
  EXPECT_EQ(sweep.monitor(), "loss");
  sweep = Asked({"--random", "q=uniform:0:1"}, kFile);
  EXPECT_EQ(sweep.random().trials(), 7);
  ASSERT_EQ(sweep.random().parameters_size(), 1);
  EXPECT_EQ(sweep.random().parameters(0).path(), "q");
  sweep = Asked({"--grid", "q=1"}, kFile);
  EXPECT_FALSE(sweep.has_random());
  EXPECT_EQ(sweep.seed(), 4);
}

TEST_F(SweepCliTest, UsageErrors) {
  ExpectUsageError({}, "--grid or --random");
  ExpectUsageError({"--seed", "1"}, "--grid or --random");
  ExpectUsageError({"--grid", "a=1", "--seed", "-1"}, "a seed is a whole number from 0");
  ExpectUsageError({"--grid", "a=1", "--seed", "18446744073709551616"}, "--seed");
  ExpectUsageError({"--grid", "a=1", "--random", "b=uniform:0:1"}, "exclude each other");
  ExpectUsageError({"--grid", "a"}, "is not PATH=");
  ExpectUsageError({"--grid", "=1"}, "is not PATH=");
  ExpectUsageError({"--grid", "a="}, "value 1 is empty");
  ExpectUsageError({"--grid", "a={1"}, "a } is missing");
  ExpectUsageError({"--grid", "a=\xff"}, "is not UTF-8");
  ExpectUsageError({"--grid", "a=1", "--trials", "3"}, "--trials");
  ExpectUsageError({"--random", "a=uniform:0:1"}, "--trials N");
  ExpectUsageError({"--random", "a=normal:0:1", "--trials", "3"}, "uniform:LOW:HIGH");
  ExpectUsageError({"--random", "a=uniform:0", "--trials", "3"}, "two numbers");
  ExpectUsageError({"--random", "a=log_uniform:x:1", "--trials", "3"}, "two numbers");
  ExpectUsageError({"--random", "a=choice:", "--trials", "3"}, "value 1 is empty");
  ExpectUsageError({"--random", "a=choice:1\x1b,", "--trials", "3"}, "\\x1b");
  ExpectUsageError({"--grid", "a=1", "--trials", "x"}, "--trials");
  ExpectUsageError({"--grid", "a=1"}, "has an lr_range_test block", "training {} lr_range_test {}");
}

TEST_F(SweepCliTest, WatchTellsOfTrialsAndRanksThem) {
  server_.watch_job = [](const v1::WatchJobRequest&, FakeServer::WatchWriter& writer,
                         grpc::ServerContext&) {
    writer.Write(StateEvent(1, v1::Job::RUNNING));
    writer.Write(Parse<v1::WatchJobResponse>(
        R"(event { sequence: 2 trial_end { job_id: "2" trial: 1 state: FAILED } })"));
    writer.Write(Parse<v1::WatchJobResponse>(
        R"(event { sequence: 3 trial_end { job_id: "3" trial: 2 state: SUCCEEDED } })"));
    writer.Write(StateEvent(4, v1::Job::SUCCEEDED, v1::Job::COMPLETED));
    return grpc::Status::OK;
  };
  const std::string lines =
      std::string("job 1 is RUNNING\n") +
      "trial 1 (job 2) is FAILED  learning_rate=\\x1b[2J  epochs=4\n"
      "trial 2 (job 3) is SUCCEEDED  learning_rate=0.1  epochs=4  best val_loss 0.2500 in epoch 4\n"
      "job 1 is SUCCEEDED (COMPLETED)\n"
      "\n" +
      kRanking;
  EXPECT_EQ(Run({"watch", "1"}), 0);
  EXPECT_EQ(world_.out.str(), lines);
  EXPECT_EQ(gets_, 3);  // for the spec, once for both trials, and for the ranking
  for (const char* verb : {"submit", "sweep"}) {
    world_.in.clear();
    world_.in.str("training {} sweep { grid { parameters { path: 'p' } } }");
    EXPECT_EQ(Run({verb, "-", "--watch"}), 0);
    EXPECT_EQ(world_.out.str(), "1\n" + lines);
  }
  EXPECT_EQ(Run({"watch", "1", "--output", "json"}), 0);
  EXPECT_THAT(world_.out.str(),
              HasSubstr(R"("trialEnd":{"jobId":"2","trial":"1","state":"FAILED"})"));
  EXPECT_THAT(world_.out.str(), Not(HasSubstr("RANK")));
}

TEST_F(SweepCliTest, WatchOfAFailedSweepSaysSo) {
  server_.watch_job = [](const v1::WatchJobRequest&, FakeServer::WatchWriter& writer,
                         grpc::ServerContext&) {
    writer.Write(StateEvent(1, v1::Job::FAILED, v1::Job::DIVERGED, "none of 2 trials succeeded"));
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"watch", "1"}), 1);
}

TEST_F(SweepCliTest, ShowOfASweepIsItsRanking) {
  EXPECT_EQ(Run({"show", "1"}), 0);
  EXPECT_EQ(world_.out.str(), std::string("job      1\n"
                                          "name\n"
                                          "state    SUCCEEDED (COMPLETED)\n"
                                          "created  2023-11-14 22:13:20\n"
                                          "trials   2 of 2 trials have ended\n"
                                          "\n") +
                                  kRanking);
  EXPECT_EQ(Run({"show", "1", "--output", "json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(world_.out.str())["sweepResult"]["trials"][0]["best"], 0.25);
}

TEST_F(SweepCliTest, ShowOfATrialTellsItsPlace) {
  server_.get_job = [](const v1::GetJobRequest&, v1::Job* job) {
    *job = Parse<v1::Job>(R"(id: "3" name: "s/2" state: QUEUED kind: TRAINING
        trial { sweep_id: "1" number: 2 settings { path: "training.epochs" value: "4" } })");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"show", "3"}), 0);
  EXPECT_THAT(world_.out.str(), HasSubstr("sweep    1, trial 2\n         training.epochs=4\n"));
}

TEST_F(SweepCliTest, JobsMarksThemAndListsOneSweep) {
  std::string asked;
  server_.list_jobs = [&](const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
    asked = request.sweep_id();
    *response = Parse<v1::ListJobsResponse>(R"(
        jobs { id: "4" name: "t" state: QUEUED kind: TRAINING create_time { seconds: 1700000000 } }
        jobs { id: "3" name: "s/2" state: QUEUED kind: TRAINING create_time { seconds: 1700000000 } trial { sweep_id: "1" number: 2 } }
        jobs { id: "1" name: "s" state: RUNNING kind: SWEEP create_time { seconds: 1700000000 } })");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"jobs", "--sweep", "1"}), 0);
  EXPECT_EQ(asked, "1");
  EXPECT_EQ(world_.out.str(),
            "ID  NAME  KIND        STATE    CREATED              RAN\n"
            " 4  t                 QUEUED   2023-11-14 22:13:20\n"
            " 3  s/2   trial of 1  QUEUED   2023-11-14 22:13:20\n"
            " 1  s     sweep       RUNNING  2023-11-14 22:13:20\n");
}

TEST_F(SweepCliTest, ValidateTellsTheTrials) {
  server_.create_job = [](const v1::CreateJobRequest&, v1::CreateJobResponse* response) {
    for (int i = 1; i <= 25; ++i) {
      v1::Trial& trial = *response->add_trials();
      trial.set_number(i);
      v1::TrialSetting& setting = *trial.add_settings();
      setting.set_path("training.seed");
      setting.set_value(std::to_string(i));
    }
    return grpc::Status::OK;
  };
  world_.in.str("training {} sweep {}");
  EXPECT_EQ(Run({"validate", "-"}), 0);
  EXPECT_THAT(world_.out.str(), HasSubstr("\n25 trials\ntrial 1  seed=1\n"));
  EXPECT_THAT(world_.out.str(), HasSubstr("trial 20  seed=20\n...\n"));
}

}  // namespace
}  // namespace anneal::client
