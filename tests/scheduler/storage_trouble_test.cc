// A store that fails once, for a while, for ever, or that lies about it.
#include <gtest/gtest.h>
#include <gmock/gmock.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/scheduler/scheduler.h"
#include "server/scheduler/storage_retry.h"
#include "tests/scheduler/scheduler_fixture.h"

namespace anneal {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

class StorageTroubleTest : public SchedulerFixture {
 protected:
  // Blocks until the store was called `times` more times.
  class Calls {
   public:
    Calls(FakeStore& store, Call call) {
      store.Before(call, [this] {
        seen_.fetch_add(1);
        seen_.notify_all();
      });
    }
    void Await(int times) {
      for (int seen = seen_; seen < times; seen = seen_) seen_.wait(seen);
    }

   private:
    std::atomic<int> seen_{0};
  };

  // The next call of this kind does `commit` and then answers an error all the same.
  void CommitAndDeny(Call call, std::function<void()> commit) {
    store_.Before(call, [this, call, commit = std::move(commit),
                         done = std::make_shared<std::atomic<bool>>(false)] {
      if (done->exchange(true)) return;
      commit();
      store_.Fail(call, 1, absl::UnavailableError("cannot be synced"));
    });
  }

  // Every call of this kind takes so long.
  void Slow(Call call, int64_t us) {
    store_.Before(call, [this, us] { clock_.Advance(us); });
  }
};

TEST_F(StorageTroubleTest, WritesOfARunningJobAreRetried) {
  engine_.Script("patient", {.warnings = {"careful"}, .epochs = 2});
  for (const Call call : {Call::kBeginAttempt, Call::kAppendEpoch, Call::kEndAttempt}) {
    store_.Fail(call, 2, absl::UnavailableError("database is locked"));
  }
  store_.Fail(Call::kAppendWarning, 2, absl::ResourceExhaustedError("disk full"));
  Start();
  const JobId id = Submit("patient");
  EXPECT_THAT(AwaitEnd(id), ElementsAre("QUEUED", "RUNNING", "warning: careful", "epoch 1",
                                        "epoch 2", "result of 2 epochs", "SUCCEEDED COMPLETED"));
  EXPECT_EQ(Get(id).attempt_count, 1);
}

TEST_F(StorageTroubleTest, AnEpochThatCannotBeStoredEndsTheTraining) {
  engine_.Script("full", {.epochs = 3});
  store_.Fail(Call::kAppendEpoch, FakeStore::kForEver, absl::ResourceExhaustedError("disk full"));
  options_.storage_retry_us = 30'000'000;
  options_.max_restarts = 1;
  Make();
  Slow(Call::kAppendEpoch, 10'000'000);
  Start();
  const JobId id = Submit("full");
  AwaitEnd(id);
  EXPECT_EQ(store_.CallCount(Call::kAppendEpoch), 2 * 3)
      << "of each attempt the third ends 30 s after the first began";
  EXPECT_EQ(Get(id).state, JobState::kFailed);
  EXPECT_EQ(Get(id).stop_reason, StopReason::kStorage);
  EXPECT_THAT(Get(id).message, HasSubstr("epoch 1"));
  EXPECT_THAT(Get(id).message, HasSubstr("disk full"));
}

TEST_F(StorageTroubleTest, DamageIsNotRetried) {
  store_.Fail(Call::kAppendEpoch, FakeStore::kForEver, absl::DataLossError("malformed"));
  Start();
  const JobId id = Submit("damaged");
  AwaitEnd(id);
  EXPECT_EQ(store_.CallCount(Call::kAppendEpoch), 1);
  EXPECT_EQ(Get(id).stop_reason, StopReason::kStorage);
}

TEST_F(StorageTroubleTest, AWarningThatCannotBeStoredDoesNotEndTheTraining) {
  engine_.Script("warned", {.warnings = {"careful"}});
  store_.Fail(Call::kAppendWarning, FakeStore::kForEver, absl::InternalError("no"));
  Start();
  EXPECT_THAT(AwaitEnd(Submit("warned")), Contains("SUCCEEDED COMPLETED"));
}

TEST_F(StorageTroubleTest, CancelEndsTheRetrying) {
  store_.Fail(Call::kAppendEpoch, FakeStore::kForEver, absl::UnavailableError("busy"));
  Calls appends(store_, Call::kAppendEpoch);
  Start();
  const JobId id = Submit("stuck");
  appends.Await(2);
  ASSERT_TRUE(scheduler_->Cancel(id).ok());
  EXPECT_THAT(AwaitEnd(id), ElementsAre("QUEUED", "RUNNING", "CANCELLING", "CANCELLED USER"));
}

TEST_F(StorageTroubleTest, StopEndsTheRetrying) {
  store_.Fail(Call::kAppendEpoch, FakeStore::kForEver, absl::UnavailableError("busy"));
  Calls appends(store_, Call::kAppendEpoch);
  Start();
  const JobId id = Submit("stuck");
  appends.Await(2);
  scheduler_->Stop();
  EXPECT_EQ(Get(id).state, JobState::kQueued);
  EXPECT_EQ(Get(id).attempts.at(0).outcome, "INTERRUPTED");
}

TEST_F(StorageTroubleTest, TheEndIsWrittenWhenTheStoreComesBack) {
  // Whatever the error, and longer than storage_retry_us.
  options_.storage_retry_us = 1;
  Make();
  store_.Fail(Call::kEndAttempt, FakeStore::kForEver, absl::InternalError("I/O error"));
  auto ends = std::make_unique<Calls>(store_, Call::kEndAttempt);
  Start();
  const JobId id = Submit("done");
  ends->Await(3);
  EXPECT_EQ(Get(id).state, JobState::kRunning);
  store_.Heal(Call::kEndAttempt);
  EXPECT_THAT(AwaitEnd(id), Contains("SUCCEEDED COMPLETED"));
}

TEST_F(StorageTroubleTest, StopGivesUpOnTheEndAndTheNextStartRecovers) {
  store_.Fail(Call::kEndAttempt, FakeStore::kForEver, absl::UnavailableError("gone"));
  auto ends = std::make_unique<Calls>(store_, Call::kEndAttempt);
  Start();
  const JobId id = Submit("done");
  ends->Await(2);
  scheduler_->Stop();
  EXPECT_EQ(Get(id).state, JobState::kRunning);
  store_.Heal(Call::kEndAttempt);
  Make();
  Start();
  Recording recording(bus_, store_, id);
  recording.AwaitLast();
  EXPECT_EQ(Get(id).state, JobState::kSucceeded);
  EXPECT_EQ(Get(id).attempts.at(0).outcome, "INTERRUPTED");
  EXPECT_EQ(Get(id).attempts.at(1).outcome, "SUCCEEDED");
}

TEST_F(StorageTroubleTest, AnEndThatWasCommittedAlthoughTheStoreDeniedItIsFound) {
  engine_.Script("denied", {.hold_before_epoch = 1});
  CommitAndDeny(Call::kEndAttempt, [this] {
    AttemptEnd end;
    end.stop_reason = StopReason::kCompleted;
    end.outcome = "SUCCEEDED";
    ASSERT_TRUE(store_.EndAttempt(1, 1, end).ok());
  });
  Start();
  const JobId id = Submit("denied");
  engine_.AwaitHeld("denied");
  Recording recording(bus_, store_, id);
  engine_.Release("denied");
  recording.AwaitLast();
  AwaitEnd(Submit("next"));  // the worker has gone on
  EXPECT_EQ(Get(id).attempt_count, 1);
}

TEST_F(StorageTroubleTest, AnAttemptThatWasBegunAlthoughTheStoreDeniedItIsRun) {
  CommitAndDeny(Call::kBeginAttempt, [this] { ASSERT_TRUE(store_.BeginAttempt(1, "").ok()); });
  Start();
  const JobId id = Submit("denied");
  EXPECT_THAT(AwaitEnd(id), ElementsAre("QUEUED", "RUNNING", "epoch 1", "result of 1 epochs",
                                        "SUCCEEDED COMPLETED"));
  EXPECT_EQ(Get(id).attempt_count, 1);
}

TEST_F(StorageTroubleTest, AnAttemptThatWasBegunUnnoticedCanBeCancelled) {
  auto begun = std::make_shared<std::atomic<bool>>(false);
  CommitAndDeny(Call::kBeginAttempt, [this, begun] {
    ASSERT_TRUE(store_.BeginAttempt(1, "").ok());
    *begun = true;
  });
  store_.Before(Call::kGetJob, [this, begun] {
    if (!begun->exchange(false)) return;
    EXPECT_EQ(scheduler_->Cancel(1)->state, JobState::kCancelling);
  });
  Start();
  const JobId id = Submit("denied");
  Recording(bus_, store_, id).AwaitLast();
  EXPECT_THAT(StoredTexts(id), ElementsAre("QUEUED", "RUNNING", "CANCELLING", "CANCELLED USER"));
}

TEST_F(StorageTroubleTest, ACancelThatWasCommittedAlthoughTheStoreDeniedItIsFoundByTheNext) {
  const JobId id = Submit("queued");
  Recording recording(bus_, store_, id);
  CommitAndDeny(Call::kChangeState, [this, id] {
    ASSERT_TRUE(
        store_.ChangeState(id, JobState::kQueued, JobState::kCancelled, StopReason::kUser, "")
            .ok());
  });
  EXPECT_TRUE(absl::IsUnavailable(scheduler_->Cancel(id).status()));
  EXPECT_EQ(Position(id), 1);
  EXPECT_TRUE(absl::IsFailedPrecondition(scheduler_->Cancel(id).status()));
  EXPECT_EQ(Position(id), 0);
  recording.AwaitLast();
}

TEST_F(StorageTroubleTest, ACancelThatWasCommittedAlthoughTheStoreDeniedItIsSeenByTheWorker) {
  engine_.Script("busy", {.hold_before_epoch = 1});
  Start();
  Submit("busy");
  engine_.AwaitHeld("busy");
  const JobId id = Submit("queued");
  Recording recording(bus_, store_, id);
  CommitAndDeny(Call::kChangeState, [this, id] {
    ASSERT_TRUE(
        store_.ChangeState(id, JobState::kQueued, JobState::kCancelled, StopReason::kUser, "")
            .ok());
  });
  EXPECT_TRUE(absl::IsUnavailable(scheduler_->Cancel(id).status()));
  engine_.Release("busy");
  recording.AwaitLast();
  EXPECT_THAT(engine_.Began(), ElementsAre("busy"));
}

TEST_F(StorageTroubleTest, ACancelOfARunningJobWorksAtTheSecondTry) {
  engine_.Script("held", {.hold_before_epoch = 1});
  Start();
  const JobId id = Submit("held");
  engine_.AwaitHeld("held");
  CommitAndDeny(Call::kChangeState, [this, id] {
    ASSERT_TRUE(
        store_.ChangeState(id, JobState::kRunning, JobState::kCancelling, StopReason::kNone, "")
            .ok());
  });
  EXPECT_TRUE(absl::IsUnavailable(scheduler_->Cancel(id).status()));
  EXPECT_EQ(scheduler_->Cancel(id)->state, JobState::kCancelling);
  Recording(bus_, store_, id).AwaitLast();
  EXPECT_THAT(StoredTexts(id), ElementsAre("QUEUED", "RUNNING", "CANCELLING", "CANCELLED USER"));
}

TEST_F(StorageTroubleTest, AJobThatCannotBeginWaitsInTheQueue) {
  store_.Fail(Call::kBeginAttempt, FakeStore::kForEver, absl::UnavailableError("busy"));
  auto begins = std::make_unique<Calls>(store_, Call::kBeginAttempt);
  Start();
  const JobId cancelled = Submit("cancelled");
  begins->Await(3);
  EXPECT_EQ(Get(cancelled).state, JobState::kQueued);
  ASSERT_EQ(scheduler_->Cancel(cancelled)->state, JobState::kCancelled);
  store_.Heal(Call::kBeginAttempt);
  AwaitEnd(Submit("next"));
  EXPECT_THAT(engine_.Began(), ElementsAre("next"));
  EXPECT_EQ(scheduler_->GetCounts().queued, 0);
  EXPECT_EQ(Position(cancelled), 0);
}

TEST_F(StorageTroubleTest, StopDoesNotWaitForAStoreThatCannotBegin) {
  store_.Fail(Call::kGetJob, FakeStore::kForEver, absl::UnavailableError("busy"));
  auto reads = std::make_unique<Calls>(store_, Call::kGetJob);
  Start();
  const JobId id = Submit("waits");
  reads->Await(3);
  scheduler_->Stop();
  store_.Heal(Call::kGetJob);
  EXPECT_EQ(Get(id).state, JobState::kQueued);
  EXPECT_EQ(Position(id), 1);
}

TEST_F(StorageTroubleTest, AJobWhoseRowsAreDamagedDoesNotStopTheOthers) {
  store_.Fail(Call::kBeginAttempt, 1, absl::DataLossError("malformed row"));
  const JobId damaged = Submit("damaged"), fine = Submit("fine");
  Start();
  AwaitEnd(fine);
  EXPECT_EQ(Get(damaged).state, JobState::kQueued);
  EXPECT_THAT(StoredTexts(damaged), Contains(HasSubstr("malformed row")));
  Make();
  Start();
  EXPECT_THAT(AwaitEnd(damaged), Contains("SUCCEEDED COMPLETED"));
}

TEST(StorageRetryTest, WhatMayPass) {
  EXPECT_TRUE(IsTransient(absl::UnavailableError("")));
  EXPECT_TRUE(IsTransient(absl::ResourceExhaustedError("")));
  for (const absl::Status& status :
       {absl::OkStatus(), absl::DataLossError(""), absl::InternalError(""), absl::AbortedError(""),
        absl::NotFoundError(""), absl::CancelledError("")}) {
    EXPECT_FALSE(IsTransient(status)) << status;
  }
}

TEST(StorageRetryTest, WritesAtLeastOnceEvenWhenStopped) {
  ManualClock clock;
  std::stop_source stop;
  stop.request_stop();
  int writes = 0;
  const auto succeed = [&writes] {
    writes += 1;
    return absl::OkStatus();
  };
  EXPECT_TRUE(RetryTransient(succeed, 0, clock, stop.get_token()).ok());
  EXPECT_EQ(writes, 1);
  const auto fail = [&writes] {
    writes += 1;
    return absl::UnavailableError("busy");
  };
  const absl::Status stopped = RetryTransient(fail, 1'000'000, clock, stop.get_token());
  EXPECT_TRUE(absl::IsCancelled(stopped));
  EXPECT_THAT(std::string(stopped.message()), HasSubstr("busy"));
  EXPECT_EQ(writes, 2);
  EXPECT_TRUE(absl::IsUnavailable(RetryTransient(fail, 0, clock, {})));
  EXPECT_EQ(writes, 3);
}

TEST(StorageRetryTest, BackoffEndsWithTheStopRequest) {
  std::stop_source stop;
  Backoff backoff;
  EXPECT_TRUE(backoff.Wait(stop.get_token()));
  stop.request_stop();
  for (int i = 0; i < 1'000; ++i) EXPECT_FALSE(backoff.Wait(stop.get_token()));
}

}  // namespace
}  // namespace anneal
