#include "tests/fault/model/job_check.h"

#include <algorithm>
#include <array>
#include <bit>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/fault/model/answer_check.h"
#include "tests/fault/model/chain_training.h"
#include "tests/fault/model/work_check.h"

namespace anneal::model {
namespace {

using State = v1::Job::State;

// The edges, in the test's own words.
constexpr std::array<std::pair<State, State>, 15> kEdges = {{
    {v1::Job::QUEUED, v1::Job::RUNNING},
    {v1::Job::QUEUED, v1::Job::PAUSED},
    {v1::Job::QUEUED, v1::Job::CANCELLED},
    {v1::Job::RUNNING, v1::Job::SUCCEEDED},
    {v1::Job::RUNNING, v1::Job::FAILED},
    {v1::Job::RUNNING, v1::Job::PAUSING},
    {v1::Job::RUNNING, v1::Job::CANCELLING},
    {v1::Job::RUNNING, v1::Job::QUEUED},
    {v1::Job::PAUSING, v1::Job::SUCCEEDED},
    {v1::Job::PAUSING, v1::Job::FAILED},
    {v1::Job::PAUSING, v1::Job::CANCELLING},
    {v1::Job::PAUSING, v1::Job::PAUSED},
    {v1::Job::PAUSED, v1::Job::QUEUED},
    {v1::Job::PAUSED, v1::Job::CANCELLED},
    // CANCELLING to its three ends: IsLegal.
    {v1::Job::CANCELLING, v1::Job::CANCELLED},
}};

bool IsLegal(State from, State to) {
  if (from == v1::Job::CANCELLING && IsLastState(to)) return true;
  return std::find(kEdges.begin(), kEdges.end(), std::pair(from, to)) != kEdges.end();
}

std::string Name(State state) { return v1::Job::State_Name(state); }

class JobCheck {
 public:
  JobCheck(const JobRecord& job, const HistoryRecord& history, const BatchRecord& batch)
      : job_(job),
        history_(history),
        batch_(batch),
        plan_(PlanOf(job.plan.seed, job.plan.epochs)),
        reference_(ReferenceOf(plan_)),
        changes_(ChangesOf(job.log)) {
    for (const Operation& operation : history.operations) {
      if (operation.key == job.plan.key) operations_.push_back(&operation);
    }
  }

  std::vector<std::string> Run() {
    CheckIds();
    CheckPresence();
    CheckWatches();
    CheckMetricsAnswers();
    if (job_.log_is_whole && !job_.log.empty()) {
      CheckEvents();
      CheckChanges();
      CheckCauses();
      CheckLast();
      for (std::string& problem : CheckWorkOf(job_, history_, batch_, changes_))
        problems_.push_back(std::move(problem));
      for (std::string& problem : CheckAnswers(job_, history_, batch_, changes_))
        problems_.push_back(std::move(problem));
    }
    for (std::string& problem : CheckRunsOf(job_, batch_)) problems_.push_back(std::move(problem));
    return std::move(problems_);
  }

 private:
  template <typename... Parts>
  void Wrong(const Parts&... parts) {
    problems_.push_back(AboutJob(job_, absl::StrCat(parts...)));
  }

  void CheckIds();
  void CheckPresence();
  void CheckWatches();
  void CheckMetricsAnswers();
  void CheckEvents();
  void CheckChanges();
  void CheckCauses();
  void CheckLast();
  void CheckEpoch(const v1::EpochMetrics& epoch, size_t index, const std::string& where);
  bool Explain(const Change& change, const std::vector<Call>& calls,
               std::set<const Operation*>& used);
  bool IsRestart(int64_t time_us) const;
  bool Called(Call call, int64_t from_us, int64_t to_us) const;

  const JobRecord& job_;
  const HistoryRecord& history_;
  const BatchRecord& batch_;
  const ChainPlan plan_;
  const ChainReference reference_;
  const std::vector<Change> changes_;
  std::vector<const Operation*> operations_;  // about this job
  std::vector<std::string> problems_;
};

// One job for a request id, whoever asks and how often.
void JobCheck::CheckIds() {
  for (const Operation* operation : operations_) {
    const bool ok = operation->outcome == Operation::Outcome::kOk;
    if (operation->call == Call::kSubmit && ok && operation->id != job_.id) {
      Wrong("a submit with request id '", job_.plan.request_id, "' was answered with job ",
            operation->id);
    }
    if (operation->call == Call::kSubmit && operation->outcome == Operation::Outcome::kRefused)
      Wrong("its submit was refused: ", operation->error);
    if (operation->call != Call::kSubmitOther) continue;
    if (ok) Wrong("another spec with its request id was taken, as job ", operation->id);
    if (operation->outcome == Operation::Outcome::kRefused &&
        operation->reason != "REQUEST_ID_REUSED") {
      Wrong("another spec with its request id was refused for another reason: ", operation->error);
    }
  }
  const Operation& listed = history_.operations.back();  // when all was over
  const auto same =
      std::count_if(listed.listed.begin(), listed.listed.end(),
                    [&](const v1::Job& each) { return each.name() == job_.plan.name; });
  if (same > 1) Wrong("there are ", same, " jobs of this name");
  if (same == 1 && !job_.last.has_value()) Wrong("it is listed, and cannot be looked at");
  if (same == 0 && job_.last.has_value()) Wrong("it is not listed");
}

// What was acknowledged is there, unless somebody deleted it.
void JobCheck::CheckPresence() {
  const bool may_be_gone =
      std::any_of(operations_.begin(), operations_.end(), [](const Operation* operation) {
        return operation->call == Call::kDelete &&
               operation->outcome != Operation::Outcome::kRefused;
      });
  const bool must_be_gone =
      std::any_of(operations_.begin(), operations_.end(), [](const Operation* operation) {
        return operation->call == Call::kDelete && operation->outcome == Operation::Outcome::kOk;
      });
  if (!job_.id.empty() && !job_.last.has_value() && !may_be_gone)
    Wrong("it was acknowledged and is not there any more");
  if (must_be_gone && job_.last.has_value()) Wrong("it was deleted and is still there");
  if (job_.last.has_value() && !job_.log_is_whole) Wrong("its events could not be read");
}

// Each event once, in order, without gaps, and as it is in the store at the end.
void JobCheck::CheckWatches() {
  for (const WatchRecord& watch : history_.watches) {
    if (watch.key != job_.plan.key) continue;
    int64_t expected = 1;
    for (const WatchedEvent& seen : watch.events) {
      const int64_t sequence = seen.event.sequence();
      if (sequence != expected) {
        Wrong("a watcher was sent event ", sequence, " where ", expected, " was next");
        return;
      }
      ++expected;
      if (TimeOf(seen.event) > seen.time_us)
        Wrong("a watcher was sent event ", sequence, " before it happened");
      if (!job_.log_is_whole) continue;
      const auto index = static_cast<size_t>(sequence - 1);
      if (index >= job_.log.size()) {
        Wrong("a watcher was sent event ", sequence, ", which is not stored");
      } else if (job_.log[index].SerializeAsString() != seen.event.SerializeAsString()) {
        Wrong("a watcher was sent event ", sequence, " as {", seen.event.ShortDebugString(),
              "}; stored is {", job_.log[index].ShortDebugString(), "}");
      }
    }
  }
}

void JobCheck::CheckEpoch(const v1::EpochMetrics& epoch, size_t index, const std::string& where) {
  if (index >= reference_.epochs.size()) {
    Wrong(where, " there is an epoch ", epoch.epoch(), ", but the training has only ",
          reference_.epochs.size());
    return;
  }
  const EpochRecord& expected = reference_.epochs[index];
  if (epoch.epoch() != expected.epoch) {
    Wrong(where, " epoch ", epoch.epoch(), " stands where epoch ", expected.epoch, " belongs");
    return;
  }
  bool same = static_cast<size_t>(epoch.metrics_size()) == expected.metrics.size();
  for (int i = 0; same && i < epoch.metrics_size(); ++i) {
    const MetricValue& metric = expected.metrics[static_cast<size_t>(i)];
    same =
        epoch.metrics(i).name() == metric.name &&
        std::bit_cast<uint64_t>(epoch.metrics(i).value()) == std::bit_cast<uint64_t>(metric.value);
  }
  if (!same) {
    Wrong(where, " epoch ", epoch.epoch(), " is {", epoch.ShortDebugString(), "}, not loss ",
          expected.metrics[1].value, " and accuracy ", expected.metrics[0].value);
  }
}

void JobCheck::CheckMetricsAnswers() {
  for (const Operation* operation : operations_) {
    if (operation->call != Call::kMetrics || operation->outcome != Operation::Outcome::kOk)
      continue;
    for (size_t i = 0; i < operation->epochs.size(); ++i)
      CheckEpoch(operation->epochs[i], i, "in the answer to a client");
  }
}

// Sequence numbers, times, epochs, warnings.
void JobCheck::CheckEvents() {
  State state = v1::Job::STATE_UNSPECIFIED;
  int64_t attempt = 0;
  size_t epochs = 0;
  int64_t last_us = 0;
  for (size_t i = 0; i < job_.log.size(); ++i) {
    const v1::JobEvent& event = job_.log[i];
    if (event.sequence() != static_cast<int64_t>(i) + 1)
      Wrong("stored event number ", i + 1, " has the sequence number ", event.sequence());
    if (TimeOf(event) < last_us) Wrong("event ", event.sequence(), " is older than the one before");
    last_us = TimeOf(event);
    if (event.has_state_change()) {
      state = event.state_change().state();
      attempt = event.state_change().attempt();
    } else if (event.has_epoch()) {
      CheckEpoch(event.epoch(), epochs++, "among its events");
      if (!IsActiveState(state))
        Wrong("epoch ", event.epoch().epoch(), " was stored while it was ", Name(state));
      if (event.epoch().attempt() != attempt) {
        Wrong("epoch ", event.epoch().epoch(), " is said to be of attempt ",
              event.epoch().attempt(), ", stored during attempt ", attempt);
      }
    } else if (event.kind_case() == v1::JobEvent::kWarning && attempt > 0) {
      Wrong("a warning that nothing here is a reason for: ", event.warning());
    }
  }
  if (changes_.empty() || !IsLastState(changes_.back().state)) return;
  const bool completed = changes_.back().state != v1::Job::CANCELLED;
  if (completed && epochs != reference_.epochs.size()) {
    Wrong("it ended with ", epochs, " epochs, not ", reference_.epochs.size());
  }
}

// Along the edges, to one end, for the reason that the plan says.
void JobCheck::CheckChanges() {
  if (changes_.empty() || changes_[0].state != v1::Job::QUEUED || changes_[0].sequence != 1) {
    Wrong("its first event is not that it was queued");
    return;
  }
  for (size_t i = 1; i < changes_.size(); ++i) {
    const Change& before = changes_[i - 1];
    const Change& change = changes_[i];
    if (!IsLegal(before.state, change.state)) {
      Wrong("it went from ", Name(before.state), " to ", Name(change.state), " (event ",
            change.sequence, ")");
    }
    const bool begins = change.state == v1::Job::RUNNING;
    if (change.attempt != before.attempt + (begins ? 1 : 0))
      Wrong("event ", change.sequence, " is of attempt ", change.attempt);
    if (!IsLastState(change.state) && change.stop_reason != v1::Job::STOP_REASON_UNSPECIFIED)
      Wrong("event ", change.sequence, " has a stop reason, and is no end");
  }
  const Change& last = changes_.back();
  if (!IsLastState(last.state)) {
    Wrong("it is ", Name(last.state), " and will never end");
    return;
  }
  const auto expected_reason = last.state == v1::Job::CANCELLED
                                   ? v1::Job::USER
                                   : static_cast<v1::Job::StopReason>(reference_.end.stop_reason);
  if (last.stop_reason != expected_reason) {
    Wrong("it ended ", Name(last.state), " with ", v1::Job::StopReason_Name(last.stop_reason),
          ", not ", v1::Job::StopReason_Name(expected_reason), ": ",
          job_.log.back().state_change().message());
  }
  const bool should_succeed = reference_.end.succeeded();
  if (last.state != v1::Job::CANCELLED && (last.state == v1::Job::SUCCEEDED) != should_succeed)
    Wrong("it ended ", Name(last.state));
}

// Whether a process was being started then, and put the jobs of the one before in order.
bool JobCheck::IsRestart(int64_t time_us) const {
  return std::any_of(batch_.generations.begin(), batch_.generations.end(),
                     [&](const Generation& each) {
                       const int64_t until = each.ready_us != 0 ? each.ready_us : each.killed_us;
                       return each.number > 0 && each.start_us <= time_us && time_us <= until;
                     });
}

// Whether such a call, which may have taken effect, was under way at some time between these two.
bool JobCheck::Called(Call call, int64_t from_us, int64_t to_us) const {
  return std::any_of(operations_.begin(), operations_.end(), [&](const Operation* operation) {
    return operation->call == call && operation->outcome != Operation::Outcome::kRefused &&
           operation->begin_us <= to_us && operation->end_us >= from_us;
  });
}

// Finds a call that was under way at the time of the change and explains no other change. Of
// several, the one that ended first, which can explain the least of what comes later.
bool JobCheck::Explain(const Change& change, const std::vector<Call>& calls,
                       std::set<const Operation*>& used) {
  const Operation* best = nullptr;
  for (const Operation* operation : operations_) {
    if (std::find(calls.begin(), calls.end(), operation->call) == calls.end()) continue;
    if (operation->outcome == Operation::Outcome::kRefused || used.contains(operation)) continue;
    if (operation->begin_us > change.time_us || operation->end_us < change.time_us) continue;
    if (best == nullptr || operation->end_us < best->end_us) best = operation;
  }
  if (best != nullptr) used.insert(best);
  return best != nullptr;
}

void JobCheck::CheckCauses() {
  if (changes_.empty()) return;
  std::set<const Operation*> used;
  if (!Explain(changes_[0], {Call::kSubmit}, used))
    Wrong("nobody was submitting it when it was queued");
  for (size_t i = 1; i < changes_.size(); ++i) {
    const State from = changes_[i - 1].state;
    const Change& change = changes_[i];
    bool explained = true;
    if (change.state == v1::Job::PAUSING ||
        (change.state == v1::Job::PAUSED && from == v1::Job::QUEUED)) {
      explained = Explain(change, {Call::kPause}, used);
    } else if (change.state == v1::Job::QUEUED && from == v1::Job::PAUSED) {
      explained = Explain(change, {Call::kResume}, used);
    } else if (change.state == v1::Job::CANCELLING ||
               (change.state == v1::Job::CANCELLED && from != v1::Job::CANCELLING)) {
      explained = Explain(change, {Call::kCancel}, used);
    } else if (change.state == v1::Job::QUEUED) {
      // A restart; or it was paused, and resumed and begun before the pause had told the worker.
      explained = IsRestart(change.time_us) ||
                  Called(Call::kPause, changes_[i - 1].time_us, change.time_us);
    }
    if (!explained) {
      Wrong("it went from ", Name(from), " to ", Name(change.state), " (event ", change.sequence,
            ") and nobody had asked for it");
    }
  }
}

// The job as it is when all is over.
void JobCheck::CheckLast() {
  if (!job_.last.has_value() || changes_.empty()) return;
  const v1::Job& last = *job_.last;
  const Change& end = changes_.back();
  if (last.state() != end.state || last.stop_reason() != end.stop_reason) {
    Wrong("it is ", Name(last.state()), " ", v1::Job::StopReason_Name(last.stop_reason()),
          ", but its last event says ", Name(end.state), " ",
          v1::Job::StopReason_Name(end.stop_reason));
  }
  if (last.attempt_count() != end.attempt || last.attempts_size() != end.attempt) {
    Wrong("it has ", last.attempts_size(), " attempts and counts ", last.attempt_count(),
          "; its events tell of ", end.attempt);
  }
  for (int i = 0; i < last.attempts_size(); ++i) {
    const v1::Attempt& attempt = last.attempts(i);
    if (attempt.number() != i + 1) Wrong("attempt ", i + 1, " has the number ", attempt.number());
    if (!attempt.has_end_time() || attempt.outcome().empty())
      Wrong("attempt ", attempt.number(), " has never ended");
  }
  const bool ran_to_end = end.state != v1::Job::CANCELLED;
  if (ran_to_end && last.result().weights_sha256() != reference_.end.result.weights_sha256) {
    Wrong("it ended with the weights ", last.result().weights_sha256(), ", not ",
          reference_.end.result.weights_sha256);
  }
  if (ran_to_end && last.result().best_epoch() != reference_.end.result.best_epoch)
    Wrong("its best epoch is ", last.result().best_epoch());
  std::vector<int64_t> rows;
  for (size_t i = 0; i < job_.last_epochs.size(); ++i)
    CheckEpoch(job_.last_epochs[i], i, "among its rows");
  const auto events = static_cast<size_t>(
      std::count_if(job_.log.begin(), job_.log.end(),
                    [](const v1::JobEvent& event) { return event.has_epoch(); }));
  if (events != job_.last_epochs.size()) {
    Wrong("it has ", job_.last_epochs.size(), " rows of epochs and ", events, " events of them");
  }
}

}  // namespace

bool IsActiveState(v1::Job::State state) {
  return state == v1::Job::RUNNING || state == v1::Job::PAUSING || state == v1::Job::CANCELLING;
}

bool IsLastState(v1::Job::State state) {
  return state == v1::Job::SUCCEEDED || state == v1::Job::FAILED || state == v1::Job::CANCELLED;
}

std::string AboutJob(const JobRecord& job, const std::string& what) {
  return absl::StrCat("job ", job.id, " (", job.plan.name, "): ", what);
}

int64_t TimeOf(const v1::JobEvent& event) {
  return event.time().seconds() * 1'000'000 + event.time().nanos() / 1000;
}

std::vector<Change> ChangesOf(const std::vector<v1::JobEvent>& log) {
  std::vector<Change> changes;
  for (const v1::JobEvent& event : log) {
    if (!event.has_state_change()) continue;
    const auto& change = event.state_change();
    changes.push_back(
        {change.state(), change.stop_reason(), change.attempt(), TimeOf(event), event.sequence()});
  }
  return changes;
}

std::vector<std::string> CheckJob(const JobRecord& job, const HistoryRecord& history,
                                  const BatchRecord& batch) {
  if (job.id.empty()) return {};
  return JobCheck(job, history, batch).Run();
}

}  // namespace anneal::model
