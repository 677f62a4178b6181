// WatchJob under load and trouble: many watchers, slow ones, events that come at bad moments.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/rpc/connection/watch_call.h"

namespace anneal {
namespace {

using grpc::StatusCode;

using ManyWatchersTest = SqliteRpcTest;
using WatchTroubleTest = FakeStoreRpcTest;

TEST_F(ManyWatchersTest, TwoHundredWatchersSeeEveryEventOnce) {
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
    void Begin(v1::JobService::Stub& stub, const std::string& job, int64_t after_sequence,
               bool progress) {
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

TEST_F(WatchTroubleTest, ASlowReaderHoldsNobodyUpAndStillSeesEverything) {
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
  EXPECT_GT(store_.CallCount(FakeStore::Call::kListEvents),
            reads_before + 4);  // it fell back to the store
}

TEST_F(WatchTroubleTest, AnEventThatWasNeverPublishedIsReadWhenTheNextOneIs) {
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

TEST_F(WatchTroubleTest, AnEventThatIsNotStoredEndsTheWatch) {
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

TEST_F(WatchTroubleTest, StorageTroubleEndsAWatchWithItsCode) {
  const std::string id = rpc_.Submit("job");
  rpc_.WatchToEnd(id);
  store_.Fail(FakeStore::Call::kListEvents, 1, absl::UnavailableError("the database is busy"));
  Watch watch(rpc_.jobs(), id);
  EXPECT_FALSE(watch.Next().has_value());
  EXPECT_EQ(watch.Finish().error_code(), StatusCode::UNAVAILABLE);
}

TEST_F(WatchTroubleTest, EventsPublishedWhileAPageIsReadAreNotLost) {
  FakeTraining training;
  training.epochs = 50;
  training.hold_before_epoch = 1;
  rpc_.engine().Script("held", training);
  const std::string id = rpc_.Submit("held", 50);
  rpc_.engine().AwaitHeld("held");
  // After the watcher has read an empty page, it looks whether the job has ended: that is when an
  // event slips in.
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
