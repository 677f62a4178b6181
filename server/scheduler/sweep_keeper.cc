#include "server/scheduler/sweep_keeper.h"

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/core/status_macros.h"
#include "server/core/strings.h"
#include "server/scheduler/storage_retry.h"

namespace anneal {
namespace {

constexpr char kFingerprint[] = "sweep";  // its trials have their own

bool IsWaiting(const TrialRow& trial) {
  return trial.state == JobState::kQueued || trial.state == JobState::kPaused;
}
bool HasEnded(const TrialRow& trial) { return IsTerminal(trial.state); }

int64_t CountOf(const std::vector<TrialRow>& trials, JobState state) {
  return std::count_if(trials.begin(), trials.end(),
                       [state](const TrialRow& trial) { return trial.state == state; });
}

// "2 FAILED (DIVERGED), 1 CANCELLED": the trials that did not succeed, by how they ended.
std::string HowOthersEnded(const std::vector<TrialRow>& trials) {
  std::map<std::pair<JobState, StopReason>, int64_t> counts;
  for (const TrialRow& trial : trials) {
    if (trial.state != JobState::kSucceeded) ++counts[{trial.state, trial.stop_reason}];
  }
  std::string text;
  for (const auto& [ending, count] : counts) {
    const auto& [state, reason] = ending;
    absl::StrAppend(&text, text.empty() ? "" : ", ", count, " ", ToAbsl(JobStateName(state)));
    if (state == JobState::kFailed)
      absl::StrAppend(&text, " (", ToAbsl(StopReasonName(reason)), ")");
  }
  return text;
}

// Of the failed trials: the commonest, of equally common ones the lowest number.
StopReason CommonestReason(const std::vector<TrialRow>& trials) {
  std::map<StopReason, int64_t> counts;
  for (const TrialRow& trial : trials) {
    if (trial.state == JobState::kFailed) ++counts[trial.stop_reason];
  }
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

}  // namespace

absl::Status SweepKeeper::Settle(JobId id) {
  // Every round but the last has changed something or lost a race, and there are few steps in a
  // sweep's life.
  constexpr int kRounds = 64;
  for (int round = 0; round < kRounds; ++round) {
    const absl::StatusOr<Job> sweep = store_.GetJob(id);
    if (absl::IsNotFound(sweep.status())) return absl::OkStatus();
    RETURN_IF_ERROR(sweep.status());
    ASSIGN_OR_RETURN(const std::vector<TrialRow> trials, store_.ListTrials({.sweep_id = id}));
    const absl::StatusOr<Next> next = Step(*sweep, trials);
    if (absl::IsAborted(next.status())) {
      // Somebody else was quicker; or an earlier write was committed although the store answered an
      // error, and nobody has heard of it.
      RETURN_IF_ERROR(recorder_.PublishNewest(id));
      continue;
    }
    RETURN_IF_ERROR(next.status());
    if (*next == Next::kDone) return absl::OkStatus();
  }
  return absl::AbortedError(
      absl::StrCat("sweep ", id, " was still changing after ", kRounds, " rounds; try again"));
}

absl::Status SweepKeeper::BeginIfQueued(JobId id) {
  const absl::StatusOr<Job> job = store_.GetJob(id);
  if (absl::IsNotFound(job.status())) return absl::OkStatus();
  RETURN_IF_ERROR(job.status());
  if (job->kind != JobKind::kSweep || job->state != JobState::kQueued) return absl::OkStatus();
  const absl::Status begun = recorder_.BeginAttempt(id, kFingerprint).status();
  return absl::IsAborted(begun) ? absl::OkStatus() : begun;
}

void SweepKeeper::SettleWithRetries(JobId id, int64_t retry_us, const std::stop_token& stop) {
  const absl::Status settled = RetryTransient([&] { return Settle(id); }, retry_us, clock_, stop);
  if (settled.ok() || absl::IsCancelled(settled)) return;
  // Where the store is as bad as that, the warning may fail too: nothing more can be done.
  (void)recorder_.AppendWarning(
      id, absl::StrCat("the sweep could not be brought in step with its trials, and will be when "
                       "the next of them ends or the daemon starts again: ",
                       settled.ToString()));
}

absl::StatusOr<SweepKeeper::Next> SweepKeeper::Step(const Job& sweep,
                                                    const std::vector<TrialRow>& trials) {
  if (sweep.state == JobState::kCancelling) {
    ASSIGN_OR_RETURN(const Next next, CancelTrials(sweep.id, trials));
    if (next == Next::kLookAgain) return next;
  }
  if (IsTerminal(sweep.state)) return Next::kDone;
  const auto started = [](const TrialRow& trial) { return trial.started; };
  if (sweep.state == JobState::kQueued && std::any_of(trials.begin(), trials.end(), started)) {
    RETURN_IF_ERROR(recorder_.BeginAttempt(sweep.id, kFingerprint).status());
    return Next::kLookAgain;
  }
  const auto untold = [](const TrialRow& trial) { return HasEnded(trial) && !trial.end_told; };
  if (std::any_of(trials.begin(), trials.end(), untold)) {
    RETURN_IF_ERROR(recorder_.AppendTrialEnds(sweep.id));
  }
  if (!std::all_of(trials.begin(), trials.end(), HasEnded)) return Next::kDone;
  return End(sweep, trials);
}

absl::StatusOr<SweepKeeper::Next> SweepKeeper::CancelTrials(JobId id,
                                                            const std::vector<TrialRow>& trials) {
  if (std::any_of(trials.begin(), trials.end(), IsWaiting)) {
    ASSIGN_OR_RETURN(const std::vector<JobId> cancelled, recorder_.CancelWaitingTrials(id));
    for (const JobId trial : cancelled) withdraw_(trial, JobState::kCancelled);
    return Next::kLookAgain;
  }
  Next next = Next::kDone;
  for (const TrialRow& trial : trials) {
    if (HasEnded(trial)) continue;
    if (trial.state != JobState::kCancelling) {
      const absl::Status changed =
          recorder_.ChangeState(trial.id, trial.state, JobState::kCancelling, StopReason::kNone, "")
              .status();
      if (absl::IsAborted(changed)) {  // it has just ended, or gone back to the queue
        next = Next::kLookAgain;
        continue;
      }
      RETURN_IF_ERROR(changed);
    }
    withdraw_(trial.id, JobState::kCancelling);
  }
  return next;
}

// All trials have ended.
absl::StatusOr<SweepKeeper::Next> SweepKeeper::End(const Job& sweep,
                                                   const std::vector<TrialRow>& trials) {
  const auto count = static_cast<int64_t>(trials.size());
  const int64_t succeeded = CountOf(trials, JobState::kSucceeded);
  AttemptEnd end;
  end.from = sweep.state;
  if (sweep.state == JobState::kCancelling) {
    end.to = JobState::kCancelled;
    end.stop_reason = StopReason::kUser;
    end.outcome = "CANCELLED";
  } else if (succeeded > 0) {
    end.to = JobState::kSucceeded;
    end.stop_reason = StopReason::kCompleted;
    end.outcome = "SUCCEEDED";
    if (succeeded < count) {
      end.message =
          absl::StrCat(succeeded, " of ", count, " trials succeeded; ", HowOthersEnded(trials));
    }
  } else if (CountOf(trials, JobState::kFailed) > 0) {
    end.to = JobState::kFailed;
    end.stop_reason = CommonestReason(trials);
    end.outcome = "FAILED";
    end.message = absl::StrCat("none of ", count, " trials succeeded: ", HowOthersEnded(trials));
  } else {
    // All were cancelled one by one, which comes to the same as cancelling the sweep.
    const bool began = sweep.state == JobState::kRunning;
    RETURN_IF_ERROR(recorder_
                        .ChangeState(sweep.id, sweep.state,
                                     began ? JobState::kCancelling : JobState::kCancelled,
                                     began ? StopReason::kNone : StopReason::kUser,
                                     "all its trials were cancelled")
                        .status());
    return Next::kLookAgain;
  }
  RETURN_IF_ERROR(recorder_.EndAttempt(sweep.id, sweep.attempt_count, end));
  return Next::kDone;
}

}  // namespace anneal
