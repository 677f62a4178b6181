// Everything at once, for ThreadSanitizer to look at.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "server/scheduler/scheduler.h"
#include "tests/scheduler/scheduler_fixture.h"

namespace anneal {
namespace {

class StressTest : public SchedulerFixture {
 protected:
  StressTest() {
    options_.workers = 4;
    options_.progress_interval_us = 100;
    Make();
  }

  bool HasEnded(JobId id) const {
    const std::vector<JobEvent> events = store_.Events(id);
    return !events.empty() && IsLast(events.back());
  }

  // Until it is not PAUSED or PAUSING; somebody may pause it again.
  void ResumeForGood(JobId id) {
    while (!scheduler_->Resume(id).ok() && !HasEnded(id)) std::this_thread::yield();
  }

  void ExpectEndedOnce(JobId id) {
    const std::vector<JobEvent> events = store_.Events(id);
    EXPECT_EQ(std::count_if(events.begin(), events.end(), IsLast), 1) << "job " << id;
    ASSERT_FALSE(events.empty());
    EXPECT_TRUE(IsLast(events.back())) << "job " << id;
    const Job job = Get(id);
    EXPECT_NE(job.stop_reason, StopReason::kNone);
    for (const Attempt& attempt : job.attempts) EXPECT_NE(attempt.outcome, "") << "job " << id;
    // No epoch is lost or doubled: they are counted from 1.
    int64_t epoch = 0;
    for (const JobEvent& event : events) {
      if (const auto* record = std::get_if<EpochRecord>(&event.what)) {
        EXPECT_EQ(record->epoch, ++epoch) << "job " << id;
      }
    }
  }
};

TEST_F(StressTest, SubmittersCancellersWatchersAndAStoreThatStumbles) {
  constexpr int kSubmitters = 2;
  constexpr int kJobsEach = 150;
  for (int kind = 0; kind < 4; ++kind) {
    FakeTraining training;
    training.epochs = 3 + kind;
    training.deaf = kind == 1;
    training.warnings = {"careful"};
    if (kind == 2) training.outcome.stop_reason = StopReason::kDiverged;
    if (kind == 3) training.exception = "sometimes";
    engine_.Script(std::to_string(kind), training);
  }
  Start();
  std::mutex mutex;
  std::vector<std::unique_ptr<Recording>> recordings;
  std::atomic<JobId> newest{0};
  std::atomic<bool> submitted{false};
  std::vector<std::thread> threads;
  for (int submitter = 0; submitter < kSubmitters; ++submitter) {
    threads.emplace_back([&, submitter] {
      for (int i = 0; i < kJobsEach; ++i) {
        const JobId id = Submit(std::to_string((submitter + i) % 4), i % 3);
        auto recording = std::make_unique<Recording>(bus_, store_, id);
        newest = std::max(newest.load(), id);
        const std::lock_guard<std::mutex> lock(mutex);
        recordings.push_back(std::move(recording));
      }
    });
  }
  std::vector<std::thread> disturbers;
  for (unsigned canceller = 0; canceller < 3; ++canceller) {
    disturbers.emplace_back([&, canceller] {
      std::mt19937 random(canceller);
      while (!submitted) {
        if (newest == 0) continue;
        const JobId id = newest - static_cast<JobId>(random() % 8);
        const absl::Status status = scheduler_->Cancel(id).status();
        EXPECT_TRUE(status.ok() || absl::IsFailedPrecondition(status) || absl::IsNotFound(status) ||
                    absl::IsUnavailable(status))
            << status;
        (void)scheduler_->Progress(id);
        (void)Position(id);
        (void)scheduler_->GetCounts();
        std::this_thread::yield();
      }
    });
  }
  disturbers.emplace_back([&] {
    std::mt19937 random(77);
    const std::vector<Call> calls = {Call::kBeginAttempt, Call::kAppendEpoch,   Call::kEndAttempt,
                                     Call::kChangeState,  Call::kAppendWarning, Call::kGetJob};
    while (!submitted) {
      store_.Fail(calls[random() % calls.size()], 1, absl::UnavailableError("stumbled"));
      std::this_thread::yield();
    }
    for (const Call call : calls) store_.Heal(call);
  });
  for (std::thread& thread : threads) thread.join();
  submitted = true;
  for (std::thread& thread : disturbers) thread.join();
  for (const auto& recording : recordings) {
    recording->AwaitLast();
    recording->ExpectWhole();
  }
  for (JobId id = 1; id <= kSubmitters * kJobsEach; ++id) ExpectEndedOnce(id);
  scheduler_->Stop();
  EXPECT_EQ(scheduler_->GetCounts().queued, 0);
  EXPECT_EQ(scheduler_->GetCounts().running, 0);
}

TEST_F(StressTest, RestartsInTheMiddleOfEverything) {
  constexpr int kJobs = 60;
  constexpr int kRounds = 20;
  std::vector<std::unique_ptr<Recording>> recordings;
  for (int i = 0; i < kJobs; ++i) {
    const std::string name = std::to_string(i);
    engine_.Script(name, {.epochs = 20});
    recordings.push_back(std::make_unique<Recording>(bus_, store_, Submit(name)));
  }
  // Job 2 is there to be interrupted in every round; the others are wherever they are.
  engine_.Script("1", {.epochs = 20, .hold_before_epoch = 10});
  for (int round = 0; round < kRounds; ++round) {
    Start();
    engine_.AwaitHeld("1");
    // A cancel that races the stop.
    std::thread canceller([&, round] {
      const absl::Status status = scheduler_->Cancel(round * 3 + 1).status();
      EXPECT_TRUE(status.ok() || absl::IsFailedPrecondition(status)) << status;
    });
    std::thread stopper([&] { scheduler_->Stop(); });
    canceller.join();
    stopper.join();
    JobQuery query;
    query.limit = kJobs;
    query.states = {JobState::kRunning, JobState::kCancelling};
    EXPECT_TRUE(store_.ListJobs(query)->empty());
    Make();
  }
  engine_.Release("1");
  Start();
  for (const auto& recording : recordings) {
    recording->AwaitLast();
    recording->ExpectWhole();
  }
  for (JobId id = 1; id <= kJobs; ++id) ExpectEndedOnce(id);
  EXPECT_EQ(Get(2).attempt_count, kRounds + 1);
}

TEST_F(StressTest, PausersResumersAndCancellersAtOnce) {
  constexpr int kJobs = 80;
  engine_.Script("long", {.epochs = 6});
  // A state after every epoch, and a store that stumbles. Whatever they do, no job is lost.
  store_.Before(Call::kAppendEpoch, [this] { clock_.Advance(1'000'000); });
  Start();
  std::vector<std::unique_ptr<Recording>> recordings;
  std::atomic<JobId> newest{0};
  std::atomic<bool> submitted{false};
  std::vector<std::thread> disturbers;
  for (unsigned disturber = 0; disturber < 4; ++disturber) {
    disturbers.emplace_back([&, disturber] {
      std::mt19937 random(disturber);
      while (!submitted) {
        if (newest == 0) continue;
        const JobId id = newest - static_cast<JobId>(random() % 4);
        const unsigned what = static_cast<unsigned>(random() % 16);
        const absl::Status status = what == 0  ? scheduler_->Cancel(id).status()
                                    : what < 8 ? scheduler_->Pause(id).status()
                                               : scheduler_->Resume(id).status();
        EXPECT_TRUE(status.ok() || absl::IsFailedPrecondition(status) || absl::IsNotFound(status) ||
                    absl::IsUnavailable(status) || absl::IsAborted(status))
            << status;
        std::this_thread::yield();
      }
    });
  }
  // So many failures a job, not as many as there is time for: a worker that waits before it tries
  // to store an end again would never get through.
  std::mt19937 random(77);
  const std::vector<Call> calls = {Call::kBeginAttempt,        Call::kEndAttempt,
                                   Call::kChangeState,         Call::kGetJob,
                                   Call::kAppendTrainingState, Call::kListTrainingStates};
  for (int i = 0; i < kJobs; ++i) {
    const JobId id = Submit("long", i % 3);
    for (int failure = 0; failure < 3; ++failure) {
      store_.Fail(calls[random() % calls.size()], 1, absl::UnavailableError("stumbled"));
    }
    recordings.push_back(std::make_unique<Recording>(bus_, store_, id));
    newest = id;
    if (id > 4) ResumeForGood(id - 4);
  }
  submitted = true;
  for (std::thread& thread : disturbers) thread.join();
  for (JobId id = 1; id <= kJobs; ++id) ResumeForGood(id);
  for (const auto& recording : recordings) {
    recording->AwaitLast();
    recording->ExpectWhole();
  }
  for (JobId id = 1; id <= kJobs; ++id) ExpectEndedOnce(id);
}

TEST_F(StressTest, WatchersComeAndGoWhileJobsRun) {
  Start();
  std::atomic<bool> stop{false};
  std::vector<std::thread> watchers;
  std::vector<JobId> ids;
  for (int i = 0; i < 40; ++i) {
    const std::string name = std::to_string(i);
    engine_.Script(name, {.epochs = 50});
    ids.push_back(Submit(name));
  }
  for (unsigned number = 0; number < 3; ++number) {
    watchers.emplace_back([&, number] {
      std::mt19937 random(number);
      while (!stop) {
        const Recording recording(bus_, store_, ids[random() % ids.size()]);
        recording.ExpectWhole();
      }
    });
  }
  for (const JobId id : ids) {
    Recording recording(bus_, store_, id);
    recording.AwaitLast();
    recording.ExpectWhole();
    EXPECT_EQ(recording.Texts().size(), 2U + 50U + 2U);
  }
  stop = true;
  for (std::thread& watcher : watchers) watcher.join();
}

}  // namespace
}  // namespace anneal
