// Sweeps: their states follow those of their trials, whatever happens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "server/scheduler/job_recorder.h"
#include "server/scheduler/scheduler.h"
#include "server/scheduler/sweep_keeper.h"
#include "tests/scheduler/scheduler_fixture.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SweepTest : public SchedulerFixture {
 protected:
  // The sweep is job 1, its trials "s/1", "s/2", ... are jobs 2, 3, ...
  static NewJob SweepOf(int trials) {
    NewJob job = SmallJob("s");
    job.kind = JobKind::kSweep;
    for (int i = 1; i <= trials; ++i) {
      const NewJob trial = SmallJob(absl::StrCat("s/", i));
      job.trials.push_back({trial.name, trial.spec, trial.spec_sha256, {}});
    }
    return job;
  }

  void SubmitSweep(int trials) {
    const absl::StatusOr<CreatedJob> created = scheduler_->Submit(SweepOf(trials));
    ASSERT_TRUE(created.ok()) << created.status();
    ASSERT_EQ(created->job.id, 1);
  }

  void Hold(const std::string& name) { engine_.Script(name, {.hold_before_epoch = 1}); }
  void Fails(const std::string& name, StopReason reason) {
    engine_.Script(name, {.outcome = {reason, "because", {}}});
  }

  std::vector<JobState> States() {
    std::vector<JobState> states;
    const auto trials = store_.ListTrials({1, "", false});
    for (const TrialRow& trial : *trials) states.push_back(trial.state);
    return states;
  }

  // What must be true of a sweep that has ended, however that came about.
  void ExpectSettled() {
    EXPECT_TRUE(IsTerminal(Get(1).state));
    for (const JobState state : States()) EXPECT_TRUE(IsTerminal(state));
    EXPECT_THAT(*store_.ListOpenSweeps(), IsEmpty());
    const std::vector<std::string> texts = StoredTexts(1);
    for (const std::string& text : texts) {
      EXPECT_EQ(std::count(texts.begin(), texts.end(), text), 1) << text;  // each told once
    }
    EXPECT_TRUE(IsLast(store_.Events(1).back()));
    for (const Attempt& attempt : Get(1).attempts) EXPECT_NE(attempt.outcome, "");
  }
};

TEST_F(SweepTest, RunsFromItsFirstTrialToItsLast) {
  Hold("s/2");
  Start();
  SubmitSweep(2);
  engine_.AwaitHeld("s/2");
  EXPECT_EQ(Get(1).state, JobState::kRunning);
  EXPECT_EQ(Position(1), 0);
  EXPECT_EQ(scheduler_->Progress(1), std::nullopt);
  EXPECT_EQ(scheduler_->GetCounts().running, 1);  // it has no worker of its own
  engine_.Release("s/2");
  EXPECT_THAT(AwaitEnd(1), ElementsAre("QUEUED", "RUNNING", "trial 1 SUCCEEDED",
                                       "trial 2 SUCCEEDED", "SUCCEEDED COMPLETED"));
  EXPECT_EQ(Get(1).message, "");
  EXPECT_EQ(Get(1).result, std::nullopt);
  EXPECT_EQ(Get(1).attempts.at(0).fingerprint, "sweep");
  EXPECT_THAT(engine_.Began(), ElementsAre("s/1", "s/2"));
  ExpectSettled();
}

TEST_F(SweepTest, AFailedTrialDoesNotStopIt) {
  Fails("s/1", StopReason::kDiverged);
  Start();
  SubmitSweep(3);
  EXPECT_THAT(AwaitEnd(1), ElementsAre("QUEUED", "RUNNING", "trial 1 FAILED", "trial 2 SUCCEEDED",
                                       "trial 3 SUCCEEDED", "SUCCEEDED COMPLETED"));
  EXPECT_EQ(Get(1).message, "2 of 3 trials succeeded; 1 FAILED (DIVERGED)");
  ExpectSettled();
}

TEST_F(SweepTest, FailsWhereNoTrialSucceeds) {
  Fails("s/1", StopReason::kOutOfMemory);
  Fails("s/3", StopReason::kDiverged);
  Fails("s/4", StopReason::kDiverged);
  SubmitSweep(4);
  ASSERT_TRUE(scheduler_->Cancel(3).ok());
  Start();
  EXPECT_THAT(AwaitEnd(1).back(), "FAILED DIVERGED");
  EXPECT_EQ(Get(1).message,
            "none of 4 trials succeeded: 2 FAILED (DIVERGED), 1 FAILED (OUT_OF_MEMORY), 1 "
            "CANCELLED");
  ExpectSettled();
}

TEST_F(SweepTest, TrialsRunBesideEachOtherOnFreeWorkers) {
  options_.workers = 3;
  Make();
  for (int i = 1; i <= 6; ++i) Hold(absl::StrCat("s/", i));
  Start();
  SubmitSweep(6);
  for (int i = 1; i <= 3; ++i) engine_.AwaitHeld(absl::StrCat("s/", i));
  for (int i = 1; i <= 6; ++i) engine_.Release(absl::StrCat("s/", i));
  const std::vector<std::string> texts = AwaitEnd(1);
  EXPECT_THAT(texts, testing::SizeIs(9));
  EXPECT_EQ(engine_.MostAtOnce(), 3);
  ExpectSettled();
}

TEST_F(SweepTest, ATrialCancelledAloneIsOneOfThem) {
  Hold("s/1");
  Start();
  SubmitSweep(3);
  engine_.AwaitHeld("s/1");
  ASSERT_TRUE(scheduler_->Cancel(3).ok());
  ASSERT_TRUE(scheduler_->Cancel(2).ok());
  EXPECT_THAT(AwaitEnd(1),
              ElementsAre("QUEUED", "RUNNING", "trial 2 CANCELLED", "trial 1 CANCELLED",
                          "trial 3 SUCCEEDED", "SUCCEEDED COMPLETED"));
  ExpectSettled();
}

TEST_F(SweepTest, AllTrialsCancelledOneByOne) {
  SubmitSweep(2);
  ASSERT_TRUE(scheduler_->Cancel(2).ok());
  EXPECT_EQ(Get(1).state, JobState::kQueued);
  ASSERT_TRUE(scheduler_->Cancel(3).ok());
  EXPECT_THAT(AwaitEnd(1),
              ElementsAre("QUEUED", "trial 1 CANCELLED", "trial 2 CANCELLED", "CANCELLED USER"));
  ExpectSettled();
}

TEST_F(SweepTest, AllTrialsCancelledOneByOneAfterItBegan) {
  Hold("s/1");
  Start();
  SubmitSweep(2);
  engine_.AwaitHeld("s/1");
  ASSERT_TRUE(scheduler_->Cancel(3).ok());
  ASSERT_TRUE(scheduler_->Cancel(2).ok());
  EXPECT_THAT(AwaitEnd(1), ElementsAre("QUEUED", "RUNNING", "trial 2 CANCELLED",
                                       "trial 1 CANCELLED", "CANCELLING", "CANCELLED USER"));
  ExpectSettled();
}

TEST_F(SweepTest, CancelledBeforeItBegan) {
  SubmitSweep(3);
  EXPECT_EQ(scheduler_->Cancel(1)->state, JobState::kCancelled);
  EXPECT_THAT(StoredTexts(1),
              ElementsAre("QUEUED", "RUNNING", "CANCELLING", "trial 1 CANCELLED",
                          "trial 2 CANCELLED", "trial 3 CANCELLED", "CANCELLED USER"));
  EXPECT_EQ(scheduler_->GetCounts().queued, 0);
  ExpectSettled();
  EXPECT_EQ(scheduler_->Cancel(1).status().code(), absl::StatusCode::kFailedPrecondition);
  Start();
  const JobId other = Submit("other");
  AwaitEnd(other);
  EXPECT_THAT(engine_.Began(), ElementsAre("other"));
}

TEST_F(SweepTest, CancelledWhileATrialRuns) {
  engine_.Script("s/2", {.hold_before_epoch = 1, .hold_through_stop = true});
  Start();
  SubmitSweep(4);
  engine_.AwaitHeld("s/2");
  EXPECT_EQ(scheduler_->Cancel(1)->state, JobState::kCancelling);
  EXPECT_THAT(States(), ElementsAre(JobState::kSucceeded, JobState::kCancelling,
                                    JobState::kCancelled, JobState::kCancelled));
  EXPECT_EQ(scheduler_->Cancel(1)->state, JobState::kCancelling);  // again is no harm
  engine_.Release("s/2");
  EXPECT_THAT(AwaitEnd(1), ElementsAre("QUEUED", "RUNNING", "trial 1 SUCCEEDED", "CANCELLING",
                                       "trial 3 CANCELLED", "trial 4 CANCELLED",
                                       "trial 2 CANCELLED", "CANCELLED USER"));
  EXPECT_EQ(Get(1).attempts.at(0).outcome, "CANCELLED");
  ExpectSettled();
}

// A daemon stops, and is killed, in the middle: the trial that ran runs again, the sweep goes on.
TEST_F(SweepTest, GoesOnAfterARestart) {
  Hold("s/2");
  Start();
  SubmitSweep(3);
  engine_.AwaitHeld("s/2");
  scheduler_->Stop();
  EXPECT_EQ(Get(1).state, JobState::kRunning);
  EXPECT_THAT(States(), ElementsAre(JobState::kSucceeded, JobState::kQueued, JobState::kQueued));
  Make();
  engine_.Release("s/2");
  Start();
  EXPECT_THAT(AwaitEnd(1),
              ElementsAre("QUEUED", "RUNNING", "trial 1 SUCCEEDED", "trial 2 SUCCEEDED",
                          "trial 3 SUCCEEDED", "SUCCEEDED COMPLETED"));
  EXPECT_EQ(Get(1).attempt_count, 1);
  EXPECT_THAT(engine_.Began(), ElementsAre("s/1", "s/2", "s/2", "s/3"));
  ExpectSettled();
}

// The daemon dies before the n-th write, for every n: nothing is left behind by the next start.
class KilledTest : public SweepTest, public testing::WithParamInterface<bool> {};

TEST_P(KilledTest, AtAnyWrite) {
  const bool cancel = GetParam();
  constexpr Call kWrites[] = {Call::kBeginAttempt, Call::kAppendEpoch,
                              Call::kEndAttempt,   Call::kAppendTrialEnds,
                              Call::kChangeState,  Call::kCancelWaitingTrials};
  int died = 0;
  for (int survived = 0; survived < 40; ++survived) {
    FakeStore store(clock_);
    FakeEngine engine(clock_);
    EventBus bus;
    engine.Script("s/2", {.outcome = {StopReason::kDiverged, "", {}}});
    if (cancel) engine.Script("s/3", {.hold_before_epoch = 1});
    options_.storage_retry_us = 0;
    auto scheduler = Scheduler::Create(store, engine, bus, catalog_, clock_, options_);
    ASSERT_TRUE(scheduler->Submit(SweepOf(4)).ok());
    // From the write after `survived` others on, all of them fail as they do for a dead daemon.
    std::atomic<int> writes{0};
    std::atomic<bool> dead{false};
    for (const Call call : kWrites) {
      store.Before(call, [&] {
        if (writes++ < survived || dead.exchange(true)) return;
        for (const Call each : kWrites)
          store.Fail(each, FakeStore::kForEver, absl::InternalError("killed"));
      });
    }
    ASSERT_TRUE(scheduler->Start().ok());
    {
      Recording recording(bus, store, 1);
      if (cancel) {
        while (!dead && store.GetJob(4)->state != JobState::kRunning) std::this_thread::yield();
        (void)scheduler->Cancel(1);
      }
      while (!dead && !IsTerminal(store.GetJob(1)->state)) std::this_thread::yield();
    }
    scheduler->Stop();
    scheduler.reset();
    died += dead ? 1 : 0;
    for (const Call call : kWrites) {
      store.Before(call, nullptr);
      store.Heal(call);
    }
    const JobState before = store.GetJob(1)->state;

    engine.Release("s/3");
    scheduler = Scheduler::Create(store, engine, bus, catalog_, clock_, options_);
    ASSERT_TRUE(scheduler->Start().ok());
    while (!store.ListOpenSweeps()->empty()) std::this_thread::yield();
    const Job sweep = *store.GetJob(1);
    EXPECT_EQ(sweep.state, before == JobState::kCancelling || before == JobState::kCancelled
                               ? JobState::kCancelled
                               : JobState::kSucceeded)
        << survived;
    std::vector<std::string> texts;
    for (const JobEvent& event : store.Events(1)) {
      // Warnings that a settling had to be put off are of no interest here.
      if (!std::holds_alternative<JobEvent::Warning>(event.what)) texts.push_back(Text(event));
    }
    for (const std::string& text : texts)
      EXPECT_EQ(std::count(texts.begin(), texts.end(), text), 1) << survived << " " << text;
    EXPECT_TRUE(IsLast(store.Events(1).back())) << survived;
    if (sweep.attempt_count > 0) {
      for (int i = 1; i <= 4; ++i) {
        EXPECT_EQ(std::count_if(texts.begin(), texts.end(),
                                [i](const std::string& text) {
                                  return text.starts_with(absl::StrCat("trial ", i, " "));
                                }),
                  1)
            << survived << " trial " << i;
      }
    }
    scheduler->Stop();
    if (!dead) break;  // it came to its end: every write before has been the fatal one
  }
  EXPECT_GT(died, 5);
}

INSTANTIATE_TEST_SUITE_P(Sweeps, KilledTest, testing::Bool(), [](const auto& each) {
  return each.param ? "WhenCancelled" : "WhenLeftAlone";
});

// The parent was being cancelled, and the daemon died before its trials were.
TEST_F(SweepTest, AStartFinishesWhatACancelBegan) {
  SubmitSweep(2);
  ASSERT_TRUE(store_.BeginAttempt(1, "sweep").ok());
  ASSERT_TRUE(
      store_.ChangeState(1, JobState::kRunning, JobState::kCancelling, StopReason::kNone, "").ok());
  Make();
  Start();
  ExpectSettled();
  EXPECT_EQ(scheduler_->GetCounts().queued, 0);
  EXPECT_THAT(engine_.Began(), IsEmpty());
}

TEST_F(SweepTest, ACancelThatFailedHalfwayGoesOnWithASecond) {
  SubmitSweep(2);
  store_.Fail(Call::kCancelWaitingTrials, 1, absl::UnavailableError("busy"));
  EXPECT_EQ(scheduler_->Cancel(1).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Get(1).state, JobState::kCancelling);
  EXPECT_EQ(Get(2).state, JobState::kQueued);
  EXPECT_EQ(scheduler_->Cancel(1)->state, JobState::kCancelled);
  ExpectSettled();
}

TEST_F(SweepTest, ARetriedSubmitMakesOneAndQueuesWhatWaits) {
  NewJob job = SweepOf(2);
  job.request_id = "once";
  ASSERT_TRUE(scheduler_->Submit(job).ok());
  Make();  // the first submit's queue is gone with it
  const absl::StatusOr<CreatedJob> again = scheduler_->Submit(job);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->created);
  EXPECT_EQ(scheduler_->GetCounts().queued, 2);
  Start();
  AwaitEnd(1);
  EXPECT_THAT(engine_.Began(), ElementsAre("s/1", "s/2"));
  EXPECT_EQ(scheduler_->Submit(job)->job.state, JobState::kSucceeded);
  EXPECT_EQ(scheduler_->GetCounts().queued, 0);
  ExpectSettled();
}

TEST_F(SweepTest, StorageTroubleIsRetried) {
  for (const Call call : {Call::kAppendTrialEnds, Call::kListTrials})
    store_.Fail(call, 3, absl::UnavailableError("busy"));
  Start();
  SubmitSweep(2);
  EXPECT_THAT(AwaitEnd(1), ElementsAre("QUEUED", "RUNNING", "trial 1 SUCCEEDED",
                                       "trial 2 SUCCEEDED", "SUCCEEDED COMPLETED"));
  ExpectSettled();
}

TEST_F(SweepTest, ASweepThatIsGoneIsNoTrouble) {
  JobRecorder recorder(store_, bus_);
  SweepKeeper keeper(store_, recorder, clock_, [](JobId, JobState) {});
  EXPECT_TRUE(keeper.Settle(99).ok());
}

TEST_F(SweepTest, DeletedWithItsTrials) {
  Start();
  SubmitSweep(2);
  AwaitEnd(1);
  ASSERT_TRUE(scheduler_->Delete(1).ok());
  EXPECT_TRUE(store_.ListJobs({})->empty());
}

}  // namespace
}  // namespace anneal
