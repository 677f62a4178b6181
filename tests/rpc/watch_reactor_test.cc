// The watch reactor without a connection: the other side of the call is played by the test, on
// threads of its own.
#include "server/rpc/watch_reactor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/rpc/watch_set.h"
#include "tests/support/fake_store.h"
#include "tests/support/manual_clock.h"

namespace anneal {
namespace {

// What gRPC is to a reactor: takes one write at a time, answers each later from another thread, and
// tells when all is over. Fails the test where the reactor breaks the rules.
class FakeCall final : public grpc::ServerCallbackWriter<v1::WatchJobResponse> {
 public:
  ~FakeCall() override {
    if (peer_.joinable()) peer_.join();
  }

  // The handler has returned `reactor`. From here on the peer reads, in `pace`.
  void Bind(WatchReactor* reactor, std::function<void(int64_t reads)> pace = nullptr) {
    reactor_ = reactor;
    pace_ = std::move(pace);
    BindReactor(reactor);
    peer_ = std::thread([this] { Run(); });
  }

  // The client goes away: the write under way fails, then the reactor is told.
  void Cancel() {
    const std::lock_guard<std::mutex> lock(mutex_);
    cancelled_ = true;
    changed_.notify_all();
  }

  // Blocks until the call is over.
  grpc::Status Await() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return over_; });
    return *status_;
  }

  // Blocks until so many answers were read.
  void AwaitRead(size_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return read_.size() >= count || over_; });
  }

  std::vector<v1::WatchJobResponse> read() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return read_;
  }

  void Write(const v1::WatchJobResponse* message, grpc::WriteOptions /*options*/) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    EXPECT_EQ(writing_, nullptr) << "two writes at a time";
    EXPECT_FALSE(status_.has_value()) << "a write after Finish";
    writing_ = message;
    changed_.notify_all();
  }

  void Finish(grpc::Status status) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    EXPECT_EQ(writing_, nullptr) << "Finish beside a write";
    EXPECT_FALSE(status_.has_value()) << "Finish twice";
    status_ = std::move(status);
    changed_.notify_all();
  }

  void WriteAndFinish(const v1::WatchJobResponse*, grpc::WriteOptions, grpc::Status) override {
    ADD_FAILURE() << "not used";
  }
  void SendInitialMetadata() override { ADD_FAILURE() << "not used"; }

 private:
  grpc::internal::ServerReactor* reactor() override { return reactor_; }
  void CallOnDone() override {}

  void Run() {
    bool told = false;
    for (;;) {
      bool write = false;
      bool cancel = false;
      int64_t reads = 0;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [&] {
          return writing_ != nullptr || (cancelled_ && !told) || status_.has_value();
        });
        write = writing_ != nullptr;
        cancel = cancelled_;
        if (!write && status_.has_value() && (!cancel || told)) break;
        reads = static_cast<int64_t>(read_.size());
      }
      if (cancel && !told) {
        told = true;
        // Both at once, as gRPC may: the failed write and the word of the cancel.
        std::thread teller([this] { reactor_->OnCancel(); });
        if (write) EndWrite(false);
        teller.join();
        continue;
      }
      if (write) {
        if (pace_) pace_(reads);
        EndWrite(!cancel);
      }
    }
    reactor_->OnDone();
    const std::lock_guard<std::mutex> lock(mutex_);
    over_ = true;
    changed_.notify_all();
  }

  void EndWrite(bool ok) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (ok) read_.push_back(*writing_);
      writing_ = nullptr;
      changed_.notify_all();
    }
    reactor_->OnWriteDone(ok);
  }

  WatchReactor* reactor_ = nullptr;
  std::function<void(int64_t)> pace_;
  std::thread peer_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  const v1::WatchJobResponse* writing_ = nullptr;
  bool cancelled_ = false;
  bool over_ = false;
  std::optional<grpc::Status> status_;
  std::vector<v1::WatchJobResponse> read_;
};

class WatchReactorTest : public testing::Test {
 protected:
  WatchReactorTest() {
    NewJob job;
    job.name = "job";
    EXPECT_TRUE(store_.CreateJob(job).ok());
    const auto started = store_.BeginAttempt(1, "print");
    EXPECT_TRUE(started.ok());
    last_ = started->event.sequence;
  }

  WatchReactor* Start(int64_t after_sequence, bool progress = false) {
    return WatchReactor::Start(store_, bus_, watches_, 1, after_sequence, progress);
  }

  // As the scheduler does: stored, then published.
  void Epoch(int64_t epoch) {
    EpochRecord record;
    record.epoch = epoch;
    record.metrics = {{"loss", 1.0}};
    auto event = store_.AppendEpoch(1, 1, record);
    ASSERT_TRUE(event.ok() && event->has_value());
    last_ = (*event)->sequence;
    bus_.Publish(**std::move(event));
  }

  void Succeed() {
    AttemptEnd end;
    end.stop_reason = StopReason::kCompleted;
    end.outcome = "SUCCEEDED";
    auto events = store_.EndAttempt(1, 1, end);
    ASSERT_TRUE(events.ok());
    for (JobEvent& event : *events) {
      last_ = event.sequence;
      bus_.Publish(std::move(event));
    }
  }

  // The events among what was read: from after_sequence + 1 to the last, without a gap.
  void ExpectWhole(const FakeCall& call, int64_t after_sequence) const {
    int64_t expected = after_sequence;
    for (const v1::WatchJobResponse& response : call.read()) {
      if (response.has_event()) {
        ASSERT_EQ(response.event().sequence(), ++expected);
      }
    }
    EXPECT_EQ(expected, last_);
  }

  ManualClock clock_;
  FakeStore store_{clock_};
  EventBus bus_;
  WatchSet watches_;
  int64_t last_ = 0;  // sequence of the newest event
};

TEST_F(WatchReactorTest, EveryWatcherSeesEverythingWhateverItsPaceAndStart) {
  constexpr int kEpochs = 2000;
  std::vector<std::unique_ptr<FakeCall>> calls;
  const auto watch = [&](int64_t after, bool progress) {
    // Every fourth is slow: each of its reads lasts until several more epochs are there.
    const bool slow = calls.size() % 4 == 0;
    calls.push_back(std::make_unique<FakeCall>());
    calls.back()->Bind(Start(after, progress), slow ? [](int64_t reads) {
      if (reads % 10 == 0) std::this_thread::yield();
    } : std::function<void(int64_t)>());
  };
  for (int i = 0; i < 8; ++i) watch(i % 3, i % 2 == 0);
  std::atomic<bool> done = false;
  std::thread progress([&] {
    for (int64_t batch = 0; !done; ++batch) {
      ProgressSnapshot snapshot;
      snapshot.batch = batch;
      bus_.PublishProgress(1, snapshot);
    }
  });
  std::thread publisher([&] {
    for (int epoch = 1; epoch <= kEpochs; ++epoch) Epoch(epoch);
    Succeed();
  });
  for (int i = 0; i < 8; ++i) watch(i % 3, i % 2 == 0);  // these come in the middle of it
  publisher.join();
  for (size_t i = 0; i < calls.size(); ++i) {
    EXPECT_TRUE(calls[i]->Await().ok());
    ExpectWhole(*calls[i], static_cast<int64_t>(i % 8 % 3));
  }
  done = true;
  progress.join();
  EXPECT_EQ(watches_.size(), 0u);
}

TEST_F(WatchReactorTest, AReaderThatStandsStillFallsBackToTheStore) {
  FakeCall call;
  std::mutex gate;
  gate.lock();
  call.Bind(Start(0), [&](int64_t reads) {
    if (reads == 2) {
      const std::lock_guard<std::mutex> lock(gate);  // stands here until the test opens
    }
  });
  call.AwaitRead(2);
  const int64_t reads_before = store_.CallCount(FakeStore::Call::kListEvents);
  for (int epoch = 1; epoch <= 1000; ++epoch) Epoch(epoch);
  EXPECT_EQ(store_.CallCount(FakeStore::Call::kListEvents),
            reads_before);  // the publisher reads nothing
  Succeed();
  gate.unlock();
  EXPECT_TRUE(call.Await().ok());
  ExpectWhole(call, 0);
  EXPECT_GT(store_.CallCount(FakeStore::Call::kListEvents), reads_before);
}

TEST_F(WatchReactorTest, OnlyTheNewestProgressWaits) {
  FakeCall call;
  std::mutex gate;
  gate.lock();
  call.Bind(Start(2, true), [&](int64_t reads) {
    if (reads == 0) {
      const std::lock_guard<std::mutex> lock(gate);
    }
  });
  ProgressSnapshot snapshot;
  for (int64_t batch = 1; batch <= 100; ++batch) {
    snapshot.batch = batch;
    bus_.PublishProgress(1, snapshot);
  }
  gate.unlock();
  call.AwaitRead(2);
  const auto read = call.read();
  EXPECT_EQ(read[0].progress().batch(), 1);
  EXPECT_EQ(read[1].progress().batch(), 100);
  watches_.Close(absl::UnavailableError("stopping"));
  EXPECT_EQ(call.Await().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(call.read().size(), 2u);
}

TEST_F(WatchReactorTest, ProgressThatAnEventHasOvertakenIsNotSent) {
  FakeCall call;
  std::mutex gate;
  gate.lock();
  call.Bind(Start(2, true), [&](int64_t reads) {
    if (reads == 0) {
      const std::lock_guard<std::mutex> lock(gate);
    }
  });
  ProgressSnapshot snapshot;
  snapshot.batch = 1;
  bus_.PublishProgress(1, snapshot);  // under way
  snapshot.batch = 2;
  bus_.PublishProgress(1, snapshot);  // waits
  Epoch(1);                           // and is old
  gate.unlock();
  Succeed();
  EXPECT_TRUE(call.Await().ok());
  ExpectWhole(call, 2);
  for (const auto& response : call.read()) EXPECT_NE(response.progress().batch(), 2);
}

TEST_F(WatchReactorTest, ClientsThatGoAwayAtAnyMomentLeaveNothingBehind) {
  std::atomic<bool> done = false;
  std::thread publisher([&] {
    for (int epoch = 1; !done; ++epoch) Epoch(epoch);
  });
  for (int round = 0; round < 300; ++round) {
    FakeCall call;
    call.Bind(Start(0, round % 2 == 0));
    call.AwaitRead(static_cast<size_t>(round % 5));
    call.Cancel();
    EXPECT_EQ(call.Await().error_code(), grpc::StatusCode::CANCELLED);
  }
  done = true;
  publisher.join();
  EXPECT_EQ(watches_.size(), 0u);
}

TEST_F(WatchReactorTest, ClosingEndsAllAndRefusesLaterOnes) {
  std::vector<std::unique_ptr<FakeCall>> calls;
  for (int i = 0; i < 20; ++i) {
    calls.push_back(std::make_unique<FakeCall>());
    calls.back()->Bind(Start(i % 3));
  }
  std::thread publisher([&] {
    for (int epoch = 1; epoch <= 50; ++epoch) Epoch(epoch);
  });
  watches_.Close(absl::UnavailableError("stopping"));
  for (const auto& call : calls)
    EXPECT_EQ(call->Await().error_code(), grpc::StatusCode::UNAVAILABLE);
  publisher.join();
  FakeCall late;
  late.Bind(Start(0));
  EXPECT_EQ(late.Await().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(late.read().empty());
}

}  // namespace
}  // namespace anneal
