// Pausing and resuming against workers, each other, and a store that lies.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/scheduler/pause_fixture.h"

namespace anneal {
namespace {

using testing::Contains;
using testing::ElementsAre;

using PauseRacesTest = PauseTest;

TEST_F(PauseRacesTest, LooksAgainWhenAWorkerWasFaster) {
  const JobId id = Submit("raced");
  Once(Call::kChangeState, [&] { ASSERT_TRUE(store_.BeginAttempt(id, "").ok()); });
  EXPECT_EQ(scheduler_->Pause(id)->state, JobState::kPausing);
}

TEST_F(PauseRacesTest, DoesNotLookForEver) {
  const JobId id = Submit("cursed");
  store_.Fail(Call::kChangeState, FakeStore::kForEver, absl::AbortedError("no"));
  EXPECT_TRUE(absl::IsAborted(scheduler_->Pause(id).status()));
  store_.Heal(Call::kChangeState);
  ASSERT_TRUE(scheduler_->Pause(id).ok());
  store_.Fail(Call::kChangeState, FakeStore::kForEver, absl::AbortedError("no"));
  EXPECT_TRUE(absl::IsAborted(scheduler_->Resume(id).status()));
}

TEST_F(PauseRacesTest, AResumeBetweenThePauseAndTheQueueIsNotLost) {
  // Pause has stored PAUSED; before it takes the job out of the queue, Resume puts it in.
  const JobId id = Submit("raced");
  store_.AfterChangeState([this, id, done = std::make_shared<std::atomic<bool>>(false)] {
    if (done->exchange(true)) return;
    std::thread([this, id] { Change(id, JobState::kPaused, JobState::kQueued); }).join();
  });
  ASSERT_TRUE(scheduler_->Pause(id).ok());
  EXPECT_EQ(Position(id), 1);
  // And where it cannot see, it leaves a ghost rather than losing the job.
  ASSERT_TRUE(scheduler_->Pause(id).ok());
  ASSERT_EQ(Position(id), 0);
  ASSERT_TRUE(scheduler_->Resume(id).ok());
  Once(Call::kChangeState,
       [this] { store_.Fail(Call::kGetJob, 1, absl::UnavailableError("busy")); });
  ASSERT_TRUE(scheduler_->Pause(id).ok());
  EXPECT_EQ(Position(id), 1);
  Start();
  AwaitEnd(Submit("next"));
  EXPECT_EQ(Get(id).state, JobState::kPaused);
  EXPECT_THAT(engine_.Began(), ElementsAre("next"));
}

TEST_F(PauseRacesTest, AResumeBeforeTheWorkerHasPutTheJobDownIsNotLost) {
  engine_.Script("held", {.epochs = 2, .hold_before_epoch = 2});
  Start();
  const JobId id = Submit("held");
  engine_.AwaitHeld("held");
  // The worker reads the states after it has stored PAUSED, and before it is done with the job.
  Once(Call::kListTrainingStates, [&] {
    engine_.Release("held");
    EXPECT_EQ(scheduler_->Resume(id)->state, JobState::kQueued);
  });
  PauseHeld(id);
  EXPECT_THAT(AwaitEnd(id), Contains("SUCCEEDED COMPLETED"));
}

TEST_F(PauseRacesTest, AWorkerDropsAJobThatWasPausedAfterItWasTaken) {
  const JobId id = Submit("raced"), next = Submit("next");
  Once(Call::kGetJob, [&] { EXPECT_EQ(scheduler_->Pause(id)->state, JobState::kPaused); });
  Start();
  AwaitEnd(next);
  EXPECT_THAT(engine_.Began(), ElementsAre("next"));
  EXPECT_EQ(scheduler_->GetCounts().queued, 0);
  ASSERT_TRUE(scheduler_->Resume(id).ok());
  EXPECT_THAT(AwaitEnd(id), Contains("SUCCEEDED COMPLETED"));
}

TEST_F(PauseRacesTest, PausedAndResumedWhileAWorkerTakesItIsRun) {
  const JobId id = Submit("raced");
  Once(Call::kGetJob, [&] {
    EXPECT_EQ(scheduler_->Pause(id)->state, JobState::kPaused);
    EXPECT_EQ(scheduler_->Resume(id)->state, JobState::kQueued);
  });
  Start();
  // The worker was asked to stop, and takes it again.
  EXPECT_THAT(AwaitEnd(id), Contains("SUCCEEDED COMPLETED"));
}

TEST_F(PauseRacesTest, AnAttemptThatWasBegunUnnoticedCanBePaused) {
  auto begun = std::make_shared<std::atomic<bool>>(false);
  CommitAndDeny(Call::kBeginAttempt, [this, begun] {
    ASSERT_TRUE(store_.BeginAttempt(1, "").ok());
    *begun = true;
  });
  store_.Before(Call::kGetJob, [this, begun] {
    if (begun->exchange(false)) Change(1, JobState::kRunning, JobState::kPausing);
  });
  Start();
  const JobId id = Submit("denied");
  Recording(bus_, store_, id).Await("PAUSED");
  EXPECT_THAT(StoredTexts(id), ElementsAre("QUEUED", "RUNNING", "PAUSING", "PAUSED"));
}

TEST_F(PauseRacesTest, APauseThatWasCommittedAlthoughTheStoreDeniedItIsFoundByTheNext) {
  const JobId id = Submit("queued");
  Recording recording(bus_, store_, id);
  CommitAndDeny(Call::kChangeState,
                [this, id] { Change(id, JobState::kQueued, JobState::kPaused); });
  EXPECT_TRUE(absl::IsUnavailable(scheduler_->Pause(id).status()));
  EXPECT_EQ(Position(id), 1);
  EXPECT_EQ(scheduler_->Pause(id)->state, JobState::kPaused);
  EXPECT_EQ(Position(id), 0);
  recording.Await("PAUSED");
}

TEST_F(PauseRacesTest, AResumeThatWasCommittedAlthoughTheStoreDeniedItIsRun) {
  const JobId id = Submit("paused");
  ASSERT_TRUE(scheduler_->Pause(id).ok());
  CommitAndDeny(Call::kChangeState,
                [this, id] { Change(id, JobState::kPaused, JobState::kQueued); });
  EXPECT_TRUE(absl::IsUnavailable(scheduler_->Resume(id).status()));
  Start();
  AwaitEnd(id);
}

TEST_F(PauseRacesTest, TroubleIsReportedAndChangesNothing) {
  engine_.Script("held", {.hold_before_epoch = 1});
  Start();
  const JobId id = Submit("held");
  engine_.AwaitHeld("held");
  store_.Fail(Call::kChangeState, 1, absl::UnavailableError("busy"));
  EXPECT_TRUE(absl::IsUnavailable(scheduler_->Pause(id).status()));
  EXPECT_EQ(Get(id).state, JobState::kRunning);
  PauseHeld(id);
  store_.Fail(Call::kChangeState, 1, absl::UnavailableError("busy"));
  EXPECT_TRUE(absl::IsUnavailable(scheduler_->Resume(id).status()));
  AwaitEnd(Submit("next"));  // whoever looked for it in vain has dropped it
  EXPECT_EQ(Get(id).state, JobState::kPaused);
  engine_.Release("held");
  ASSERT_TRUE(scheduler_->Resume(id).ok());
  EXPECT_THAT(AwaitEnd(id), Contains("SUCCEEDED COMPLETED"));
}

}  // namespace
}  // namespace anneal
