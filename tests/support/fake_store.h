// A Store in memory, with failures on demand. Outliving a Scheduler, it is what a database is to a
// restarted daemon.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/core/checkpoint_info.h"
#include "server/core/clock.h"
#include "server/core/job.h"
#include "server/core/job_update.h"
#include "server/core/metrics.h"
#include "server/core/mutex.h"
#include "server/core/prediction.h"
#include "server/core/strings.h"
#include "storage/store.h"
#include "tests/support/fake_predictions.h"

namespace anneal {

// Thread-safe. A change of state that the transition table does not know is INTERNAL, so that no
// caller gets away with it.
class FakeStore final : public Store {
 public:
  enum class Call : size_t {
    kCreateJob,
    kUpdateJob,
    kBeginAttempt,
    kAppendEpoch,
    kAppendWarning,
    kEndAttempt,
    kChangeState,
    kAppendTrialEnds,
    kCancelWaitingTrials,
    kRecoverInterrupted,
    kAppendTrainingState,
    kBeginPredictions,
    kAppendPredictions,
    kDeleteJob,
    kGetJob,
    kListJobs,
    kListQueued,
    kListDeadlines,
    kListTrials,
    kListOpenSweeps,
    kListEpochs,
    kListLastEpochs,
    kGetCheckpoint,
    kListTrainingStates,
    kListFiles,
    kGetPredictionSet,
    kListPredictions,
    kReadPredictions,
    kListEvents,
    kCount,
  };
  static constexpr int64_t kForEver = -1;

  explicit FakeStore(const Clock& clock) : clock_(clock) {}

  // --- for tests ---

  // The next `times` calls of this kind write nothing and answer `status`; kForEver: until Heal().
  void Fail(Call call, int64_t times, const absl::Status& status) {
    const MutexLock lock(mutex_);
    Hooks& hooks = hooks_[static_cast<size_t>(call)];
    hooks.failures = times;
    hooks.code = status.code();
    hooks.message = std::string(status.message());
  }

  void Heal(Call call) { Fail(call, 0, absl::OkStatus()); }

  // `before` runs at the start of every call of this kind, without any lock: a place to race from,
  // to move a clock or to wait. An empty function ends that.
  void Before(Call call, std::function<void()> before) {
    const MutexLock lock(mutex_);
    hooks_[static_cast<size_t>(call)].before = std::move(before);
  }

  // `after_commit` runs in every ChangeState that has committed, before it returns, without any
  // lock.
  void AfterChangeState(std::function<void()> after_commit) {
    const MutexLock lock(mutex_);
    after_change_state_ = std::move(after_commit);
  }

  // Calls so far, failed ones too.
  int64_t CallCount(Call call) const {
    const MutexLock lock(mutex_);
    return hooks_[static_cast<size_t>(call)].calls;
  }

  // Everything that happened to the job.
  std::vector<JobEvent> Events(JobId id) const {
    const MutexLock lock(mutex_);
    const auto row = rows_.find(id);
    return row == rows_.end() ? std::vector<JobEvent>() : row->second.events;
  }

  // The stored spec, as a disk that lies would change it.
  void OverwriteSpec(JobId id, std::string bytes) {
    const MutexLock lock(mutex_);
    rows_.at(id).job.spec = std::move(bytes);
  }

  // --- Store ---

  absl::StatusOr<CreatedJob> CreateJob(const NewJob& job) override {
    if (absl::Status failure = Enter(Call::kCreateJob); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    if (!job.request_id.empty()) {
      if (const auto known = requests_.find(job.request_id); known != requests_.end()) {
        const Row& row = rows_.at(known->second);
        if (row.job.spec_sha256 != job.spec_sha256) {
          return absl::AlreadyExistsError(
              absl::StrCat("request id \"", job.request_id, "\" was used for another spec"));
        }
        return CreatedJob{row.job, false, {}, TrialsOf(row.job.id)};
      }
    }
    if (job.model_job_id != 0 && !rows_.contains(job.model_job_id)) {
      return absl::NotFoundError(absl::StrCat("there is no job ", job.model_job_id));
    }
    if (absl::Status full = CheckQueueLimits(job); !full.ok()) return full;
    const JobId id = next_id_++;
    Row& row = rows_[id];
    row.job.id = id;
    row.job.kind = job.kind;
    row.job.name = job.name;
    row.job.priority = job.priority;
    row.job.create_time_us = clock_.NowUs();
    row.job.spec = job.spec;
    row.job.spec_sha256 = job.spec_sha256;
    row.job.model_job_id = job.model_job_id;
    TakeOver(job, row.job);
    if (!job.request_id.empty()) requests_[job.request_id] = id;
    CreatedJob created{row.job, true, {}, {}};
    created.events.push_back(Append(row, JobEvent::StateChange{}));
    for (const std::string& warning : job.warnings) {
      created.events.push_back(Append(row, JobEvent::Warning{warning}));
    }
    for (size_t i = 0; i < job.trials.size(); ++i) {
      const NewTrial& wanted = job.trials[i];
      const JobId trial_id = next_id_++;
      Row& trial = rows_[trial_id];
      trial.job.id = trial_id;
      trial.job.name = wanted.name;
      trial.job.priority = job.priority;
      TakeOver(job, trial.job);
      trial.job.create_time_us = clock_.NowUs();
      trial.job.spec = wanted.spec;
      trial.job.spec_sha256 = wanted.spec_sha256;
      trial.job.trial = TrialPlace{id, static_cast<int64_t>(i) + 1, wanted.settings};
      Append(trial, JobEvent::StateChange{});
      created.trials.push_back(trial_id);
    }
    return created;
  }

  absl::StatusOr<UpdatedJob> UpdateJob(JobId id, const JobUpdate& update) override {
    if (absl::Status failure = Enter(Call::kUpdateJob); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    Row* row = nullptr;
    if (absl::Status missing = Find(id, row); !missing.ok()) return missing;
    if (absl::Status checked = CheckUpdate(row->job, update); !checked.ok()) return checked;
    for (const JobId trial_id : TrialsOf(id)) {
      const Job& trial = rows_.at(trial_id).job;
      if (IsTerminal(trial.state)) continue;
      if (absl::Status labels = CheckLabels(trial, update); !labels.ok()) return labels;
    }
    int64_t front = 0;
    for (const auto& [other_id, other] : rows_) {
      if (!IsTerminal(other.job.state)) front = std::max(front, other.job.front);
    }
    UpdatedJob updated;
    const std::string note = ApplyUpdate(update, front + 1, row->job);
    if (!note.empty() && !IsTerminal(row->job.state))
      updated.events.push_back(Append(*row, JobEvent::Note{note}));
    for (const JobId trial_id : TrialsOf(id)) {
      Job& trial = rows_.at(trial_id).job;
      if (IsTerminal(trial.state)) continue;
      ApplyUpdate(update, front + 1, trial);
      updated.changed.push_back(ForList(trial));
    }
    updated.changed.push_back(ForList(row->job));
    return updated;
  }

  absl::StatusOr<StartedAttempt> BeginAttempt(JobId id, const std::string& fingerprint) override {
    if (absl::Status failure = Enter(Call::kBeginAttempt); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    Row* row = nullptr;
    if (absl::Status missing = Find(id, row); !missing.ok()) return missing;
    if (row->job.state != JobState::kQueued) return WrongState(*row, JobState::kQueued);
    Attempt attempt;
    attempt.number = ++row->job.attempt_count;
    attempt.start_time_us = clock_.NowUs();
    attempt.fingerprint = fingerprint;
    row->job.attempts.push_back(attempt);
    row->job.state = JobState::kRunning;
    if (row->job.start_time_us == 0) row->job.start_time_us = attempt.start_time_us;
    return StartedAttempt{attempt.number,
                          Append(*row, JobEvent::StateChange{JobState::kRunning, StopReason::kNone,
                                                             "", attempt.number})};
  }

  absl::StatusOr<std::optional<JobEvent>> AppendEpoch(JobId id, int64_t attempt,
                                                      const EpochRecord& record) override {
    if (absl::Status failure = Enter(Call::kAppendEpoch); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    Row* row = nullptr;
    if (absl::Status missing = Find(id, row); !missing.ok()) return missing;
    if (!IsActive(row->job.state)) {
      return absl::AbortedError(absl::StrCat("job ", id, " is not running"));
    }
    EpochRecord stored = record;
    stored.attempt = attempt;
    stored.time_us = clock_.NowUs();
    if (!row->epochs.emplace(record.epoch, stored).second) return std::optional<JobEvent>();
    row->job.restarts = 0;
    return std::optional<JobEvent>(Append(*row, std::move(stored)));
  }

  absl::StatusOr<JobEvent> AppendWarning(JobId id, const std::string& text) override {
    if (absl::Status failure = Enter(Call::kAppendWarning); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    Row* row = nullptr;
    if (absl::Status missing = Find(id, row); !missing.ok()) return missing;
    return Append(*row, JobEvent::Warning{text});
  }

  absl::StatusOr<std::vector<JobEvent>> EndAttempt(JobId id, int64_t attempt,
                                                   const AttemptEnd& end) override {
    if (absl::Status failure = Enter(Call::kEndAttempt); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    Row* row = nullptr;
    if (absl::Status missing = Find(id, row); !missing.ok()) return missing;
    if (row->job.state != end.from) return WrongState(*row, end.from);
    if (absl::Status legal = CheckChange(end.from, end.to); !legal.ok()) return legal;
    if (end.checkpoint.has_value() && end.to != JobState::kSucceeded) {
      return absl::InternalError(absl::StrCat("job ", id, ": only a success has a checkpoint"));
    }
    if (end.is_restart && end.to != JobState::kQueued) {
      return absl::InternalError(absl::StrCat("job ", id, ": a restart leads to the queue"));
    }
    row->checkpoint = end.checkpoint;
    if (end.to == JobState::kSucceeded || end.to == JobState::kFailed) row->states.clear();
    std::vector<JobEvent> events;
    if (end.result.has_value()) {
      row->job.result = end.result;
      events.push_back(Append(*row, *end.result));
    }
    Attempt& ended = row->job.attempts.at(static_cast<size_t>(attempt - 1));
    ended.end_time_us = clock_.NowUs();
    ended.outcome = end.outcome;
    ended.time_spent = end.time_spent;
    if (end.is_restart) row->job.restarts += 1;
    events.push_back(SetState(*row, end.to, end.stop_reason, end.message));
    return events;
  }

  absl::StatusOr<JobEvent> ChangeState(JobId id, JobState from, JobState to, StopReason stop_reason,
                                       const std::string& message) override {
    if (absl::Status failure = Enter(Call::kChangeState); !failure.ok()) return failure;
    std::function<void()> after_commit;
    JobEvent event;
    {
      const MutexLock lock(mutex_);
      Row* row = nullptr;
      if (absl::Status missing = Find(id, row); !missing.ok()) return missing;
      if (row->job.state != from) return WrongState(*row, from);
      if (absl::Status legal = CheckChange(from, to); !legal.ok()) return legal;
      event = SetState(*row, to, stop_reason, message);
      after_commit = after_change_state_;
    }
    if (after_commit) after_commit();
    return event;
  }

  absl::StatusOr<std::vector<JobEvent>> AppendTrialEnds(JobId sweep_id) override {
    if (absl::Status failure = Enter(Call::kAppendTrialEnds); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    Row* row = nullptr;
    if (absl::Status missing = Find(sweep_id, row); !missing.ok()) return missing;
    std::vector<JobEvent> events;
    if (IsTerminal(row->job.state)) return events;
    for (const JobId id : TrialsOf(sweep_id)) {
      const Job& trial = rows_.at(id).job;
      if (!IsTerminal(trial.state) || IsTold(*row, id)) continue;
      events.push_back(Append(*row, JobEvent::TrialEnd{id, trial.trial->number, trial.state}));
    }
    return events;
  }

  absl::StatusOr<std::vector<JobEvent>> CancelWaitingTrials(JobId sweep_id) override {
    if (absl::Status failure = Enter(Call::kCancelWaitingTrials); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    Row* row = nullptr;
    if (absl::Status missing = Find(sweep_id, row); !missing.ok()) return missing;
    std::vector<JobEvent> events;
    for (const JobId id : TrialsOf(sweep_id)) {
      Row& trial = rows_.at(id);
      if (trial.job.state != JobState::kQueued && trial.job.state != JobState::kPaused) continue;
      events.push_back(SetState(trial, JobState::kCancelled, StopReason::kUser, ""));
    }
    return events;
  }

  absl::StatusOr<std::vector<JobId>> RecoverInterrupted(int64_t max_restarts) override {
    if (absl::Status failure = Enter(Call::kRecoverInterrupted); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    std::vector<JobId> changed;
    for (auto& [id, row] : rows_) {
      if (!IsActive(row.job.state) || row.job.kind == JobKind::kSweep) continue;
      for (Attempt& attempt : row.job.attempts) {
        if (attempt.end_time_us != 0) continue;
        attempt.end_time_us = row.events.back().time_us;
        attempt.outcome = "INTERRUPTED";
      }
      const bool is_hopeless = row.job.state == JobState::kRunning && max_restarts > 0 &&
                               row.job.restarts >= max_restarts;
      row.job.restarts += 1;
      const JobState next = NextState(row.job.state, is_hopeless ? JobTransition::kFail
                                                                 : JobTransition::kInterrupt)
                                .value();
      if (is_hopeless) row.states.clear();
      SetState(row, next,
               is_hopeless        ? StopReason::kTooManyRestarts
               : IsTerminal(next) ? StopReason::kUser
                                  : StopReason::kNone,
               "");
      changed.push_back(id);
    }
    return changed;
  }

  absl::StatusOr<KeptState> AppendTrainingState(JobId id, int64_t attempt,
                                                const TrainingStateInfo& state) override {
    if (absl::Status failure = Enter(Call::kAppendTrainingState); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    Row* row = nullptr;
    if (absl::Status missing = Find(id, row); !missing.ok()) return missing;
    if (absl::Status closed = CheckOpen(*row, attempt); !closed.ok()) return closed;
    std::erase_if(row->states,
                  [&state](const TrainingStateInfo& kept) { return kept.file == state.file; });
    row->states.insert(row->states.begin(), state);
    row->job.restarts = 0;
    KeptState kept;
    kept.event =
        Append(*row, JobEvent::StateKept{state.epochs, state.batches, state.bytes});
    for (; row->states.size() > 2; row->states.pop_back())
      kept.replaced.push_back(row->states.back().file);
    return kept;
  }

  absl::StatusOr<int64_t> BeginPredictions(JobId id, int64_t attempt,
                                           const PredictionSet& set) override {
    if (absl::Status failure = Enter(Call::kBeginPredictions); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    Row* row = nullptr;
    if (absl::Status missing = Find(id, row); !missing.ok()) return missing;
    if (absl::Status closed = CheckOpen(*row, attempt); !closed.ok()) return closed;
    if (row->predictions.has_value() && !row->predictions->Is(set)) {
      return absl::FailedPreconditionError(
          absl::StrCat("an earlier attempt of job ", id, " has begun other predictions"));
    }
    if (!row->predictions.has_value()) {
      PredictionSet begun = set;
      begun.job_id = id;
      row->predictions.emplace(std::move(begun));
    }
    return row->predictions->set().stored;
  }

  absl::Status AppendPredictions(JobId id, int64_t attempt, const PredictionChunk& chunk) override {
    if (absl::Status failure = Enter(Call::kAppendPredictions); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    Row* row = nullptr;
    if (absl::Status missing = Find(id, row); !missing.ok()) return missing;
    if (absl::Status closed = CheckOpen(*row, attempt); !closed.ok()) return closed;
    if (!row->predictions.has_value()) {
      return absl::InternalError(absl::StrCat("job ", id, " has begun no predictions"));
    }
    const int64_t before = row->predictions->set().stored;
    if (absl::Status appended = row->predictions->Append(chunk); !appended.ok()) return appended;
    if (row->predictions->set().stored > before) row->job.restarts = 0;
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<JobId>> DeleteJob(JobId id) override {
    if (absl::Status failure = Enter(Call::kDeleteJob); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    Row* row = nullptr;
    if (absl::Status missing = Find(id, row); !missing.ok()) return missing;
    if (!IsTerminal(row->job.state)) {
      return absl::FailedPreconditionError(
          absl::StrCat("job ", id, " has not ended: it is ", ToAbsl(JobStateName(row->job.state))));
    }
    std::vector<JobId> gone = TrialsOf(id);
    const bool open_trial = std::any_of(gone.begin(), gone.end(), [this](JobId trial) {
      return !IsTerminal(rows_.at(trial).job.state);
    });
    if (open_trial ||
        (row->job.trial.has_value() && !IsTerminal(rows_.at(row->job.trial->sweep_id).job.state))) {
      return absl::FailedPreconditionError(
          absl::StrCat("a job of the same sweep as job ", id, " has not ended"));
    }
    gone.insert(gone.begin(), id);
    for (const auto& [user_id, user] : rows_) {
      if (IsTerminal(user.job.state) ||
          std::find(gone.begin(), gone.end(), user.job.model_job_id) == gone.end()) {
        continue;
      }
      return absl::FailedPreconditionError(absl::StrCat(
          "job ", user_id, ", which predicts with job ", user.job.model_job_id, ", has not ended"));
    }
    for (const JobId one : gone) rows_.erase(one);
    return gone;
  }

  absl::StatusOr<Job> GetJob(JobId id) override {
    if (absl::Status failure = Enter(Call::kGetJob); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    Row* row = nullptr;
    if (absl::Status missing = Find(id, row); !missing.ok()) return missing;
    return row->job;
  }

  absl::StatusOr<std::vector<Job>> ListJobs(const JobQuery& query) override {
    if (absl::Status failure = Enter(Call::kListJobs); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    std::vector<Job> jobs;
    for (auto row = rows_.rbegin(); row != rows_.rend(); ++row) {
      const Job& job = row->second.job;
      if (static_cast<int64_t>(jobs.size()) >= query.limit) break;
      if (query.before_id != 0 && job.id >= query.before_id) continue;
      if (query.sweep_id != 0 &&
          !(job.trial.has_value() && job.trial->sweep_id == query.sweep_id)) {
        continue;
      }
      if (query.model_job_id != 0 && job.model_job_id != query.model_job_id) continue;
      if (!query.states.empty() &&
          std::find(query.states.begin(), query.states.end(), job.state) == query.states.end()) {
        continue;
      }
      if (job.name.find(query.name_contains) == std::string::npos) continue;
      if (!query.owner.empty() && job.owner != query.owner) continue;
      const bool has_labels =
          std::all_of(query.labels.begin(), query.labels.end(), [&job](const auto& wanted) {
            const auto label = job.labels.find(wanted.first);
            return label != job.labels.end() &&
                   (!wanted.second.has_value() || label->second == *wanted.second);
          });
      if (!has_labels) continue;
      jobs.push_back(ForList(job));
    }
    return jobs;
  }

  absl::StatusOr<std::vector<Job>> ListQueued() override {
    if (absl::Status failure = Enter(Call::kListQueued); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    std::vector<Job> jobs;
    for (const auto& [id, row] : rows_) {
      if (row.job.state != JobState::kQueued || row.job.kind == JobKind::kSweep) continue;
      Job& job = jobs.emplace_back(ForList(row.job));
      job.labels.clear();
      if (job.trial.has_value()) job.trial->settings.clear();
    }
    std::stable_sort(jobs.begin(), jobs.end(),
                     [](const Job& a, const Job& b) {
                       return a.front != b.front ? a.front > b.front : a.priority > b.priority;
                     });
    return jobs;
  }

  absl::StatusOr<std::vector<JobDeadline>> ListDeadlines() override {
    if (absl::Status failure = Enter(Call::kListDeadlines); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    std::vector<JobDeadline> deadlines;
    for (const auto& [id, row] : rows_) {
      const int64_t deadline_us = row.job.limits.deadline_us;
      if (deadline_us == 0 || IsTerminal(row.job.state) || row.job.kind == JobKind::kSweep)
        continue;
      deadlines.push_back({id, deadline_us});
    }
    std::stable_sort(deadlines.begin(), deadlines.end(),
                     [](const JobDeadline& a, const JobDeadline& b) {
                       return a.deadline_us < b.deadline_us;
                     });
    return deadlines;
  }

  absl::StatusOr<std::vector<TrialRow>> ListTrials(const TrialQuery& query) override {
    if (absl::Status failure = Enter(Call::kListTrials); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    std::vector<TrialRow> trials;
    for (const JobId id : TrialsOf(query.sweep_id)) {
      const Row& row = rows_.at(id);
      TrialRow& trial = trials.emplace_back();
      trial.id = id;
      trial.number = row.job.trial->number;
      trial.state = row.job.state;
      trial.stop_reason = row.job.stop_reason;
      trial.started = row.job.start_time_us != 0;
      trial.end_told = IsTold(rows_.at(query.sweep_id), id);
      trial.settings = row.job.trial->settings;
      for (const auto& [epoch, record] : row.epochs) {
        for (const MetricValue& metric : record.metrics) {
          if (metric.name != query.monitor || !std::isfinite(metric.value)) continue;
          if (trial.best.has_value() && (query.larger_is_better ? metric.value <= *trial.best
                                                                : metric.value >= *trial.best)) {
            continue;
          }
          trial.best = metric.value;
          trial.best_epoch = epoch;
        }
      }
    }
    return trials;
  }

  absl::StatusOr<std::vector<JobId>> ListOpenSweeps() override {
    if (absl::Status failure = Enter(Call::kListOpenSweeps); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    std::set<JobId> ids;
    for (const auto& [id, row] : rows_) {
      if (IsTerminal(row.job.state)) continue;
      if (row.job.kind == JobKind::kSweep) ids.insert(id);
      if (row.job.trial.has_value()) ids.insert(row.job.trial->sweep_id);
    }
    return std::vector<JobId>(ids.begin(), ids.end());
  }

  absl::StatusOr<std::vector<EpochRecord>> ListEpochs(const EpochQuery& query) override {
    if (absl::Status failure = Enter(Call::kListEpochs); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    Row* row = nullptr;
    if (absl::Status missing = Find(query.job_id, row); !missing.ok()) return missing;
    std::vector<EpochRecord> epochs;
    for (auto it = row->epochs.upper_bound(query.after_epoch); it != row->epochs.end(); ++it) {
      if (static_cast<int64_t>(epochs.size()) >= query.limit) break;
      EpochRecord record = it->second;
      if (!query.metrics.empty()) {
        std::erase_if(record.metrics, [&query](const MetricValue& metric) {
          return std::find(query.metrics.begin(), query.metrics.end(), metric.name) ==
                 query.metrics.end();
        });
      }
      epochs.push_back(std::move(record));
    }
    return epochs;
  }

  absl::StatusOr<std::vector<LastEpoch>> ListLastEpochs(const std::vector<JobId>& ids) override {
    if (absl::Status failure = Enter(Call::kListLastEpochs); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    std::vector<LastEpoch> epochs;
    for (const JobId id : std::set<JobId>(ids.begin(), ids.end())) {
      const auto row = rows_.find(id);
      if (row == rows_.end() || row->second.epochs.empty()) continue;
      epochs.push_back({id, row->second.epochs.rbegin()->second});
    }
    return epochs;
  }

  absl::StatusOr<CheckpointInfo> GetCheckpoint(JobId id) override {
    if (absl::Status failure = Enter(Call::kGetCheckpoint); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    Row* row = nullptr;
    if (absl::Status missing = Find(id, row); !missing.ok()) return missing;
    if (!row->checkpoint.has_value()) {
      return absl::NotFoundError(absl::StrCat("job ", id, " has no final weights"));
    }
    return *row->checkpoint;
  }

  absl::StatusOr<std::vector<TrainingStateInfo>> ListTrainingStates(JobId id) override {
    if (absl::Status failure = Enter(Call::kListTrainingStates); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    const auto row = rows_.find(id);
    return row == rows_.end() ? std::vector<TrainingStateInfo>() : row->second.states;
  }

  absl::StatusOr<std::vector<std::string>> ListFiles() override {
    if (absl::Status failure = Enter(Call::kListFiles); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    std::vector<std::string> files;
    for (const auto& [id, row] : rows_) {
      if (row.checkpoint.has_value()) files.push_back(row.checkpoint->file);
      for (const TrainingStateInfo& state : row.states) files.push_back(state.file);
    }
    return files;
  }

  absl::StatusOr<PredictionSet> GetPredictionSet(JobId id) override {
    if (absl::Status failure = Enter(Call::kGetPredictionSet); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    const FakePredictions* predictions = nullptr;
    if (absl::Status none = FindPredictions(id, predictions); !none.ok()) return none;
    return predictions->set();
  }

  absl::StatusOr<PredictionPage> ListPredictions(const PredictionQuery& query) override {
    if (absl::Status failure = Enter(Call::kListPredictions); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    const FakePredictions* predictions = nullptr;
    if (absl::Status none = FindPredictions(query.job_id, predictions); !none.ok()) return none;
    return predictions->List(query);
  }

  absl::Status ReadPredictions(
      JobId id, const std::function<absl::Status(const PredictionChunk&)>& visit) override {
    if (absl::Status failure = Enter(Call::kReadPredictions); !failure.ok()) return failure;
    std::optional<FakePredictions> as_of_now;
    {
      const MutexLock lock(mutex_);
      const FakePredictions* predictions = nullptr;
      if (absl::Status none = FindPredictions(id, predictions); !none.ok()) return none;
      as_of_now = *predictions;
    }
    return as_of_now->Read(visit);
  }

  absl::StatusOr<std::vector<JobEvent>> ListEvents(JobId id, int64_t after_sequence,
                                                   int64_t limit) override {
    if (absl::Status failure = Enter(Call::kListEvents); !failure.ok()) return failure;
    const MutexLock lock(mutex_);
    Row* row = nullptr;
    if (absl::Status missing = Find(id, row); !missing.ok()) return missing;
    std::vector<JobEvent> events;
    for (const JobEvent& event : row->events) {
      if (static_cast<int64_t>(events.size()) >= limit) break;
      if (event.sequence > after_sequence) events.push_back(event);
    }
    return events;
  }

 private:
  static void TakeOver(const NewJob& wanted, Job& job) {
    job.owner = wanted.owner;
    job.labels = wanted.labels;
    job.limits = wanted.limits;
    job.needs = wanted.needs;
  }

  absl::Status CheckQueueLimits(const NewJob& job) const ANNEAL_REQUIRES(mutex_) {
    const auto more = std::max<int64_t>(static_cast<int64_t>(job.trials.size()), 1);
    int64_t waiting = 0;
    int64_t of_owner = 0;
    for (const auto& [id, row] : rows_) {
      if (row.job.state != JobState::kQueued && row.job.state != JobState::kPaused) continue;
      if (row.job.kind == JobKind::kSweep) continue;
      waiting += 1;
      if (row.job.owner == job.owner) of_owner += 1;
    }
    const QueueLimits& limits = job.queue_limits;
    if ((limits.jobs > 0 && waiting + more > limits.jobs) ||
        (limits.jobs_of_owner > 0 && of_owner + more > limits.jobs_of_owner)) {
      return absl::FailedPreconditionError("too many jobs wait");
    }
    return absl::OkStatus();
  }

  struct Row {
    Job job;
    std::map<int64_t, EpochRecord> epochs;
    std::vector<JobEvent> events;
    std::optional<CheckpointInfo> checkpoint;
    std::vector<TrainingStateInfo> states;  // newest first
    std::optional<FakePredictions> predictions;
  };
  struct Hooks {
    int64_t failures = 0;
    // Not an absl::Status: copies would share a reference count, and ThreadSanitizer, which does
    // not see into Debian's Abseil, would take its last decrement for a race.
    absl::StatusCode code = absl::StatusCode::kOk;
    std::string message;
    std::function<void()> before;
    int64_t calls = 0;
  };

  absl::Status Enter(Call call) {
    std::function<void()> before;
    {
      const MutexLock lock(mutex_);
      before = hooks_[static_cast<size_t>(call)].before;
    }
    if (before) before();
    const MutexLock lock(mutex_);
    Hooks& hooks = hooks_[static_cast<size_t>(call)];
    hooks.calls += 1;
    if (hooks.failures == 0) return absl::OkStatus();
    if (hooks.failures > 0) hooks.failures -= 1;
    return absl::Status(hooks.code, hooks.message);
  }

  absl::Status Find(JobId id, Row*& row) ANNEAL_REQUIRES(mutex_) {
    const auto it = rows_.find(id);
    if (it == rows_.end()) return absl::NotFoundError(absl::StrCat("there is no job ", id));
    row = &it->second;
    return absl::OkStatus();
  }

  absl::Status FindPredictions(JobId id, const FakePredictions*& predictions)
      ANNEAL_REQUIRES(mutex_) {
    Row* row = nullptr;
    if (absl::Status missing = Find(id, row); !missing.ok()) return missing;
    if (!row->predictions.has_value()) {
      return absl::NotFoundError(absl::StrCat("job ", id, " has begun no predictions"));
    }
    predictions = &*row->predictions;
    return absl::OkStatus();
  }

  static absl::Status CheckOpen(const Row& row, int64_t attempt) {
    const bool open = !row.job.attempts.empty() && row.job.attempts.back().number == attempt &&
                      row.job.attempts.back().end_time_us == 0;
    if (IsActive(row.job.state) && open) return absl::OkStatus();
    return absl::AbortedError(
        absl::StrCat("attempt ", attempt, " of job ", row.job.id, " is not running"));
  }

  // In order.
  std::vector<JobId> TrialsOf(JobId sweep_id) const ANNEAL_REQUIRES(mutex_) {
    std::vector<JobId> ids;
    for (const auto& [id, row] : rows_) {
      if (row.job.trial.has_value() && row.job.trial->sweep_id == sweep_id) ids.push_back(id);
    }
    return ids;
  }

  static bool IsTold(const Row& sweep, JobId trial) {
    return std::any_of(sweep.events.begin(), sweep.events.end(), [trial](const JobEvent& event) {
      const auto* end = std::get_if<JobEvent::TrialEnd>(&event.what);
      return end != nullptr && end->job_id == trial;
    });
  }

  static absl::Status WrongState(const Row& row, JobState expected) {
    return absl::AbortedError(absl::StrCat("job ", row.job.id, " is ",
                                           ToAbsl(JobStateName(row.job.state)), ", not ",
                                           ToAbsl(JobStateName(expected))));
  }

  static absl::Status CheckChange(JobState from, JobState to) {
    for (const JobTransition transition : kAllJobTransitions) {
      if (NextState(from, transition) == to) return absl::OkStatus();
    }
    return absl::InternalError(absl::StrCat("no transition leads from ", ToAbsl(JobStateName(from)),
                                            " to ", ToAbsl(JobStateName(to))));
  }

  JobEvent SetState(Row& row, JobState to, StopReason reason, const std::string& message)
      ANNEAL_REQUIRES(mutex_) {
    row.job.state = to;
    row.job.stop_reason = reason;
    row.job.message = message;
    if (IsTerminal(to)) row.job.end_time_us = clock_.NowUs();
    return Append(row, JobEvent::StateChange{to, reason, message, row.job.attempt_count});
  }

  template <typename What>
  JobEvent Append(Row& row, What what) ANNEAL_REQUIRES(mutex_) {
    JobEvent event;
    event.job_id = row.job.id;
    event.sequence = static_cast<int64_t>(row.events.size()) + 1;
    event.time_us = clock_.NowUs();
    event.what = std::move(what);
    row.events.push_back(event);
    return event;
  }

  static Job ForList(Job job) {
    job.spec.clear();
    job.attempts.clear();
    job.result.reset();
    return job;
  }

  const Clock& clock_;

  mutable Mutex mutex_;
  JobId next_id_ ANNEAL_GUARDED_BY(mutex_) = 1;
  std::map<JobId, Row> rows_ ANNEAL_GUARDED_BY(mutex_);
  std::map<std::string, JobId> requests_ ANNEAL_GUARDED_BY(mutex_);
  std::array<Hooks, static_cast<size_t>(Call::kCount)> hooks_ ANNEAL_GUARDED_BY(mutex_);
  std::function<void()> after_change_state_ ANNEAL_GUARDED_BY(mutex_);
};

}  // namespace anneal
