// What of a job can be changed besides its state, and what is told of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "server/core/job_labels.h"
#include "tests/storage/both_stores.h"
#include "tests/storage/fault_vfs.h"
#include "tests/storage/storage_test_support.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

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

JobUpdate SetLabels(const Labels& labels) {
  JobUpdate update;
  update.set_labels = labels;
  return update;
}

class JobUpdatesTest : public BothStoresTest {
 protected:
  UpdatedJob Update(JobId id, const JobUpdate& update) {
    auto updated = store().UpdateJob(id, update);
    EXPECT_TRUE(updated.ok()) << updated.status();
    return updated.ok() ? *std::move(updated) : UpdatedJob();
  }

  std::string LastEvent(JobId id) {
    const std::string text = Describe(EventsOf(id).back());
    return text.substr(text.find(": ") + 2);
  }

  std::vector<JobId> Queue() { return Ids(*store().ListQueued()); }
};

ANNEAL_BOTH_STORES(JobUpdatesTest);

TEST_P(JobUpdatesTest, EverythingAtOnceComesBack) {
  NewJob wanted = MakeJob("all");
  wanted.labels = {{"old", "1"}, {"stays", "2"}};
  const JobId id = Make(wanted);
  const JobId other = Make();
  const std::string other_before = Describe(Read(other));
  clock_.Advance(5);
  JobUpdate update;
  update.priority = -7;
  update.remove_labels = {"old", "never there"};
  update.set_labels = {{"größe", "ünïcode 🏠"}, {"stays", "3"}};
  update.deadline_us = clock_.NowUs() + 9;
  update.max_run_time_us = 60'000'000;
  const UpdatedJob updated = Update(id, update);

  const Job job = Read(id);
  EXPECT_EQ(job.priority, -7);
  EXPECT_THAT(job.labels, ElementsAre(Pair("größe", "ünïcode 🏠"), Pair("stays", "3")));
  EXPECT_EQ(job.limits, (JobLimits{clock_.NowUs() + 9, 60'000'000}));
  EXPECT_EQ(job.state, JobState::kQueued);
  EXPECT_EQ(job.spec, wanted.spec);
  ASSERT_THAT(updated.changed, SizeIs(1));
  EXPECT_EQ(Describe(updated.changed[0]), Describe(store().ListJobs({})->back()));
  ASSERT_THAT(updated.events, SizeIs(1));
  EXPECT_EQ(updated.events[0].job_id, id);
  EXPECT_EQ(updated.events[0].sequence, 2);
  EXPECT_EQ(updated.events[0].time_us, clock_.NowUs());
  EXPECT_EQ(Describe(EventsOf(id).back()), Describe(updated.events[0]));
  for (const char* part : {"priority 0 -> -7", "deadline", "running time limited to 60 s",
                           "label old removed", "label größe=ünïcode 🏠", "label stays=3"}) {
    EXPECT_THAT(LastEvent(id), HasSubstr(part));
  }
  EXPECT_EQ(Describe(Read(other)), other_before);
}

TEST_P(JobUpdatesTest, NothingNewIsNoEvent) {
  NewJob wanted = MakeJob("same", 3);
  wanted.labels = {{"a", "1"}};
  wanted.limits = {clock_.NowUs() + 1, 2};
  const JobId id = Make(wanted);
  const std::string before = Describe(Read(id));
  JobUpdate same;
  same.priority = 3;
  same.set_labels = {{"a", "1"}};
  same.remove_labels = {"b"};
  same.deadline_us = wanted.limits.deadline_us;
  same.max_run_time_us = 2;
  for (const JobUpdate& update : {same, JobUpdate{}}) {
    const UpdatedJob updated = Update(id, update);
    EXPECT_THAT(updated.events, IsEmpty());
    EXPECT_THAT(Ids(updated.changed), ElementsAre(id));
  }
  EXPECT_EQ(Describe(Read(id)), before);
  EXPECT_THAT(EventsOf(id), SizeIs(1));
}

TEST_P(JobUpdatesTest, LimitsAreTakenAwayWithZero) {
  NewJob wanted = MakeJob();
  wanted.limits = {clock_.NowUs() + 1, 2};
  const JobId id = Make(wanted);
  JobUpdate update;
  update.deadline_us = 0;
  Update(id, update);
  EXPECT_EQ(Read(id).limits, (JobLimits{0, 2}));
  EXPECT_THAT(*store().ListDeadlines(), IsEmpty());
  update = {};
  update.max_run_time_us = 0;
  Update(id, update);
  EXPECT_EQ(Read(id).limits, JobLimits{});
}

TEST_P(JobUpdatesTest, InEveryState) {
  for (const JobState state : kAllJobStates) {
    SCOPED_TRACE(std::string(JobStateName(state)));
    const JobId id = MakeIn(state);
    const size_t events = EventsOf(id).size();
    EXPECT_THAT(Update(id, SetLabels({{"k", "v"}})).changed, SizeIs(1));
    EXPECT_THAT(Read(id).labels, ElementsAre(Pair("k", "v")));
    EXPECT_EQ(Read(id).state, state);
    if (!IsTerminal(state)) {
      EXPECT_THAT(EventsOf(id), SizeIs(events + 1));
      EXPECT_EQ(LastEvent(id), "note 'label k=v'");
      EXPECT_EQ(Update(id, Priority(4)).changed.at(0).priority, 4);
      EXPECT_EQ(LastEvent(id), "note 'priority 0 -> 4'");
      continue;
    }
    EXPECT_THAT(EventsOf(id), SizeIs(events));  // the end stays the last
    const std::string before = Describe(Read(id));
    JobUpdate refused = Priority(4);
    refused.set_labels = {{"k", "w"}};  // all or nothing
    const auto result = store().UpdateJob(id, refused);
    EXPECT_EQ(Code(result), absl::StatusCode::kFailedPrecondition);
    EXPECT_TRUE(Says(result.status(), std::string(JobStateName(state)))) << result.status();
    EXPECT_EQ(Describe(Read(id)), before);
    EXPECT_THAT(EventsOf(id), SizeIs(events));
  }
}

TEST_P(JobUpdatesTest, WhereThereIsNoJob) {
  const auto result = store().UpdateJob(99, Priority(1));
  EXPECT_EQ(Code(result), absl::StatusCode::kNotFound);
  EXPECT_TRUE(Says(result.status(), "99")) << result.status();
}

TEST_P(JobUpdatesTest, TheFrontRunsBeforeEveryPriority) {
  const JobId a = Make("a", 0);
  const JobId b = Make("b", 1000);
  const JobId c = Make("c", 0);
  EXPECT_THAT(Queue(), ElementsAre(b, a, c));
  Update(c, ToFront());
  EXPECT_THAT(Queue(), ElementsAre(c, b, a));
  EXPECT_EQ(LastEvent(c), "note 'moved to the front of the queue'");
  Update(a, ToFront());
  EXPECT_THAT(Queue(), ElementsAre(a, c, b));
  Update(c, ToFront());  // again
  EXPECT_THAT(Queue(), ElementsAre(c, a, b));
  const JobId d = Make("d", 2000);  // what comes later waits behind them
  EXPECT_THAT(Queue(), ElementsAre(c, a, d, b));
  Update(c, Priority(1500));  // a priority takes it back among the others
  EXPECT_THAT(Queue(), ElementsAre(a, d, c, b));
  EXPECT_EQ(LastEvent(c), "note 'taken from the front of the queue, priority 0 -> 1500'");
}

TEST_P(JobUpdatesTest, APausedJobKeepsItsPlaceAtTheFront) {
  const JobId paused = MakeIn(JobState::kPaused);
  const JobId first = Make("first");
  Update(first, ToFront());
  Update(paused, ToFront());
  EXPECT_THAT(Queue(), ElementsAre(first));
  Change(paused, JobState::kPaused, JobState::kQueued);
  EXPECT_THAT(Queue(), ElementsAre(paused, first));
}

// The front is the front: also of what ran from there and comes back.
TEST_P(JobUpdatesTest, WhatWasMovedLastIsFirst) {
  const JobId a = Make("a");
  const JobId b = Make("b");
  Update(a, ToFront());
  Begin(a);
  Update(b, ToFront());
  EndBy(a, JobState::kRunning, JobState::kQueued);
  EXPECT_THAT(Queue(), ElementsAre(b, a));
  const JobId c = Make("c");
  EXPECT_THAT(Queue(), ElementsAre(b, a, c));
}

TEST_P(JobUpdatesTest, OnlyWhatWaitsIsMoved) {
  for (const JobState state : kAllJobStates) {
    const JobId id = MakeIn(state);
    const auto result = store().UpdateJob(id, ToFront());
    const bool waits = state == JobState::kQueued || state == JobState::kPaused;
    EXPECT_EQ(Code(result), waits ? absl::StatusCode::kOk : absl::StatusCode::kFailedPrecondition)
        << JobStateName(state);
  }
}

TEST_P(JobUpdatesTest, ASweepTakesItsTrialsAlong) {
  const JobId before = Make("before", 9);
  const JobId sweep = Make(MakeSweep(4));
  Begin(sweep);
  // Trials that have ended, run, are paused, wait.
  Begin(sweep + 1);
  ASSERT_TRUE(store().EndAttempt(sweep + 1, 1, End(JobState::kRunning, JobState::kSucceeded)).ok());
  Begin(sweep + 2);
  Change(sweep + 3, JobState::kQueued, JobState::kPaused);
  const std::string ended = Describe(Read(sweep + 1));

  JobUpdate update = Priority(20);
  update.deadline_us = clock_.NowUs() + 70;
  update.max_run_time_us = 80;
  update.set_labels = {{"k", "v"}};
  const UpdatedJob updated = Update(sweep, update);
  std::vector<JobId> changed = Ids(updated.changed);
  std::sort(changed.begin(), changed.end());
  EXPECT_THAT(changed, ElementsAre(sweep, sweep + 2, sweep + 3, sweep + 4));
  for (const JobId id : changed) {
    const Job job = Read(id);
    EXPECT_EQ(job.priority, 20) << id;
    EXPECT_EQ(job.limits, (JobLimits{clock_.NowUs() + 70, 80})) << id;
    EXPECT_THAT(job.labels, ElementsAre(Pair("k", "v"))) << id;
  }
  for (const Job& job : updated.changed) {
    JobQuery one;
    one.before_id = job.id + 1;
    one.limit = 1;
    EXPECT_EQ(Describe(job), Describe(store().ListJobs(one)->front()));
    EXPECT_EQ(job.trial.has_value(), job.id != sweep);
    if (!job.trial) continue;
    EXPECT_THAT(job.trial->settings, SizeIs(1));
  }
  EXPECT_EQ(Describe(Read(sweep + 1)), ended);
  // The sweep's event tells of it, once.
  EXPECT_THAT(updated.events, SizeIs(1));
  EXPECT_EQ(updated.events[0].job_id, sweep);
  EXPECT_THAT(EventsOf(sweep + 4), SizeIs(1));
  EXPECT_THAT(Queue(), ElementsAre(sweep + 4, before));

  // It runs, its trials wait: they can be moved, and stay in order among themselves.
  const JobId later = Make("later", 100);
  Change(sweep + 3, JobState::kPaused, JobState::kQueued);
  EXPECT_THAT(Queue(), ElementsAre(later, sweep + 3, sweep + 4, before));
  Update(sweep, ToFront());
  EXPECT_THAT(Queue(), ElementsAre(sweep + 3, sweep + 4, later, before));
}

TEST_P(JobUpdatesTest, ATrialAlone) {
  const JobId sweep = Make(MakeSweep(3));
  const UpdatedJob updated = Update(sweep + 3, ToFront());
  EXPECT_THAT(Ids(updated.changed), ElementsAre(sweep + 3));
  EXPECT_THAT(Queue(), ElementsAre(sweep + 3, sweep + 1, sweep + 2));
}

TEST_P(JobUpdatesTest, AtMostFiftyLabels) {
  const JobId id = Make();
  Labels labels;
  for (int64_t i = 0; i < kMaxLabels; ++i) labels.emplace("k" + std::to_string(i), "v");
  Update(id, SetLabels(labels));
  EXPECT_THAT(Read(id).labels, SizeIs(kMaxLabels));
  Update(id, SetLabels({{"k0", "another value"}}));
  JobUpdate refused = SetLabels({{"more", ""}});
  refused.priority = 8;
  const auto result = store().UpdateJob(id, refused);
  EXPECT_EQ(Code(result), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Says(result.status(), "51 labels")) << result.status();
  EXPECT_EQ(Read(id).priority, 0);
  EXPECT_THAT(Read(id).labels, SizeIs(kMaxLabels));
  refused.remove_labels = {"k49"};
  Update(id, refused);
  EXPECT_EQ(Read(id).priority, 8);
  EXPECT_THAT(Read(id).labels, SizeIs(kMaxLabels));
}

// A trial may have labels that its sweep has not; then the sweep gets none that it could not take.
TEST_P(JobUpdatesTest, AtMostFiftyLabelsOfATrialToo) {
  const JobId sweep = Make(MakeSweep(2));
  Labels labels;
  for (int64_t i = 0; i < kMaxLabels; ++i) labels.emplace("k" + std::to_string(i), "v");
  Update(sweep + 2, SetLabels(labels));
  const auto result = store().UpdateJob(sweep, SetLabels({{"more", ""}}));
  EXPECT_EQ(Code(result), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Says(result.status(), "job " + std::to_string(sweep + 2))) << result.status();
  for (const JobId id : {sweep, sweep + 1}) EXPECT_THAT(Read(id).labels, IsEmpty());
  EXPECT_THAT(Read(sweep + 2).labels, SizeIs(kMaxLabels));
  EXPECT_THAT(EventsOf(sweep), SizeIs(1));
  Change(sweep + 2, JobState::kQueued, JobState::kCancelled);
  Update(sweep, SetLabels({{"more", ""}}));  // what has ended is left as it is
}

TEST_P(JobUpdatesTest, LabelsGoWithTheirJob) {
  const JobId id = MakeIn(JobState::kCancelled);
  Update(id, SetLabels({{"k", "v"}}));
  ASSERT_TRUE(store().DeleteJob(id).ok());
  JobQuery query;
  query.labels = {{"k", std::nullopt}};
  EXPECT_THAT(*store().ListJobs(query), IsEmpty());
}

// Power goes right after a change was promised; a write fails.
TEST(JobUpdateDurabilityTest, AllOrNothing) {
  FaultVfs vfs;
  TempFolder folder;
  ManualClock clock;
  SqliteStore::Options options;
  options.vfs = vfs.name();
  const auto store = *SqliteStore::Open(folder.File("anneal.db"), clock, options);
  ASSERT_TRUE(store->CreateJob(MakeSweep(3)).ok());
  const std::string before = Describe(*store->GetJob(1)) + Describe(*store->GetJob(4));
  JobUpdate update = Priority(5);
  update.set_labels = {{"k", "v"}};
  for (const int code : {SQLITE_FULL, SQLITE_IOERR_WRITE}) {
    vfs.FailWrites(code);
    EXPECT_FALSE(store->UpdateJob(1, update).ok());
    vfs.FailWrites(SQLITE_OK);
    EXPECT_EQ(Describe(*store->GetJob(1)) + Describe(*store->GetJob(4)), before);
  }
  ASSERT_TRUE(store->UpdateJob(1, update).ok());
  const std::string after = Describe(*store->GetJob(1)) + Describe(*store->GetJob(4));
  EXPECT_NE(after, before);
  TempFolder cut;
  vfs.WriteDurableFiles(cut.path().string());
  const auto survivor = SqliteStore::Open(cut.File("anneal.db"), clock, {});
  ASSERT_TRUE(survivor.ok()) << survivor.status();
  EXPECT_EQ(Describe(*(*survivor)->GetJob(1)) + Describe(*(*survivor)->GetJob(4)), after);
}

}  // namespace
}  // namespace anneal
