// `watch` and `submit --watch` against a daemon that is killed, restarted and slow.
#include <atomic>
#include <chrono>
#include <cmath>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/client/fake_server.h"
#include "tests/client/test_environment.h"

namespace anneal::client {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class WatchTest : public testing::Test {
 protected:
  WatchTest() {
    server_.get_job = [](const v1::GetJobRequest& request, v1::Job* job) {
      job->set_id(request.id());
      job->mutable_spec()->mutable_training()->set_epochs(4);
      return grpc::Status::OK;
    };
    server_.create_job = [](const v1::CreateJobRequest&, v1::CreateJobResponse* response) {
      response->mutable_job()->set_id("7");
      return grpc::Status::OK;
    };
    history_ = {StateEvent(1, v1::Job::QUEUED, v1::Job::STOP_REASON_UNSPECIFIED, "", 0),
                StateEvent(2, v1::Job::RUNNING),
                EpochEvent(3, 1, 2.5),
                EpochEvent(4, 2, 2.25),
                EpochEvent(5, 3, 2.125),
                EpochEvent(6, 4, 2),
                StateEvent(7, v1::Job::SUCCEEDED, v1::Job::COMPLETED)};
    server_.Start();
  }

  // Sends what is stored after `after`, up to and with `last`.
  void Replay(FakeServer::WatchWriter& writer, int64_t after, int64_t last) {
    for (const v1::WatchJobResponse& response : history_) {
      if (response.event().sequence() > after && response.event().sequence() <= last)
        writer.Write(response);
    }
  }

  int Watch(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"--server", server_.address(), "watch", "7"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return world_.Run(arguments);
  }

  static constexpr char kAllLines[] =
      "job 7 is QUEUED\n"
      "job 7 is RUNNING\n"
      "epoch 1/4  loss 2.5000  14.2 s\n"
      "epoch 2/4  loss 2.2500  14.2 s\n"
      "epoch 3/4  loss 2.1250  14.2 s\n"
      "epoch 4/4  loss 2.0000  14.2 s\n"
      "job 7 is SUCCEEDED (COMPLETED)\n";

  std::vector<v1::WatchJobResponse> history_;
  FakeServer server_;
  TestEnvironment world_;
};

TEST_F(WatchTest, PrintsALineAnEpoch) {
  server_.watch_job = [&](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                          grpc::ServerContext&) {
    EXPECT_FALSE(request.progress());  // piped
    Replay(writer, request.after_sequence(), 7);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Watch(), 0);
  EXPECT_EQ(world_.out.str(), kAllLines);
  EXPECT_EQ(world_.err.str(), "");
}

TEST_F(WatchTest, ADaemonThatIsKilledAndRestartedIsFoundAgain) {
  std::atomic<int> calls = 0;
  std::thread killer;
  server_.watch_job = [&](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                          grpc::ServerContext& context) {
    if (++calls == 1) {
      Replay(writer, request.after_sequence(), 4);
      killer = std::thread([&] { server_.Kill(); });
      while (!context.IsCancelled()) std::this_thread::yield();
      return grpc::Status::CANCELLED;
    }
    Replay(writer, request.after_sequence(), 7);
    return grpc::Status::OK;
  };
  // It stays away for three attempts to connect.
  world_.on_sleep = [&](int number) {
    if (number == 1) killer.join();
    if (number == 3) server_.Start();
  };
  EXPECT_EQ(Watch(), 0);
  EXPECT_EQ(world_.out.str(), kAllLines);
  EXPECT_THAT(world_.err.str(),
              AllOf(HasSubstr("lost the daemon at unix:"), HasSubstr("connected again")));
  using std::chrono::milliseconds;
  EXPECT_THAT(world_.sleeps, ElementsAre(milliseconds(200), milliseconds(400), milliseconds(800)));
  ASSERT_EQ(server_.watched().size(), 2u);
  EXPECT_EQ(server_.watched()[1].after_sequence(), 4);
}

TEST_F(WatchTest, EventsThatArriveTwiceAreShownOnce) {
  std::atomic<int> calls = 0;
  server_.watch_job = [&](const v1::WatchJobRequest&, FakeServer::WatchWriter& writer,
                          grpc::ServerContext&) {
    Replay(writer, 0, ++calls == 1 ? 5 : 7);  // forgets where the client was
    return calls == 1 ? grpc::Status(grpc::UNAVAILABLE, "stopping") : grpc::Status::OK;
  };
  EXPECT_EQ(Watch(), 0);
  EXPECT_EQ(world_.out.str(), kAllLines);
}

TEST_F(WatchTest, AStreamThatEndsTooEarlyIsOpenedAgain) {
  std::atomic<int> calls = 0;
  server_.watch_job = [&](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                          grpc::ServerContext&) {
    const int64_t last = 1 + ++calls;
    Replay(writer, request.after_sequence(), last);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Watch(), 0);
  EXPECT_EQ(world_.out.str(), kAllLines);
  EXPECT_EQ(calls, 6);
}

TEST_F(WatchTest, GivesUpAfterTenMinutesWithoutASign) {
  server_.watch_job = [&](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                          grpc::ServerContext&) {
    Replay(writer, request.after_sequence(), 3);
    return grpc::Status(grpc::UNAVAILABLE, "storage is gone");
  };
  EXPECT_EQ(Watch(), 4);
  EXPECT_THAT(world_.err.str(), HasSubstr("storage is gone"));
  std::chrono::milliseconds total{0};
  for (const auto sleep : world_.sleeps) {
    EXPECT_LE(sleep, std::chrono::seconds(5));
    total += sleep;
  }
  EXPECT_GE(total, std::chrono::minutes(10));
  EXPECT_LE(total, std::chrono::minutes(11));
}

TEST_F(WatchTest, NobodyThereAtFirst) {
  server_.Kill();
  EXPECT_EQ(Watch(), 4);
  EXPECT_THAT(world_.err.str(), HasSubstr("cannot reach the daemon at " + server_.address()));
  EXPECT_EQ(Watch({"--output", "json"}), 4);
  EXPECT_EQ(world_.out.str(), "");
  EXPECT_TRUE(world_.sleeps.empty());
}

TEST_F(WatchTest, AJobThatIsGoneAfterTheRestart) {
  std::atomic<int> calls = 0;
  server_.watch_job = [&](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                          grpc::ServerContext&) {
    if (++calls > 1) return grpc::Status(grpc::NOT_FOUND, "no job 7");
    Replay(writer, request.after_sequence(), 3);
    return grpc::Status(grpc::UNAVAILABLE, "stopping");
  };
  EXPECT_EQ(Watch(), 3);
  EXPECT_THAT(world_.err.str(), HasSubstr("no job 7 (NOT_FOUND)"));
}

TEST_F(WatchTest, TheExitCodeSaysHowTheJobEnded) {
  for (const auto& [state, code] :
       {std::pair{v1::Job::SUCCEEDED, 0}, {v1::Job::FAILED, 1}, {v1::Job::CANCELLED, 1}}) {
    history_.back() = StateEvent(7, state, v1::Job::DIVERGED, "loss is nan\x1b[2J");
    server_.watch_job = [&](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                            grpc::ServerContext&) {
      Replay(writer, request.after_sequence(), 7);
      return grpc::Status::OK;
    };
    EXPECT_EQ(Watch(), code);
    EXPECT_THAT(world_.out.str(), HasSubstr("is " + v1::Job::State_Name(state) +
                                            " (DIVERGED): loss is nan\\x1b[2J\n"));
  }
}

TEST_F(WatchTest, WarningsResultsAndWhatANewerDaemonSends) {
  v1::WatchJobResponse warning;
  warning.mutable_event()->set_sequence(1);
  warning.mutable_event()->set_warning("not bit-exact\n\x1b");
  v1::WatchJobResponse unknown;
  unknown.mutable_event()->set_sequence(2);
  v1::WatchJobResponse result;
  result.mutable_event()->set_sequence(3);
  result.mutable_event()->mutable_result()->set_epochs(4);
  result.mutable_event()->mutable_result()->set_best_epoch(2);
  auto* metric = result.mutable_event()->mutable_result()->add_metrics();
  metric->set_name("test_accuracy");
  metric->set_value(0.7);
  history_ = {warning, unknown, result, StateEvent(4, static_cast<v1::Job::State>(77)),
              StateEvent(5, v1::Job::SUCCEEDED)};
  server_.watch_job = [&](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                          grpc::ServerContext&) {
    Replay(writer, request.after_sequence(), 7);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Watch(), 0);
  EXPECT_EQ(world_.out.str(),
            "warning: not bit-exact\\n\\x1b\n"
            "result  test_accuracy 0.7000  epochs 4  best epoch 2\n"
            "job 7 is state 77\n"
            "job 7 is SUCCEEDED\n");
}

TEST_F(WatchTest, ALiveLineOnATerminal) {
  world_.out_is_terminal = true;
  world_.variables["NO_COLOR"] = "1";
  server_.watch_job = [&](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                          grpc::ServerContext&) {
    EXPECT_TRUE(request.progress());
    Replay(writer, 1, 2);
    v1::WatchJobResponse progress;
    progress.mutable_progress()->set_epoch(1);
    progress.mutable_progress()->set_epochs(4);
    progress.mutable_progress()->set_batch(5);
    progress.mutable_progress()->set_batches(10);
    writer.Write(progress);
    Replay(writer, 2, 3);
    Replay(writer, 6, 7);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Watch(), 0);
  EXPECT_EQ(world_.out.str(),
            "job 7 is RUNNING\n"
            "\repoch 1/4 [=========>          ] 5/10\x1b[K"
            "\r\x1b[K"
            "epoch 1/4  loss 2.5000  14.2 s\n"
            "job 7 is SUCCEEDED (COMPLETED)\n");
}

TEST_F(WatchTest, APausedJobIsWaitedFor) {
  history_ = {StateEvent(1, v1::Job::RUNNING),
              EpochEvent(2, 1, 2.5),
              StateEvent(3, v1::Job::PAUSING),
              StateEvent(4, v1::Job::PAUSED),
              StateEvent(5, v1::Job::QUEUED),
              StateEvent(6, v1::Job::RUNNING, v1::Job::STOP_REASON_UNSPECIFIED, "", 2),
              StateEvent(7, v1::Job::SUCCEEDED, v1::Job::COMPLETED)};
  std::atomic<int> calls = 0;
  server_.watch_job = [&](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                          grpc::ServerContext&) {
    // The daemon is restarted while the job is PAUSED.
    Replay(writer, request.after_sequence(), ++calls == 1 ? 4 : 7);
    return calls == 1 ? grpc::Status(grpc::UNAVAILABLE, "stopping") : grpc::Status::OK;
  };
  EXPECT_EQ(Watch(), 0);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(world_.out.str(),
            "job 7 is RUNNING\n"
            "epoch 1/4  loss 2.5000  14.2 s\n"
            "job 7 is PAUSING\n"
            "job 7 is PAUSED\n"
            "job 7 is QUEUED\n"
            "job 7 is RUNNING (attempt 2)\n"
            "job 7 is SUCCEEDED (COMPLETED)\n");
}

TEST_F(WatchTest, ColoursOnlyOnATerminalWithoutNoColor) {
  server_.watch_job = [&](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                          grpc::ServerContext&) {
    Replay(writer, request.after_sequence(), 7);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Watch(), 0);
  EXPECT_THAT(world_.out.str(), Not(HasSubstr("\x1b")));
  world_.out_is_terminal = true;
  EXPECT_EQ(Watch(), 0);
  EXPECT_THAT(world_.out.str(), HasSubstr("\x1b[32mSUCCEEDED\x1b[0m"));
  world_.variables["NO_COLOR"] = "";  // set but empty does not count
  EXPECT_EQ(Watch(), 0);
  EXPECT_THAT(world_.out.str(), HasSubstr("\x1b[32m"));
  world_.variables["NO_COLOR"] = "1";
  EXPECT_EQ(Watch(), 0);
  EXPECT_THAT(world_.out.str(), Not(HasSubstr("\x1b[32m")));
  world_.variables.erase("NO_COLOR");
  world_.variables["TERM"] = "dumb";
  EXPECT_EQ(Watch(), 0);
  EXPECT_THAT(world_.out.str(), Not(HasSubstr("\x1b[32m")));
}

TEST_F(WatchTest, JsonIsOneObjectALine) {
  history_[2].mutable_event()->mutable_epoch()->mutable_metrics(0)->set_value(std::nan(""));
  server_.watch_job = [&](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                          grpc::ServerContext&) {
    Replay(writer, request.after_sequence(), 7);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Watch({"--output", "json"}), 0);
  std::istringstream lines(world_.out.str());
  std::vector<nlohmann::json> objects;
  for (std::string line; std::getline(lines, line);) objects.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(objects.size(), 7u);
  EXPECT_EQ(objects[0]["event"]["stateChange"]["state"], "QUEUED");
  EXPECT_EQ(objects[2]["event"]["sequence"], "3");
  EXPECT_EQ(objects[2]["event"]["epoch"]["metrics"][0]["value"], "NaN");
  EXPECT_EQ(objects[6]["event"]["stateChange"]["stopReason"], "COMPLETED");
}

TEST_F(WatchTest, CtrlCLeavesTheJobRunning) {
  server_.watch_job = [&](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                          grpc::ServerContext& context) {
    Replay(writer, request.after_sequence(), 3);
    world_.PressCtrlC();
    while (!context.IsCancelled()) std::this_thread::yield();
    return grpc::Status::CANCELLED;
  };
  EXPECT_EQ(world_.Run({"--server", server_.address(), "submit", "recipe:quickstart", "--watch"}),
            130);
  EXPECT_THAT(world_.out.str(), testing::StartsWith("7\n"));
  EXPECT_THAT(world_.err.str(), HasSubstr("job 7 goes on; follow it again with: anneal --server " +
                                          server_.address() + " watch 7\n"));
}

TEST_F(WatchTest, CtrlCWhileTheDaemonIsAway) {
  server_.watch_job = [&](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                          grpc::ServerContext&) {
    Replay(writer, request.after_sequence(), 3);
    return grpc::Status(grpc::UNAVAILABLE, "stopping");
  };
  world_.on_sleep = [&](int) { world_.PressCtrlC(); };
  EXPECT_EQ(Watch(), 130);
  EXPECT_EQ(world_.sleeps.size(), 1u);
}

TEST_F(WatchTest, OutputThatNobodyReadsEndsIt) {
  server_.watch_job = [&](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                          grpc::ServerContext& context) {
    Replay(writer, request.after_sequence(), 3);
    while (!context.IsCancelled()) std::this_thread::yield();
    return grpc::Status::CANCELLED;
  };
  world_.out.setstate(std::ios::badbit);
  EXPECT_EQ(Watch(), 2);
  EXPECT_EQ(world_.err.str(), "anneal: the output cannot be written\n");
}

TEST_F(WatchTest, SubmitAndWatch) {
  server_.watch_job = [&](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                          grpc::ServerContext&) {
    EXPECT_EQ(request.id(), "7");
    Replay(writer, request.after_sequence(), 7);
    return grpc::Status::OK;
  };
  EXPECT_EQ(world_.Run({"--server", server_.address(), "submit", "recipe:quickstart", "--watch",
                        "--set", "training.epochs=4"}),
            0);
  EXPECT_EQ(world_.out.str(), "7\n" + std::string(kAllLines));
}

// The job's events hold them too.
TEST_F(WatchTest, SubmitAndWatchWarnsOnce) {
  server_.create_job = [](const v1::CreateJobRequest&, v1::CreateJobResponse* response) {
    response->mutable_job()->set_id("7");
    response->add_warnings("training.seed: unwise");
    return grpc::Status::OK;
  };
  v1::WatchJobResponse warning;
  warning.mutable_event()->set_sequence(1);
  warning.mutable_event()->set_warning("training.seed: unwise");
  history_ = {warning, StateEvent(2, v1::Job::SUCCEEDED, v1::Job::COMPLETED)};
  server_.watch_job = [&](const v1::WatchJobRequest& request, FakeServer::WatchWriter& writer,
                          grpc::ServerContext&) {
    Replay(writer, request.after_sequence(), 2);
    return grpc::Status::OK;
  };
  EXPECT_EQ(world_.Run({"--server", server_.address(), "submit", "recipe:quickstart", "--watch"}),
            0);
  EXPECT_EQ(world_.out.str(),
            "7\nwarning: training.seed: unwise\njob 7 is SUCCEEDED (COMPLETED)\n");
  EXPECT_EQ(world_.err.str(), "");
}

}  // namespace
}  // namespace anneal::client
