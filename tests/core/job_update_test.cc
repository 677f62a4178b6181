#include "server/core/job_update.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "server/core/job_labels.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

Job JobIn(JobState state) {
  Job job;
  job.id = 7;
  job.state = state;
  return job;
}

Job JobWithLabels(int64_t count) {
  Job job = JobIn(JobState::kQueued);
  for (int64_t i = 0; i < count; ++i) job.labels.emplace("key" + std::to_string(i), "");
  return job;
}

JobUpdate Priority(int32_t priority) {
  JobUpdate update;
  update.priority = priority;
  return update;
}

JobUpdate ToFront() {
  JobUpdate update;
  update.to_front = true;
  return update;
}

JobUpdate SetLabel(const std::string& key, const std::string& value) {
  JobUpdate update;
  update.set_labels = {{key, value}};
  return update;
}

JobUpdate RemoveLabel(const std::string& key) {
  JobUpdate update;
  update.remove_labels = {key};
  return update;
}

JobUpdate Deadline(int64_t deadline_us) {
  JobUpdate update;
  update.deadline_us = deadline_us;
  return update;
}

JobUpdate MaxRunTime(int64_t max_run_time_us) {
  JobUpdate update;
  update.max_run_time_us = max_run_time_us;
  return update;
}

TEST(JobUpdateTest, WhatMayBeChangedInWhichState) {
  for (const JobState state : kAllJobStates) {
    const Job job = JobIn(state);
    const std::string name(JobStateName(state));
    for (const JobUpdate& update : {Priority(1), Deadline(5), MaxRunTime(5)}) {
      const absl::Status checked = CheckUpdate(job, update);
      EXPECT_EQ(checked.ok(), !IsTerminal(state)) << name << ": " << checked;
      if (checked.ok()) continue;
      EXPECT_EQ(checked.code(), absl::StatusCode::kFailedPrecondition) << name;
      EXPECT_THAT(std::string(checked.message()), HasSubstr("job 7 has ended")) << name;
      EXPECT_THAT(std::string(checked.message()), HasSubstr(name)) << name;
    }
    EXPECT_TRUE(CheckUpdate(job, SetLabel("a", "b")).ok()) << name;
    EXPECT_TRUE(CheckUpdate(job, RemoveLabel("a")).ok()) << name;
    EXPECT_TRUE(CheckUpdate(job, {}).ok()) << name;
  }
}

TEST(JobUpdateTest, OnlyWhatWaitsIsMovedToTheFront) {
  for (const JobState state : kAllJobStates) {
    const std::string name(JobStateName(state));
    Job job = JobIn(state);
    const absl::Status checked = CheckUpdate(job, ToFront());
    EXPECT_EQ(checked.ok(), state == JobState::kQueued || state == JobState::kPaused) << name;
    if (!checked.ok()) {
      EXPECT_EQ(checked.code(), absl::StatusCode::kFailedPrecondition) << name;
      EXPECT_THAT(std::string(checked.message()), HasSubstr(name));
    }
    job.kind = JobKind::kSweep;
    EXPECT_EQ(CheckUpdate(job, ToFront()).ok(), !IsTerminal(state)) << name;
  }
}

TEST(JobUpdateTest, AtMostFiftyLabels) {
  const Job full = JobWithLabels(kMaxLabels);
  EXPECT_TRUE(CheckUpdate(full, SetLabel("key0", "other")).ok());  // it has that one
  const absl::Status refused = CheckUpdate(full, SetLabel("new", ""));
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("job 7 would have 51 labels"));
  JobUpdate swap = SetLabel("new", "");
  swap.remove_labels = {"key3"};
  EXPECT_TRUE(CheckUpdate(full, swap).ok());
  swap.remove_labels = {"missing"};
  EXPECT_FALSE(CheckUpdate(full, swap).ok());
  EXPECT_TRUE(CheckUpdate(JobWithLabels(kMaxLabels - 1), SetLabel("new", "")).ok());
  // Fewer than before is never refused, however many they are.
  EXPECT_TRUE(CheckLabels(JobWithLabels(kMaxLabels + 5), RemoveLabel("key0")).ok());
  EXPECT_TRUE(CheckLabels(JobWithLabels(kMaxLabels + 5), {}).ok());
}

TEST(JobUpdateTest, PriorityTakesItFromTheFront) {
  Job job = JobIn(JobState::kQueued);
  EXPECT_EQ(ApplyUpdate(Priority(5), 9, job), "priority 0 -> 5");
  EXPECT_EQ(job.priority, 5);
  EXPECT_EQ(job.front, 0);
  EXPECT_EQ(ApplyUpdate(Priority(5), 9, job), "");
  EXPECT_EQ(ApplyUpdate(ToFront(), 9, job), "moved to the front of the queue");
  EXPECT_EQ(job.front, 9);
  EXPECT_EQ(job.priority, 5);
  EXPECT_EQ(ApplyUpdate(Priority(5), 10, job), "taken from the front of the queue");
  EXPECT_EQ(job.front, 0);
  job.front = 3;
  EXPECT_EQ(ApplyUpdate(Priority(-1), 10, job),
            "taken from the front of the queue, priority 5 -> -1");
}

TEST(JobUpdateTest, Limits) {
  Job job = JobIn(JobState::kRunning);
  EXPECT_EQ(ApplyUpdate(Deadline(0), 0, job), "");
  EXPECT_NE(ApplyUpdate(Deadline(1'700'000'000'000'000), 0, job), "");
  EXPECT_EQ(job.limits.deadline_us, 1'700'000'000'000'000);
  EXPECT_EQ(ApplyUpdate(Deadline(1'700'000'000'000'000), 0, job), "");
  EXPECT_EQ(ApplyUpdate(Deadline(0), 0, job), "no deadline any more");
  EXPECT_EQ(job.limits.deadline_us, 0);
  EXPECT_EQ(ApplyUpdate(MaxRunTime(0), 0, job), "");
  EXPECT_EQ(ApplyUpdate(MaxRunTime(90'000'000), 0, job), "running time limited to 90 s");
  EXPECT_EQ(job.limits.max_run_time_us, 90'000'000);
  EXPECT_EQ(ApplyUpdate(MaxRunTime(90'000'000), 0, job), "");
  EXPECT_EQ(ApplyUpdate(MaxRunTime(0), 0, job), "no limit of running time any more");
  EXPECT_EQ(job.limits, JobLimits{});
}

TEST(JobUpdateTest, Labels) {
  Job job = JobIn(JobState::kSucceeded);
  EXPECT_EQ(ApplyUpdate(RemoveLabel("a"), 0, job), "");
  EXPECT_EQ(ApplyUpdate(SetLabel("a", "1"), 0, job), "label a=1");
  EXPECT_EQ(ApplyUpdate(SetLabel("a", "1"), 0, job), "");
  EXPECT_EQ(ApplyUpdate(SetLabel("a", "2"), 0, job), "label a=2");
  EXPECT_EQ(ApplyUpdate(SetLabel("b", ""), 0, job), "label b=");
  EXPECT_THAT(job.labels, ElementsAre(Pair("a", "2"), Pair("b", "")));
  EXPECT_EQ(ApplyUpdate(RemoveLabel("a"), 0, job), "label a removed");
  JobUpdate both = SetLabel("b", "new");
  both.remove_labels = {"b", "b", "c"};
  EXPECT_EQ(ApplyUpdate(both, 0, job), "label b=new");
  EXPECT_THAT(job.labels, ElementsAre(Pair("b", "new")));
  EXPECT_EQ(ApplyUpdate(both, 0, job), "");  // what it is already, in a roundabout way
  EXPECT_EQ(ApplyUpdate(RemoveLabel("b"), 0, job), "label b removed");
  EXPECT_THAT(job.labels, IsEmpty());
}

TEST(JobUpdateTest, SeveralAtOnce) {
  Job job = JobIn(JobState::kQueued);
  job.labels = {{"old", "x"}};
  JobUpdate update = SetLabel("a", "1");
  update.priority = 2;
  update.max_run_time_us = 1'000'000;
  update.remove_labels = {"old"};
  EXPECT_EQ(ApplyUpdate(update, 0, job),
            "priority 0 -> 2, running time limited to 1 s, label old removed, label a=1");
}

}  // namespace
}  // namespace anneal
