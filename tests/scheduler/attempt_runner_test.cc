#include "server/scheduler/attempt_runner.h"

#include <gtest/gtest.h>

#include "server/scheduler/job_recorder.h"
#include "tests/scheduler/scheduler_fixture.h"

namespace anneal {
namespace {

using Result = AttemptRunner::Result;

class AttemptRunnerTest : public SchedulerFixture {
 protected:
  JobRecorder recorder_{store_, bus_};
  SweepKeeper sweeps_{store_, recorder_, clock_, [](JobId, JobState) {}};
  const ArtifactFolder artifacts_{options_.artifact_folder};
  DeadlineKeeper deadlines_{clock_, 1'000, [](JobId) {}};
  AttemptRunner runner_{store_,     recorder_,  sweeps_, engine_,   catalog_,
                        artifacts_, deadlines_, clock_,  1'000'000, options_.max_restarts};
};

TEST_F(AttemptRunnerTest, RunsAQueuedJobToItsEnd) {
  RunningJob job(Submit("one"));
  EXPECT_EQ(runner_.Run(job, {}), Result::kDone);
  EXPECT_EQ(Get(job.id).state, JobState::kSucceeded);
}

TEST_F(AttemptRunnerTest, AJobStoppedBeforeItBeganHasNoAttempt) {
  RunningJob job(Submit("one"));
  job.stop.request_stop();
  EXPECT_EQ(runner_.Run(job, {}), Result::kQueueAgain);
  EXPECT_EQ(store_.CallCount(Call::kBeginAttempt), 0);
  EXPECT_EQ(Get(job.id).state, JobState::kQueued);
}

TEST_F(AttemptRunnerTest, WhatIsNotQueuedIsLeftAlone) {
  RunningJob missing(99);
  EXPECT_EQ(runner_.Run(missing, {}), Result::kDone);
  RunningJob job(Submit("one"));
  ASSERT_EQ(runner_.Run(job, {}), Result::kDone);
  const std::vector<std::string> before = StoredTexts(job.id);
  EXPECT_EQ(runner_.Run(job, {}), Result::kDone);
  EXPECT_EQ(StoredTexts(job.id), before);
}

TEST_F(AttemptRunnerTest, GoesOnWithAnAttemptThatWasBegunUnnoticed) {
  RunningJob job(Submit("one")), cancelled(Submit("two"));
  for (const JobId id : {job.id, cancelled.id}) ASSERT_TRUE(store_.BeginAttempt(id, "").ok());
  // Nobody runs it: the stop request finds no one, and the job must stay where a worker finds it.
  ASSERT_EQ(scheduler_->Cancel(cancelled.id)->state, JobState::kCancelling);
  EXPECT_EQ(Position(cancelled.id), 2);
  EXPECT_EQ(runner_.Run(job, {}), Result::kDone);
  EXPECT_EQ(runner_.Run(cancelled, {}), Result::kDone);
  EXPECT_EQ(Get(job.id).state, JobState::kSucceeded);
  EXPECT_EQ(Get(job.id).attempt_count, 1);
  EXPECT_EQ(Get(cancelled.id).state, JobState::kCancelled);
}

TEST_F(AttemptRunnerTest, SaysWhetherTheStoreMayLetItBeginLater) {
  RunningJob job(Submit("one"));
  for (const Call call : {Call::kGetJob, Call::kBeginAttempt}) {
    store_.Fail(call, 1, absl::UnavailableError("busy"));
    EXPECT_EQ(runner_.Run(job, {}), Result::kTryLater);
    store_.Fail(call, 1, absl::InternalError("bug"));
    EXPECT_EQ(runner_.Run(job, {}), Result::kDone);
    EXPECT_EQ(Get(job.id).state, JobState::kQueued);
  }
}

TEST_F(AttemptRunnerTest, AJobDeletedUnderItsWorkerIsDone) {
  const JobId id = Submit("gone");
  store_.Fail(Call::kEndAttempt, FakeStore::kForEver, absl::NotFoundError("no such job"));
  RunningJob job(id);
  EXPECT_EQ(runner_.Run(job, {}), Result::kDone);
}

}  // namespace
}  // namespace anneal
