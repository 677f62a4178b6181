// Pages of jobs (reads.h).
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "storage/job_rows.h"
#include "storage/reads.h"
#include "storage/sql.h"

namespace anneal {
namespace {

bool HasLabels(const Job& job, const JobQuery& query) {
  return std::all_of(query.labels.begin(), query.labels.end(), [&job](const auto& wanted) {
    const auto label = job.labels.find(wanted.first);
    return label != job.labels.end() &&
           (!wanted.second.has_value() || label->second == *wanted.second);
  });
}

// The parameters that every list has; `scope` is the third.
void BindList(Query& list, const JobQuery& query, int64_t scope) {
  list.Bind(query.before_id > 0 ? query.before_id : std::numeric_limits<int64_t>::max())
      .BindText(query.name_contains)
      .Bind(scope)
      .BindText(query.owner);
}

// Stops where there are `query.limit`. `is_wanted`: of a row.
template <typename IsWanted>
std::vector<Job> TakeJobs(Connection& connection, Query& list, const JobQuery& query,
                          const IsWanted& is_wanted) {
  std::vector<Job> jobs;
  while (static_cast<int64_t>(jobs.size()) < query.limit && list.Step()) {
    Job job = ReadJobRow(list);
    if (!is_wanted(job)) continue;
    ReadLabels(connection, job);
    if (HasLabels(job, query)) jobs.push_back(std::move(job));
  }
  return jobs;
}

bool HasState(const JobQuery& query, JobState state) {
  return query.states.empty() ||
         std::find(query.states.begin(), query.states.end(), state) != query.states.end();
}

// One sweep has at most 1,000 trials, and a training few predictions: those of other states, or of
// other sweeps, are read too.
std::vector<Job> ReadTrialJobs(Connection& connection, const JobQuery& query) {
  Query trials(connection, sql::kNewestTrials);
  BindList(trials, query, query.sweep_id);
  return TakeJobs(connection, trials, query,
                  [&](const Job& job) { return HasState(query, job.state); });
}

std::vector<Job> ReadPredictionJobs(Connection& connection, const JobQuery& query) {
  Query predictions(connection, sql::kNewestPredictions);
  BindList(predictions, query, query.model_job_id);
  return TakeJobs(connection, predictions, query, [&](const Job& job) {
    const bool is_of_sweep =
        query.sweep_id == 0 || (job.trial && job.trial->sweep_id == query.sweep_id);
    return is_of_sweep && HasState(query, job.state);
  });
}

// One scan a state, each stopping at the limit, instead of one with IN, which would either collect
// and sort every job of these states or walk past every job of the others.
std::vector<Job> ReadJobsOfStates(Connection& connection, const JobQuery& query) {
  std::vector<Job> jobs;
  for (const JobState state : std::set<JobState>(query.states.begin(), query.states.end())) {
    Query one(connection, sql::kNewestJobsOfState);
    BindList(one, query, static_cast<int64_t>(state));
    std::vector<Job> found = TakeJobs(connection, one, query, [](const Job&) { return true; });
    std::move(found.begin(), found.end(), std::back_inserter(jobs));
  }
  std::sort(jobs.begin(), jobs.end(), [](const Job& a, const Job& b) { return a.id > b.id; });
  if (static_cast<int64_t>(jobs.size()) > query.limit)
    jobs.resize(static_cast<size_t>(std::max<int64_t>(query.limit, 0)));
  return jobs;
}

std::vector<Job> ReadNewestJobs(Connection& connection, const JobQuery& query) {
  Query all(connection, sql::kNewestJobs);
  BindList(all, query, 0);
  return TakeJobs(connection, all, query, [](const Job&) { return true; });
}

}  // namespace

std::vector<Job> ReadJobs(Connection& connection, const JobQuery& query) {
  std::vector<Job> jobs = query.model_job_id != 0 ? ReadPredictionJobs(connection, query)
                          : query.sweep_id != 0   ? ReadTrialJobs(connection, query)
                          : query.states.empty()  ? ReadNewestJobs(connection, query)
                                                  : ReadJobsOfStates(connection, query);
  for (Job& job : jobs) ReadSettings(connection, job);
  return jobs;
}

}  // namespace anneal
