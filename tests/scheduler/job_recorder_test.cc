#include "server/scheduler/job_recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/scheduler/scheduler_fixture.h"

namespace anneal {
namespace {

using testing::ElementsAre;

class JobRecorderTest : public SchedulerFixture {
 protected:
  JobRecorder recorder_{store_, bus_};
};

TEST_F(JobRecorderTest, PublishesWhatWasCommittedAndNothingElse) {
  const JobId id = Submit("job");
  const Recording recording(bus_, store_, id);
  EXPECT_TRUE(
      absl::IsAborted(recorder_.AppendEpoch(id, 1, EpochRecord{.epoch = 1, .metrics = {}})));
  EXPECT_EQ(*recorder_.BeginAttempt(id, "print"), 1);
  EXPECT_TRUE(absl::IsAborted(recorder_.BeginAttempt(id, "print").status()));
  EXPECT_TRUE(recorder_.AppendEpoch(id, 1, EpochRecord{.epoch = 1, .metrics = {}}).ok());
  EXPECT_TRUE(recorder_.AppendEpoch(id, 1, EpochRecord{.epoch = 1, .metrics = {}}).ok());
  EXPECT_TRUE(recorder_.AppendWarning(id, "careful").ok());
  clock_.Advance(5);
  EXPECT_EQ(
      *recorder_.ChangeState(id, JobState::kRunning, JobState::kCancelling, StopReason::kNone, ""),
      ManualClock::kStartUs + 5);
  AttemptEnd end;
  EXPECT_TRUE(absl::IsAborted(recorder_.EndAttempt(id, 1, end)));
  end.from = JobState::kCancelling;
  end.stop_reason = StopReason::kCompleted;
  end.result = TrainingResult{.metrics = {}, .epochs = 1, .weights_sha256 = ""};
  EXPECT_TRUE(recorder_.EndAttempt(id, 1, end).ok());
  EXPECT_THAT(recording.Texts(),
              ElementsAre("QUEUED", "RUNNING", "epoch 1", "warning: careful", "CANCELLING",
                          "result of 1 epochs", "SUCCEEDED COMPLETED"));
  recording.ExpectWhole();
}

TEST_F(JobRecorderTest, TheOneThatCommittedFirstPublishesFirst) {
  const JobId id = Submit("job");
  ASSERT_TRUE(recorder_.BeginAttempt(id, "").ok());
  const Recording recording(bus_, store_, id);
  // An epoch comes after the cancel was committed and before it was published. It must wait, which
  // cannot be waited for; if it did not, it would have plenty of time to overtake.
  std::thread worker;
  store_.AfterChangeState([&] {
    worker = std::thread([&] {
      EXPECT_TRUE(recorder_.AppendEpoch(id, 1, EpochRecord{.epoch = 1, .metrics = {}}).ok());
    });
    for (int i = 0; i < 100'000 && store_.CallCount(Call::kAppendEpoch) == 0; ++i) {
      std::this_thread::yield();
    }
    EXPECT_EQ(store_.CallCount(Call::kAppendEpoch), 0);
  });
  EXPECT_TRUE(
      recorder_.ChangeState(id, JobState::kRunning, JobState::kCancelling, StopReason::kNone, "")
          .ok());
  worker.join();
  EXPECT_THAT(recording.Texts(), ElementsAre("QUEUED", "RUNNING", "CANCELLING", "epoch 1"));
  recording.ExpectWhole();
}

TEST_F(JobRecorderTest, PublishesTheNewestAgain) {
  const JobId id = Submit("job");
  ASSERT_TRUE(store_.BeginAttempt(id, "").ok());
  std::vector<int64_t> sequences;
  const auto watch =
      bus_.Subscribe(id, {[&](const auto& event) { sequences.push_back(event->sequence); }, {}});
  EXPECT_TRUE(recorder_.PublishNewest(id).ok());
  EXPECT_TRUE(absl::IsNotFound(recorder_.PublishNewest(99)));
  for (int i = 0; i < 2'500; ++i) ASSERT_TRUE(store_.AppendWarning(id, "many").ok());
  EXPECT_TRUE(recorder_.PublishNewest(id).ok());
  EXPECT_THAT(sequences, ElementsAre(2, 2'502));
}

}  // namespace
}  // namespace anneal
