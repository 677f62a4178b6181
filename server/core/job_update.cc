#include "server/core/job_update.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/core/job_labels.h"
#include "server/core/strings.h"

namespace anneal {
namespace {

bool Waits(const Job& job) {
  return job.state == JobState::kQueued || job.state == JobState::kPaused;
}

}  // namespace

absl::Status CheckUpdate(const Job& job, const JobUpdate& update) {
  const bool of_the_run = update.priority || update.to_front || update.deadline_us ||
                          update.max_run_time_us;
  if (of_the_run && IsTerminal(job.state)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "job ", job.id, " has ended already: it is ", ToAbsl(JobStateName(job.state)),
        "; of such a job only labels can be changed"));
  }
  // A sweep's trials wait although it runs.
  if (update.to_front && !Waits(job) && job.kind != JobKind::kSweep) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", job.id, " is ", ToAbsl(JobStateName(job.state)),
                     "; only a job that waits can be moved to the front of the queue"));
  }
  return CheckLabels(job, update);
}

absl::Status CheckLabels(const Job& job, const JobUpdate& update) {
  Labels labels = job.labels;
  for (const std::string& key : update.remove_labels) labels.erase(key);
  labels.insert(update.set_labels.begin(), update.set_labels.end());
  if (labels.size() > job.labels.size() && static_cast<int64_t>(labels.size()) > kMaxLabels) {
    return absl::InvalidArgumentError(absl::StrCat("job ", job.id, " would have ", labels.size(),
                                                      " labels; at most ", kMaxLabels,
                                                      " are taken, remove some"));
  }
  return absl::OkStatus();
}

std::string ApplyUpdate(const JobUpdate& update, int64_t new_front, Job& job) {
  std::vector<std::string> changes;
  if (update.priority) {
    if (job.front != 0) changes.push_back("taken from the front of the queue");
    if (job.priority != *update.priority)
      changes.push_back(absl::StrCat("priority ", job.priority, " -> ", *update.priority));
    job.priority = *update.priority;
    job.front = 0;
  }
  if (update.to_front) {
    changes.push_back("moved to the front of the queue");
    job.front = new_front;
  }
  if (update.deadline_us && *update.deadline_us != job.limits.deadline_us) {
    job.limits.deadline_us = *update.deadline_us;
    changes.push_back(*update.deadline_us == 0 ? "no deadline any more" : "another deadline");
  }
  if (update.max_run_time_us && *update.max_run_time_us != job.limits.max_run_time_us) {
    job.limits.max_run_time_us = *update.max_run_time_us;
    changes.push_back(*update.max_run_time_us == 0
                          ? std::string("no limit of running time any more")
                          : absl::StrCat("running time limited to ",
                                         *update.max_run_time_us / 1'000'000, " s"));
  }
  for (const std::string& key : update.remove_labels) {
    if (update.set_labels.contains(key)) continue;  // the next loop says what becomes of it
    if (job.labels.erase(key) > 0) changes.push_back(absl::StrCat("label ", key, " removed"));
  }
  for (const auto& [key, value] : update.set_labels) {
    const auto [label, is_new] = job.labels.emplace(key, value);
    if (!is_new && label->second == value) continue;
    label->second = value;
    changes.push_back(absl::StrCat("label ", key, "=", value));
  }
  return absl::StrJoin(changes, ", ");
}

}  // namespace anneal
