#include "tests/fault/model/batch_check.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/fault/model/job_check.h"

namespace anneal::model {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

// A time in which a job waited for a worker, and a worker could have known.
struct Wait {
  const JobRecord* job = nullptr;
  size_t history = 0;
  int64_t id = 0;
  int64_t known_us = 0;   // in the queue for certain
  int64_t queued_us = 0;  // QUEUED in the store
  int64_t until_us = 0;   // not QUEUED any more
};

// A worker took a job.
struct Take {
  const JobRecord* job = nullptr;
  size_t history = 0;
  int64_t id = 0;
  int64_t time_us = 0;
};

// With one worker, what it takes is the first of what waits: the highest priority, then the lowest
// id.
class OrderCheck {
 public:
  explicit OrderCheck(const BatchRecord& batch) : batch_(batch) {}

  std::vector<Problem> Run() {
    for (size_t i = 0; i < batch_.histories.size(); ++i) {
      for (const JobRecord& job : batch_.histories[i].jobs) {
        if (job.log_is_whole) AddJob(job, i);
      }
    }
    std::vector<Problem> problems;
    for (const Take& take : takes_) {
      const int64_t looked_us = LookedAfter(take);
      for (const Wait& wait : waits_) {
        if (wait.job == take.job || wait.known_us > looked_us || wait.until_us <= take.time_us)
          continue;
        if (!GoesFirst(wait, take) || IsBeingMoved(wait, looked_us, take.time_us)) continue;
        problems.push_back(
            {.history = wait.history,
             .text = absl::StrCat("the only worker took job ", take.id, " (priority ",
                                  take.job->plan.priority, ", begun at ", take.time_us,
                                  " us) while job ", wait.id, " (priority ",
                                  wait.job->plan.priority, ", known since ", wait.known_us,
                                  " us) waited; the worker looked after ", looked_us, " us"),
             .other_history = take.history});
      }
    }
    return problems;
  }

 private:
  void AddJob(const JobRecord& job, size_t history);
  int64_t KnownSince(const JobRecord& job, size_t history, const Change& queued) const;
  int64_t LookedAfter(const Take& take) const;

  static bool GoesFirst(const Wait& wait, const Take& take) {
    const int32_t waiting = wait.job->plan.priority;
    const int32_t taken = take.job->plan.priority;
    return waiting != taken ? waiting > taken : wait.id < take.id;
  }

  // Whether somebody pauses, resumes or submits it at that time. A pause that was overtaken by a
  // resume takes the job out of the queue for a moment, and so does a resume, or a repeated submit,
  // that saw it PAUSED.
  bool IsBeingMoved(const Wait& wait, int64_t from_us, int64_t to_us) const {
    const auto& operations = batch_.histories[wait.history].operations;
    return std::any_of(operations.begin(), operations.end(), [&](const Operation& operation) {
      const bool moves = operation.call == Call::kPause || operation.call == Call::kResume ||
                         operation.call == Call::kSubmit;
      return moves && operation.key == wait.job->plan.key && operation.begin_us <= to_us &&
             operation.end_us >= from_us;
    });
  }

  const BatchRecord& batch_;
  std::vector<Wait> waits_;
  std::vector<Take> takes_;
  std::vector<int64_t> ends_;  // of attempts
};

void OrderCheck::AddJob(const JobRecord& job, size_t history) {
  const std::vector<Change> changes = ChangesOf(job.log);
  const int64_t id = std::stoll(job.id);
  for (size_t i = 0; i < changes.size(); ++i) {
    const Change& change = changes[i];
    if (i > 0 && IsActiveState(changes[i - 1].state) && !IsActiveState(change.state))
      ends_.push_back(change.time_us);
    if (change.state == v1::Job::RUNNING) takes_.push_back({&job, history, id, change.time_us});
    if (change.state != v1::Job::QUEUED) continue;
    waits_.push_back({.job = &job,
                      .history = history,
                      .id = id,
                      .known_us = KnownSince(job, history, change),
                      .queued_us = change.time_us,
                      .until_us = i + 1 < changes.size() ? changes[i + 1].time_us : kNever});
  }
}

// When the call that queued it had returned, or the next process, which begins with all that is
// QUEUED, had begun.
int64_t OrderCheck::KnownSince(const JobRecord& job, size_t history, const Change& queued) const {
  int64_t known_us = kNever;
  for (const Operation& operation : batch_.histories[history].operations) {
    if (operation.key != job.plan.key || operation.outcome != Operation::Outcome::kOk) continue;
    if (operation.call != Call::kSubmit && operation.call != Call::kResume) continue;
    if (operation.begin_us <= queued.time_us && queued.time_us <= operation.end_us)
      known_us = std::min(known_us, operation.end_us);
  }
  for (const Generation& generation : batch_.generations) {
    const int64_t started_us =
        generation.ready_us != 0 ? generation.ready_us : generation.killed_us;
    const bool recovered_it = generation.number > 0 && generation.start_us <= queued.time_us &&
                              queued.time_us <= started_us;
    if (recovered_it) known_us = std::min(known_us, queued.time_us);
    if (generation.start_us > queued.time_us) known_us = std::min(known_us, generation.start_us);
  }
  return known_us;
}

// The worker looked for its next job after it had ended the last one, or after its process had
// begun.
int64_t OrderCheck::LookedAfter(const Take& take) const {
  int64_t looked_us = 0;
  for (const Generation& generation : batch_.generations) {
    if (generation.start_us <= take.time_us) looked_us = std::max(looked_us, generation.start_us);
  }
  for (const int64_t end_us : ends_) {
    if (end_us < take.time_us) looked_us = std::max(looked_us, end_us);
  }
  return looked_us;
}

}  // namespace

std::vector<Problem> CheckBatch(const BatchRecord& batch) {
  std::vector<Problem> problems;
  for (const std::string& text : batch.problems) problems.push_back({.text = text});
  std::map<std::string, std::string> names;  // by id
  for (size_t i = 0; i < batch.histories.size(); ++i) {
    const HistoryRecord& history = batch.histories[i];
    for (const std::string& text : history.problems)
      problems.push_back({.history = i, .text = text});
    if (batch.gave_up) continue;
    for (const JobRecord& job : history.jobs) {
      if (job.id.empty()) continue;
      for (std::string& text : CheckJob(job, history, batch))
        problems.push_back({.history = i, .text = std::move(text)});
      const auto [other, is_new] = names.emplace(job.id, job.plan.name);
      if (!is_new) {
        problems.push_back({.history = i,
                            .text = absl::StrCat("job ", job.id, " is both ", other->second,
                                                 " and ", job.plan.name)});
      }
    }
  }
  if (!batch.gave_up && batch.plan.workers == 1) {
    for (Problem& problem : OrderCheck(batch).Run()) problems.push_back(std::move(problem));
  }
  return problems;
}

}  // namespace anneal::model
