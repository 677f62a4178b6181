// The states that trainings go on from: when they are kept, and what becomes of their files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/scheduler/pause_fixture.h"

namespace anneal {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

using TrainingStatesTest = PauseTest;

TEST_F(TrainingStatesTest, TwoStatesAreKeptAndNoneAfterSuccess) {
  SlowEpochs();
  engine_.Script("long", {.epochs = 6, .hold_before_epoch = 5});
  Start();
  const JobId id = Submit("long");
  engine_.AwaitHeld("long");
  EXPECT_THAT(Files(id), UnorderedElementsAre("state-1-3.safetensors", "state-1-4.safetensors"));
  const std::vector<TrainingStateInfo> states = *store_.ListTrainingStates(id);
  ASSERT_THAT(states, SizeIs(2));
  EXPECT_EQ(states[0].file, "1/state-1-4.safetensors");
  EXPECT_EQ(states[0].epochs, 4);
  EXPECT_EQ(Contents(folder_.Join("artifacts/1/state-1-4.safetensors")),
            "state of long after 4 epochs");
  PauseHeld(id);
  EXPECT_THAT(Files(id), UnorderedElementsAre("state-1-4.safetensors", "state-1-5.safetensors"));
  engine_.Release("long");
  ASSERT_TRUE(scheduler_->Resume(id).ok());
  AwaitEnd(id);
  scheduler_->Stop();  // the worker removes them after the end is told
  EXPECT_THAT(Files(id), IsEmpty());
  ASSERT_THAT(engine_.Resumed(), ElementsAre(IsEmpty(), SizeIs(2)));
  EXPECT_EQ(engine_.Resumed()[1][1].info.file, "1/state-1-4.safetensors");
}

TEST_F(TrainingStatesTest, NoStateOutlivesAFailureButWeightsOutliveASuccess) {
  SlowEpochs();
  FakeTraining fails{.epochs = 3};
  fails.outcome.stop_reason = StopReason::kDiverged;
  engine_.Script("fails", fails);
  engine_.Script("keeps", {.epochs = 3, .keeps_weights = true});
  Start();
  const JobId failed = Submit("fails"), kept = Submit("keeps");
  AwaitEnd(failed);
  AwaitEnd(kept);
  scheduler_->Stop();
  EXPECT_EQ(store_.CallCount(Call::kAppendTrainingState), 4);
  EXPECT_THAT(Files(failed), IsEmpty());
  EXPECT_THAT(Files(kept), ElementsAre("final.safetensors"));
}

TEST_F(TrainingStatesTest, AtMostOneStateASecond) {
  std::vector<int64_t> pauses = {0, 400'000, 600'000, 999'999, 1, 0, 5'000'000};
  store_.Before(Call::kAppendEpoch, [this, &pauses, epoch = std::make_shared<size_t>(0)] {
    if (*epoch < pauses.size()) clock_.Advance(pauses[(*epoch)++]);
  });
  engine_.Script("quick", {.epochs = 8, .hold_before_epoch = 8});
  Start();
  const JobId id = Submit("quick");
  engine_.AwaitHeld("quick");
  // 1 s after the beginning is after epoch 3, 1 s later after epoch 5, then there is epoch 7.
  EXPECT_EQ(store_.CallCount(Call::kAppendTrainingState), 3);
  const std::vector<TrainingStateInfo> states = *store_.ListTrainingStates(id);
  ASSERT_THAT(states, SizeIs(2));
  EXPECT_EQ(states[0].epochs, 7);
  EXPECT_EQ(states[1].epochs, 5);
}

TEST_F(TrainingStatesTest, AFailureIsToldOnceAndTheTrainingGoesOn) {
  SlowEpochs();
  options_.artifact_folder = folder_.Join("file/below");
  std::ofstream(folder_.Join("file")) << "x";
  Make();
  engine_.Script("held", {.epochs = 4, .hold_before_epoch = 4});
  Start();
  const JobId id = Submit("held");
  engine_.AwaitHeld("held");
  PauseHeld(id);  // its state cannot be kept either
  engine_.Release("held");
  ASSERT_TRUE(scheduler_->Resume(id).ok());
  const std::vector<std::string> texts = AwaitEnd(id);
  std::vector<std::string> told;
  for (const std::string& text : texts) {
    if (text.starts_with("warning: ")) told.push_back(text);
  }
  EXPECT_THAT(told, AllOf(SizeIs(2), Each(HasSubstr("could not be kept"))));  // one an attempt
  EXPECT_EQ(texts.back(), "SUCCEEDED COMPLETED");
  EXPECT_EQ(store_.CallCount(Call::kAppendTrainingState), 0);
  EXPECT_THAT(engine_.Resumed(), Each(IsEmpty()));
}

TEST_F(TrainingStatesTest, ARowThatCannotBeStoredIsTriedOnceAndItsFileRemovedInTheEnd) {
  SlowEpochs();
  store_.Fail(Call::kAppendTrainingState, FakeStore::kForEver,
              absl::ResourceExhaustedError("disk full"));
  engine_.Script("held", {.epochs = 3, .hold_before_epoch = 3});
  Start();
  const JobId id = Submit("held");
  engine_.AwaitHeld("held");
  PauseHeld(id);
  EXPECT_EQ(store_.CallCount(Call::kAppendTrainingState), 3);
  EXPECT_THAT(StoredTexts(id), Contains(HasSubstr("disk full")));
  scheduler_->Stop();
  EXPECT_THAT(Files(id), IsEmpty());
}

TEST_F(TrainingStatesTest, WhatACrashLeftIsRemovedWhenAnAttemptBegins) {
  engine_.Script("held", {.epochs = 2, .hold_before_epoch = 2});
  Start();
  const JobId id = Submit("held");
  engine_.AwaitHeld("held");
  PauseHeld(id);
  scheduler_->Stop();
  std::ofstream(folder_.Join("artifacts/1/state-1-2.safetensors")) << "no row";
  std::ofstream(folder_.Join("artifacts/1/state-1-3.safetensors.tmp")) << "half";
  std::ofstream(folder_.Join("artifacts/1/other")) << "somebody else's";
  Make();
  Start();
  ASSERT_TRUE(scheduler_->Resume(id).ok());
  engine_.AwaitHeld("held");
  EXPECT_THAT(Files(id), UnorderedElementsAre("state-1-1.safetensors", "other"));
  engine_.Release("held");
  AwaitEnd(id);
  scheduler_->Stop();
  EXPECT_THAT(Files(id), ElementsAre("other"));
}

TEST_F(TrainingStatesTest, BeginsAnewWhereTheStatesCannotBeRead) {
  engine_.Script("held", {.epochs = 2, .hold_before_epoch = 2});
  Start();
  const JobId id = Submit("held");
  engine_.AwaitHeld("held");
  PauseHeld(id);
  engine_.Release("held");
  scheduler_->Stop();  // the worker reads the states after the pause too
  Make();
  Start();
  store_.Fail(Call::kListTrainingStates, 1, absl::DataLossError("malformed row"));
  ASSERT_TRUE(scheduler_->Resume(id).ok());
  EXPECT_THAT(AwaitEnd(id),
              AllOf(Contains(HasSubstr("malformed row")), Contains("SUCCEEDED COMPLETED")));
  EXPECT_THAT(engine_.Resumed(), ElementsAre(IsEmpty(), IsEmpty()));
}

}  // namespace
}  // namespace anneal
