#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/rpc/rpc_harness.h"

namespace anneal {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

// One WatchJob call, read by hand.
class Watch {
 public:
  Watch(v1::JobService::Stub& stub, const std::string& id, int64_t after_sequence = 0, bool progress = false) {
    RpcHarness::SetDeadline(context_);
    v1::WatchJobRequest request;
    request.set_id(id);
    request.set_after_sequence(after_sequence);
    request.set_progress(progress);
    reader_ = stub.WatchJob(&context_, request);
  }

  // The next answer; nothing at the end.
  std::optional<v1::WatchJobResponse> Next() {
    v1::WatchJobResponse response;
    if (!reader_->Read(&response)) return std::nullopt;
    return response;
  }

  // Reads events up to this sequence number; progress is passed over. The last sequence read.
  int64_t ReadUntil(int64_t sequence) {
    int64_t last = 0;
    while (last < sequence) {
      const auto response = Next();
      if (!response.has_value()) break;
      if (response->has_event()) last = response->event().sequence();
    }
    return last;
  }

  grpc::Status Finish() { return reader_->Finish(); }
  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchJobResponse>> reader_;
};

// Sequences after `after_sequence`, without a gap, the last one terminal, epochs counting from 1.
void ExpectWhole(const std::vector<v1::JobEvent>& events, int64_t after_sequence, int64_t last_sequence) {
  int64_t expected = after_sequence;
  int64_t epoch = 0;
  for (const v1::JobEvent& event : events) {
    ASSERT_EQ(event.sequence(), ++expected);
    if (event.kind_case() == v1::JobEvent::kEpoch) {
      if (epoch != 0) {
        ASSERT_EQ(event.epoch().epoch(), epoch + 1);
      }
      epoch = event.epoch().epoch();
    }
  }
  EXPECT_EQ(expected, last_sequence);
  if (!events.empty()) {
    EXPECT_EQ(events.back().state_change().state(), v1::Job::SUCCEEDED);
  }
}

// QUEUED, RUNNING, the epochs, the result, SUCCEEDED.
constexpr int64_t Events(int64_t epochs) { return epochs + 4; }

using WatchTest = SqliteRpcTest;
using WatchFakeTest = FakeStoreRpcTest;

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
  Watch beyond(rpc_->jobs(), id, 3);       // the next event has number 3: seen already, says the caller
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

TEST_F(WatchTest, TwoHundredWatchersSeeEveryEventOnce) {
  constexpr int kWatchers = 200;
  constexpr int64_t kEpochs = 300;
  FakeTraining training;
  training.epochs = kEpochs;
  training.hold_before_epoch = 5;
  rpc_->engine().Script("watched", training);
  const std::string id = rpc_->Submit("watched", kEpochs);
  rpc_->engine().AwaitHeld("watched");

  // Callback clients: 200 calls on a few connections without 200 threads.
  class Reader final : public grpc::ClientReadReactor<v1::WatchJobResponse> {
   public:
    void Begin(v1::JobService::Stub& stub, const std::string& job, int64_t after_sequence, bool progress) {
      RpcHarness::SetDeadline(context_);
      request_.set_id(job);
      request_.set_after_sequence(after_sequence);
      request_.set_progress(progress);
      stub.async()->WatchJob(&context_, &request_, this);
      StartRead(&response_);
      StartCall();
    }
    void OnReadDone(bool ok) override {
      if (!ok) return;
      if (response_.has_event()) {
        events_.push_back(response_.event());
        read_.fetch_add(1);
        read_.notify_all();
      }
      StartRead(&response_);
    }
    void OnDone(const grpc::Status& status) override {
      const std::lock_guard<std::mutex> lock(mutex_);
      status_ = status;
      changed_.notify_all();
    }
    void AwaitEvents(int64_t count) {
      for (int64_t seen = read_.load(); seen < count; seen = read_.load()) read_.wait(seen);
    }
    grpc::Status Await() {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [&] { return status_.has_value(); });
      return *status_;
    }
    const std::vector<v1::JobEvent>& events() const { return events_; }

   private:
    grpc::ClientContext context_;
    v1::WatchJobRequest request_;
    v1::WatchJobResponse response_;
    std::vector<v1::JobEvent> events_;
    std::atomic<int64_t> read_{0};
    std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<grpc::Status> status_;
  };
  std::vector<std::unique_ptr<v1::JobService::Stub>> stubs;
  for (int i = 0; i < 4; ++i) stubs.push_back(v1::JobService::NewStub(rpc_->Connect()));
  std::vector<std::unique_ptr<Reader>> readers;
  for (int i = 0; i < kWatchers; ++i) {
    readers.push_back(std::make_unique<Reader>());
    readers.back()->Begin(*stubs[static_cast<size_t>(i) % stubs.size()], id, i % 4, i % 2 == 0);
  }
  // Half of them have caught up and wait, the others may be anywhere.
  for (int i = 0; i < kWatchers; i += 2) readers[static_cast<size_t>(i)]->AwaitEvents(6 - i % 4);
  rpc_->engine().Release("watched");
  for (int i = 0; i < kWatchers; ++i) {
    const grpc::Status status = readers[static_cast<size_t>(i)]->Await();
    EXPECT_TRUE(status.ok()) << status.error_message();
    ExpectWhole(readers[static_cast<size_t>(i)]->events(), i % 4, Events(kEpochs));
  }
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
  while (rpc_->server().job_service().watches().size() > 0 && std::chrono::steady_clock::now() < until) {
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

// --- with a store in memory ---

TEST_F(WatchFakeTest, ASlowReaderHoldsNobodyUpAndStillSeesEverything) {
  // Far more than fits into the connection's windows and the watcher's queue together.
  constexpr int64_t kEpochs = 30'000;
  FakeTraining training;
  training.epochs = kEpochs;
  training.hold_before_epoch = 2;
  rpc_.engine().Script("fast", training);
  const std::string id = rpc_.Submit("fast", kEpochs);
  rpc_.engine().AwaitHeld("fast");
  const std::unique_ptr<v1::JobService::Stub> stub = v1::JobService::NewStub(rpc_.Connect());
  Watch slow(*stub, id);
  std::vector<v1::JobEvent> events;
  for (int i = 0; i < 3; ++i) {
    const auto response = slow.Next();
    ASSERT_TRUE(response.has_value());
    events.push_back(response->event());
  }
  const int64_t reads_before = store_.CallCount(FakeStore::Call::kListEvents);
  rpc_.engine().Release("fast");
  // The job runs to its end, though nobody reads.
  EXPECT_EQ(rpc_.WatchToEnd(id, 3).size(), static_cast<size_t>(Events(kEpochs) - 3));
  while (const auto response = slow.Next()) events.push_back(response->event());
  EXPECT_TRUE(slow.Finish().ok());
  ExpectWhole(events, 0, Events(kEpochs));
  EXPECT_GT(store_.CallCount(FakeStore::Call::kListEvents), reads_before + 4);  // it fell back to the store
}

TEST_F(WatchFakeTest, AnEventThatWasNeverPublishedIsReadWhenTheNextOneIs) {
  FakeTraining training;
  training.hold_before_epoch = 1;
  rpc_.engine().Script("held", training);
  const std::string id = rpc_.Submit("held");
  rpc_.engine().AwaitHeld("held");
  Watch watch(rpc_.jobs(), id);
  EXPECT_EQ(watch.ReadUntil(2), 2);
  ASSERT_TRUE(store_.AppendWarning(1, "stored, not published").ok());
  auto published = store_.AppendWarning(1, "published");
  ASSERT_TRUE(published.ok());
  rpc_.bus().Publish(*published);
  rpc_.bus().Publish(*published);  // twice: seen once
  auto response = watch.Next();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->event().warning(), "stored, not published");
  response = watch.Next();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->event().warning(), "published");
  rpc_.engine().Release("held");
  response = watch.Next();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->event().sequence(), 5);
}

TEST_F(WatchFakeTest, AnEventThatIsNotStoredEndsTheWatch) {
  FakeTraining training;
  training.hold_before_epoch = 1;
  rpc_.engine().Script("held", training);
  const std::string id = rpc_.Submit("held");
  rpc_.engine().AwaitHeld("held");
  Watch watch(rpc_.jobs(), id);
  EXPECT_EQ(watch.ReadUntil(2), 2);
  JobEvent ghost;
  ghost.job_id = 1;
  ghost.sequence = 50;
  ghost.what = JobEvent::Warning{"ghost"};
  rpc_.bus().Publish(ghost);
  EXPECT_FALSE(watch.Next().has_value());
  EXPECT_EQ(watch.Finish().error_code(), StatusCode::INTERNAL);
}

TEST_F(WatchFakeTest, StorageTroubleEndsAWatchWithItsCode) {
  const std::string id = rpc_.Submit("job");
  rpc_.WatchToEnd(id);
  store_.Fail(FakeStore::Call::kListEvents, 1, absl::UnavailableError("the database is busy"));
  Watch watch(rpc_.jobs(), id);
  EXPECT_FALSE(watch.Next().has_value());
  EXPECT_EQ(watch.Finish().error_code(), StatusCode::UNAVAILABLE);
}

TEST_F(WatchFakeTest, EventsPublishedWhileAPageIsReadAreNotLost) {
  FakeTraining training;
  training.epochs = 50;
  training.hold_before_epoch = 1;
  rpc_.engine().Script("held", training);
  const std::string id = rpc_.Submit("held", 50);
  rpc_.engine().AwaitHeld("held");
  // After the watcher has read an empty page, it looks whether the job has ended: that is when an event slips in.
  std::atomic<bool> slipped_in{false};
  store_.Before(FakeStore::Call::kGetJob, [&] {
    if (slipped_in.exchange(true)) return;
    auto event = store_.AppendWarning(1, "in between");
    if (event.ok()) rpc_.bus().Publish(*event);
  });
  Watch watch(rpc_.jobs(), id, 2);
  int64_t expected = 2;
  auto response = watch.Next();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->event().sequence(), ++expected);
  EXPECT_EQ(response->event().warning(), "in between");
  store_.Before(FakeStore::Call::kGetJob, nullptr);
  rpc_.engine().Release("held");
  while ((response = watch.Next())) ASSERT_EQ(response->event().sequence(), ++expected);
  EXPECT_TRUE(watch.Finish().ok());
  EXPECT_EQ(expected, Events(50) + 1);
}

}  // namespace
}  // namespace anneal
