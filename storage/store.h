// What the daemon remembers: jobs, attempts, epochs, events, checkpoints, predictions.
//
// Promises of every implementation:
//  - A call that returned OK is durable: it survives kill -9 and power loss.
//  - Each mutation is one transaction, which also writes the event that tells of it; the event is returned, to be
//    published after the commit (durable before visible).
//  - State changes are made WHERE state = the expected one: of two that race, one gets ABORTED.
//  - Thread-safe. Mutations block until committed (one writer, group commit); reads never wait for a writer.
//
// Errors of every call: UNAVAILABLE (busy, may pass), RESOURCE_EXHAUSTED (disk full), DATA_LOSS (the database is
// damaged), INTERNAL (the rest). Those of single calls are named there.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/checkpoint_info.h"
#include "server/core/job.h"
#include "server/core/job_update.h"
#include "server/core/metrics.h"
#include "server/core/prediction.h"
#include "server/core/prediction_filter.h"

namespace anneal {

// One of the trials that a sweep is made with.
struct NewTrial {
  std::string name;
  std::string spec;         // serialized anneal.v1.JobSpec
  std::string spec_sha256;  // hex
  std::vector<TrialSetting> settings;
};

// How many jobs may wait (QUEUED or PAUSED) after one more is made. 0: any number.
struct QueueLimits {
  int64_t jobs = 0;
  int64_t jobs_of_owner = 0;
};

struct NewJob {
  JobKind kind = JobKind::kTraining;
  std::string name;
  int32_t priority = 0;
  std::string spec;         // serialized anneal.v1.JobSpec
  std::string spec_sha256;  // hex
  std::string request_id;   // "": none
  std::vector<std::string> warnings;  // become Warning events after the first
  std::vector<NewTrial> trials;       // of a sweep, in order; they get the sweep's priority
  JobId model_job_id = 0;             // of a prediction: the training that it is of
  std::string owner{};                // trials have it too, as the next four
  Labels labels{};
  JobLimits limits{};
  JobNeeds needs{};  // of a sweep: of each trial
  QueueLimits queue_limits{};
};

struct CreatedJob {
  Job job;
  bool created = false;  // false: `request_id` was known, `job` is the one made then, nothing was written
  std::vector<JobEvent>
      events;  // of the job; its trials have one each, QUEUED, which nobody can have waited for
  std::vector<JobId> trials;  // of a sweep, in order; also where nothing was written
};

struct UpdatedJob {
  std::vector<JobEvent> events;  // notes, of the job
  std::vector<Job> changed;      // the job, and of a sweep its trials that have not ended: as lists
                                 // have them
};

struct StartedAttempt {
  int64_t attempt = 0;
  JobEvent event;
};

// How an attempt ends. The job goes from `from` to `to`.
struct AttemptEnd {
  JobState from = JobState::kRunning;
  JobState to = JobState::kSucceeded;
  StopReason stop_reason = StopReason::kNone;  // kNone unless `to` is terminal
  std::string message;
  std::string outcome;  // "SUCCEEDED", "FAILED", "CANCELLED", "INTERRUPTED"
  std::optional<TrainingResult> result;  // only where `to` is terminal
  std::optional<CheckpointInfo> checkpoint{};  // the final weights, already on disk; only where `to` is SUCCEEDED
  std::optional<TimeSpent> time_spent{};
  bool is_restart = false;  // it is QUEUED again although nobody asked: Job::restarts counts it
};

struct KeptState {
  JobEvent event;
  std::vector<std::string> replaced;  // files that no row names any more and can be removed
};

struct JobQuery {
  std::vector<JobState> states;  // empty: all
  std::string name_contains;     // case-sensitive; empty: all
  JobId before_id = 0;           // only ids below; 0: from the newest
  int64_t limit = 50;
  JobId sweep_id = 0;  // only this sweep's trials; 0: all
  JobId model_job_id = 0;  // only predictions by this training; 0: all
  std::string owner{};     // empty: all
  // All of them: a key with this value, or with any where there is none.
  std::map<std::string, std::optional<std::string>> labels{};
};

// When a job that has not ended must have.
struct JobDeadline {
  JobId id = 0;
  int64_t deadline_us = 0;
};

struct EpochQuery {
  JobId job_id = 0;
  int64_t after_epoch = 0;
  std::vector<std::string> metrics;  // empty: all
  int64_t limit = 1000;              // epochs
};

// The epoch stored last of a job: the one with the greatest number.
struct LastEpoch {
  JobId job_id = 0;
  EpochRecord record;
};

struct TrialQuery {
  JobId sweep_id = 0;
  std::string monitor{};  // the metric whose best epoch is asked for; empty: none
  bool larger_is_better = false;
};

// A trial as its sweep sees it.
struct TrialRow {
  JobId id = 0;
  int64_t number = 0;
  JobState state = JobState::kQueued;
  StopReason stop_reason = StopReason::kNone;
  bool started = false;   // an attempt has begun, now or earlier
  bool end_told = false;  // the sweep has an event of its end
  std::vector<TrialSetting> settings;
  std::optional<double> best;  // the best finite value of the monitor; nothing where there is none
  int64_t best_epoch = 0;      // the first epoch that has it
};

// What a list of predictions is sorted by; equals by image, ascending. NaN comes after all numbers,
// whether ascending or descending.
struct PredictionOrder {
  enum class By { kImage, kFact, kMeasure };
  By by = By::kImage;
  size_t column = 0;  // which ImageFact or Measure
  bool descending = false;
};

// Where a list of predictions goes on: after this one.
struct PredictionCursor {
  double value = 0;  // of what it is sorted by; ignored where that is the image
  int64_t image = 0;
};

struct PredictionQuery {
  JobId job_id = 0;
  PredictionFilter filter{};
  PredictionOrder order{};
  std::optional<PredictionCursor> after{};
  int64_t limit = 50;
  bool sample_probabilities = false;  // with those of every sample, where they are stored
};

struct PredictionPage {
  std::vector<PredictionRow> rows;  // at most `limit`
  int64_t total = 0;                // images that match, on all pages
  bool more = false;                // there are rows after these
};

class Store {
 public:
  virtual ~Store() = default;

  // --- mutations ---

  // QUEUED, and of a sweep all its trials too: all or nothing. With a request_id seen before: the
  // job made then, whatever waits now. ALREADY_EXISTS: that id was used for another spec. NOT_FOUND:
  // there is no job `model_job_id` any more. FAILED_PRECONDITION: more jobs would wait than
  // `queue_limits` allow; the message says which limit.
  virtual absl::StatusOr<CreatedJob> CreateJob(const NewJob& job) = 0;

  // All or nothing. Priority, place and limits may be changed until the job has ended, and of a sweep
  // change for its trials that have not; labels always. A change of something to what it is already
  // makes no event, and changes of jobs that have ended make none. Errors of CheckUpdate().
  // NOT_FOUND.
  virtual absl::StatusOr<UpdatedJob> UpdateJob(JobId id, const JobUpdate& update) = 0;

  // QUEUED -> RUNNING, with a new attempt. ABORTED: it is no longer QUEUED. NOT_FOUND.
  virtual absl::StatusOr<StartedAttempt> BeginAttempt(JobId id, const std::string& fingerprint) = 0;

  // Stores the epoch (time_us and attempt are filled in here); a new one ends the count of
  // Job::restarts, as a state and predictions do. Nothing is returned where this epoch
  // is already stored, by an earlier attempt: the first row stays. The job must be active and
  // `attempt` its open one, else ABORTED. NOT_FOUND.
  virtual absl::StatusOr<std::optional<JobEvent>> AppendEpoch(JobId id, int64_t attempt,
                                                              const EpochRecord& record) = 0;

  // NOT_FOUND.
  virtual absl::StatusOr<JobEvent> AppendWarning(JobId id, const std::string& text) = 0;

  // Ends the attempt and changes the state; a result becomes an event before that of the state, and
  // a checkpoint the job's final weights. SUCCEEDED and FAILED jobs have no training states any
  // more.
  // ABORTED: the state is not `end.from`, or `attempt` is not the open one. NOT_FOUND. INTERNAL: no
  // transition leads from `end.from` to `end.to`, it does not leave the active states, or the end
  // is none that has such a result or checkpoint.
  virtual absl::StatusOr<std::vector<JobEvent>> EndAttempt(JobId id, int64_t attempt,
                                                           const AttemptEnd& end) = 0;

  // A change of state outside attempts' begin and end, such as RUNNING -> CANCELLING or QUEUED -> CANCELLED.
  // ABORTED: the state is not `from`. NOT_FOUND. INTERNAL: no transition leads from `from` to `to`,
  // or an attempt would begin or end with it (exactly one of them is active).
  virtual absl::StatusOr<JobEvent> ChangeState(JobId id, JobState from, JobState to,
                                               StopReason stop_reason,
                                               const std::string& message) = 0;

  // Tells, in an event of the sweep each, of those of its trials that have ended and have not been
  // told of, by number. Returns the new events; none where there is nothing to tell, or the sweep
  // has ended (nothing comes after that event). NOT_FOUND.
  virtual absl::StatusOr<std::vector<JobEvent>> AppendTrialEnds(JobId sweep_id) = 0;

  // Every trial of the sweep that is QUEUED or PAUSED becomes CANCELLED (USER), all or none.
  // Returns one event for each of them, which is of the trial. NOT_FOUND.
  virtual absl::StatusOr<std::vector<JobEvent>> CancelWaitingTrials(JobId sweep_id) = 0;

  // What an earlier process left active: kInterrupt is applied to each, open attempts end
  // INTERRUPTED, at the time of the job's last event. It counts as a restart; a RUNNING job that has
  // had more than `max_restarts` (0: any number) of them is FAILED (TOO_MANY_RESTARTS) instead. Sweeps stay as they are: no worker was busy with one, and its attempt lasts from
  // its first trial to its last. To be called once, before anything else runs. Returns the jobs it
  // changed.
  virtual absl::StatusOr<std::vector<JobId>> RecoverInterrupted(int64_t max_restarts) = 0;

  // Keeps a state, whose file is on disk, as the job's newest; one of the same file, which it has
  // replaced there, is forgotten. The newest two are kept. The job must be active and `attempt` its
  // open one, else ABORTED. NOT_FOUND.
  virtual absl::StatusOr<KeptState> AppendTrainingState(
      JobId id, int64_t attempt, const TrainingStateInfo& state) = 0;

  // Begins the predictions of a prediction job, or finds those that an earlier attempt has begun:
  // returns how many images are stored (`set.stored` is ignored). The job must be active and
  // `attempt` its open one, else ABORTED. FAILED_PRECONDITION: an earlier attempt has begun other
  // ones. NOT_FOUND.
  virtual absl::StatusOr<int64_t> BeginPredictions(JobId id, int64_t attempt,
                                                   const PredictionSet& set) = 0;

  // Stores the next images; OK and nothing is written where they are stored already. No event tells
  // of it. The job must be active and `attempt` its open one, else ABORTED. NOT_FOUND. INTERNAL:
  // BeginPredictions was not called, the chunk does not follow what is stored, goes beyond what was
  // asked, or its vectors do not have the sizes that the set gives them. INVALID_ARGUMENT: one of
  // them has more than 999,999,000 bytes: fewer images make a smaller one.
  virtual absl::Status AppendPredictions(JobId id, int64_t attempt,
                                         const PredictionChunk& chunk) = 0;

  // With all its rows, a sweep with its trials. Returns the jobs that are gone: their files can be
  // removed. FAILED_PRECONDITION: the job has not ended; it is a sweep one of whose trials has not,
  // a trial whose sweep has not, or a training (a trial of this sweep too) while a prediction by it
  // has not. NOT_FOUND.
  virtual absl::StatusOr<std::vector<JobId>> DeleteJob(JobId id) = 0;

  // --- reads ---

  // With attempts and result. NOT_FOUND.
  virtual absl::StatusOr<Job> GetJob(JobId id) = 0;

  // Newest first, without spec, attempts and result; with labels, trials with their settings.
  virtual absl::StatusOr<std::vector<Job>> ListJobs(const JobQuery& query) = 0;

  // Every QUEUED job that waits for a worker, so no sweep, in the order it will run: front, then
  // priority, both descending, then id. Without spec, attempts, result, labels and trials' settings.
  virtual absl::StatusOr<std::vector<Job>> ListQueued() = 0;

  // Of every job but sweeps that has a deadline and has not ended, soonest first.
  virtual absl::StatusOr<std::vector<JobDeadline>> ListDeadlines() = 0;

  // The sweep's trials by number; none where there is no such sweep.
  virtual absl::StatusOr<std::vector<TrialRow>> ListTrials(const TrialQuery& query) = 0;

  // By id: the sweeps that have not ended, and those that have although a trial has not.
  virtual absl::StatusOr<std::vector<JobId>> ListOpenSweeps() = 0;

  // In order. NOT_FOUND where there is no such job.
  virtual absl::StatusOr<std::vector<EpochRecord>> ListEpochs(const EpochQuery& query) = 0;

  // By job id. Ids without an epoch, or without a job, are left out.
  virtual absl::StatusOr<std::vector<LastEpoch>> ListLastEpochs(const std::vector<JobId>& ids) = 0;

  // The job's final weights. NOT_FOUND: no such job, or it has none.
  virtual absl::StatusOr<CheckpointInfo> GetCheckpoint(JobId id) = 0;

  // Newest first, at most two; none where there is no such job.
  virtual absl::StatusOr<std::vector<TrainingStateInfo>> ListTrainingStates(JobId id) = 0;

  // The files of all jobs' final weights and states, in no order.
  virtual absl::StatusOr<std::vector<std::string>> ListFiles() = 0;

  // NOT_FOUND: no such job, or it has begun no predictions.
  virtual absl::StatusOr<PredictionSet> GetPredictionSet(JobId id) = 0;

  // The images that match, in order. Reads columns, a chunk at a time: memory does not grow with
  // what is stored. NOT_FOUND as GetPredictionSet.
  virtual absl::StatusOr<PredictionPage> ListPredictions(const PredictionQuery& query) = 0;

  // Calls `visit` with every chunk in order, as of one moment, without deviations and samples (the
  // vectors are empty). An error of `visit`, which must not call this store, ends it and is
  // returned. NOT_FOUND as GetPredictionSet.
  virtual absl::Status ReadPredictions(
      JobId id, const std::function<absl::Status(const PredictionChunk&)>& visit) = 0;

  // Events with sequence > `after_sequence`, in order, at most `limit`. NOT_FOUND where there is no such job.
  virtual absl::StatusOr<std::vector<JobEvent>> ListEvents(JobId id, int64_t after_sequence,
                                                           int64_t limit) = 0;
};

}  // namespace anneal
