// Every verb against a daemon that answers by script.
#include "client/cli.h"

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

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
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char kHostileName[] =
    "日本 \x1b[2J\n\xe2\x80\xaetxt";  // clears the screen, adds a line, turns the text around

class CliTest : public testing::Test {
 protected:
  CliTest() {
    setenv("TZ", "UTC", 1);
    tzset();
    server_.Start();
  }

  int Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--server", server_.address()});
    return world_.Run(arguments);
  }
  nlohmann::json Json() { return nlohmann::json::parse(world_.out.str()); }

  FakeServer server_;
  TestEnvironment world_;
};

TEST_F(CliTest, UsageErrors) {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"frob"},
      {"submit"},
      {"jobs", "extra"},
      {"jobs", "--limit", "-1"},
      {"jobs", "--limit", "x"},
      {"jobs", "--state", "sleeping"},
      {"jobs", "--output", "xml"},
      {"metrics"},
      {"metrics", "1", "--format", "xml"},
      {"datasets"},
      {"submit", "recipe:quickstart", "--priority", "3000000000"},
      {"submit", "recipe:quickstart", "--set"},
      {"submit", "recipe:quickstart", "--set", "x"},
      {"submit", "no such file"},
      {"recipes", "none"},
      {"jobs", "--filter", "\xff"},
      {"submit", "recipe:quickstart", "--name", "\xff"},
      {"\x1b[2J"}};
  for (const auto& arguments : wrong) {
    EXPECT_EQ(Run(arguments), 2) << testing::PrintToString(arguments);
    EXPECT_NE(world_.err.str(), "");
    EXPECT_EQ(world_.out.str(), "");
    EXPECT_THAT(world_.err.str(), Not(HasSubstr("\x1b")));
  }
  EXPECT_TRUE(server_.created().empty());
}

TEST_F(CliTest, UnknownVerb) {
  EXPECT_EQ(Run({"frob"}), 2);
  EXPECT_EQ(world_.err.str(), "anneal: there is no verb \"frob\"\n  See: anneal --help\n");
}

TEST_F(CliTest, EveryVerbHasHelpWithAnExample) {
  for (const std::string verb :
       {"submit", "sweep", "validate", "jobs", "show", "watch", "metrics", "compare", "predict",
        "predictions", "uncertainty", "update", "cancel", "pause", "resume", "delete", "datasets", "recipes", "server", "health", "version"}) {
    EXPECT_EQ(world_.Run({verb, "--help"}), 0);
    EXPECT_THAT(world_.out.str(),
                AllOf(HasSubstr("Example"), HasSubstr("anneal "), HasSubstr(verb)));
  }
  EXPECT_EQ(world_.Run({"--help"}), 0);
  EXPECT_THAT(world_.out.str(), AllOf(HasSubstr("lowerCamelCase"), HasSubstr("Exit codes"),
                                      HasSubstr("ANNEAL_SERVER")));
  EXPECT_EQ(world_.Run({"datasets", "list", "--help"}), 0);
}

TEST_F(CliTest, VersionNeedsNoDaemon) {
  world_.variables["ANNEAL_SERVER"] = "nonsense";
  EXPECT_EQ(world_.Run({"recipes"}), 0);
  EXPECT_EQ(world_.Run({"--version"}), 0);
  EXPECT_THAT(world_.out.str(), StartsWith("anneal "));
  EXPECT_EQ(world_.Run({"version"}), 0);
  EXPECT_THAT(world_.out.str(), StartsWith("anneal "));
  EXPECT_EQ(world_.Run({"version", "--output", "json"}), 0);
  EXPECT_TRUE(Json().contains("version"));
}

TEST_F(CliTest, TheServerIsTheFlagThenTheVariableThenTheDefault) {
  server_.check = [](const auto&, grpc::health::v1::HealthCheckResponse* response) {
    response->set_status(grpc::health::v1::HealthCheckResponse::SERVING);
    return grpc::Status::OK;
  };
  world_.variables["ANNEAL_SERVER"] = server_.address();
  EXPECT_EQ(world_.Run({"health"}), 0);
  EXPECT_EQ(world_.out.str(), server_.address() + " is SERVING\n");
  EXPECT_EQ(world_.Run({"health", "--server", "unix:/nowhere/socket"}), 4);
  world_.variables["ANNEAL_SERVER"] = "nonsense";
  EXPECT_EQ(world_.Run({"health"}), 2);
  EXPECT_THAT(world_.err.str(), HasSubstr("server address \"nonsense\""));
  world_.variables["ANNEAL_SERVER"] = "";
  EXPECT_EQ(world_.Run({"--server", server_.address(), "health", "--output", "json"}), 0);
  EXPECT_EQ(world_.out.str(), "{\"status\":\"SERVING\"}\n");
}

TEST_F(CliTest, HealthThatIsNotServing) {
  server_.check = [](const auto&, grpc::health::v1::HealthCheckResponse* response) {
    response->set_status(grpc::health::v1::HealthCheckResponse::NOT_SERVING);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"health"}), 3);
}

TEST_F(CliTest, Unreachable) {
  server_.Kill();
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"jobs"},
                                             {"show", "1"},
                                             {"submit", "recipe:quickstart"},
                                             {"validate", "recipe:quickstart"},
                                             {"update", "1", "2", "--front"},
                                             {"cancel", "1", "2"},
                                             {"pause", "1", "2"},
                                             {"resume", "1", "2"},
                                             {"delete", "1"},
                                             {"metrics", "1"},
                                             {"predict", "1"},
                                             {"predictions", "1"},
                                             {"uncertainty", "1"},
                                             {"datasets", "list"},
                                             {"server"},
                                             {"health"}}) {
    EXPECT_EQ(Run(arguments), 4) << arguments[0];
    EXPECT_THAT(world_.err.str(),
                AllOf(HasSubstr("cannot reach the daemon at " + server_.address()),
                      HasSubstr("No such file or directory")));
    EXPECT_TRUE(world_.sleeps.empty());
  }
}

TEST_F(CliTest, SubmitPrintsTheBareId) {
  server_.create_job = [](const v1::CreateJobRequest&, v1::CreateJobResponse* response) {
    response->mutable_job()->set_id("7");
    response->add_warnings("training.optimizer: unwise\x1b");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"submit", "recipe:quickstart", "--set", "training.epochs=3",
                 "--set=training.seed=9", "--name", "Übung", "--priority", "-5"}),
            0);
  EXPECT_EQ(world_.out.str(), "7\n");
  EXPECT_EQ(world_.err.str(), "warning: training.optimizer: unwise\\x1b\n");
  ASSERT_EQ(server_.created().size(), 1u);
  const v1::CreateJobRequest request = server_.created()[0];
  EXPECT_EQ(request.spec().training().epochs(), 3);
  EXPECT_EQ(request.spec().training().seed(), 9u);
  EXPECT_EQ(request.spec().name(), "Übung");
  EXPECT_EQ(request.priority(), -5);
  EXPECT_EQ(request.request_id().size(), 32u);
  EXPECT_FALSE(request.validate_only());
  EXPECT_EQ(Run({"--output", "json", "submit", "recipe:quickstart"}), 0);
  EXPECT_EQ(Json()["job"]["id"], "7");
  EXPECT_NE(server_.created()[1].request_id(), request.request_id());
}

TEST_F(CliTest, SubmitFromStandardInput) {
  server_.create_job = [](const v1::CreateJobRequest&, v1::CreateJobResponse* response) {
    response->mutable_job()->set_id("8");
    return grpc::Status::OK;
  };
  world_.in.str("{\"name\": \"piped\"}");
  EXPECT_EQ(Run({"submit", "-"}), 0);
  EXPECT_EQ(server_.created()[0].spec().name(), "piped");
}

TEST_F(CliTest, SubmitTriesAgainWithTheSameRequestId) {
  std::atomic<int> calls = 0;
  server_.create_job = [&](const v1::CreateJobRequest&, v1::CreateJobResponse* response) {
    if (++calls < 3) return grpc::Status(grpc::UNAVAILABLE, "storage is busy");
    response->mutable_job()->set_id("7");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"submit", "recipe:quickstart"}), 0);
  EXPECT_EQ(world_.out.str(), "7\n");
  const auto created = server_.created();
  ASSERT_EQ(created.size(), 3u);
  EXPECT_NE(created[0].request_id(), "");
  EXPECT_EQ(created[0].request_id(), created[1].request_id());
  EXPECT_EQ(created[0].request_id(), created[2].request_id());
  EXPECT_EQ(world_.sleeps.size(), 2u);
}

TEST_F(CliTest, SubmitGivesUpAfterHalfAMinute) {
  server_.create_job = [&](const v1::CreateJobRequest&, v1::CreateJobResponse*) {
    return grpc::Status(grpc::UNAVAILABLE, "storage is busy");
  };
  EXPECT_EQ(Run({"submit", "recipe:quickstart"}), 4);
  EXPECT_THAT(world_.err.str(), HasSubstr("cannot serve now: storage is busy"));
  std::chrono::milliseconds total{0};
  for (const auto sleep : world_.sleeps) total += sleep;
  EXPECT_GE(total, std::chrono::seconds(30));
  EXPECT_LE(total, std::chrono::seconds(36));
}

TEST_F(CliTest, OnlyUnavailableIsTriedAgain) {
  for (const grpc::StatusCode code :
       {grpc::INTERNAL, grpc::RESOURCE_EXHAUSTED, grpc::FAILED_PRECONDITION}) {
    server_.create_job = [&](const v1::CreateJobRequest&, v1::CreateJobResponse*) {
      return grpc::Status(code, "no");
    };
    EXPECT_EQ(Run({"submit", "recipe:quickstart"}), 3);
    EXPECT_TRUE(world_.sleeps.empty());
  }
}

TEST_F(CliTest, EveryViolationIsShown) {
  server_.create_job = [](const v1::CreateJobRequest&, v1::CreateJobResponse*) {
    return InvalidWith("the job has 2 violations",
                       {{"training.batch_size", "is -1; at least 1 is needed"},
                        {"training.network.layers[3].dropout.rate", "is 2"}});
  };
  for (const char* verb : {"submit", "validate"}) {
    EXPECT_EQ(Run({verb, "recipe:quickstart"}), 3);
    EXPECT_EQ(world_.out.str(), "");
    EXPECT_EQ(world_.err.str(),
              "anneal: the job has 2 violations (INVALID_ARGUMENT)\n"
              "  training.batch_size: is -1; at least 1 is needed\n"
              "  training.network.layers[3].dropout.rate: is 2\n");
  }
}

TEST_F(CliTest, ValidateShowsTheLayers) {
  server_.create_job = [](const v1::CreateJobRequest& request, v1::CreateJobResponse* response) {
    EXPECT_TRUE(request.validate_only());
    EXPECT_EQ(request.request_id(), "");
    *response = Parse<v1::CreateJobResponse>(R"(
        summary {
          input_shape: [32, 32, 3]
          rows { name: "flatten" kind: "Flatten" output_shape: 3072 }
          rows { name: "dense" kind: "Dense" output_shape: 10 parameters: 30730 }
          trainable_parameters: 30730 non_trainable_parameters: 4 memory_bytes: 1536 flops_per_sample: 61440
        }
        warnings: "training.seed: is 0")");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"validate", "recipe:quickstart"}), 0);
  EXPECT_EQ(world_.out.str(),
            "LAYER    KIND     OUTPUT SHAPE  PARAMETERS\n"
            "(input)           32 x 32 x 3\n"
            "flatten  Flatten  3072                   0\n"
            "dense    Dense    10                30,730\n"
            "\n"
            "parameters  30,734 (30,730 trainable)\n"
            "memory      1.5 KiB (estimate, without the data set)\n"
            "work        61,440 flops a sample, forward\n");
  EXPECT_EQ(world_.err.str(), "warning: training.seed: is 0\n");
  EXPECT_EQ(Run({"validate", "recipe:quickstart", "--output", "json"}), 0);
  EXPECT_EQ(Json()["summary"]["trainableParameters"], "30730");
}

TEST_F(CliTest, JobsFollowsPagesUpToTheLimit) {
  std::vector<v1::ListJobsRequest> requests;
  server_.list_jobs = [&](const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
    requests.push_back(request);
    const int first = request.page_token().empty() ? 0 : std::stoi(request.page_token());
    for (int i = first; i < first + std::min(request.page_size(), 2); ++i) {
      response->add_jobs()->set_id(std::to_string(100 - i));
    }
    response->set_next_page_token(std::to_string(first + response->jobs_size()));
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"jobs", "--limit", "3", "--state", "running,QUEUED", "--state", "Failed",
                 "--filter", "cnn", "--output", "json"}),
            0);
  EXPECT_EQ(Json()["jobs"].size(), 3u);
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_THAT(requests[0].states(),
              ElementsAre(v1::Job::RUNNING, v1::Job::QUEUED, v1::Job::FAILED));
  EXPECT_EQ(requests[0].name_contains(), "cnn");
  EXPECT_EQ(requests[1].page_token(), "2");
  EXPECT_EQ(requests[1].page_size(), 1);
  EXPECT_EQ(Run({"jobs", "--limit", "1"}), 0);
  EXPECT_THAT(world_.err.str(), HasSubstr("there are more"));
}

TEST_F(CliTest, JobsTable) {
  server_.list_jobs = [&](const v1::ListJobsRequest&, v1::ListJobsResponse* response) {
    *response = Parse<v1::ListJobsResponse>(R"(
        jobs { id: "12" name: "cnn" state: RUNNING create_time { seconds: 1700000000 } start_time { seconds: 1699999990 }
               progress { epoch: 3 epochs: 30 metrics { name: "loss" value: 1 } metrics { name: "val_loss" value: 2 } } }
        jobs { id: "11" state: QUEUED queue_position: 1 create_time { seconds: 1700000000 } }
        jobs { id: "7" name: "x" state: FAILED stop_reason: DIVERGED create_time { seconds: 1700000000 }
               start_time { seconds: 1700000000 } end_time { seconds: 1700000090 }
               progress { epoch: 4 metrics { name: "loss" value: nan } } })");
    response->mutable_jobs(1)->set_name(kHostileName);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"jobs"}), 0);
  EXPECT_EQ(world_.out.str(),
            "ID  NAME                       STATE              EPOCH  METRIC           CREATED     "
            "            RAN\n"
            "12  cnn                        RUNNING             3/30  val_loss 2.0000  2023-11-14 "
            "22:13:20  10.0 s\n"
            "11  日本 \\x1b[2J\\n\\u{202e}txt  QUEUED #1                                  "
            "2023-11-14 22:13:20\n"
            " 7  x                          FAILED (DIVERGED)      4  loss nan         2023-11-14 "
            "22:13:20  1m 30s\n");
}

TEST_F(CliTest, NoJobs) {
  server_.list_jobs = [&](const auto&, auto*) { return grpc::Status::OK; };
  EXPECT_EQ(Run({"jobs"}), 0);
  EXPECT_EQ(world_.out.str(), "no jobs\n");
  EXPECT_EQ(Run({"jobs", "--output", "json"}), 0);
  EXPECT_EQ(world_.out.str(), "{}\n");
}

TEST_F(CliTest, Show) {
  server_.get_job = [&](const v1::GetJobRequest& request, v1::Job* job) {
    if (request.id() != "7")
      return grpc::Status(grpc::NOT_FOUND, "there is no job \"" + request.id() + "\"");
    *job = Parse<v1::Job>(R"(
        id: "7" state: SUCCEEDED stop_reason: EARLY_STOPPED message: "at epoch 4" create_time { seconds: 1700000000 }
        start_time { seconds: 1700000001 } end_time { seconds: 1700000091 }
        spec { name: "n" training { epochs: 30 } }
        progress { epoch: 4 epochs: 30 batch: 5 batches: 5 metrics { name: "val_loss" value: 1.5 } }
        result { metrics { name: "test_accuracy" value: 0.7 } epochs: 4 best_epoch: 2 weights_sha256: "abc" }
        attempts { number: 1 start_time { seconds: 1700000001 } end_time { seconds: 1700000011 } outcome: "INTERRUPTED"
                   fingerprint: "cpu" })");
    job->set_name(kHostileName);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"show", "7"}), 0);
  EXPECT_EQ(world_.out.str(),
            "job            7\n"
            "name           日本 \\x1b[2J\\n\\u{202e}txt\n"
            "state          SUCCEEDED (EARLY_STOPPED)\n"
            "message        at epoch 4\n"
            "created        2023-11-14 22:13:20\n"
            "started        2023-11-14 22:13:21 to 2023-11-14 22:14:51, 1m 30s\n"
            "epoch          4 of 30\n"
            "val_loss       1.5000\n"
            "test_accuracy  0.7000\n"
            "best epoch     2\n"
            "weights        sha256 abc\n"
            "\n"
            "ATTEMPT  STARTED                 RAN  OUTCOME      FINGERPRINT\n"
            "      1  2023-11-14 22:13:21  10.0 s  INTERRUPTED  cpu\n");
  EXPECT_EQ(Run({"show", "7", "--output", "json"}), 0);
  EXPECT_EQ(Json()["name"], kHostileName);  // JSON escapes by its own rules, and loses nothing
  EXPECT_THAT(world_.out.str(), Not(HasSubstr("\x1b")));
  EXPECT_EQ(Run({"show", "7", "--spec"}), 0);
  EXPECT_EQ(world_.out.str(), "name: \"n\"\ntraining {\n  epochs: 30\n}\n");
  EXPECT_EQ(Run({"show", "8\x1b"}), 3);
  EXPECT_EQ(world_.err.str(), "anneal: there is no job \"8\\x1b\" (NOT_FOUND)\n");
}

TEST_F(CliTest, MetricsCsvHasFullPrecision) {
  server_.list_epoch_metrics = [&](const v1::ListEpochMetricsRequest& request,
                                   v1::ListEpochMetricsResponse* response) {
    EXPECT_THAT(request.job_ids(), ElementsAre("7", "8"));
    EXPECT_THAT(request.metrics(), ElementsAre("loss", "val_loss"));
    if (request.page_token().empty()) {
      *response = Parse<v1::ListEpochMetricsResponse>(R"(
          epochs { job_id: "7" epoch: 1 metrics { name: "loss" value: 0.1 } metrics { name: "val_loss" value: nan } }
          epochs { job_id: "7" epoch: 2 metrics { name: "loss" value: inf } metrics { name: "val_loss" value: -inf } }
          next_page_token: "more")");
    } else {
      *response = Parse<v1::ListEpochMetricsResponse>(
          R"(epochs { job_id: "8" epoch: 1 metrics { name: "a,\"b" value: 0.3333333333333333 } })");
    }
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"metrics", "7", "8", "7", "--metric", "loss", "--metric", "val_loss", "--format",
                 "csv"}),
            0);
  EXPECT_EQ(world_.out.str(),
            "job,epoch,metric,value\n"
            "7,1,loss,0.10000000000000001\n"
            "7,1,val_loss,nan\n"
            "7,2,loss,inf\n"
            "7,2,val_loss,-inf\n"
            "8,1,\"a,\"\"b\",0.33333333333333331\n");
  EXPECT_EQ(
      Run({"metrics", "7", "8", "--metric", "loss", "--metric", "val_loss", "--output", "json"}),
      0);
  EXPECT_EQ(Json()["epochs"].size(), 3u);
  EXPECT_EQ(Json()["epochs"][0]["metrics"][1]["value"], "NaN");
}

TEST_F(CliTest, MetricsTableAndChart) {
  server_.list_epoch_metrics = [&](const v1::ListEpochMetricsRequest& request,
                                   v1::ListEpochMetricsResponse* response) {
    for (const std::string& job : request.job_ids()) {
      for (int epoch = 1; epoch <= 3; ++epoch) {
        auto* record = response->add_epochs();
        record->set_job_id(job);
        record->set_epoch(epoch);
        for (const char* name : {"accuracy", "loss", "val_loss"}) {
          auto* metric = record->add_metrics();
          metric->set_name(name);
          metric->set_value(1.0 / epoch);
        }
      }
    }
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"metrics", "7", "--no-chart"}), 0);
  EXPECT_EQ(world_.out.str(),
            "EPOCH    loss  accuracy  val_loss  TIME\n"
            "    1  1.0000    1.0000    1.0000\n"
            "    2  0.5000    0.5000    0.5000\n"
            "    3  0.3333    0.3333    0.3333\n");
  EXPECT_EQ(Run({"metrics", "7"}), 0);
  EXPECT_THAT(world_.out.str(), AllOf(HasSubstr("* loss  o val_loss"), HasSubstr("epoch"),
                                      HasSubstr("         accuracy\n")));
  world_.variables["LANG"] = "en_US.UTF-8";
  EXPECT_EQ(Run({"metrics", "7", "8"}), 0);
  EXPECT_THAT(world_.out.str(),
              AllOf(StartsWith("JOB  EPOCH"), HasSubstr("● job 7 accuracy  ○ job 8 accuracy")));
}

TEST_F(CliTest, LimitsAreWholeNumbersFromZero) {
  for (const char* limit : {"-1", "1.5", "x", "9223372036854775808"}) {
    EXPECT_EQ(Run({"jobs", "--limit", limit}), 2) << limit;
    EXPECT_EQ(world_.err.str(),
              "anneal: --limit: a limit is a whole number from 0\n  See: anneal jobs --help\n");
  }
}

TEST_F(CliTest, MetricsOfAJobWithoutEpochs) {
  server_.list_epoch_metrics = [&](const auto&, auto*) { return grpc::Status::OK; };
  EXPECT_EQ(Run({"metrics", "7"}), 0);
  EXPECT_EQ(world_.out.str(), "no finished epochs\n");
  EXPECT_EQ(Run({"metrics", "7", "--format", "csv"}), 0);
  EXPECT_EQ(world_.out.str(), "job,epoch,metric,value\n");
  EXPECT_EQ(Run({"metrics", "7", "--format", "json"}), 0);
  EXPECT_EQ(world_.out.str(), "{}\n");
}

TEST_F(CliTest, MetricsSayWhereThoseOfSweepsAndRangeTestsAre) {
  server_.list_epoch_metrics = [&](const auto&, auto*) { return grpc::Status::OK; };
  server_.get_job = [&](const v1::GetJobRequest& request, v1::Job* job) {
    if (request.id() == "7") job->mutable_spec()->mutable_sweep();
    if (request.id() == "8") job->mutable_spec()->mutable_lr_range_test();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"metrics", "7", "8", "9"}), 0);
  EXPECT_THAT(
      world_.out.str(),
      AllOf(StartsWith("no finished epochs\njob 7 is a sweep, its trials have epochs: anneal "),
            HasSubstr("jobs --sweep 7\njob 8 is a learning-rate range test: anneal "),
            EndsWith("lr-find --job 8\n")));
}

TEST_F(CliTest, CancelAndDeleteGoOnAfterARefusal) {
  server_.cancel_job = [&](const v1::CancelJobRequest& request, v1::Job* job) {
    if (request.id() == "1") return grpc::Status(grpc::FAILED_PRECONDITION, "job 1 has ended");
    job->set_id(request.id());
    job->set_state(v1::Job::CANCELLING);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"cancel", "1", "2"}), 3);
  EXPECT_EQ(world_.out.str(), "job 2 is CANCELLING\n");
  EXPECT_EQ(world_.err.str(), "anneal: job 1 has ended (FAILED_PRECONDITION)\n");
  server_.delete_job = [&](const v1::DeleteJobRequest& request, google::protobuf::Empty*) {
    return request.id() == "1" ? grpc::Status(grpc::NOT_FOUND, "no job 1") : grpc::Status::OK;
  };
  EXPECT_EQ(Run({"delete", "1", "2"}), 3);
  EXPECT_EQ(world_.out.str(), "job 2 deleted\n");
  EXPECT_EQ(Run({"delete", "2", "--output", "json"}), 0);
  EXPECT_EQ(world_.out.str(), "{}\n");
}

TEST_F(CliTest, PauseAndResumePrintTheStateAndGoOnAfterARefusal) {
  const auto answer = [](v1::Job::State state) {
    return [state](const auto& request, v1::Job* job) {
      if (request.id() == "1") return grpc::Status(grpc::FAILED_PRECONDITION, "job 1 has ended");
      job->set_id(request.id());
      job->set_state(state);
      return grpc::Status::OK;
    };
  };
  server_.pause_job = answer(v1::Job::PAUSING);
  server_.resume_job = answer(v1::Job::QUEUED);
  EXPECT_EQ(Run({"pause", "1", "2"}), 3);
  EXPECT_EQ(world_.out.str(), "job 2 is PAUSING\n");
  EXPECT_EQ(world_.err.str(), "anneal: job 1 has ended (FAILED_PRECONDITION)\n");
  EXPECT_EQ(Run({"resume", "1", "2"}), 3);
  EXPECT_EQ(world_.out.str(), "job 2 is QUEUED\n");
  EXPECT_EQ(Run({"pause"}), 2);
}

TEST_F(CliTest, DatasetsAndServer) {
  server_.list_datasets = [&](const auto&, v1::ListDatasetsResponse* response) {
    *response = Parse<v1::ListDatasetsResponse>(R"(
        datasets { name: "synthetic-shapes" format: "synthetic-shapes" shape: [32, 32, 3] class_names: ["a", "b"]
                   splits { name: "train" samples: 20000 } splits { name: "test" samples: 4000 } loaded: true }
        datasets { name: "cifar10" format: "cifar10" source: "/data" error: "no file\x1b" })");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"datasets", "list"}), 0);
  EXPECT_EQ(world_.out.str(),
            "NAME              FORMAT            SHAPE        CLASSES  SPLITS                    "
            "LOADED  SOURCE\n"
            "synthetic-shapes  synthetic-shapes  32 x 32 x 3        2  train 20,000, test 4,000  "
            "yes     generated\n"
            "cifar10           cifar10           -                  0                            "
            "no      /data: no file\\x1b\n");
  server_.get_server_info = [&](const auto&, v1::ServerInfo* info) {
    *info = Parse<v1::ServerInfo>(R"(
        version: "0.1.0" build: "GNU" fingerprint: "avx2" devices: ["cpu", "cuda:0"] listen: "unix:/s" data_dir: "/d"
        workers: 2 running_jobs: 1 queued_jobs: 3 start_time { seconds: 1699999940 } pid: 42)");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"server"}), 0);
  EXPECT_THAT(world_.out.str(), AllOf(HasSubstr("devices       cpu, cuda:0\n"),
                                      HasSubstr("2023-11-14 22:12:20, 1m 00s ago")));
  EXPECT_EQ(Run({"server", "--output", "json"}), 0);
  EXPECT_EQ(Json()["queuedJobs"], "3");
}

TEST_F(CliTest, Recipes) {
  EXPECT_EQ(world_.Run({"recipes"}), 0);
  EXPECT_THAT(world_.out.str(), AllOf(HasSubstr("quickstart "), HasSubstr("cifar10-cnn ")));
  EXPECT_EQ(world_.Run({"recipes", "quickstart"}), 0);
  EXPECT_THAT(world_.out.str(), AllOf(StartsWith("# "), HasSubstr("synthetic-shapes")));
  EXPECT_EQ(world_.Run({"recipes", "quickstart", "--output", "json"}), 0);
  EXPECT_EQ(Json()["name"], "quickstart");
}

TEST_F(CliTest, AnOlderDaemon) {
  EXPECT_EQ(Run({"server"}), 3);
  EXPECT_THAT(world_.err.str(), HasSubstr("does not know this request"));
}

TEST_F(CliTest, OutputThatCannotBeWritten) {
  world_.out.setstate(std::ios::badbit);
  EXPECT_EQ(world_.Run({"recipes"}), 2);
  EXPECT_THAT(world_.err.str(), HasSubstr("the output cannot be written"));
}

}  // namespace
}  // namespace anneal::client
