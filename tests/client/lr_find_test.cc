// `lr-find`, `--lr-from` and what the other verbs make of a range test, against a daemon that
// answers by script.
#include <atomic>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/client/fake_server.h"
#include "tests/client/test_environment.h"
#include "tests/support/temp_folder.h"

namespace anneal::client {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char kFile[] = R"(
    training {
      network { layers { dense { units: 10 activation: SOFTMAX } } }
      optimizer { sgd { momentum: 0.9 } }
    })";

class LrFindTest : public testing::Test {
 protected:
  LrFindTest() {
    server_.create_job = [this](const v1::CreateJobRequest& request,
                                v1::CreateJobResponse* response) {
      response->mutable_job()->set_id("7");
      if (!request.validate_only()) *jobs_["7"].mutable_spec() = request.spec();
      return grpc::Status::OK;
    };
    server_.get_job = [this](const v1::GetJobRequest& request, v1::Job* job) {
      const auto found = jobs_.find(request.id());
      if (found == jobs_.end()) return grpc::Status(grpc::NOT_FOUND, "no job " + request.id());
      *job = found->second;
      return grpc::Status::OK;
    };
    server_.watch_job = [this](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                               grpc::ServerContext&) {
      Replay(writer, request.after_sequence(), 4);
      return grpc::Status::OK;
    };
    v1::WatchJobResponse result;
    result.mutable_event()->set_sequence(3);
    result.mutable_event()->mutable_result()->set_weights_sha256("ab");
    history_ = {StateEvent(1, v1::Job::QUEUED, v1::Job::STOP_REASON_UNSPECIFIED, "", 0),
                StateEvent(2, v1::Job::RUNNING), result,
                StateEvent(4, v1::Job::SUCCEEDED, v1::Job::COMPLETED)};
    jobs_["7"] = RangeTest("7");
    server_.Start();
  }

  // One that has ended, of kFile.
  static v1::Job RangeTest(const std::string& id) {
    v1::Job job;
    job.set_id(id);
    job.set_state(v1::Job::SUCCEEDED);
    job.set_stop_reason(v1::Job::COMPLETED);
    job.set_kind(v1::Job::LR_RANGE_TEST);
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(kFile, job.mutable_spec()));
    job.mutable_spec()->mutable_lr_range_test();
    v1::LearningRateRangeTestResult& result = *job.mutable_lr_range_test_result();
    for (int i = 0; i < 4; ++i) {
      auto* point = result.add_points();
      point->set_step(i + 1);
      point->set_learning_rate(std::vector<double>{0.125, 0.25, 0.5, 1}[static_cast<size_t>(i)]);
      point->set_loss(3 - i);
      point->set_smoothed_loss(3.5 - i);
    }
    result.set_steepest(0.0987654);
    result.set_valley(0.00123456);
    return job;
  }

  void Replay(FakeServer::WatchWriter& writer, int64_t after, int64_t last) {
    for (const v1::WatchJobResponse& response : history_) {
      if (response.event().sequence() > after && response.event().sequence() <= last)
        writer.Write(response);
    }
  }

  int Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--server", server_.address()});
    return world_.Run(arguments);
  }

  // A job file of `text`; its path.
  std::string File(const std::string& text = kFile) {
    const std::string path = folder_.Join("job.textproto");
    std::ofstream(path) << text;
    return path;
  }

  const v1::JobSpec Created() const {
    const std::vector<v1::CreateJobRequest> created = server_.created();
    return created.empty() ? v1::JobSpec() : created.back().spec();
  }

  static constexpr char kCsv[] =
      "job,step,learning_rate,loss,smoothed_loss\n"
      "7,1,0.125,3,3.5\n"
      "7,2,0.25,2,2.5\n"
      "7,3,0.5,1,1.5\n"
      "7,4,1,0,0.5\n";

  const TempFolder folder_;
  std::vector<v1::WatchJobResponse> history_;
  std::map<std::string, v1::Job> jobs_;
  FakeServer server_;
  TestEnvironment world_;
};

TEST_F(LrFindTest, SubmitsFollowsAndShows) {
  EXPECT_EQ(Run({"lr-find", File(), "--min", "1e-6", "--max", "2.5", "--steps", "200", "--set",
                 "training.batch_size=64", "--set", "lr_range_test.smoothing=0.5", "--name", "find",
                 "--priority", "3"}),
            0);
  EXPECT_THAT(world_.out.str(), StartsWith("7\n"
                                           "job 7 is QUEUED\n"
                                           "job 7 is RUNNING\n"
                                           "job 7 is SUCCEEDED (COMPLETED)\n"
                                           "\n"
                                           "         smoothed loss\n"
                                           "3.5000 |*"));
  EXPECT_THAT(world_.out.str(),
              EndsWith("\nTrain with one of them: anneal --server " + server_.address() +
                       " submit FILE --lr-from 7[:steepest|valley]\n"));
  EXPECT_EQ(world_.err.str(), "");
  ASSERT_EQ(server_.created().size(), 1u);
  EXPECT_EQ(server_.created()[0].priority(), 3);
  const v1::JobSpec spec = Created();
  EXPECT_EQ(spec.name(), "find");
  EXPECT_EQ(spec.training().batch_size(), 64);
  EXPECT_EQ(spec.lr_range_test().min_learning_rate(), 1e-6);
  EXPECT_EQ(spec.lr_range_test().max_learning_rate(), 2.5);
  EXPECT_EQ(spec.lr_range_test().steps(), 200);
  EXPECT_EQ(spec.lr_range_test().smoothing(), 0.5);
}

TEST_F(LrFindTest, ABlockOfTheFileIsKept) {
  EXPECT_EQ(Run({"lr-find", File(std::string(kFile) + "lr_range_test { steps: 50 smoothing: 0.9 }"),
                 "--max", "1"}),
            0);
  EXPECT_EQ(Created().lr_range_test().steps(), 50);
  EXPECT_EQ(Created().lr_range_test().smoothing(), 0.9);
  EXPECT_EQ(Created().lr_range_test().max_learning_rate(), 1);
  EXPECT_FALSE(Created().lr_range_test().has_min_learning_rate());
  EXPECT_EQ(Run({"lr-find", File()}), 0);
  EXPECT_TRUE(Created().has_lr_range_test());
  EXPECT_FALSE(Created().lr_range_test().has_steps());
}

TEST_F(LrFindTest, ALiveLineOnATerminal) {
  world_.out_is_terminal = true;
  world_.variables["NO_COLOR"] = "1";
  server_.watch_job = [&](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                          grpc::ServerContext&) {
    EXPECT_TRUE(request.progress());
    Replay(writer, 0, 2);
    v1::WatchJobResponse progress;
    progress.mutable_progress()->set_epoch(1);
    progress.mutable_progress()->set_epochs(1);
    progress.mutable_progress()->set_batch(5);
    progress.mutable_progress()->set_batches(10);
    writer.Write(progress);
    Replay(writer, 2, 4);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"lr-find", File()}), 0);
  EXPECT_THAT(world_.out.str(), HasSubstr("job 7 is RUNNING\n"
                                          "\rrange test [=========>          ] 5/10\x1b[K"
                                          "\r\x1b[K"
                                          "job 7 is SUCCEEDED (COMPLETED)\n"));
}

TEST_F(LrFindTest, SurvivesARestartOfTheDaemon) {
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{}, {"--format", "csv"}}) {
    std::atomic<int> calls = 0;
    std::thread killer;
    server_.watch_job = [&](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                            grpc::ServerContext& context) {
      if (++calls == 1) {
        Replay(writer, request.after_sequence(), 2);
        killer = std::thread([&] { server_.Kill(); });
        while (!context.IsCancelled()) std::this_thread::yield();
        return grpc::Status::CANCELLED;
      }
      Replay(writer, request.after_sequence(), 4);
      return grpc::Status::OK;
    };
    world_.on_sleep = [&](int number) {
      if (number == 1) {
        killer.join();
        server_.Start();
      }
    };
    std::vector<std::string> arguments = {"lr-find", File()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    jobs_["7"] = RangeTest("7");
    EXPECT_EQ(Run(arguments), 0);
    EXPECT_THAT(world_.err.str(),
                AllOf(HasSubstr("lost the daemon at unix:"), HasSubstr("connected again")));
    EXPECT_EQ(calls, 2);
    if (!more.empty()) {
      EXPECT_EQ(world_.out.str(), kCsv);
    }
  }
}

TEST_F(LrFindTest, CtrlCLeavesTheTestRunning) {
  server_.watch_job = [&](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                          grpc::ServerContext& context) {
    Replay(writer, request.after_sequence(), 2);
    world_.PressCtrlC();
    while (!context.IsCancelled()) std::this_thread::yield();
    return grpc::Status::CANCELLED;
  };
  for (const std::string format : {"table", "csv", "json"}) {
    EXPECT_EQ(Run({"lr-find", File(), "--format", format}), 130);
    EXPECT_THAT(world_.err.str(),
                HasSubstr("job 7 goes on; follow it again with: anneal --server " +
                          server_.address() + " watch 7\n"));
    EXPECT_THAT(world_.out.str(), Not(HasSubstr("SUGGESTION")));
  }
}

TEST_F(LrFindTest, OneThatFails) {
  v1::Job& job = jobs_["7"];
  job.clear_lr_range_test_result();
  job.set_state(v1::Job::FAILED);
  job.set_message("the loss became nan");
  history_.back() = StateEvent(4, v1::Job::FAILED, v1::Job::DIVERGED, "the loss became nan\x1b");
  EXPECT_EQ(Run({"lr-find", File()}), 1);
  EXPECT_THAT(world_.out.str(), EndsWith("job 7 is FAILED (DIVERGED): the loss became nan\\x1b\n"));
  EXPECT_EQ(Run({"lr-find", File(), "--format", "csv"}), 1);
  EXPECT_EQ(world_.out.str(), "");
  EXPECT_EQ(world_.err.str(), "anneal: job 7 is FAILED (DIVERGED): the loss became nan\\x1b\n");
  EXPECT_EQ(Run({"lr-find", File(), "--output", "json"}), 1);
  EXPECT_EQ(nlohmann::json::parse(world_.out.str())["state"], "FAILED");
}

TEST_F(LrFindTest, ProgramsGetOnlyTheResult) {
  EXPECT_EQ(Run({"lr-find", File(), "--format", "csv"}), 0);
  EXPECT_EQ(world_.out.str(), kCsv);
  for (const std::string flag : {"--format", "--output"}) {
    EXPECT_EQ(Run({"lr-find", File(), flag, "json"}), 0);
    const auto json = nlohmann::json::parse(world_.out.str());
    EXPECT_EQ(json["id"], "7");
    EXPECT_EQ(json["lrRangeTestResult"]["points"].size(), 4u);
    EXPECT_EQ(json["lrRangeTestResult"]["valley"], 0.00123456);
  }
  EXPECT_EQ(Run({"--output", "json", "lr-find", File(), "--format", "table"}), 0);
  EXPECT_THAT(world_.out.str(), StartsWith("         smoothed loss\n"));
}

TEST_F(LrFindTest, Detached) {
  EXPECT_EQ(Run({"lr-find", File(), "--detach"}), 0);
  EXPECT_EQ(world_.out.str(), "7\n");
  EXPECT_EQ(Run({"lr-find", File(), "--detach", "--output", "json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(world_.out.str())["job"]["id"], "7");
  EXPECT_TRUE(server_.watched().empty());
}

TEST_F(LrFindTest, AnEarlierTestIsShownWithoutSubmitting) {
  EXPECT_EQ(Run({"lr-find", "--job", "7"}), 0);
  EXPECT_THAT(world_.out.str(), AllOf(StartsWith("         smoothed loss\n"),
                                      HasSubstr("V  valley               0.00123  in the middle"),
                                      HasSubstr("submit FILE --lr-from 7[:steepest|valley]\n")));
  EXPECT_EQ(Run({"lr-find", "--job", "7", "--format", "csv"}), 0);
  EXPECT_EQ(world_.out.str(), kCsv);
  EXPECT_EQ(Run({"lr-find", "--job", "7", "--output", "json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(world_.out.str())["kind"], "LR_RANGE_TEST");
  EXPECT_EQ(Run({"lr-find", "--job", "8"}), 3);
  EXPECT_THAT(world_.err.str(), HasSubstr("no job 8"));
  jobs_["7"].mutable_spec()->clear_lr_range_test();
  EXPECT_EQ(Run({"lr-find", "--job", "7"}), 2);
  EXPECT_THAT(world_.err.str(), HasSubstr("--job 7: job 7 is no learning-rate range test"));
  EXPECT_TRUE(server_.created().empty());
}

TEST_F(LrFindTest, UsageErrors) {
  const std::string sweep = std::string(kFile) + "sweep { random { trials: 3 } }";
  EXPECT_EQ(Run({"lr-find", File(sweep)}), 2);
  EXPECT_THAT(world_.err.str(), HasSubstr("has a sweep block"));
  const std::string file = File();
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"lr-find"},
                                             {"lr-find", file, "--job", "7"},
                                             {"lr-find", "--job", "7", "--steps", "20"},
                                             {"lr-find", "--job", "7", "--detach"},
                                             {"lr-find", file, "--detach", "--format", "csv"},
                                             {"lr-find", file, "--min", "x"},
                                             {"lr-find", file, "--steps", "1.5"},
                                             {"lr-find", file, "--format", "xml"},
                                             {"lr-find", "no such file"}}) {
    EXPECT_EQ(Run(arguments), 2) << testing::PrintToString(arguments);
    EXPECT_NE(world_.err.str(), "");
    EXPECT_EQ(world_.out.str(), "");
  }
  EXPECT_TRUE(server_.created().empty());
}

TEST_F(LrFindTest, Help) {
  EXPECT_EQ(world_.Run({"lr-find", "--help"}), 0);
  EXPECT_THAT(world_.out.str(),
              AllOf(HasSubstr("Examples:\n  anneal lr-find "), HasSubstr("--lr-from 7")));
  for (const std::string verb : {"submit", "validate", "sweep"}) {
    EXPECT_EQ(world_.Run({verb, "--help"}), 0);
    EXPECT_THAT(world_.out.str(), HasSubstr("--lr-from JOB[:SUGGESTION]"));
  }
}

TEST_F(LrFindTest, TrainsWithASuggestion) {
  EXPECT_EQ(Run({"submit", File(), "--lr-from", "7"}), 0);
  EXPECT_EQ(world_.err.str(), "learning rate 0.00123 from job 7 (valley)\n");
  EXPECT_EQ(world_.out.str(), "7\n");
  EXPECT_EQ(Created().training().optimizer().sgd().learning_rate(), 0.00123);
  EXPECT_EQ(Created().training().optimizer().sgd().momentum(), 0.9);
  jobs_["7"] = RangeTest("7");
  EXPECT_EQ(Run({"validate", File(), "--lr-from", "7:steepest"}), 0);
  EXPECT_EQ(world_.err.str(), "learning rate 0.0988 from job 7 (steepest)\n");
  EXPECT_EQ(Created().training().optimizer().sgd().learning_rate(), 0.0988);
  EXPECT_EQ(Run({"sweep", File(), "--lr-from", "7", "--grid", "training.batch_size=32,64"}), 0);
  EXPECT_EQ(Created().training().optimizer().sgd().learning_rate(), 0.00123);
  EXPECT_TRUE(Created().has_sweep());
}

TEST_F(LrFindTest, SettingsComeFirst) {
  EXPECT_EQ(Run({"submit", File(), "--lr-from", "7", "--set", "training.optimizer.nadam={}"}), 0);
  EXPECT_EQ(Created().training().optimizer().nadam().learning_rate(), 0.00123);
  EXPECT_EQ(world_.err.str(),
            "learning rate 0.00123 from job 7 (valley)\n"
            "warning: job 7 tested another optimizer (sgd, not nadam); its learning rate may not "
            "suit this one\n");
  jobs_["7"] = RangeTest("7");
  EXPECT_EQ(Run({"submit", File(), "--lr-from", "7", "--set", "training.optimizer.adam={}", "--set",
                 "training.network.layers[0].dense.units=11", "--set", "training.batch_size=64"}),
            0);
  EXPECT_THAT(world_.err.str(),
              HasSubstr("tested another optimizer (sgd, not adam), another network and another "
                        "batch size (32, not 64);"));
}

TEST_F(LrFindTest, TheRangeTestsOwnFileCanBeTrained) {
  EXPECT_EQ(Run({"submit", File(std::string(kFile) + "lr_range_test {}"), "--lr-from", "7"}), 0);
  EXPECT_FALSE(Created().has_lr_range_test());
  EXPECT_THAT(world_.err.str(), HasSubstr("lr_range_test block is left out"));
}

TEST_F(LrFindTest, AnotherSettingOfTheSameLearningRateIsRefused) {
  const std::string path = "training.optimizer.sgd.learning_rate";
  for (const std::string& setting :
       {path + "=0.1", std::string("training.optimizer.sgd={learning_rate: 0.1}"),
        std::string("training.optimizer={sgd {learning_rate: 0.1}}")}) {
    EXPECT_EQ(Run({"submit", File(), "--lr-from", "7", "--set", setting}), 2) << setting;
    EXPECT_THAT(world_.err.str(), HasSubstr("sets the learning rate too"));
  }
  for (const std::string& swept :
       {path + "=0.1,0.2", std::string("training.optimizer={sgd {}},{adam {}}")}) {
    EXPECT_EQ(Run({"sweep", File(), "--lr-from", "7", "--grid", swept}), 2) << swept;
    EXPECT_THAT(world_.err.str(), HasSubstr("leave one of them out"));
  }
  EXPECT_EQ(Run({"sweep", File(), "--lr-from", "7", "--trials", "2", "--random",
                 path + "=uniform:0.1:0.2"}),
            2);
  EXPECT_TRUE(server_.created().empty());
}

TEST_F(LrFindTest, ATestThatCannotServe) {
  const auto refused = [&](const std::string& lr_from, int code, const std::string& why) {
    EXPECT_EQ(Run({"submit", File(), "--lr-from", lr_from}), code) << lr_from;
    EXPECT_THAT(world_.err.str(),
                AllOf(StartsWith("anneal: "), HasSubstr(why), Not(HasSubstr("\x1b"))));
  };
  refused("", 2, "the job's id is missing");
  refused(":valley", 2, "the job's id is missing");
  refused("7:", 2, "there is no suggestion \"\"");
  refused("7:best\x1b", 2, "there are: steepest, valley, minimum_tenth");
  refused("8", 3, "no job 8");
  refused("7:minimum_tenth", 3, "has no such suggestion; it has: steepest, valley\n");
  jobs_["7"].mutable_lr_range_test_result()->clear_valley();
  jobs_["7"].mutable_lr_range_test_result()->clear_steepest();
  refused("7", 3, "it has: none, as its curve is too short or never falls");
  jobs_["7"].clear_lr_range_test_result();
  jobs_["7"].set_state(v1::Job::RUNNING);
  refused("7", 3, "job 7 is RUNNING; wait for its end with: anneal --server");
  jobs_["7"].set_state(v1::Job::FAILED);
  jobs_["7"].set_stop_reason(v1::Job::DIVERGED);
  jobs_["7"].set_message("nan\x1b");
  refused("7", 3, "job 7 is FAILED (DIVERGED) and has no curve: nan\\x1b\n");
  jobs_["7"].mutable_spec()->clear_lr_range_test();
  refused("7", 2, "job 7 is no learning-rate range test");
  EXPECT_EQ(Run({"submit", File("training { epochs: 3 }"), "--lr-from", "7"}), 2);
  EXPECT_THAT(world_.err.str(), HasSubstr("the job file has no optimizer"));
  server_.Kill();
  refused("7", 4, "cannot reach the daemon");
}

TEST_F(LrFindTest, WatchShowsTheCurve) {
  EXPECT_EQ(Run({"watch", "7"}), 0);
  EXPECT_THAT(world_.out.str(),
              AllOf(StartsWith("job 7 is QUEUED\n"), HasSubstr("smoothed loss"),
                    HasSubstr("V  valley"), HasSubstr("--lr-from 7["), Not(HasSubstr("epoch"))));
}

TEST_F(LrFindTest, ShowAndJobs) {
  jobs_["7"].mutable_progress()->set_epoch(1);
  jobs_["7"].mutable_progress()->set_epochs(1);
  jobs_["7"].mutable_progress()->set_batch(4);
  jobs_["7"].mutable_progress()->set_batches(5);
  EXPECT_EQ(Run({"show", "7"}), 0);
  EXPECT_THAT(world_.out.str(),
              AllOf(HasSubstr("kind     learning-rate range test\n"),
                    HasSubstr("step     4 of 5\n"), HasSubstr("V  valley               0.00123"),
                    HasSubstr("--lr-from 7["), Not(HasSubstr("epoch"))));
  server_.list_jobs = [this](const v1::ListJobsRequest&, v1::ListJobsResponse* response) {
    v1::Job* job = response->add_jobs();
    *job = jobs_["7"];
    job->clear_spec();
    job->clear_lr_range_test_result();
    auto* metric = job->mutable_progress()->add_metrics();
    metric->set_name("loss");
    metric->set_value(77);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"jobs"}), 0);
  EXPECT_THAT(world_.out.str(), AllOf(HasSubstr("KIND"), HasSubstr("  lr range test  SUCCEEDED  "),
                                      Not(HasSubstr("77")), Not(HasSubstr("1/1"))));
}

}  // namespace
}  // namespace anneal::client
