#include "server/scheduler/job_changes.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "server/core/failpoint.h"
#include "server/core/status_macros.h"
#include "server/core/strings.h"
#include "server/scheduler/attempt_ending.h"

namespace anneal {
namespace {

// Each round that fails has lost a race against a change of state, and there are few of these in a
// job's life.
constexpr int kRounds = 16;

constexpr int64_t kExpireAgainUs = 1'000'000;  // where the store could not say

absl::Status HasEnded(const Job& job) {
  return absl::FailedPreconditionError(
      absl::StrCat("job ", job.id, " has ended already: it is ", ToAbsl(JobStateName(job.state))));
}

// Does `once` again while it answers ABORTED: the state changed under it.
template <typename Once>
absl::StatusOr<Job> UntilItHolds(JobId id, const char* what, const Once& once) {
  for (int round = 0; round < kRounds; ++round) {
    absl::StatusOr<Job> changed = once();
    if (!absl::IsAborted(changed.status())) return changed;
  }
  return absl::AbortedError(absl::StrCat("job ", id, " changed its state ", kRounds,
                                         " times while it was being ", what, "; try again"));
}

// What neither Pause nor Resume can do anything about: OK, or FAILED_PRECONDITION.
absl::Status CheckPausable(const Job& job) {
  if (IsTerminal(job.state)) return HasEnded(job);
  if (job.kind == JobKind::kSweep) {
    return absl::FailedPreconditionError(absl::StrCat(
        "job ", job.id, " is a sweep: only its trials can be paused and resumed, one by one"));
  }
  if (job.state == JobState::kCancelling) {
    return absl::FailedPreconditionError(absl::StrCat("job ", job.id, " is being cancelled"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Job> JobChanges::Cancel(JobId id) {
  RETURN_IF_ERROR(sweeps_.BeginIfQueued(id));
  absl::StatusOr<Job> cancelled = UntilItHolds(id, "cancelled", [&] { return CancelOnce(id); });
  // Also where it has ended already: an earlier Cancel may have stopped halfway.
  const absl::StatusOr<Job> now = store_.GetJob(id);
  if (!now.ok()) return cancelled;
  if (now->trial.has_value()) {
    // The trial is cancelled, whatever the store answers: its sweep hears of it later then.
    (void)sweeps_.Settle(now->trial->sweep_id);
    return cancelled;
  }
  if (now->kind != JobKind::kSweep) return cancelled;
  RETURN_IF_ERROR(sweeps_.Settle(id));
  if (!cancelled.ok()) return cancelled;
  return store_.GetJob(id);
}

absl::StatusOr<Job> JobChanges::Pause(JobId id) {
  return UntilItHolds(id, "paused", [&] { return PauseOnce(id); });
}

absl::StatusOr<Job> JobChanges::Resume(JobId id) {
  return UntilItHolds(id, "resumed", [&] { return ResumeOnce(id); });
}

// Of `id` itself, not of its sweep or its trials. ABORTED, as the next two: the state changed
// meanwhile.
absl::StatusOr<Job> JobChanges::CancelOnce(JobId id) {
  ASSIGN_OR_RETURN(Job job, store_.GetJob(id));
  if (IsTerminal(job.state)) {
    // In the queue only where an earlier Cancel was committed although the store answered an error.
    if (work_.Remove(id)) (void)recorder_.PublishNewest(id);
    return HasEnded(job);
  }
  const std::optional<JobState> next = NextState(job.state, JobTransition::kCancel);
  if (!next.has_value()) {  // CANCELLING already
    Withdraw(id, job.state);
    return job;
  }
  const StopReason reason = IsTerminal(*next) ? StopReason::kUser : StopReason::kNone;
  RETURN_IF_ERROR(PassFailpoint("cancel.before"));
  ASSIGN_OR_RETURN(const int64_t time_us,
                   recorder_.ChangeState(id, job.state, *next, reason, ""));
  PassCrashpoint("cancel.stored");
  Withdraw(id, *next);
  job.state = *next;
  job.stop_reason = reason;
  job.message.clear();
  if (IsTerminal(*next)) job.end_time_us = time_us;
  return job;
}

absl::StatusOr<Job> JobChanges::PauseOnce(JobId id) {
  ASSIGN_OR_RETURN(Job job, store_.GetJob(id));
  RETURN_IF_ERROR(CheckPausable(job));
  if (job.state == JobState::kPaused) {
    // In the queue only where an earlier Pause was committed although the store answered an error.
    if (work_.Position(id) != 0) (void)recorder_.PublishNewest(id);
    DequeuePaused(AsQueued(job));
    return job;
  }
  if (job.state != JobState::kPausing) {
    const JobState next = NextState(job.state, JobTransition::kPause).value();
    RETURN_IF_ERROR(PassFailpoint("pause.before"));
    RETURN_IF_ERROR(recorder_.ChangeState(id, job.state, next, StopReason::kNone, "").status());
    PassCrashpoint("pause.stored");
    job.state = next;
    job.message.clear();
  }
  if (job.state == JobState::kPaused) {
    DequeuePaused(AsQueued(job));
  } else {
    Withdraw(id, job.state);
  }
  return job;
}

absl::StatusOr<Job> JobChanges::ResumeOnce(JobId id) {
  ASSIGN_OR_RETURN(Job job, store_.GetJob(id));
  RETURN_IF_ERROR(CheckPausable(job));
  if (job.state == JobState::kPausing) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", id, " is still being paused; resume it when it is PAUSED"));
  }
  if (job.state == JobState::kRunning) return job;
  if (job.state == JobState::kQueued) {
    // Not in the queue only where an earlier Resume was committed although the store answered an
    // error, or where the store could not begin the job for good.
    if (Enqueue(AsQueued(job))) (void)recorder_.PublishNewest(id);
    return job;
  }
  RETURN_IF_ERROR(PassFailpoint("resume.before"));
  const absl::Status changed = recorder_
                                   .ChangeState(id, job.state, JobState::kQueued, StopReason::kNone,
                                                "")
                                   .status();
  PassCrashpoint("resume.stored");
  if (absl::IsAborted(changed) || absl::IsNotFound(changed)) return changed;
  // Also after an error, for it may be committed all the same: at worst this is a ghost.
  Enqueue(AsQueued(job));
  RETURN_IF_ERROR(changed);
  job.state = JobState::kQueued;
  job.message.clear();
  return job;
}

// What is left to do for a job that is now in `state` in the store, which is not QUEUED or RUNNING.
void JobChanges::Withdraw(JobId id, JobState state) {
  if (IsTerminal(state)) deadlines_.Set(id, 0);
  work_.Withdraw(id, IsTerminal(state) || state == JobState::kPaused);
}

// Of a job that was PAUSED in the store a moment ago.
void JobChanges::DequeuePaused(const QueuedJob& job) {
  Withdraw(job.id, JobState::kPaused);
  const absl::StatusOr<Job> now = store_.GetJob(job.id);
  const bool gone = absl::IsNotFound(now.status()) ||
                    (now.ok() && (now->state == JobState::kPaused || IsTerminal(now->state)));
  // Resumed meanwhile, and perhaps begun: then the worker, which was asked to stop, will put it
  // down.
  if (!gone) work_.Push(now.ok() ? AsQueued(*now) : job);
}

bool JobChanges::Enqueue(const QueuedJob& job) {
  bool added = false;
  absl::StatusOr<Job> now = absl::UnknownError("");
  {
    const MutexLock lock(update_mutex_);
    added = work_.Push(job);
    now = store_.GetJob(job.id);
    if (now.ok()) work_.Update(AsQueued(*now));
  }
  if (absl::IsNotFound(now.status()) || (now.ok() && IsTerminal(now->state))) {
    work_.Remove(job.id);
  } else if (now.ok() && now->state == JobState::kPaused) {
    DequeuePaused(AsQueued(*now));
  }
  return added;
}

absl::StatusOr<Job> JobChanges::Update(JobId id, const JobUpdate& update) {
  {
    const MutexLock lock(update_mutex_);
    ASSIGN_OR_RETURN(const UpdatedJob updated, recorder_.UpdateJob(id, update));
    for (const Job& job : updated.changed) work_.Update(AsQueued(job));
    if (update.deadline_us.has_value() || update.max_run_time_us.has_value()) {
      // What its due time is now is found out when it comes up, at once.
      for (const Job& job : updated.changed) {
        if (job.kind != JobKind::kSweep && !IsTerminal(job.state))
          deadlines_.Set(job.id, clock_.NowUs());
      }
    }
  }
  return store_.GetJob(id);
}

void JobChanges::Expire(JobId id) {
  for (int round = 0; round < kRounds; ++round) {
    const absl::Status expired = ExpireOnce(id);
    if (expired.ok()) return;
    if (!absl::IsAborted(expired)) break;
  }
  deadlines_.Set(id, clock_.NowUs() + kExpireAgainUs);
}

// ABORTED: the state changed meanwhile.
absl::Status JobChanges::ExpireOnce(JobId id) {
  const absl::StatusOr<Job> job = store_.GetJob(id);
  if (absl::IsNotFound(job.status())) return absl::OkStatus();
  RETURN_IF_ERROR(job.status());
  const int64_t due_us = DueTimeUs(*job);
  if (due_us == 0 || due_us > clock_.NowUs()) {
    deadlines_.Set(id, due_us);
    return absl::OkStatus();
  }
  if (IsActive(job->state)) {
    // Where no worker has it, its attempt was begun by a write that looked like a failure, and the
    // worker that takes it begins with looking here.
    if (!work_.Expire(id)) deadlines_.Set(id, clock_.NowUs() + kExpireAgainUs);
    return absl::OkStatus();
  }
  const JobState failed = NextState(job->state, JobTransition::kExpire).value();
  RETURN_IF_ERROR(
      recorder_.ChangeState(id, job->state, failed, StopReason::kDeadline, kDeadlineMessage)
          .status());
  Withdraw(id, failed);
  if (job->trial.has_value()) (void)sweeps_.Settle(job->trial->sweep_id);
  return absl::OkStatus();
}

}  // namespace anneal
