// Jobs that are paused and resumed, and where trainings go on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/scheduler/scheduler_fixture.h"

namespace anneal {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class PauseTest : public SchedulerFixture {
 protected:
  // A training of five epochs that waits before its `hold`-th.
  JobId Held(int64_t hold) {
    FakeTraining training;
    training.epochs = 5;
    training.hold_before_epoch = hold;
    engine_.Script("held", training);
    const JobId id = Submit("held");
    engine_.AwaitHeld("held");
    return id;
  }

  static FakeTraining FiveEpochs() {
    FakeTraining training;
    training.epochs = 5;
    return training;
  }

  void AwaitState(JobId id, JobState state) {
    while (Get(id).state != state) std::this_thread::yield();
  }

  absl::StatusOr<std::vector<EpochRecord>> Epochs(JobId id) {
    EpochQuery query;
    query.job_id = id;
    return store_.ListEpochs(query);
  }

  std::vector<std::string> StateFiles(JobId id) const {
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(
             options_.artifact_folder + "/" + std::to_string(id), ignored)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }
};

TEST_F(PauseTest, ARunningJobKeepsItsStateAndGoesOnFromIt) {
  Start();
  const JobId id = Held(3);
  const absl::StatusOr<Job> pausing = scheduler_->Pause(id);
  ASSERT_TRUE(pausing.ok()) << pausing.status();
  AwaitState(id, JobState::kPaused);
  ASSERT_TRUE(store_.ListTrainingStates(id).ok());
  EXPECT_EQ(store_.ListTrainingStates(id)->at(0).epochs, 2);
  EXPECT_FALSE(StateFiles(id).empty());
  EXPECT_EQ(scheduler_->GetCounts().running, 0);

  engine_.Script("held", FiveEpochs());
  const absl::StatusOr<Job> resumed = scheduler_->Resume(id);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  AwaitEnd(id);
  EXPECT_EQ(Get(id).state, JobState::kSucceeded);
  EXPECT_EQ(Get(id).attempts.size(), 2U);
  const absl::StatusOr<std::vector<EpochRecord>> epochs = Epochs(id);
  ASSERT_TRUE(epochs.ok());
  EXPECT_THAT(*epochs, SizeIs(5));
  EXPECT_EQ((*epochs)[1].attempt, 1);
  EXPECT_EQ((*epochs)[2].attempt, 2);
  scheduler_->Stop();  // files go after the end is told
  EXPECT_TRUE(StateFiles(id).empty()) << "states of a job that has ended";
}

TEST_F(PauseTest, AQueuedJobIsPausedAtOnceAndStaysSo) {
  const JobId id = Submit("waiting");
  const absl::StatusOr<Job> paused = scheduler_->Pause(id);
  ASSERT_TRUE(paused.ok()) << paused.status();
  EXPECT_EQ(paused->state, JobState::kPaused);
  EXPECT_EQ(scheduler_->QueuePosition(id), 0);
  EXPECT_TRUE(scheduler_->Pause(id).ok());
  Make();
  Start();
  AwaitEnd(Submit("another"));
  EXPECT_EQ(Get(id).state, JobState::kPaused);
  ASSERT_TRUE(scheduler_->Resume(id).ok());
  AwaitEnd(id);
  EXPECT_EQ(Get(id).state, JobState::kSucceeded);
}

TEST_F(PauseTest, APausedJobCanBeCancelled) {
  Start();
  const JobId id = Held(2);
  ASSERT_TRUE(scheduler_->Pause(id).ok());
  AwaitState(id, JobState::kPaused);
  ASSERT_TRUE(scheduler_->Cancel(id).ok());
  EXPECT_EQ(Get(id).state, JobState::kCancelled);
  EXPECT_FALSE(StateFiles(id).empty()) << "a cancelled job keeps its last state";
  EXPECT_TRUE(absl::IsFailedPrecondition(scheduler_->Resume(id).status()));
}

TEST_F(PauseTest, WhatCannotBePausedOrResumedIsRefused) {
  EXPECT_TRUE(absl::IsNotFound(scheduler_->Pause(77).status()));
  EXPECT_TRUE(absl::IsNotFound(scheduler_->Resume(77).status()));
  Start();
  const JobId id = Submit("ends");
  AwaitEnd(id);
  const absl::Status ended = scheduler_->Pause(id).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(ended)) << ended;
  EXPECT_THAT(std::string(ended.message()), HasSubstr("SUCCEEDED"));
  EXPECT_TRUE(absl::IsFailedPrecondition(scheduler_->Resume(id).status()));
}

TEST_F(PauseTest, AfterARestartATrainingGoesOn) {
  Start();
  const JobId id = Held(4);
  scheduler_->Stop();
  EXPECT_EQ(Get(id).state, JobState::kQueued);
  engine_.Script("held", FiveEpochs());
  Make();
  Start();
  AwaitEnd(id);
  EXPECT_EQ(Get(id).state, JobState::kSucceeded);
  const absl::StatusOr<std::vector<EpochRecord>> epochs = Epochs(id);
  ASSERT_TRUE(epochs.ok());
  ASSERT_THAT(*epochs, SizeIs(5));
  EXPECT_EQ((*epochs)[2].attempt, 1);
  EXPECT_EQ((*epochs)[3].attempt, 2);
}

TEST_F(PauseTest, AStateThatCannotBeKeptIsToldOnceAndEndsNothing) {
  store_.Fail(Call::kAppendTrainingState, FakeStore::kForEver, absl::ResourceExhaustedError("disk full"));
  store_.Before(Call::kAppendEpoch, [this] { clock_.Advance(2'000'000); });  // states are due
  engine_.Script("unkept", FiveEpochs());
  Start();
  const JobId id = Submit("unkept");
  const std::vector<std::string> texts = AwaitEnd(id);
  EXPECT_EQ(Get(id).state, JobState::kSucceeded);
  EXPECT_EQ(std::count_if(texts.begin(), texts.end(),
                          [](const std::string& text) {
                            return text.find("could not be kept") != std::string::npos;
                          }),
            1);
  scheduler_->Stop();
  EXPECT_TRUE(StateFiles(id).empty());
}

}  // namespace
}  // namespace anneal
