// Tests of what both stores must do alike: the scheduler's tests trust the fake to do as the
// database does.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "storage/store.h"
#include "tests/storage/storage_test_support.h"
#include "tests/support/fake_store.h"

namespace anneal {

// How an attempt goes from one state to another.
inline AttemptEnd End(JobState from, JobState to) {
  AttemptEnd end;
  end.from = from;
  end.to = to;
  end.outcome = "over";
  if (IsTerminal(to)) end.stop_reason = StopReason::kUser;
  return end;
}

// The parameter says which: true for the fake.
class BothStoresTest : public StoreTest, public testing::WithParamInterface<bool> {
 protected:
  Store& store() { return GetParam() ? static_cast<Store&>(fake_) : *store_; }

  // The job's id, 0 where it was refused.
  JobId Make(const NewJob& job) {
    const auto created = store().CreateJob(job);
    EXPECT_TRUE(created.ok()) << created.status();
    return created.ok() ? created->job.id : 0;
  }
  JobId Make(const std::string& name = "job", int32_t priority = 0) {
    return Make(MakeJob(name, priority));
  }

  // Begins the next attempt, which is returned.
  int64_t Begin(JobId id) {
    const auto started = store().BeginAttempt(id, "cpu");
    EXPECT_TRUE(started.ok()) << started.status();
    return started.ok() ? started->attempt : 0;
  }

  // A job in its first attempt.
  JobId Start() {
    const JobId id = Make();
    Begin(id);
    return id;
  }

  void Change(JobId id, JobState from, JobState to) {
    const auto event = store().ChangeState(
        id, from, to, IsTerminal(to) ? StopReason::kUser : StopReason::kNone, "");
    ASSERT_TRUE(event.ok()) << event.status();
  }

  // The first attempt from RUNNING to `to`, by way of `by` where that is another state.
  void EndBy(JobId id, JobState by, JobState to) {
    if (by != JobState::kRunning) Change(id, JobState::kRunning, by);
    const auto events = store().EndAttempt(id, 1, End(by, to));
    ASSERT_TRUE(events.ok()) << events.status();
  }

  // A new job brought to `state` by legal changes.
  JobId MakeIn(JobState state) {
    if (state == JobState::kQueued) return Make();
    if (state == JobState::kPaused) {
      const JobId id = Make();
      Change(id, JobState::kQueued, JobState::kPaused);
      return id;
    }
    const JobId id = Start();
    if (state == JobState::kPausing || state == JobState::kCancelling) {
      Change(id, JobState::kRunning, state);
    } else if (IsTerminal(state)) {
      EndBy(id, state == JobState::kCancelled ? JobState::kCancelling : JobState::kRunning, state);
    }
    return id;
  }

  Job Read(JobId id) {
    const auto job = store().GetJob(id);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? *job : Job();
  }

  std::vector<JobEvent> EventsOf(JobId id) {
    const auto events = store().ListEvents(id, 0, 1'000'000);
    EXPECT_TRUE(events.ok()) << events.status();
    return events.ok() ? *events : std::vector<JobEvent>();
  }

  FakeStore fake_{clock_};
};

// Of a class derived from BothStoresTest.
#define ANNEAL_BOTH_STORES(test)     \
  INSTANTIATE_TEST_SUITE_P(          \
      Stores, test, testing::Bool(), \
      [](const testing::TestParamInfo<bool>& store) { return store.param ? "Fake" : "Sqlite"; })

}  // namespace anneal
