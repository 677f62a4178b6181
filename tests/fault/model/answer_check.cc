#include "tests/fault/model/answer_check.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace anneal::model {
namespace {

using State = v1::Job::State;

const std::set<State> kLastStates = {v1::Job::SUCCEEDED, v1::Job::FAILED, v1::Job::CANCELLED};
const std::set<State> kOpenStates = {v1::Job::QUEUED, v1::Job::RUNNING, v1::Job::PAUSING,
                                     v1::Job::PAUSED, v1::Job::CANCELLING};

// Somebody saw the job in one of these states.
struct Sighting {
  int64_t begin_us = 0;
  int64_t end_us = 0;
  std::set<State> states{};
  int64_t attempts = -1;             // as many had begun; -1: not said
  const Operation* stops = nullptr;  // a pause or cancel that the worker has been told of
  std::string what{};
};

std::string Who(int client) {
  return client == kLastClient ? std::string("the last client") : absl::StrCat("client ", client);
}

class AnswerCheck {
 public:
  AnswerCheck(const JobRecord& job, const HistoryRecord& history, const BatchRecord& batch,
              const std::vector<Change>& changes)
      : job_(job), history_(history), batch_(batch), changes_(changes) {}

  std::vector<std::string> Run() {
    for (const Operation& operation : history_.operations) {
      if (operation.call == Call::kDelete && operation.key == job_.plan.key &&
          operation.outcome != Operation::Outcome::kRefused) {
        deletes_.push_back(&operation);
      }
    }
    for (const Operation& operation : history_.operations) {
      if (operation.call == Call::kList) {
        AddList(operation);
      } else if (operation.key == job_.plan.key) {
        AddOperation(operation);
      }
    }
    AddWatches();
    Judge();
    return std::move(problems_);
  }

 private:
  template <typename... Parts>
  void Wrong(const Parts&... parts) {
    problems_.push_back(AboutJob(job_, absl::StrCat(parts...)));
  }

  void AddOperation(const Operation& operation);
  void AddAnswer(const Operation& operation);
  void AddRefusal(const Operation& operation);
  void AddList(const Operation& operation);
  void AddWatches();
  void Judge();
  std::optional<size_t> Find(const Sighting& sighting, size_t floor) const;
  void CheckStops(const Sighting& sighting, size_t change);

  // Whether it may, or must, have been deleted when the call was made.
  bool MayBeGone(const Operation& operation) const {
    return std::any_of(deletes_.begin(), deletes_.end(), [&](const Operation* each) {
      return each != &operation && each->begin_us <= operation.end_us;
    });
  }
  bool MustBeGone(const Operation& operation) const {
    return std::any_of(deletes_.begin(), deletes_.end(), [&](const Operation* each) {
      return each->outcome == Operation::Outcome::kOk && each != &operation &&
             each->end_us < operation.begin_us;
    });
  }

  const JobRecord& job_;
  const HistoryRecord& history_;
  const BatchRecord& batch_;
  const std::vector<Change>& changes_;
  std::vector<const Operation*> deletes_;  // that may have taken effect
  std::vector<Sighting> sightings_;
  std::vector<std::string> problems_;
};

void AnswerCheck::AddOperation(const Operation& operation) {
  if (operation.outcome == Operation::Outcome::kOk) AddAnswer(operation);
  if (operation.outcome == Operation::Outcome::kRefused) AddRefusal(operation);
}

void AnswerCheck::AddAnswer(const Operation& operation) {
  const std::string who = Who(operation.client);
  if (MustBeGone(operation) && operation.call != Call::kSubmit)
    Wrong(who, " was answered although it had been deleted");
  Sighting sighting{.begin_us = operation.begin_us, .end_us = operation.end_us};
  const State state = operation.job.state();
  sighting.states = {state};
  sighting.what = absl::StrCat("the answer to ", who, "'s ", std::string(CallName(operation.call)),
                               ", ", v1::Job::State_Name(state));
  std::set<State> allowed;
  switch (operation.call) {
    case Call::kSubmit:
    case Call::kGet:
      sighting.attempts = operation.job.attempt_count();
      break;
    case Call::kPause:
      allowed = {v1::Job::PAUSING, v1::Job::PAUSED};
      break;
    case Call::kResume:
      allowed = {v1::Job::QUEUED, v1::Job::RUNNING};
      break;
    case Call::kCancel:
      allowed = {v1::Job::CANCELLING, v1::Job::CANCELLED};
      break;
    case Call::kDelete:
      sighting.states = kLastStates;
      sighting.what = absl::StrCat(who, "'s delete");
      break;
    case Call::kSubmitOther:
    case Call::kList:
    case Call::kMetrics:
    case Call::kWatch:
      return;
  }
  if (!allowed.empty() && !allowed.contains(state))
    Wrong(sighting.what, ", which is not what was asked for");
  if (state == v1::Job::PAUSING || state == v1::Job::CANCELLING) sighting.stops = &operation;
  if (operation.call == Call::kGet || operation.call == Call::kSubmit) sighting.stops = nullptr;
  sightings_.push_back(std::move(sighting));
}

void AnswerCheck::AddRefusal(const Operation& operation) {
  const std::string what =
      absl::StrCat("the refusal of ", Who(operation.client), "'s ",
                   std::string(CallName(operation.call)), ", ", operation.error);
  if (operation.reason == "JOB_NOT_FOUND") {
    if (!MayBeGone(operation)) Wrong(what, ", although nobody had deleted it");
    return;
  }
  Sighting sighting{.begin_us = operation.begin_us, .end_us = operation.end_us, .what = what};
  if (operation.reason == "JOB_ENDED") {
    sighting.states = kLastStates;
  } else if (operation.call == Call::kPause && operation.reason == "JOB_NOT_PAUSABLE") {
    sighting.states = {v1::Job::CANCELLING};
  } else if (operation.call == Call::kResume && operation.reason == "JOB_NOT_PAUSED") {
    sighting.states = {v1::Job::CANCELLING, v1::Job::PAUSING};
  } else if (operation.call == Call::kDelete && operation.reason == "JOB_NOT_ENDED") {
    sighting.states = kOpenStates;
  } else if (operation.call != Call::kSubmitOther) {
    Wrong(what, ": nothing here is a reason for that");
    return;
  } else {
    return;
  }
  // It may have been deleted between the refusal and the look at why.
  if (MayBeGone(operation)) sighting.states.insert(kLastStates.begin(), kLastStates.end());
  sightings_.push_back(std::move(sighting));
}

// Whether it is in the list, once it was acknowledged.
void AnswerCheck::AddList(const Operation& operation) {
  if (operation.outcome != Operation::Outcome::kOk) return;
  const auto listed = std::find_if(operation.listed.begin(), operation.listed.end(),
                                   [&](const v1::Job& each) { return each.id() == job_.id; });
  if (listed != operation.listed.end()) {
    if (MustBeGone(operation)) Wrong("it was listed although it had been deleted");
    sightings_.push_back({.begin_us = operation.begin_us,
                          .end_us = operation.end_us,
                          .states = {listed->state()},
                          .attempts = listed->attempt_count(),
                          .what = absl::StrCat("in ", Who(operation.client), "'s list, ",
                                               v1::Job::State_Name(listed->state()))});
    return;
  }
  const bool acknowledged = std::any_of(
      history_.operations.begin(), history_.operations.end(), [&](const Operation& each) {
        return each.key == job_.plan.key && each.call == Call::kSubmit &&
               each.outcome == Operation::Outcome::kOk && each.end_us <= operation.begin_us;
      });
  if (acknowledged && !MayBeGone(operation))
    Wrong("it was missing in ", Who(operation.client), "'s list");
}

void AnswerCheck::AddWatches() {
  for (const WatchRecord& watch : history_.watches) {
    if (watch.key != job_.plan.key) continue;
    for (const WatchedEvent& seen : watch.events) {
      if (!seen.event.has_state_change()) continue;
      const State state = seen.event.state_change().state();
      Sighting sighting{.begin_us = 0, .end_us = seen.time_us, .states = {state}};
      sighting.attempts = seen.event.state_change().attempt();
      sighting.what = absl::StrCat("a watcher's event ", seen.event.sequence());
      sightings_.push_back(std::move(sighting));
    }
  }
}

// The first change, from `floor` on, after which the job was as it was seen; and no later than it
// was seen.
std::optional<size_t> AnswerCheck::Find(const Sighting& sighting, size_t floor) const {
  for (size_t i = floor; i < changes_.size(); ++i) {
    if (changes_[i].time_us > sighting.end_us) return std::nullopt;
    if (sighting.attempts >= 0 && changes_[i].attempt != sighting.attempts) continue;
    if (sighting.states.contains(changes_[i].state)) return i;
  }
  return std::nullopt;
}

// In the order of the answers: what one has seen by then, no later call may miss.
void AnswerCheck::Judge() {
  std::stable_sort(sightings_.begin(), sightings_.end(),
                   [](const Sighting& a, const Sighting& b) { return a.end_us < b.end_us; });
  std::vector<std::pair<int64_t, size_t>> seen;  // at this time, at least this change
  for (const Sighting& sighting : sightings_) {
    size_t floor = 0;
    for (const auto& [time_us, change] : seen) {
      if (time_us > sighting.begin_us) break;
      floor = std::max(floor, change);
    }
    const std::optional<size_t> found = Find(sighting, floor);
    if (!found.has_value()) {
      std::vector<std::string> possible;
      for (size_t i = floor; i < changes_.size() && changes_[i].time_us <= sighting.end_us; ++i) {
        possible.push_back(absl::StrCat(v1::Job::State_Name(changes_[i].state), " in attempt ",
                                        changes_[i].attempt));
      }
      Wrong(sighting.what, ": between the call and the answer it was ",
            possible.empty() ? "not there" : absl::StrJoin(possible, ", then "),
            sighting.attempts >= 0 ? absl::StrCat("; seen were ", sighting.attempts, " attempts")
                                   : "");
      continue;
    }
    seen.emplace_back(sighting.end_us, *found);
    if (sighting.stops != nullptr) CheckStops(sighting, *found);
  }
}

// A worker that has been told to stop begins at most one more step: it may have looked just before.
void AnswerCheck::CheckStops(const Sighting& sighting, size_t change) {
  const auto end =
      std::find_if(changes_.begin() + static_cast<std::ptrdiff_t>(change), changes_.end(),
                   [](const Change& each) { return !IsActiveState(each.state); });
  if (end == changes_.end()) return;
  const auto late =
      std::count_if(batch_.work.begin(), batch_.work.end(), [&](const WorkRecord& record) {
        return record.job == job_.plan.key && record.kind == WorkRecord::Kind::kStep &&
               record.time_us > sighting.end_us && record.time_us < end->time_us;
      });
  if (late > 1) Wrong(late, " steps were begun after ", sighting.what);
}

}  // namespace

std::vector<std::string> CheckAnswers(const JobRecord& job, const HistoryRecord& history,
                                      const BatchRecord& batch,
                                      const std::vector<Change>& changes) {
  return AnswerCheck(job, history, batch, changes).Run();
}

}  // namespace anneal::model
