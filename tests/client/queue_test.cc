// What users type about the queue: owners, labels, deadlines, and changes of queued jobs.
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "client/cli.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_server.h"
#include "tests/client/parse.h"
#include "tests/client/test_environment.h"

namespace anneal::client {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;
using testing::StartsWith;
using testing::UnorderedElementsAre;

class QueueTest : public testing::Test {
 protected:
  QueueTest() {
    setenv("TZ", "UTC", 1);
    tzset();
    server_.create_job = [](const v1::CreateJobRequest&, v1::CreateJobResponse* response) {
      response->mutable_job()->set_id("7");
      return grpc::Status::OK;
    };
    server_.update_job = [this](const v1::UpdateJobRequest& request, v1::Job* job) {
      updates_.push_back(request);
      if (request.id() == "2")
        return grpc::Status(grpc::FAILED_PRECONDITION, "job 2 has ended already");
      job->set_id(request.id());
      job->set_state(v1::Job::QUEUED);
      if (request.to_front()) job->set_queue_position(1);
      return grpc::Status::OK;
    };
    server_.list_jobs = [this](const v1::ListJobsRequest& request, v1::ListJobsResponse*) {
      lists_.push_back(request);
      return grpc::Status::OK;
    };
    server_.Start();
  }

  int Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--server", server_.address()});
    return world_.Run(arguments);
  }
  v1::CreateJobRequest Created() { return server_.created().back(); }

  // Of gRPC's threads; Run() has ended when they are read.
  std::vector<v1::UpdateJobRequest> updates_;
  std::vector<v1::ListJobsRequest> lists_;
  FakeServer server_;
  TestEnvironment world_;
};

TEST_F(QueueTest, SubmitSaysOwnerLabelsAndDeadlines) {
  EXPECT_EQ(
      Run({"submit", "recipe:quickstart", "--label", "project=thesis", "--label", "draft",
           "--label=note=a=b c", "--deadline", "90m", "--max-time", "2h30m", "--owner", "grace"}),
      0)
      << world_.err.str();
  const v1::CreateJobRequest request = Created();
  EXPECT_THAT(request.labels(), UnorderedElementsAre(Pair("project", "thesis"), Pair("draft", ""),
                                                     Pair("note", "a=b c")));
  EXPECT_EQ(request.deadline().seconds(), ManualClock::kStartUs / 1'000'000 + 5400);
  EXPECT_EQ(request.max_run_time().seconds(), 9000);
  EXPECT_EQ(request.owner(), "grace");
}

TEST_F(QueueTest, EveryVerbThatQueuesTakesThem) {
  server_.watch_job = [](const v1::WatchJobRequest&, FakeServer::WatchWriter& writer,
                         grpc::ServerContext&) {
    writer.Write(StateEvent(1, v1::Job::CANCELLED));
    return grpc::Status::OK;
  };
  server_.get_job = [](const v1::GetJobRequest&, v1::Job* job) {
    job->set_id("7");
    return grpc::Status::OK;
  };
  const std::vector<std::vector<std::string>> verbs = {
      {"submit", "recipe:quickstart"},
      {"sweep", "recipe:quickstart", "--grid", "training.batch_size=32,64"},
      {"lr-find", "recipe:quickstart", "--detach"},
      {"lr-find", "recipe:quickstart", "--format", "csv"},
      {"predict", "3"}};
  for (std::vector<std::string> arguments : verbs) {
    for (const char* option : {"--label", "a=b", "--deadline", "2030-01-01T00:00:00Z", "--max-time",
                               "1d", "--priority", "-3"}) {
      arguments.push_back(option);
    }
    const bool follows = arguments[2] == "--format";
    EXPECT_EQ(Run(arguments), follows ? 1 : 0) << arguments[0] << world_.err.str();
    EXPECT_THAT(Created().labels(), ElementsAre(Pair("a", "b"))) << arguments[0];
    EXPECT_EQ(Created().deadline().seconds(), 1893456000) << arguments[0];
    EXPECT_EQ(Created().max_run_time().seconds(), 86400) << arguments[0];
    EXPECT_EQ(Created().priority(), -3) << arguments[0];
    EXPECT_EQ(Created().owner(), "ada") << arguments[0];
    EXPECT_TRUE(Created().spec().has_training() || Created().spec().has_prediction());
  }
  EXPECT_EQ(server_.created().size(), verbs.size());
}

TEST_F(QueueTest, TheOwnerIsTheFlagThenTheVariableThenTheLogin) {
  EXPECT_EQ(Run({"submit", "recipe:quickstart"}), 0);
  EXPECT_EQ(Created().owner(), "ada");
  EXPECT_EQ(Created().priority(), 0);
  EXPECT_FALSE(Created().has_deadline());
  EXPECT_FALSE(Created().has_max_run_time());
  world_.variables["ANNEAL_OWNER"] = "team Ü";
  EXPECT_EQ(Run({"submit", "recipe:quickstart"}), 0);
  EXPECT_EQ(Created().owner(), "team Ü");
  EXPECT_EQ(Run({"submit", "recipe:quickstart", "--owner", "grace"}), 0);
  EXPECT_EQ(Created().owner(), "grace");
  world_.variables["ANNEAL_OWNER"] = "";
  world_.user_name = "1000";
  EXPECT_EQ(Run({"submit", "recipe:quickstart"}), 0);
  EXPECT_EQ(Created().owner(), "1000");
  world_.variables["ANNEAL_OWNER"] = "\xff";
  EXPECT_EQ(Run({"submit", "recipe:quickstart"}), 2);
  EXPECT_EQ(world_.err.str(), "anneal: $ANNEAL_OWNER: \"\\xff\" is not UTF-8\n");
}

TEST_F(QueueTest, UsageErrorsNameOptionAndValue) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{"--label", "=x"}, "--label: \"=x\" has no key"},
      {{"--label="}, "--label"},
      {{"--label", "\xff=1"}, "--label: \"\\xff=1\" is not UTF-8"},
      {{"--label", "a=1", "--label", "a=2"},
       "--label: \"a\" is given twice, as \"1\" and as \"2\""},
      {{"--owner", "\xff"}, "--owner: \"\\xff\" is not UTF-8"},
      {{"--deadline", "soon"}, "--deadline: \"soon\" is no time"},
      {{"--deadline", "2026-12-01"}, "--deadline: \"2026-12-01\" is no time"},
      {{"--deadline="}, "--deadline"},
      {{"--deadline", "none"}, "--deadline: \"none\" is no time"},
      {{"--max-time", "90"}, "--max-time: \"90\" is no duration"},
      {{"--max-time", "0s"}, "--max-time: \"0s\" must be more than 0"},
      {{"--max-time", "\x1b[2J"}, "--max-time: \"\\x1b[2J\" is no duration"},
      {{"--priority", "1.5"}, "a priority is a whole number"},
      {{"--priority", "010"}, "a priority is a whole number"},
      {{"--priority="}, "--priority"},
  };
  for (const auto& [options, message] : wrong) {
    std::vector<std::string> arguments = {"submit", "recipe:quickstart"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    EXPECT_EQ(Run(arguments), 2) << message;
    EXPECT_THAT(world_.err.str(), AllOf(HasSubstr(message), Not(HasSubstr("\x1b"))));
    EXPECT_EQ(world_.out.str(), "");
  }
  EXPECT_TRUE(server_.created().empty());
  // One label said twice in the same way is one label.
  EXPECT_EQ(Run({"submit", "recipe:quickstart", "--label", "a=1", "--label", "a=1"}), 0);
}

TEST_F(QueueTest, WrongOptionsAreSaidBeforeTheDaemonIsAsked) {
  server_.Kill();
  EXPECT_EQ(Run({"submit", "recipe:quickstart", "--lr-from", "3", "--deadline", "soon"}), 2);
  EXPECT_EQ(Run({"lr-find", "--job", "3", "--label", "a"}), 2);
  EXPECT_THAT(world_.err.str(), HasSubstr("--job: prints a test that has ended"));
}

TEST_F(QueueTest, AFullQueueIsARefusal) {
  server_.create_job = [](const auto&, auto*) {
    return grpc::Status(grpc::RESOURCE_EXHAUSTED, "3 jobs wait already, as many as are allowed");
  };
  EXPECT_EQ(Run({"submit", "recipe:quickstart"}), 3);
  EXPECT_THAT(world_.err.str(), HasSubstr("3 jobs wait already, as many as are allowed"));
  EXPECT_TRUE(world_.sleeps.empty());
}

TEST_F(QueueTest, UpdateChangesWhatIsSaid) {
  EXPECT_EQ(Run({"update", "7", "--priority", "-5"}), 0) << world_.err.str();
  EXPECT_EQ(world_.out.str(), "job 7 is QUEUED\n");
  EXPECT_EQ(updates_.back().DebugString(),
            Parse<v1::UpdateJobRequest>("id: '7' priority: -5").DebugString());
  EXPECT_EQ(Run({"update", "7", "--priority", "0"}), 0);
  EXPECT_TRUE(updates_.back().has_priority());
  EXPECT_EQ(Run({"update", "7", "--front"}), 0);
  EXPECT_EQ(world_.out.str(), "job 7 is QUEUED, number 1 in the queue\n");
  EXPECT_EQ(updates_.back().DebugString(),
            Parse<v1::UpdateJobRequest>("id: '7' to_front: true").DebugString());
  EXPECT_EQ(Run({"update", "7", "--label", "a=b", "--label", "c", "--unlabel", "d", "--unlabel",
                 "e", "--deadline", "3d", "--max-time", "90m"}),
            0);
  EXPECT_THAT(updates_.back().set_labels(), UnorderedElementsAre(Pair("a", "b"), Pair("c", "")));
  EXPECT_THAT(updates_.back().remove_labels(), ElementsAre("d", "e"));
  EXPECT_EQ(updates_.back().deadline().seconds(), ManualClock::kStartUs / 1'000'000 + 3 * 86400);
  EXPECT_EQ(updates_.back().max_run_time().seconds(), 5400);
  EXPECT_FALSE(updates_.back().has_priority());
  EXPECT_EQ(Run({"update", "7", "--deadline", "none", "--max-time", "none"}), 0);
  EXPECT_EQ(
      updates_.back().DebugString(),
      Parse<v1::UpdateJobRequest>("id: '7' no_deadline: true no_max_run_time: true").DebugString());
}

TEST_F(QueueTest, UpdateGoesOnAfterARefusal) {
  EXPECT_EQ(Run({"update", "1", "2", "3\x1b", "--label", "a"}), 3);
  EXPECT_EQ(world_.out.str(), "job 1 is QUEUED\njob 3\\x1b is QUEUED\n");
  EXPECT_EQ(world_.err.str(), "anneal: job 2 has ended already (FAILED_PRECONDITION)\n");
  ASSERT_EQ(updates_.size(), 3u);
  for (const v1::UpdateJobRequest& update : updates_)
    EXPECT_THAT(update.set_labels(), ElementsAre(Pair("a", "")));
  EXPECT_EQ(Run({"update", "1", "--front", "--output", "json"}), 0);
  EXPECT_EQ(world_.out.str(), "{\"id\":\"1\",\"state\":\"QUEUED\",\"queuePosition\":\"1\"}\n");
}

TEST_F(QueueTest, UpdateNeedsAJobAndAChange) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{"update"}, "JOB is required"},
      {{"update", "7"}, "say what is to be changed: --priority, --front"},
      {{"update", "--front"}, "JOB is required"},
      {{"update", "7", "--front", "--priority", "1"}, "excludes"},
      {{"update", "7", "--priority", "x"}, "a priority is a whole number"},
      {{"update", "7", "--label", "a", "--unlabel", "a"}, "--unlabel: \"a\" is set by --label too"},
      {{"update", "7", "--unlabel", "a=b"}, "--unlabel: \"a=b\" is no label's key"},
      {{"update", "7", "--unlabel", "\xff"}, "--unlabel: \"\\xff\" is no label's key"},
      {{"update", "7", "--deadline", "never"}, "--deadline: \"never\" is no time"},
      {{"update", "7", "--max-time", "0s"}, "--max-time: \"0s\" must be more than 0"},
      {{"update", "7", "--owner", "x"}, "--owner"},
  };
  for (const auto& [arguments, message] : wrong) {
    EXPECT_EQ(Run(arguments), 2) << message;
    EXPECT_THAT(world_.err.str(), HasSubstr(message));
  }
  EXPECT_TRUE(updates_.empty());
}

TEST_F(QueueTest, UpdateStopsWhereNobodyAnswers) {
  server_.Kill();
  EXPECT_EQ(Run({"update", "1", "2", "--front"}), 4);
}

TEST_F(QueueTest, JobsByLabelAndOwner) {
  EXPECT_EQ(Run({"jobs", "--label", "project=thesis", "--label", "draft", "--owner", "grace"}), 0);
  EXPECT_THAT(lists_.back().labels(), ElementsAre("project=thesis", "draft"));
  EXPECT_EQ(lists_.back().owner(), "grace");
  EXPECT_EQ(Run({"jobs", "--mine"}), 0);
  EXPECT_EQ(lists_.back().owner(), "ada");
  EXPECT_TRUE(lists_.back().labels().empty());
  world_.variables["ANNEAL_OWNER"] = "team";
  EXPECT_EQ(Run({"jobs", "--mine"}), 0);
  EXPECT_EQ(lists_.back().owner(), "team");
  EXPECT_EQ(Run({"jobs"}), 0);
  EXPECT_EQ(lists_.back().owner(), "");
  const size_t asked = lists_.size();
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"jobs", "--mine", "--owner", "x"},
                                             {"jobs", "--label", "=x"},
                                             {"jobs", "--label", "\xff"},
                                             {"jobs", "--owner", "\xff"},
                                             {"jobs", "--owner="}}) {
    EXPECT_EQ(Run(arguments), 2) << testing::PrintToString(arguments);
    EXPECT_NE(world_.err.str(), "");
  }
  EXPECT_EQ(lists_.size(), asked);
}

TEST_F(QueueTest, JobsFitTheTerminalAndPipesGetAll) {
  server_.list_jobs = [](const v1::ListJobsRequest&, v1::ListJobsResponse* response) {
    *response = Parse<v1::ListJobsResponse>(R"(
        jobs { id: "3" name: "a-name-of-just-thirty-columns-" state: QUEUED queue_position: 1
               estimated_start_time { seconds: 1700000720 } create_time { seconds: 1699990000 }
               labels { key: "project" value: "a-long-value-that-takes-its-room" } })");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"jobs"}), 0);
  EXPECT_THAT(world_.out.str(), AllOf(HasSubstr("QUEUED #1, in 12 min  2023-11-14 19:26:40"),
                                      HasSubstr("a-long-value-that-takes-its-room")));
  world_.out_is_terminal = true;
  world_.variables["NO_COLOR"] = "1";
  EXPECT_EQ(Run({"jobs"}), 0);
  EXPECT_THAT(world_.out.str(), AllOf(HasSubstr("a-name-of-just-thirty-columns-  QUEUED #1, in 12 "
                                                "min"),
                                      Not(HasSubstr("LABELS"))));
  EXPECT_EQ(Run({"jobs", "--labels"}), 0);
  EXPECT_THAT(world_.out.str(), AllOf(HasSubstr("LABELS"), HasSubstr("project=a-long-valu")));
}

TEST_F(QueueTest, ShowTellsOfTheQueue) {
  server_.get_job = [](const v1::GetJobRequest&, v1::Job* job) {
    *job = Parse<v1::Job>(R"(
        id: "7" name: "n" state: QUEUED queue_position: 2 priority: 5 owner: "ada" memory_bytes: 1610612736
        labels { key: "project" value: "thesis" } labels { key: "draft" }
        create_time { seconds: 1700000000 } deadline { seconds: 1700007500 } max_run_time { seconds: 3600 }
        estimated_start_time { seconds: 1700000720 } waiting_for: "memory\033")");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"show", "7"}), 0);
  EXPECT_EQ(world_.out.str(),
            "job        7\n"
            "name       n\n"
            "state      QUEUED, number 2 in the queue\n"
            "waits for  memory\\x1b\n"
            "starts     in about 12 min, 2023-11-14 22:25:20\n"
            "priority   5\n"
            "owner      ada\n"
            "labels     draft project=thesis\n"
            "deadline   2023-11-15 00:18:20, 2h 05m left\n"
            "max time   1h 00m\n"
            "memory     1.5 GiB (estimate, without the data set)\n"
            "created    2023-11-14 22:13:20\n");
}

TEST_F(QueueTest, WatchPrintsNotes) {
  server_.get_job = [](const v1::GetJobRequest&, v1::Job* job) {
    job->set_id("7");
    return grpc::Status::OK;
  };
  server_.watch_job = [](const v1::WatchJobRequest&, FakeServer::WatchWriter& writer,
                         grpc::ServerContext&) {
    v1::WatchJobResponse note;
    note.mutable_event()->set_sequence(1);
    note.mutable_event()->set_note("priority 0 -> 5\n");
    writer.Write(note);
    writer.Write(StateEvent(2, v1::Job::SUCCEEDED, v1::Job::COMPLETED));
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"watch", "7"}), 0);
  EXPECT_THAT(world_.out.str(), StartsWith("priority 0 -> 5\\n\n"));
}

TEST_F(QueueTest, HelpTells) {
  for (const char* verb : {"submit", "sweep", "lr-find", "predict"}) {
    EXPECT_EQ(world_.Run({verb, "--help"}), 0);
    EXPECT_THAT(world_.out.str(), AllOf(HasSubstr("--label KEY=VALUE"), HasSubstr("--owner NAME"),
                                        HasSubstr("--deadline TIME"),
                                        HasSubstr("--max-time DURATION"), HasSubstr("2h30m")));
  }
  EXPECT_EQ(world_.Run({"update", "--help"}), 0);
  EXPECT_THAT(world_.out.str(), AllOf(HasSubstr("Moves it to the front of the queue"),
                                      HasSubstr("none"), HasSubstr("Examples:\n  anneal update")));
}

}  // namespace
}  // namespace anneal::client
