// Lists by owner and labels beside every other filter; deadlines; the queue.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/storage/both_stores.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class JobListsTest : public BothStoresTest {
 protected:
  std::vector<JobId> List(const JobQuery& query) {
    const auto jobs = store().ListJobs(query);
    EXPECT_TRUE(jobs.ok()) << jobs.status();
    return Ids(*jobs);
  }

  std::vector<JobDeadline> Deadlines() {
    auto deadlines = store().ListDeadlines();
    EXPECT_TRUE(deadlines.ok()) << deadlines.status();
    return *std::move(deadlines);
  }

  JobId MakeWith(const std::string& owner, const Labels& labels, const std::string& name = "job") {
    NewJob job = MakeJob(name);
    job.owner = owner;
    job.labels = labels;
    return Make(job);
  }

  static JobQuery ByLabels(const std::map<std::string, std::optional<std::string>>& labels) {
    JobQuery query;
    query.labels = labels;
    return query;
  }
};

ANNEAL_BOTH_STORES(JobListsTest);

TEST_P(JobListsTest, OwnersAndLabelsComeBack) {
  NewJob job = MakeJob();
  job.owner = "Ada Lovelace <ada@example.org> 'x'";
  job.labels = {{"a", ""}, {"project", "größe = 5"}};
  job.limits = {clock_.NowUs() + 3, 9'223'372'036'854'775'807};
  job.needs = {1'000'000'000'000, 1.5e18};
  const JobId id = Make(job);
  for (const Job& stored : {Read(id), store().ListJobs({})->front()}) {
    EXPECT_EQ(stored.owner, job.owner);
    EXPECT_EQ(stored.labels, job.labels);
    EXPECT_EQ(stored.limits, job.limits);
    EXPECT_EQ(stored.needs, job.needs);
    EXPECT_EQ(stored.front, 0);
    EXPECT_EQ(stored.restarts, 0);
  }
  const Job plain = Read(Make());
  EXPECT_EQ(plain.owner, "");
  EXPECT_THAT(plain.labels, IsEmpty());
  EXPECT_EQ(plain.limits, JobLimits{});
  EXPECT_EQ(plain.needs, JobNeeds{});
}

TEST_P(JobListsTest, TrialsHaveWhatTheirSweepHas) {
  NewJob sweep = MakeSweep(2);
  sweep.owner = "ada";
  sweep.labels = {{"k", "v"}};
  sweep.limits = {clock_.NowUs() + 3, 4};
  sweep.needs = {5, 6};
  const JobId id = Make(sweep);
  for (const JobId one : {id, id + 1, id + 2}) {
    const Job job = Read(one);
    EXPECT_EQ(job.owner, "ada");
    EXPECT_EQ(job.labels, sweep.labels);
    EXPECT_EQ(job.limits, sweep.limits);
    EXPECT_EQ(job.needs, sweep.needs);
  }
}

TEST_P(JobListsTest, ByOwner) {
  const JobId a1 = MakeWith("ada", {});
  const JobId b = MakeWith("bob", {});
  const JobId a2 = MakeWith("ada", {});
  MakeWith("", {});
  JobQuery query;
  query.owner = "ada";
  EXPECT_THAT(List(query), ElementsAre(a2, a1));
  query.limit = 1;
  EXPECT_THAT(List(query), ElementsAre(a2));
  query.before_id = a2;
  EXPECT_THAT(List(query), ElementsAre(a1));
  query = {};
  query.owner = "bob";
  EXPECT_THAT(List(query), ElementsAre(b));
  for (const char* nobody : {"Ada", "ad", "ada ", "%"}) {
    query.owner = nobody;
    EXPECT_THAT(List(query), IsEmpty()) << nobody;
  }
}

TEST_P(JobListsTest, ByLabels) {
  const JobId x = MakeWith("", {{"project", "x"}});
  const JobId y = MakeWith("", {{"project", "y"}, {"kind", "test"}});
  const JobId empty = MakeWith("", {{"project", ""}});
  MakeWith("", {});
  EXPECT_THAT(List(ByLabels({{"project", "x"}})), ElementsAre(x));
  EXPECT_THAT(List(ByLabels({{"project", std::nullopt}})), ElementsAre(empty, y, x));
  EXPECT_THAT(List(ByLabels({{"project", ""}})), ElementsAre(empty));
  EXPECT_THAT(List(ByLabels({{"project", "y"}, {"kind", std::nullopt}})), ElementsAre(y));
  EXPECT_THAT(List(ByLabels({{"project", "x"}, {"kind", std::nullopt}})), IsEmpty());
  for (const char* none : {"Project", "projec", "kind'", "%"}) {
    EXPECT_THAT(List(ByLabels({{none, std::nullopt}})), IsEmpty()) << none;
  }
  EXPECT_THAT(List(ByLabels({{"project", "X"}})), IsEmpty());
}

// Every combination of filters, in pages of every size, is what the other filters leave of all.
TEST_P(JobListsTest, WithEveryOtherFilter) {
  const JobId model = Make("model");
  NewJob sweep = MakeSweep(6, "swept");
  sweep.owner = "ada";
  sweep.labels = {{"k", "1"}};
  const JobId sweep_id = Make(sweep);
  for (int i = 0; i < 24; ++i) {
    NewJob job = MakeJob(i % 2 == 0 ? "even" : "odd");
    job.owner = i % 3 == 0 ? "ada" : i % 3 == 1 ? "bob" : "";
    if (i % 4 != 0) job.labels = {{"k", std::to_string(i % 4)}};
    if (i % 5 == 0) {
      job.kind = JobKind::kPrediction;
      job.model_job_id = model;
    }
    const JobId id = Make(job);
    if (i % 7 == 0) Begin(id);
    if (i % 7 == 1) Change(id, JobState::kQueued, JobState::kPaused);
  }
  Change(sweep_id + 2, JobState::kQueued, JobState::kPaused);
  JobUpdate update;
  update.set_labels = {{"k", "2"}};
  ASSERT_TRUE(store().UpdateJob(sweep_id + 3, update).ok());

  const auto everything = store().ListJobs({.states = {}, .name_contains = "", .limit = 1000});
  ASSERT_TRUE(everything.ok()) << everything.status();
  ASSERT_THAT(*everything, SizeIs(32));
  int64_t found = 0;
  for (const std::vector<JobState>& states :
       {std::vector<JobState>{}, {JobState::kQueued}, {JobState::kPaused, JobState::kRunning}}) {
    for (const char* name : {"", "e", "odd"}) {
      for (const char* owner : {"", "ada", "bob"}) {
        for (const std::map<std::string, std::optional<std::string>>& labels :
             {std::map<std::string, std::optional<std::string>>{},
              {{"k", std::nullopt}},
              {{"k", "2"}}}) {
          for (const auto& [of_sweep, of_model] :
               {std::pair<JobId, JobId>{0, 0}, {sweep_id, 0}, {0, model}}) {
            JobQuery query;
            query.states = states;
            query.name_contains = name;
            query.owner = owner;
            query.labels = labels;
            query.sweep_id = of_sweep;
            query.model_job_id = of_model;
            std::vector<JobId> expected;
            for (const Job& job : *everything) {
              const auto label = job.labels.find("k");
              if ((states.empty() ||
                   std::find(states.begin(), states.end(), job.state) != states.end()) &&
                  job.name.find(name) != std::string::npos &&
                  (query.owner.empty() || job.owner == query.owner) &&
                  (labels.empty() ||
                   (label != job.labels.end() &&
                    (!labels.at("k").has_value() || label->second == *labels.at("k")))) &&
                  (of_sweep == 0 || (job.trial && job.trial->sweep_id == of_sweep)) &&
                  (of_model == 0 || job.model_job_id == of_model)) {
                expected.push_back(job.id);
              }
            }
            found += static_cast<int64_t>(expected.size());
            for (const int64_t size : {1, 3, 50}) {
              std::vector<JobId> paged;
              query.before_id = 0;
              query.limit = size;
              while (true) {
                const std::vector<JobId> page = List(query);
                ASSERT_LE(page.size(), static_cast<size_t>(size));
                if (page.empty()) break;
                paged.insert(paged.end(), page.begin(), page.end());
                query.before_id = page.back();
              }
              ASSERT_EQ(paged, expected)
                  << "states " << states.size() << " name '" << name << "' owner '" << owner
                  << "' labels " << labels.size() << " sweep " << of_sweep << " model " << of_model
                  << " pages of " << size;
            }
          }
        }
      }
    }
  }
  EXPECT_GT(found, 200);  // it was not about nothing
}

TEST_P(JobListsTest, DeadlinesSoonestFirst) {
  const auto make = [&](int64_t in_us) {
    NewJob job = MakeJob();
    if (in_us != 0) job.limits.deadline_us = clock_.NowUs() + in_us;
    return Make(job);
  };
  const JobId late = make(300);
  make(0);
  const JobId soon = make(100);
  const JobId equal = make(300);
  const JobId ended = make(50);
  Change(ended, JobState::kQueued, JobState::kCancelled);
  NewJob sweep = MakeSweep(1);
  sweep.limits.deadline_us = clock_.NowUs() + 10;
  const JobId trial = Make(sweep) + 1;  // the sweep's own is its trials' affair
  Begin(soon);
  const auto deadlines = [&] {
    std::vector<std::pair<JobId, int64_t>> all;
    for (const JobDeadline& one : Deadlines())
      all.emplace_back(one.id, one.deadline_us - clock_.NowUs());
    return all;
  };
  using testing::Pair;
  EXPECT_THAT(deadlines(),
              ElementsAre(Pair(trial, 10), Pair(soon, 100), Pair(late, 300), Pair(equal, 300)));
  JobUpdate update;
  update.deadline_us = clock_.NowUs() + 5;
  ASSERT_TRUE(store().UpdateJob(equal, update).ok());
  update.deadline_us = 0;
  ASSERT_TRUE(store().UpdateJob(late, update).ok());
  EXPECT_THAT(deadlines(), ElementsAre(Pair(equal, 5), Pair(trial, 10), Pair(soon, 100)));
}

TEST_P(JobListsTest, EveryStateWithADeadlineThatHasNotEnded) {
  std::vector<JobId> expected;
  for (const JobState state : kAllJobStates) {
    const JobId id = MakeIn(state);
    if (IsTerminal(state)) continue;
    JobUpdate update;
    update.deadline_us = clock_.NowUs() + id;
    ASSERT_TRUE(store().UpdateJob(id, update).ok());
    expected.push_back(id);
  }
  std::vector<JobId> ids;
  for (const JobDeadline& one : Deadlines()) ids.push_back(one.id);
  EXPECT_EQ(ids, expected);
}

TEST_P(JobListsTest, TheQueueHasWhatAWorkerNeedsToKnow) {
  NewJob job = MakeJob("queued", 3);
  job.owner = "ada";
  job.labels = {{"k", "v"}};
  job.limits = {clock_.NowUs() + 3, 4};
  job.needs = {5, 6};
  const JobId id = Make(job);
  Make(MakeSweep(1));
  JobUpdate to_front;
  to_front.to_front = true;
  ASSERT_TRUE(store().UpdateJob(id, to_front).ok());
  const auto queued = store().ListQueued();
  ASSERT_THAT(*queued, SizeIs(2));
  Job expected = Read(id);
  expected.spec.clear();
  expected.labels.clear();
  EXPECT_EQ(Describe(queued->front()), Describe(expected));
  EXPECT_GT(queued->front().front, 0);
  ASSERT_TRUE(queued->back().trial.has_value());
  EXPECT_EQ(queued->back().trial->number, 1);
  EXPECT_THAT(queued->back().trial->settings, IsEmpty());
}

}  // namespace
}  // namespace anneal
