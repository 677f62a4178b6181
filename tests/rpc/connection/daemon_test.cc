// The daemon as an object, with a scripted engine. The program is tested in tests/e2e.
#include "server/daemon.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/data_folder.h"
#include "tests/rpc/connection/rpc_harness.h"

namespace anneal {
namespace {

using testing::HasSubstr;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

std::string Content(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(DataFolderTest, IsMadeForItsOwnerAlone) {
  const TempFolder folder;
  const std::string path = folder.Join("a/b/data");
  const auto data = DataFolder::Open(path);
  ASSERT_TRUE(data.ok()) << data.status();
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700u);
  EXPECT_EQ(Content(path + "/anneald.lock"), absl::StrCat("pid ", getpid(), "\n"));
}

TEST(DataFolderTest, IsHeldByOneAndSaysByWhom) {
  const TempFolder folder;
  auto first = DataFolder::Open(folder.path());
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE((*first)->WriteHolder({"unix:/run/s", "127.0.0.1:50551"}).ok());
  const auto second = DataFolder::Open(folder.path());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(second.status()),
              HasSubstr(absl::StrCat("the data folder ", folder.path(),
                                     " is in use by another anneald (pid ", getpid(),
                                     ", listening on unix:/run/s 127.0.0.1:50551)")));
  // The attempt changed nothing.
  EXPECT_THAT(Content(folder.Join("anneald.lock")), HasSubstr("unix:/run/s"));
  first->reset();
  EXPECT_TRUE(DataFolder::Open(folder.path()).ok());
}

TEST(DataFolderTest, AShorterNoteLeavesNothingOfTheLongerOne) {
  const TempFolder folder;
  std::ofstream(folder.Join("anneald.lock")) << std::string(10'000, 'x');
  const auto data = DataFolder::Open(folder.path());
  ASSERT_TRUE(data.ok());
  EXPECT_EQ(Content(folder.Join("anneald.lock")), absl::StrCat("pid ", getpid(), "\n"));
}

TEST(DataFolderTest, WhatCannotBeAFolderIsSaid) {
  const TempFolder folder;
  std::ofstream(folder.Join("file")) << "x";
  for (const std::string& path :
       {folder.Join("file"), folder.Join("file/data"), std::string("/proc/anneal")}) {
    const auto data = DataFolder::Open(path);
    EXPECT_EQ(data.status().code(), absl::StatusCode::kFailedPrecondition) << path;
    EXPECT_THAT(Message(data.status()), HasSubstr("cannot make the")) << path;
  }
}

class DaemonTest : public testing::Test {
 protected:
  DaemonTest() {
    config_.listen = {"unix:" + folder_.Join("s")};
    config_.data_dir = folder_.Join("data");
    config_.workers = 1;
  }

  absl::StatusOr<std::unique_ptr<Daemon>> Start() {
    return Daemon::Create(config_, clock_, [this](DatasetRegistry&, const Clock& clock) {
      auto engine = std::make_unique<FakeEngine>(clock);
      engine_ = engine.get();
      if (script_) engine->Script("job", *script_);
      return engine;
    });
  }

  std::unique_ptr<v1::JobService::Stub> Jobs() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return v1::JobService::NewStub(grpc::CreateCustomChannel(
        config_.listen[0], grpc::InsecureChannelCredentials(), arguments));
  }

  TempFolder folder_;
  ManualClock clock_;
  DaemonConfig config_;
  std::optional<FakeTraining> script_;
  FakeEngine* engine_ = nullptr;  // of the last Start
};

TEST_F(DaemonTest, StopsARunningJobAndGoesOnWithItAfterTheNextStart) {
  script_ = FakeTraining();
  script_->epochs = 3;
  script_->hold_before_epoch = 2;
  auto daemon = Start();
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  v1::CreateJobRequest create;
  *create.mutable_spec() = SmallSpec("job", 3);
  v1::CreateJobResponse created;
  ASSERT_TRUE(RpcHarness::Call(*Jobs(), &v1::JobService::Stub::CreateJob, create, &created).ok());
  engine_->AwaitHeld("job");
  // A watcher over the restart.
  v1::WatchJobRequest watch;
  watch.set_id(created.job().id());
  v1::WatchJobResponse event;
  {
    const auto stub = Jobs();
    grpc::ClientContext context;
    RpcHarness::SetDeadline(context);
    const auto reader = stub->WatchJob(&context, watch);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(reader->Read(&event));
    (*daemon)->Stop();
    while (reader->Read(&event)) {
    }
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  }
  daemon->reset();
  script_->hold_before_epoch = 0;
  daemon = Start();
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  const auto stub = Jobs();
  grpc::ClientContext context;
  RpcHarness::SetDeadline(context);
  watch.set_after_sequence(3);
  const auto reader = stub->WatchJob(&context, watch);
  std::vector<v1::JobEvent> events;
  while (reader->Read(&event)) events.push_back(event.event());
  EXPECT_TRUE(reader->Finish().ok());
  ASSERT_GE(events.size(), 2u);
  EXPECT_EQ(events[0].sequence(), 4);
  EXPECT_TRUE(events[0].has_state_kept());
  EXPECT_EQ(events[1].state_change().state(), v1::Job::QUEUED);
  EXPECT_EQ(events.back().state_change().state(), v1::Job::SUCCEEDED);
  EXPECT_EQ(events.back().state_change().attempt(), 2);
}

TEST_F(DaemonTest, ASecondOneOnTheSameFolderIsRefused) {
  const auto first = Start();
  ASSERT_TRUE(first.ok()) << first.status();
  config_.listen = {"localhost:0"};
  const auto second = Start();
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(second.status()),
              HasSubstr(absl::StrCat("(pid ", getpid(), ", listening on unix:")));
}

TEST_F(DaemonTest, APortInUseIsFoundBeforeAnyJobRuns) {
  const auto other = Start();
  ASSERT_TRUE(other.ok());
  config_.data_dir = folder_.Join("other");
  engine_ = nullptr;
  const auto daemon = Start();
  EXPECT_EQ(daemon.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(daemon.status()), HasSubstr("another process listens on this socket"));
  EXPECT_EQ(engine_, nullptr);
}

TEST_F(DaemonTest, ADataSetThatCannotBeReadIsNoObstacle) {
  config_.datasets = {{"cifar10", "cifar10", folder_.Join("missing")}};
  const auto daemon = Start();
  ASSERT_TRUE(daemon.ok()) << daemon.status();
  v1::CreateJobRequest create;
  *create.mutable_spec() = SmallSpec("job");
  create.mutable_spec()->mutable_training()->mutable_dataset()->set_name("cifar10");
  v1::CreateJobResponse created;
  const grpc::Status status =
      RpcHarness::Call(*Jobs(), &v1::JobService::Stub::CreateJob, create, &created);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.error_message(), HasSubstr(folder_.Join("missing")));
}

TEST_F(DaemonTest, AWrongConfigurationIsSaidBeforeAnythingIsTouched) {
  const auto refused = [&] {
    const auto daemon = Start();
    EXPECT_EQ(daemon.status().code(), absl::StatusCode::kInvalidArgument) << daemon.status();
    EXPECT_FALSE(std::filesystem::exists(config_.data_dir));
    return Message(daemon.status());
  };
  const DaemonConfig good = config_;
  config_.listen = {"0.0.0.0:50551"};
  EXPECT_THAT(refused(), HasSubstr("--allow-insecure"));
  config_ = good;
  config_.datasets = {{"x", "parquet", "/x"}};
  EXPECT_THAT(refused(), HasSubstr("data set \"x\": unknown format \"parquet\""));
  config_.datasets = {{"Not A Name", "cifar10", "/x"}};
  EXPECT_THAT(refused(), HasSubstr("\"Not A Name\""));
  config_.datasets = {{"synthetic-shapes", "cifar10", "/x"}};  // there is one already
  EXPECT_THAT(refused(), HasSubstr("a data set named \"synthetic-shapes\" already"));
}

TEST_F(DaemonTest, AFileThatIsNoDatabaseIsRefused) {
  std::filesystem::create_directory(config_.data_dir);
  std::ofstream(config_.data_dir + "/anneal.db") << std::string(8192, 'x');
  const auto daemon = Start();
  ASSERT_FALSE(daemon.ok());
  EXPECT_THAT(Message(daemon.status()), HasSubstr("anneal.db"));
  EXPECT_EQ(Content(config_.data_dir + "/anneal.db"), std::string(8192, 'x'));
}

}  // namespace
}  // namespace anneal
