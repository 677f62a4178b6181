#include "server/scheduler/attempt_runner.h"

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "anneal/v1/job.pb.h"
#include "server/core/failpoint.h"
#include "server/core/status_macros.h"
#include "server/scheduler/attempt_observer.h"
#include "server/scheduler/prediction_recorder.h"
#include "server/scheduler/prediction_summary.h"
#include "server/scheduler/storage_retry.h"
#include "server/spec/validated_prediction.h"
#include "server/spec/validated_spec.h"

namespace anneal {
namespace {

constexpr int64_t kNoLimitUs = int64_t{1} << 60;

// Of the device that the stored spec asks for. A spec that cannot be read, and an engine that
// throws, are reported by the training, not here.
std::string FingerprintFor(const Job& stored, const Engine& engine) {
  try {
    v1::JobSpec spec;
    if (!spec.ParseFromString(stored.spec)) return "unknown";
    return engine.Fingerprint(spec.has_prediction() ? spec.prediction().device()
                                                    : spec.training().device());
  } catch (...) {
    return "unknown";
  }
}

std::string Describe(const std::vector<Violation>& violations) {
  constexpr size_t kShown = 5;
  std::string text = "the spec, accepted when it was submitted, is not valid any more";
  for (size_t i = 0; i < std::min(violations.size(), kShown); ++i) {
    absl::StrAppend(&text, i == 0 ? ": " : "; ", violations[i].field, ": ",
                    violations[i].description);
  }
  if (violations.size() > kShown)
    absl::StrAppend(&text, "; and ", violations.size() - kShown, " more");
  return text;
}

AttemptEnding StorageEnding(const absl::Status& status) {
  AttemptEnding ending = FailedEnding(StopReason::kStorage, std::string(status.message()));
  ending.can_pass = IsTransient(status);
  return ending;
}

// The files of states, relative to the folder of artifacts.
std::vector<std::string> FilesOf(const std::vector<TrainingStateInfo>& states) {
  std::vector<std::string> files;
  for (const TrainingStateInfo& state : states) files.push_back(state.file);
  return files;
}

}  // namespace

AttemptRunner::Result AttemptRunner::Run(RunningJob& job, const std::stop_token& shutdown) {
  const absl::StatusOr<Job> stored = store_.GetJob(job.id);
  if (!stored.ok()) return CannotBegin(job.id, stored.status());
  const std::string fingerprint = FingerprintFor(*stored, engine_);
  if (stored->state == JobState::kQueued && job.stop.stop_requested()) return Result::kQueueAgain;
  absl::StatusOr<int64_t> attempt = recorder_.BeginAttempt(job.id, fingerprint);
  if (absl::IsAborted(attempt.status())) attempt = Adopt(job);
  if (!attempt.ok()) return CannotBegin(job.id, attempt.status());
  if (!stored->trial.has_value())
    return WriteEnd(job.id, *attempt, RunToEnd(*stored, *attempt, job), shutdown);
  const JobId sweep = stored->trial->sweep_id;
  sweeps_.SettleWithRetries(sweep, storage_retry_us_, job.stop.get_token());
  const Result result = WriteEnd(job.id, *attempt, RunToEnd(*stored, *attempt, job), shutdown);
  // As long as the end of a training: what nobody tells of now waits for the next start.
  if (result == Result::kDone) sweeps_.SettleWithRetries(sweep, kNoLimitUs, shutdown);
  return result;
}

// The job is not QUEUED. Where it has been cancelled or paused there is nothing to do, and ABORTED
// is returned. Where it is active, an earlier BeginAttempt was committed although the store answered
// an error (no other worker has this job): that attempt is run, or the job would be shown as
// running for ever.
absl::StatusOr<int64_t> AttemptRunner::Adopt(RunningJob& job) {
  ASSIGN_OR_RETURN(const Job now, store_.GetJob(job.id));
  RETURN_IF_ERROR(recorder_.PublishNewest(job.id));
  if (!IsActive(now.state)) return absl::AbortedError("it does not wait any more");
  // Whoever has cancelled or paused it could not know of this worker.
  if (now.state != JobState::kRunning) job.stop.request_stop();
  return now.attempt_count;
}

AttemptRunner::Result AttemptRunner::CannotBegin(JobId id, const absl::Status& status) {
  // Cancelled or deleted since it was taken from the queue.
  if (absl::IsAborted(status) || absl::IsNotFound(status)) return Result::kDone;
  if (IsTransient(status)) return Result::kTryLater;
  // Where the store is as bad as that, the warning may fail too: nothing more can be done.
  (void)recorder_.AppendWarning(
      id, absl::StrCat("the job could not be started, and is left in the queue until the daemon "
                       "starts again: ",
                       status.ToString()));
  return Result::kDone;
}

AttemptEnding AttemptRunner::RunToEnd(const Job& stored, int64_t attempt, RunningJob& job) {
  if (stored.limits.max_run_time_us > 0) {
    // With the attempt that has just begun.
    if (const absl::StatusOr<Job> begun = store_.GetJob(job.id); begun.ok())
      deadlines_.Set(job.id, DueTimeUs(*begun));
  }
  AttemptEnding ending = RunGuarded(stored, attempt, job);
  if (ending.kind == AttemptEnding::Kind::kStopped && job.expired) return Expired(job.id);
  if (ending.kind == AttemptEnding::Kind::kFailed && ending.can_pass)
    return TryAgain(stored, std::move(ending));
  return ending;
}

AttemptEnding AttemptRunner::Expired(JobId id) const {
  AttemptEnding ending;
  ending.kind = AttemptEnding::Kind::kExpired;
  ending.stop_reason = StopReason::kDeadline;
  const absl::StatusOr<Job> now = store_.GetJob(id);
  const bool is_deadline = now.ok() && now->limits.deadline_us != 0 &&
                           now->limits.deadline_us <= clock_.NowUs();
  ending.message = is_deadline ? kDeadlineMessage
                   : now.ok()  ? absl::StrCat("it has run for the ",
                                              now->limits.max_run_time_us / 1'000'000,
                                              " s that its limit of running time allows")
                               : "its time was over";
  return ending;
}

// `ending` is a failure for a reason that can pass.
AttemptEnding AttemptRunner::TryAgain(const Job& stored, AttemptEnding ending) const {
  const absl::StatusOr<Job> now = store_.GetJob(stored.id);
  const int64_t restarts = now.ok() ? now->restarts : stored.restarts;
  if (max_restarts_ > 0 && restarts >= max_restarts_) {
    absl::StrAppend(&ending.message, "; it was tried ", restarts + 1, " times");
    return ending;
  }
  ending.kind = AttemptEnding::Kind::kRetried;
  absl::StrAppend(&ending.message, "; it is tried again");
  return ending;
}

AttemptEnding AttemptRunner::RunGuarded(const Job& stored, int64_t attempt, RunningJob& job) {
  // One job can never stop the daemon. The engine promises not to throw; this is for broken
  // promises and bad_alloc.
  try {
    return RunKind(stored, attempt, job);
  } catch (const std::exception& error) {
    return FailedEnding(StopReason::kInternal,
                        absl::StrCat("an exception ended the job: ", error.what()));
  } catch (...) {
    return FailedEnding(StopReason::kInternal, "an exception of unknown type ended the job");
  }
}

AttemptEnding AttemptRunner::RunKind(const Job& stored, int64_t attempt, RunningJob& job) {
  v1::JobSpec spec;
  if (!spec.ParseFromString(stored.spec)) {
    return FailedEnding(StopReason::kInternal,
                        absl::StrCat("the stored spec (", stored.spec.size(),
                                     " bytes) is not a serialized anneal.v1.JobSpec"));
  }
  if (!spec.has_prediction()) return Train(spec, attempt, job);
  AttemptEnding ending = Predict(spec, attempt, job);
  if (ending.kind == AttemptEnding::Kind::kSucceeded) return ending;
  // How far it came, by this attempt or an earlier one.
  if (const absl::StatusOr<PredictionSet> set = store_.GetPredictionSet(job.id); set.ok()) {
    absl::StrAppend(&ending.message, ending.message.empty() ? "" : "; ", set->stored, " of ",
                    set->images, " images are stored");
  }
  return ending;
}

AttemptEnding AttemptRunner::Train(const v1::JobSpec& spec, int64_t attempt, RunningJob& job) {
  // The data set may have vanished or changed since the job was submitted.
  const ValidationResult judged = Validate(spec, catalog_);
  if (!judged.spec.has_value()) {
    return FailedEnding(StopReason::kInvalidData, Describe(judged.violations));
  }

  AttemptObserver observer(store_, recorder_, artifacts_, clock_, storage_retry_us_, job.id, attempt,
                           job.stop.get_token());
  const absl::StatusOr<std::vector<ResumePoint>> states = FindStates(job);
  if (absl::IsCancelled(states.status()))
    return EndingOf(states.status(), job.stop.stop_requested());
  if (!states.ok()) {
    observer.OnWarning(absl::StrCat("the training begins anew, as it cannot be found out where it "
                                    "was: ",
                                    states.status().message()));
  }
  absl::StatusOr<TrainingOutcome> trained =
      engine_.Train(*judged.spec, states.ok() ? *states : std::vector<ResumePoint>(),
                    job.stop.get_token(), observer, job.progress);
  if (!observer.error().ok() && trained.ok() && trained->stop_reason == StopReason::kStorage) {
    // The engine cannot know that the write was given up because of the stop request.
    if (absl::IsCancelled(observer.error())) {
      trained = observer.error();
    } else {
      trained->message = std::string(observer.error().message());
    }
  }
  AttemptEnding ending = EndingOf(std::move(trained), job.stop.stop_requested());
  ending.checkpoint = observer.checkpoint();
  ending.can_pass = IsTransient(observer.error());
  return ending;
}

// Newest first. Removes the files of states that the store does not know. CANCELLED: the job was
// stopped while the store was busy.
absl::StatusOr<std::vector<ResumePoint>> AttemptRunner::FindStates(RunningJob& job) {
  absl::StatusOr<std::vector<TrainingStateInfo>> states = std::vector<TrainingStateInfo>();
  RETURN_IF_ERROR(RetryTransient(
      [&] {
        states = store_.ListTrainingStates(job.id);
        return states.status();
      },
      storage_retry_us_, clock_, job.stop.get_token()));
  artifacts_.RemoveStates(job.id, FilesOf(*states));
  std::vector<ResumePoint> points;
  for (const TrainingStateInfo& state : *states)
    points.push_back({artifacts_.PathOf(state.file), state});
  return points;
}

// Of a job that has come to this state: the files of states that it has no use for.
void AttemptRunner::RemoveStates(JobId id, JobState state) {
  if (IsTerminal(state) && state != JobState::kSucceeded) artifacts_.RemoveFinalWeights(id);
  if (state == JobState::kSucceeded || state == JobState::kFailed) {
    artifacts_.RemoveStates(id);
    return;
  }
  const absl::StatusOr<std::vector<TrainingStateInfo>> states = store_.ListTrainingStates(id);
  // Where the store cannot be asked, they are found when the next attempt begins.
  if (states.ok()) artifacts_.RemoveStates(id, FilesOf(*states));
}

AttemptEnding AttemptRunner::Predict(const v1::JobSpec& spec, int64_t attempt, RunningJob& job) {
  const std::stop_token stop = job.stop.get_token();
  // The model may have been deleted since the job was submitted, and the data set changed. A store
  // that is busy says nothing about that.
  PredictionValidation judged;
  const absl::Status asked = RetryTransient(
      [&] {
        judged = ValidatePrediction(spec, models_, catalog_);
        return judged.status;
      },
      storage_retry_us_, clock_, stop);
  if (absl::IsCancelled(asked)) return EndingOf(asked, job.stop.stop_requested());
  if (!asked.ok()) return StorageEnding(asked);
  if (!judged.prediction.has_value())
    return FailedEnding(StopReason::kInvalidData, Describe(judged.violations));

  PredictionRecorder recorder(store_, clock_, storage_retry_us_, job.id, attempt, stop);
  const absl::StatusOr<int64_t> stored = recorder.Begin(judged.prediction->set());
  if (absl::IsCancelled(stored.status()))
    return EndingOf(stored.status(), job.stop.stop_requested());
  if (!stored.ok()) {
    return absl::IsFailedPrecondition(stored.status())
               ? FailedEnding(StopReason::kInvalidData, std::string(stored.status().message()))
               : StorageEnding(stored.status());
  }
  absl::StatusOr<TrainingOutcome> predicted =
      engine_.Predict(*judged.prediction, artifacts_.PathOf(judged.prediction->checkpoint().file),
                      *stored, stop, recorder, job.progress);
  AttemptEnding ending = EndingOf(std::move(predicted), job.stop.stop_requested());
  ending.can_pass = IsTransient(recorder.error());
  if (ending.kind != AttemptEnding::Kind::kSucceeded) return ending;
  absl::StatusOr<TrainingResult> result = absl::UnknownError("");
  const absl::Status summed = RetryTransient(
      [&] {
        result = PredictionResult(store_, job.id);
        return result.status();
      },
      storage_retry_us_, clock_, stop);
  // Stopped before they were summed: the next attempt finds every image stored and sums again.
  if (absl::IsCancelled(summed)) return EndingOf(summed, job.stop.stop_requested());
  // Every image is stored: the measures can be asked for later, so the job is not lost for them.
  ending.result = result.ok() ? *std::move(result) : TrainingResult{};
  if (!summed.ok()) ending.message = absl::StrCat("no set measures: ", summed.message());
  return ending;
}

AttemptRunner::Result AttemptRunner::WriteEnd(JobId id, int64_t attempt,
                                              const AttemptEnding& ending,
                                              const std::stop_token& shutdown) {
  JobState from = JobState::kRunning;
  Backoff backoff;
  for (;;) {
    const AttemptEnd end = MakeAttemptEnd(from, ending);
    const absl::Status written = recorder_.EndAttempt(id, attempt, end);
    if (written.ok()) {
      PassCrashpoint("attempt.end.published");
      RemoveStates(id, end.to);
      if (end.is_restart) return Result::kRetry;
      return end.to == JobState::kQueued ? Result::kQueueAgain : Result::kDone;
    }
    if (absl::IsNotFound(written)) return Result::kDone;
    if (absl::IsAborted(written)) {
      // Cancelled or paused meanwhile; or an earlier try was committed although the store answered an error.
      const absl::StatusOr<Job> now = store_.GetJob(id);
      if (now.ok() && IsActive(now->state) && now->state != from) {
        from = now->state;
        continue;
      }
      if (now.ok() && !IsActive(now->state) && recorder_.PublishNewest(id).ok()) {
        RemoveStates(id, now->state);
        return now->state == JobState::kQueued ? Result::kQueueAgain : Result::kDone;
      }
    }
    if (!backoff.Wait(shutdown)) return Result::kDone;
  }
}

}  // namespace anneal
