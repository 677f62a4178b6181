#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/rpc/connection/watch_call.h"

namespace anneal {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

using WatchTest = SqliteRpcTest;

TEST_F(WatchTest, ReplaysWhatWasAndEnds) {
  const std::string id = rpc_->Submit("job", 1);
  const auto live = rpc_->WatchToEnd(id);
  ExpectWhole(live, 0, Events(1));
  const auto replayed = rpc_->WatchToEnd(id);
  ASSERT_EQ(replayed.size(), live.size());
  for (size_t i = 0; i < live.size(); ++i) {
    EXPECT_EQ(replayed[i].SerializeAsString(), live[i].SerializeAsString());
  }
  EXPECT_EQ(live[0].state_change().state(), v1::Job::QUEUED);
  EXPECT_EQ(live[1].state_change().state(), v1::Job::RUNNING);
  EXPECT_EQ(live[1].state_change().attempt(), 1);
  EXPECT_EQ(live[2].epoch().job_id(), id);
  EXPECT_EQ(live[3].result().epochs(), 1);
}

TEST_F(WatchTest, GoesOnFromAnySequenceNumber) {
  FakeTraining training;
  training.epochs = 10;
  rpc_->engine().Script("ten", training);
  const std::string id = rpc_->Submit("ten", 10);
  ExpectWhole(rpc_->WatchToEnd(id), 0, Events(10));
  for (int64_t after = 0; after <= Events(10); ++after) {
    ExpectWhole(rpc_->WatchToEnd(id, after), after, Events(10));
  }
  // Beyond the end of a job that has ended there is nothing to wait for.
  EXPECT_TRUE(rpc_->WatchToEnd(id, 1'000'000).empty());
}

TEST_F(WatchTest, PagesOfEveryLengthAreJoinedWithoutAGap) {
  // Pages have 256 events: totals around one and two pages.
  for (const int64_t total : {255, 256, 257, 511, 512, 513}) {
    FakeTraining training;
    training.epochs = total - 4;
    const std::string name = absl::StrCat("total ", total);
    rpc_->engine().Script(name, training);
    const std::string id = rpc_->Submit(name, training.epochs);
    ExpectWhole(rpc_->WatchToEnd(id), 0, total);
    ExpectWhole(rpc_->WatchToEnd(id), 0, total);
  }
}

TEST_F(WatchTest, SeesEventsAsTheyHappen) {
  FakeTraining training;
  training.epochs = 5;
  training.hold_before_epoch = 3;
  rpc_->engine().Script("held", training);
  const std::string id = rpc_->Submit("held", 5);
  rpc_->engine().AwaitHeld("held");
  Watch watch(rpc_->jobs(), id);
  EXPECT_EQ(watch.ReadUntil(4), 4);  // QUEUED, RUNNING, two epochs
  rpc_->engine().Release("held");
  EXPECT_EQ(watch.ReadUntil(Events(5)), Events(5));
  EXPECT_FALSE(watch.Next().has_value());
  EXPECT_TRUE(watch.Finish().ok());
}

TEST_F(WatchTest, WaitsBeyondTheEndAndEndsWithTheJob) {
  FakeTraining training;
  training.hold_before_epoch = 1;
  rpc_->engine().Script("held", training);
  const std::string id = rpc_->Submit("held");
  rpc_->engine().AwaitHeld("held");
  Watch beyond(rpc_->jobs(), id, 3);  // the next event has number 3: seen already, says the caller
  Watch far_beyond(rpc_->jobs(), id, 1'000'000);
  rpc_->engine().Release("held");
  const auto first = beyond.Next();
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->event().sequence(), 4);
  EXPECT_EQ(beyond.ReadUntil(Events(1)), Events(1));
  EXPECT_TRUE(beyond.Finish().ok());
  EXPECT_FALSE(far_beyond.Next().has_value());
  EXPECT_TRUE(far_beyond.Finish().ok());
}

TEST_F(WatchTest, AQueuedJobCancelledEndsItsWatch) {
  FakeTraining training;
  training.hold_before_epoch = 1;
  for (const std::string name : {"a", "b"}) {
    rpc_->engine().Script(name, training);
    rpc_->Submit(name);
    rpc_->engine().AwaitHeld(name);
  }
  const std::string id = rpc_->Submit("waits");
  Watch watch(rpc_->jobs(), id);
  EXPECT_EQ(watch.ReadUntil(1), 1);
  v1::Job job;
  ASSERT_TRUE(rpc_->Cancel(id, &job).ok());
  const auto last = watch.Next();
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->event().state_change().state(), v1::Job::CANCELLED);
  EXPECT_EQ(last->event().state_change().stop_reason(), v1::Job::USER);
  EXPECT_FALSE(watch.Next().has_value());
  EXPECT_TRUE(watch.Finish().ok());
}

TEST_F(WatchTest, RefusesWrongRequests) {
  for (const std::string id : {"", "x", "77"}) {
    Watch watch(rpc_->jobs(), id);
    EXPECT_FALSE(watch.Next().has_value());
    const grpc::Status status = watch.Finish();
    EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
    EXPECT_EQ(status.error_message(), "no job '" + id + "'");
    EXPECT_EQ(ReasonOf(status), "JOB_NOT_FOUND");
  }
  const std::string id = rpc_->Submit("job");
  Watch negative(rpc_->jobs(), id, -1);
  EXPECT_FALSE(negative.Next().has_value());
  EXPECT_THAT(FieldsOf(negative.Finish()), testing::ElementsAre("after_sequence"));
  rpc_->WatchToEnd(id);
  ASSERT_TRUE(rpc_->Delete(id).ok());
  Watch deleted(rpc_->jobs(), id);
  EXPECT_FALSE(deleted.Next().has_value());
  EXPECT_EQ(deleted.Finish().error_code(), StatusCode::NOT_FOUND);
}

TEST_F(WatchTest, ProgressIsSentWhereItIsAskedFor) {
  FakeTraining training;
  training.epochs = 2;
  training.hold_before_epoch = 2;
  rpc_->engine().Script("held", training);
  const std::string id = rpc_->Submit("held", 2);
  rpc_->engine().AwaitHeld("held");
  Watch watch(rpc_->jobs(), id, 0, /*progress=*/true);
  std::optional<v1::Progress> progress;
  while (!progress.has_value()) {
    const auto response = watch.Next();
    ASSERT_TRUE(response.has_value());
    if (response->has_progress()) progress = response->progress();
  }
  EXPECT_EQ(progress->epoch(), 1);
  EXPECT_EQ(progress->epochs(), 2);
  rpc_->engine().Release("held");
  EXPECT_EQ(watch.ReadUntil(Events(2)), Events(2));
  EXPECT_FALSE(watch.Next().has_value());  // nothing after the last event
  EXPECT_TRUE(watch.Finish().ok());
}

TEST_F(WatchTest, ConnectingAgainAndAgainLosesAndDoublesNothing) {
  constexpr int64_t kEpochs = 400;
  FakeTraining training;
  training.epochs = kEpochs;
  rpc_->engine().Script("long", training);
  const std::string id = rpc_->Submit("long", kEpochs);
  std::vector<v1::JobEvent> events;
  int64_t last = 0;
  int calls = 0;
  while (events.empty() || events.back().state_change().state() != v1::Job::SUCCEEDED) {
    Watch watch(rpc_->jobs(), id, last);
    ++calls;
    for (int i = 0; i < 7; ++i) {
      const auto response = watch.Next();
      if (!response.has_value()) break;
      events.push_back(response->event());
      last = response->event().sequence();
    }
    watch.Cancel();
    watch.Finish();
  }
  ExpectWhole(events, 0, Events(kEpochs));
  EXPECT_GE(calls, 50);
}

TEST_F(WatchTest, CancelledAndVanishedWatchersAreForgotten) {
  FakeTraining training;
  training.hold_before_epoch = 1;
  rpc_->engine().Script("held", training);
  const std::string id = rpc_->Submit("held");
  rpc_->engine().AwaitHeld("held");
  for (int round = 0; round < 20; ++round) {
    // Its channel goes with it.
    const std::unique_ptr<v1::JobService::Stub> stub = v1::JobService::NewStub(rpc_->Connect());
    Watch cancelled(*stub, id);
    Watch vanished(*stub, id, 0, true);
    EXPECT_EQ(cancelled.ReadUntil(2), 2);
    EXPECT_EQ(vanished.ReadUntil(2), 2);
    cancelled.Cancel();
    vanished.Cancel();
    while (cancelled.Next().has_value() || vanished.Next().has_value()) {
    }
    EXPECT_EQ(cancelled.Finish().error_code(), StatusCode::CANCELLED);
    vanished.Finish();
  }
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (rpc_->server().job_service().watches().size() > 0 &&
         std::chrono::steady_clock::now() < until) {
    std::this_thread::yield();
  }
  EXPECT_EQ(rpc_->server().job_service().watches().size(), 0u);
  EXPECT_FALSE(rpc_->bus().HasProgressWatchers(1));
  rpc_->engine().Release("held");
  ExpectWhole(rpc_->WatchToEnd(id), 0, Events(1));
}

TEST_F(WatchTest, StoppingTheServerEndsWatchersAsUnavailable) {
  FakeTraining training;
  training.hold_before_epoch = 1;
  rpc_->engine().Script("held", training);
  const std::string id = rpc_->Submit("held");
  rpc_->engine().AwaitHeld("held");
  Watch idle(rpc_->jobs(), id);
  Watch with_progress(rpc_->jobs(), id, 0, true);
  EXPECT_EQ(idle.ReadUntil(2), 2);
  EXPECT_EQ(with_progress.ReadUntil(2), 2);
  rpc_->server().Stop(30'000'000);
  EXPECT_FALSE(idle.Next().has_value());
  const grpc::Status status = idle.Finish();
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("the daemon is stopping"));
  EXPECT_EQ(ReasonOf(status), "STOPPING");
  while (with_progress.Next().has_value()) {
  }
  EXPECT_EQ(with_progress.Finish().error_code(), StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace anneal
