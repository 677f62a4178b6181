// `predict`, and what the other verbs make of prediction jobs, against a daemon that answers by
// script.
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "client/prediction_text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/client/fake_server.h"
#include "tests/client/parse.h"
#include "tests/client/test_environment.h"

namespace anneal::client {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char kResult[] = R"(
    metrics { name: "accuracy" value: 0.75 } metrics { name: "brier" value: 0.375 }
    metrics { name: "deterministic_accuracy" value: 0.625 } metrics { name: "deterministic_brier" value: 0.5 }
    metrics { name: "deterministic_ece" value: 0.125 } metrics { name: "deterministic_nll" value: 1.25 }
    metrics { name: "ece" value: 0.0625 } metrics { name: "nll" value: 1 })";

class PredictionJobTest : public testing::Test {
 protected:
  PredictionJobTest() {
    setenv("TZ", "UTC", 1);
    tzset();
    server_.create_job = [](const v1::CreateJobRequest&, v1::CreateJobResponse* response) {
      response->mutable_job()->set_id("8");
      return grpc::Status::OK;
    };
    server_.get_job = [this](const v1::GetJobRequest& request, v1::Job* job) {
      if (request.id() != job_.id()) return grpc::Status(grpc::NOT_FOUND, "no such job");
      *job = job_;
      return grpc::Status::OK;
    };
    server_.watch_job = [this](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                               grpc::ServerContext&) {
      writer.Write(StateEvent(1, v1::Job::RUNNING));
      if (request.progress()) {
        writer.Write(Parse<v1::WatchJobResponse>(R"(
            progress { epoch: 1 epochs: 1 batch: 2560 batches: 10000 samples_per_second: 2000
                       remaining_us: 3720000 metrics { name: "accuracy" value: 0.5 } })"));
      }
      v1::WatchJobResponse result;
      result.mutable_event()->set_sequence(2);
      *result.mutable_event()->mutable_result() = Parse<v1::TrainingResult>(kResult);
      writer.Write(result);
      writer.Write(StateEvent(3, final_, v1::Job::COMPLETED));
      return grpc::Status::OK;
    };
    server_.Start();
  }

  int Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--server", server_.address()});
    return world_.Run(arguments);
  }
  int RunWithFile(const std::string& file, std::vector<std::string> arguments) {
    world_.in.clear();
    world_.in.str(file);
    return Run(std::move(arguments));
  }
  v1::JobSpec Created() const {
    const auto created = server_.created();
    return created.empty() ? v1::JobSpec() : created.back().spec();
  }
  std::string Advice() const {
    return "\nHow far to trust it: anneal --server " + server_.address() +
           " uncertainty 8\nImage by image:      anneal --server " + server_.address() +
           " predictions 8 --sort entropy\n";
  }

  static constexpr char kFile[] = "prediction { job_id: '3' }";
  static constexpr char kWatched[] =
      "job 8 is RUNNING\n"
      "MC Dropout       accuracy 0.7500  nll 1.0000  brier 0.3750  ece 0.0625\n"
      "without dropout  accuracy 0.6250  nll 1.2500  brier 0.5000  ece 0.1250\n"
      "job 8 is SUCCEEDED (COMPLETED)\n";

  v1::Job job_ = Parse<v1::Job>(R"(id: "8" spec { prediction { job_id: "3" } })");
  v1::Job::State final_ = v1::Job::SUCCEEDED;
  FakeServer server_;
  TestEnvironment world_;
};

TEST_F(PredictionJobTest, WhatIsNotGivenIsLeftOut) {
  EXPECT_EQ(Run({"predict", "3"}), 0);
  EXPECT_EQ(world_.out.str(), "8\n");
  EXPECT_EQ(world_.err.str(), "");
  EXPECT_EQ(Created().SerializeAsString(),
            Parse<v1::JobSpec>(R"(prediction { job_id: "3" })").SerializeAsString());
  EXPECT_EQ(server_.created()[0].request_id().size(), 32u);
  EXPECT_EQ(server_.created()[0].priority(), 0);
  EXPECT_FALSE(server_.created()[0].validate_only());
}

TEST_F(PredictionJobTest, EveryOption) {
  EXPECT_EQ(Run({"predict",
                 "3",
                 "--dataset",
                 "d",
                 "--split",
                 "s",
                 "--samples",
                 "0",
                 "--seed",
                 "18446744073709551615",
                 "--consistent-masks",
                 "--keep-samples",
                 "--images",
                 "5:1000",
                 "--device",
                 "cuda:1",
                 "--name",
                 "Übung",
                 "--priority",
                 "-2"}),
            0);
  EXPECT_EQ(Created().SerializeAsString(), Parse<v1::JobSpec>(R"(
      name: "Übung"
      prediction { job_id: "3" dataset: "d" split: "s" samples: 0 seed: 18446744073709551615
                   consistent_masks: true keep_samples: true images { begin: 5 count: 1000 }
                   device: "cuda:1" })")
                                               .SerializeAsString());
  EXPECT_EQ(server_.created()[0].priority(), -2);
}

TEST_F(PredictionJobTest, UsageErrors) {
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{"predict"},
                                             {"predict", "3", "4"},
                                             {"predict", "3", "--samples", "many"},
                                             {"predict", "3", "--samples", "1.5"},
                                             {"predict", "3", "--samples", ""},
                                             {"predict", "3", "--samples", "0x10"},
                                             {"predict", "3", "--samples", "010"},
                                             {"predict", "3", "--samples", "99999999999999999999"},
                                             {"predict", "3", "--seed", ""},
                                             {"predict", "3", "--seed", "-1"},
                                             {"predict", "3", "--seed", "18446744073709551616"},
                                             {"predict", "3", "--images", "5"},
                                             {"predict", "3", "--images", "0:"},
                                             {"predict", "3", "--images", ":5"},
                                             {"predict", "3", "--images", "0:1:2"},
                                             {"predict", "3", "--images", "0:99999999999999999999"},
                                             {"predict", "3", "--dataset", "\xff"},
                                             {"predict", "3", "--split", "\xff"},
                                             {"predict", "3", "--device", "\xff"},
                                             {"predict", "3", "--name", "\xff"}}) {
    EXPECT_EQ(Run(wrong), 2) << testing::PrintToString(wrong);
    EXPECT_NE(world_.err.str(), "");
    EXPECT_EQ(world_.out.str(), "");
  }
  EXPECT_EQ(Run({"predict", "3", "--images", "\x1b:"}), 2);
  EXPECT_THAT(world_.err.str(), AllOf(HasSubstr("--images \\x1b:: is not BEGIN:COUNT"),
                                      HasSubstr("0:100"), Not(HasSubstr("\x1b"))));
  EXPECT_TRUE(server_.created().empty());
}

TEST_F(PredictionJobTest, RefusalsAndWarningsAreThoseOfSubmit) {
  server_.create_job = [](const v1::CreateJobRequest&, v1::CreateJobResponse*) {
    return InvalidWith("the job has 1 violation", {{"prediction.samples", "is -1"}});
  };
  EXPECT_EQ(Run({"predict", "3", "--samples", "-1"}), 3);
  EXPECT_THAT(world_.err.str(), HasSubstr("\n  prediction.samples: is -1\n"));
  server_.create_job = [](const v1::CreateJobRequest&, v1::CreateJobResponse* response) {
    response->mutable_job()->set_id("8");
    response->add_warnings("prediction.samples: no dropout\x1b");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"predict", "3"}), 0);
  EXPECT_EQ(world_.err.str(), "warning: prediction.samples: no dropout\\x1b\n");
  EXPECT_EQ(Run({"predict", "3", "--output", "json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(world_.out.str())["job"]["id"], "8");
}

TEST_F(PredictionJobTest, WatchedToItsEnd) {
  EXPECT_EQ(Run({"predict", "3", "--watch"}), 0);
  EXPECT_EQ(world_.out.str(), "8\n" + std::string(kWatched) + Advice());
  EXPECT_EQ(RunWithFile(kFile, {"submit", "-", "--watch"}), 0);
  EXPECT_EQ(world_.out.str(), "8\n" + std::string(kWatched) + Advice());
  EXPECT_EQ(Run({"watch", "8"}), 0);
  EXPECT_EQ(world_.out.str(), kWatched + Advice());
}

TEST_F(PredictionJobTest, ALiveLineOnATerminal) {
  world_.out_is_terminal = true;
  world_.variables["NO_COLOR"] = "1";
  EXPECT_EQ(Run({"watch", "8"}), 0);
  EXPECT_THAT(world_.out.str(),
              StartsWith("job 8 is RUNNING\n"
                         "\rimages [====>               ] 2,560/10,000  accuracy 0.5000  "
                         "2,000/s  ETA 3.7 s\x1b[K\r\x1b[K"
                         "MC Dropout       accuracy 0.7500"));
}

TEST_F(PredictionJobTest, WithoutSamplesThereIsOneLine) {
  job_.mutable_spec()->mutable_prediction()->set_samples(0);
  EXPECT_EQ(Run({"watch", "8"}), 0);
  EXPECT_THAT(world_.out.str(),
              AllOf(HasSubstr("\nwithout dropout  accuracy 0.6250"), Not(HasSubstr("MC Dropout"))));
}

TEST_F(PredictionJobTest, AFailedOneHasNothingToAsk) {
  final_ = v1::Job::FAILED;
  EXPECT_EQ(Run({"watch", "8"}), 1);
  EXPECT_THAT(world_.out.str(), EndsWith("job 8 is FAILED (COMPLETED)\n"));
}

TEST_F(PredictionJobTest, WatchedAsJsonItIsEventsAlone) {
  EXPECT_EQ(Run({"watch", "8", "--output", "json"}), 0);
  EXPECT_THAT(world_.out.str(), AllOf(HasSubstr(R"("name":"nll","value":1)"),
                                      Not(HasSubstr("uncertainty")), Not(HasSubstr("MC Dropout"))));
}

TEST(PredictionResultTextTest, WhatIsThere) {
  EXPECT_EQ(PredictionResultText({}, true), "");
  const auto result = Parse<v1::TrainingResult>(R"(
      metrics { name: "a\n" value: 1 } metrics { name: "ece" value: nan })");
  EXPECT_EQ(PredictionResultText(result, true), "MC Dropout       ece nan  a\\n 1.0000\n");
  EXPECT_EQ(PredictionResultText(result, false), "without dropout  ece nan  a\\n 1.0000\n");
}

TEST_F(PredictionJobTest, ShowOfOneThatRuns) {
  job_ = Parse<v1::Job>(R"(
      id: "8" state: RUNNING kind: PREDICTION create_time { seconds: 1700000000 }
      spec { prediction { job_id: "3" samples: 50 } }
      progress { epoch: 1 epochs: 1 batch: 1024 batches: 10000 remaining_us: 5000000
                 metrics { name: "accuracy" value: 0.5 } }
      prediction { job_id: "8" model_job_id: "3" checkpoint_sha256: "0123456789abcdef0123"
                   dataset: "cifar10" split: "test\x1b" samples: 50 seed: 9 consistent_masks: true
                   keeps_samples: true begin: 100 images: 10000 stored: 1024 })");
  EXPECT_EQ(Run({"show", "8"}), 0);
  EXPECT_EQ(world_.out.str(),
            "job         8\n"
            "name\n"
            "kind        prediction\n"
            "state       RUNNING\n"
            "created     2023-11-14 22:13:20\n"
            "model       job 3\n"
            "checkpoint  sha256 0123456789ab\n"
            "data set    cifar10\n"
            "split       test\\x1b\n"
            "images      1,024 of 10,000 stored, from number 100 on\n"
            "samples     50\n"
            "seed        9\n"
            "masks       consistent: one a sample for all images\n"
            "keeps       the probabilities of every sample\n"
            "time        about 5.0 s to go\n"
            "accuracy    0.5000\n" +
                Advice());
  EXPECT_EQ(Run({"show", "8", "--output", "json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(world_.out.str())["prediction"]["stored"], "1024");
  EXPECT_EQ(Run({"show", "8", "--spec"}), 0);
  EXPECT_EQ(world_.out.str(), "prediction {\n  job_id: \"3\"\n  samples: 50\n}\n");
}

TEST_F(PredictionJobTest, ShowOfOneThatHasEnded) {
  job_ = Parse<v1::Job>(std::string(R"(
      id: "8" state: SUCCEEDED stop_reason: COMPLETED kind: PREDICTION create_time { seconds: 1700000000 }
      spec { prediction { job_id: "3" samples: 0 } }
      progress { epoch: 1 epochs: 1 batch: 10 batches: 10 metrics { name: "accuracy" value: 0.5 } }
      prediction { job_id: "8" model_job_id: "3" dataset: "d" split: "test" images: 10 stored: 10 }
      result {)") + kResult +
                        "}");
  EXPECT_EQ(Run({"show", "8"}), 0);
  EXPECT_THAT(world_.out.str(), HasSubstr("\nimages                  10 of 10 stored\n"
                                          "samples                 none, without dropout\n"
                                          "accuracy                0.7500\n"
                                          "nll                     1.0000\n"
                                          "brier                   0.3750\n"
                                          "ece                     0.0625\n"
                                          "deterministic_accuracy  0.6250\n"));
  EXPECT_THAT(world_.out.str(), Not(HasSubstr("0.5000\nnll")));
}

TEST_F(PredictionJobTest, ShowOfOneThatWaits) {
  job_ = Parse<v1::Job>(R"(
      id: "8" state: QUEUED queue_position: 1 kind: PREDICTION create_time { seconds: 1700000000 }
      spec { prediction { job_id: "3" split: "train" images { begin: 5 count: 2000 } } })");
  EXPECT_EQ(Run({"show", "8"}), 0);
  EXPECT_EQ(world_.out.str(),
            "job      8\n"
            "name\n"
            "kind     prediction\n"
            "state    QUEUED, number 1 in the queue\n"
            "created  2023-11-14 22:13:20\n"
            "model    job 3\n"
            "split    train\n"
            "images   2,000, from number 5 on\n"
            "seed     0\n"
            "masks    drawn for each image\n");
}

TEST_F(PredictionJobTest, ShowOfATrainingTellsItsCheckpoint) {
  job_ = Parse<v1::Job>(R"(
      id: "3" state: SUCCEEDED create_time { seconds: 1700000000 } spec { training {} }
      result { weights_sha256: "aa" } checkpoint { epoch: 9 bytes: 1536 sha256: "beef" })");
  EXPECT_EQ(Run({"show", "3"}), 0);
  EXPECT_THAT(world_.out.str(), HasSubstr("\nweights     sha256 aa\n"
                                          "checkpoint  epoch 9, 1.5 KiB, sha256 beef\n"));
}

TEST_F(PredictionJobTest, JobsShowsImagesAndListsThoseOfATraining) {
  std::string asked;
  server_.list_jobs = [&](const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
    asked = request.model_job_id();
    *response = Parse<v1::ListJobsResponse>(R"(
        jobs { id: "9" state: RUNNING kind: PREDICTION create_time { seconds: 1700000000 }
               progress { epoch: 1 epochs: 1 batch: 2560 batches: 10000 metrics { name: "accuracy" value: 0.5 } } }
        jobs { id: "8" state: QUEUED kind: PREDICTION create_time { seconds: 1700000000 } }
        jobs { id: "3" state: RUNNING kind: TRAINING create_time { seconds: 1700000000 }
               progress { epoch: 2 epochs: 30 } })");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"jobs", "--model", "3"}), 0);
  EXPECT_EQ(asked, "3");
  EXPECT_EQ(
      world_.out.str(),
      "ID  NAME  KIND        STATE               PROGRESS  METRIC           CREATED           "
      "   RAN\n"
      " 9        prediction  RUNNING  2,560/10,000 images  accuracy 0.5000  2023-11-14 "
      "22:13:20\n"
      " 8        prediction  QUEUED                                         2023-11-14 "
      "22:13:20\n"
      " 3                    RUNNING                 2/30                   2023-11-14 "
      "22:13:20\n");
}

TEST_F(PredictionJobTest, MetricsSayWhatToAskInstead) {
  server_.list_epoch_metrics = [&](const auto&, auto*) { return grpc::Status::OK; };
  EXPECT_EQ(Run({"metrics", "8"}), 0);
  EXPECT_EQ(world_.out.str(), "no finished epochs\njob 8 is a prediction: anneal --server " +
                                  server_.address() + " uncertainty 8, anneal --server " +
                                  server_.address() + " predictions 8\n");
}

TEST_F(PredictionJobTest, CompareSaysWhatToAskInstead) {
  server_.list_epoch_metrics = [&](const auto&, auto*) { return grpc::Status::OK; };
  EXPECT_EQ(Run({"compare", "8"}), 0);
  EXPECT_EQ(world_.err.str(), "job 8 is a prediction, which has no epochs: anneal --server " +
                                  server_.address() + " uncertainty 8\n");
}

TEST_F(PredictionJobTest, ValidateTellsWhatThereIs) {
  server_.create_job = [](const v1::CreateJobRequest& request, v1::CreateJobResponse* response) {
    EXPECT_TRUE(request.validate_only());
    response->add_warnings("prediction.samples: few");
    return grpc::Status::OK;
  };
  EXPECT_EQ(RunWithFile("prediction { job_id: '3' samples: 2 }", {"validate", "-"}), 0);
  EXPECT_EQ(world_.out.str(),
            "kind     prediction\n"
            "model    job 3\n"
            "samples  2\n"
            "seed     0\n"
            "masks    drawn for each image\n");
  EXPECT_EQ(world_.err.str(), "warning: prediction.samples: few\n");
}

TEST_F(PredictionJobTest, ValidateTellsWhatTheDaemonMadeOut) {
  server_.create_job = [](const v1::CreateJobRequest&, v1::CreateJobResponse* response) {
    *response = Parse<v1::CreateJobResponse>(R"(
        job { prediction { model_job_id: "3" dataset: "d" split: "test" samples: 100 images: 2000 } }
        summary { input_shape: 4 rows { name: "dense_1" kind: "Dense" output_shape: 2 parameters: 10 } })");
    return grpc::Status::OK;
  };
  EXPECT_EQ(RunWithFile(kFile, {"validate", "-"}), 0);
  EXPECT_THAT(world_.out.str(), AllOf(HasSubstr("data set  d\n"), HasSubstr("samples   100\n"),
                                      HasSubstr("\n\nLAYER    KIND   OUTPUT SHAPE  PARAMETERS\n")));
}

TEST_F(PredictionJobTest, WhatTrainsRefusesIt) {
  for (const char* verb : {"lr-find", "sweep"}) {
    EXPECT_EQ(RunWithFile(kFile, {verb, "-"}), 2);
    EXPECT_EQ(world_.err.str(), "anneal: " + std::string(verb) +
                                    ": the job file has a prediction block, and " + verb +
                                    " is of a training; queue the prediction with anneal submit\n");
  }
  EXPECT_EQ(RunWithFile(kFile, {"submit", "-", "--lr-from", "7"}), 2);
  EXPECT_TRUE(server_.created().empty());
}

TEST_F(PredictionJobTest, SetDoesNotMakeAnotherKindOfIt) {
  EXPECT_EQ(RunWithFile(kFile, {"submit", "-", "--set", "training.epochs=3"}), 2);
  EXPECT_EQ(world_.err.str(),
            "anneal: --set training.epochs=3: the job file has a prediction block, and this would "
            "throw it away\n");
  EXPECT_EQ(RunWithFile("training {}", {"submit", "-", "--set", "prediction={job_id: '3'}"}), 2);
  EXPECT_THAT(world_.err.str(), HasSubstr("has a training block"));
  EXPECT_TRUE(server_.created().empty());
  EXPECT_EQ(RunWithFile(kFile, {"submit", "-", "--set", "prediction.samples=7"}), 0);
  EXPECT_EQ(Created().prediction().samples(), 7);
  EXPECT_EQ(RunWithFile("name: 'n'", {"submit", "-", "--set", "prediction.job_id=4"}), 0);
  EXPECT_EQ(Created().prediction().job_id(), "4");
}

}  // namespace
}  // namespace anneal::client
