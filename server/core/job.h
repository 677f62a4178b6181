// What a job is, and how its state may change.
//
// clang-format off
//              start    succeed    fail    cancel      pause    resume  stopped    interrupt  expire
//  QUEUED      RUNNING  -          -       CANCELLED   PAUSED   -       -          -          FAILED
//  RUNNING     -        SUCCEEDED  FAILED  CANCELLING  PAUSING  -       -          QUEUED     -
//  PAUSING     -        SUCCEEDED  FAILED  CANCELLING  -        -       PAUSED     PAUSED     -
//  PAUSED      -        -          -       CANCELLED   -        QUEUED  -          -          FAILED
//  CANCELLING  -        SUCCEEDED  FAILED  -           -        -       CANCELLED  CANCELLED  -
// clang-format on
//
// SUCCEEDED, FAILED and CANCELLED are left by none. `stopped` is a worker that did what it was asked;
// one that had come to its own end before it saw the request keeps that end. `interrupt` is the
// daemon ending, by its own will or not, or an attempt that failed for a reason that can pass: what
// ran goes back to the queue. `expire` is the deadline of a job that waits.
//
// Every change in the store is made WHERE state = the expected one, so two writers cannot both win.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/core/metrics.h"

namespace anneal {

// From 1, given in order, never used again.
using JobId = int64_t;

// The numbers are stored and sent (anneal.v1.Job.State): never change one.
enum class JobState : int {
  kQueued = 1,
  kRunning = 2,
  kPausing = 3,
  kPaused = 4,
  kCancelling = 5,
  kSucceeded = 6,
  kFailed = 7,
  kCancelled = 8,
};
inline constexpr std::array<JobState, 8> kAllJobStates = {
    JobState::kQueued,     JobState::kRunning,   JobState::kPausing, JobState::kPaused,
    JobState::kCancelling, JobState::kSucceeded, JobState::kFailed,  JobState::kCancelled};

// The numbers are stored and sent (anneal.v1.Job.Kind): never change one.
enum class JobKind : int {
  kTraining = 1,  // a sweep's trial too
  kSweep = 2,     // the parent of trials; no worker takes it
  kLearningRateRangeTest = 3,
  kPrediction = 4,
};

enum class JobTransition : int {
  kStart,
  kSucceed,
  kFail,
  kCancel,
  kPause,
  kResume,
  kStopped,
  kInterrupt,
  kExpire
};
inline constexpr std::array<JobTransition, 9> kAllJobTransitions = {
    JobTransition::kStart,   JobTransition::kSucceed,  JobTransition::kFail,
    JobTransition::kCancel,  JobTransition::kPause,    JobTransition::kResume,
    JobTransition::kStopped, JobTransition::kInterrupt, JobTransition::kExpire};

// Why a job ended. The numbers are stored and sent (anneal.v1.Job.StopReason): never change one.
enum class StopReason : int {
  kNone = 0,
  kCompleted = 1,
  kEarlyStopped = 2,
  kDiverged = 3,  // NaN or Inf
  kOutOfMemory = 4,
  kInvalidData = 5,
  kDeadline = 6,
  kUser = 7,
  kTooManyRestarts = 8,
  kInternal = 9,
  kStorage = 10,  // what was measured could not be stored
};

// The state after `transition`, or nothing where it is not allowed.
std::optional<JobState> NextState(JobState state, JobTransition transition);

// SUCCEEDED, FAILED, CANCELLED: no transition leaves them.
bool IsTerminal(JobState state);

// An attempt is under way: RUNNING, PAUSING, CANCELLING. A worker is busy with the job, or, of a
// sweep, with its trials.
bool IsActive(JobState state);

// "QUEUED", "EARLY_STOPPED", ...: the names of the API. kNone is "".
std::string_view JobStateName(JobState state);
std::string_view StopReasonName(StopReason reason);
std::optional<JobState> ParseJobState(std::string_view name);  // any case

// A job id as job files and the API write it: decimal, from 1, no sign, no leading zeros. Nothing
// for any other text.
std::optional<JobId> ParseJobId(std::string_view text);

// Where the time of an attempt went, in microseconds. The rest is what was not measured.
struct TimeSpent {
  int64_t loading_us = 0;     // reading and preparing the data
  int64_t training_us = 0;    // or predicting
  int64_t validating_us = 0;  // and testing
  int64_t saving_us = 0;      // states, weights, epochs and predictions: until they were durable

  friend bool operator==(const TimeSpent&, const TimeSpent&) = default;
};

// One run of a job on a worker.
struct Attempt {
  int64_t number = 0;  // from 1
  int64_t start_time_us = 0;
  int64_t end_time_us = 0;  // 0: still running
  std::string outcome;      // "" while it runs; "SUCCEEDED", "FAILED", "CANCELLED", "INTERRUPTED"
  std::string fingerprint;  // what decides the bits of its numbers: CPU flags, threads, BLAS,
                            // LibTorch, device, build
  std::optional<TimeSpent> time_spent{};  // nothing while it runs, or where it did not end in order
};

// One field of a trial's job file, as after --set.
struct TrialSetting {
  std::string path;  // "training.optimizer.nadam.learning_rate"
  std::string value;

  friend bool operator==(const TrialSetting&, const TrialSetting&) = default;
};

// A job's place in the sweep it belongs to.
struct TrialPlace {
  JobId sweep_id = 0;
  int64_t number = 0;  // from 1, in the order they were made
  std::vector<TrialSetting> settings;
};

// By key.
using Labels = std::map<std::string, std::string>;

// What a job may use, and until when.
struct JobLimits {
  int64_t deadline_us = 0;      // it has ended by then, or FAILED (DEADLINE); 0: none
  int64_t max_run_time_us = 0;  // of all its attempts together; 0: no limit

  friend bool operator==(const JobLimits&, const JobLimits&) = default;
};

// What a job is expected to need. 0: not known.
struct JobNeeds {
  int64_t memory_bytes = 0;  // of its worker, without the data set
  double work_flops = 0;     // of the whole job

  friend bool operator==(const JobNeeds&, const JobNeeds&) = default;
};

// A job as stored.
struct Job {
  JobId id = 0;
  JobKind kind = JobKind::kTraining;
  std::string name;
  JobState state = JobState::kQueued;
  StopReason stop_reason = StopReason::kNone;  // set in terminal states
  std::string message;                         // why, in a sentence; may be empty
  int32_t priority = 0;                        // higher runs first
  int64_t front = 0;  // higher runs first, before priorities count; 0: never moved to the front
  std::string owner{};                         // as said by who submitted it; may be empty
  Labels labels{};
  JobLimits limits{};
  JobNeeds needs{};
  int64_t restarts = 0;  // attempts since it last came forward that nobody had asked to end
  int64_t create_time_us = 0;
  int64_t start_time_us = 0;  // of the first attempt; 0: never started
  int64_t end_time_us = 0;    // 0: not ended
  std::string spec;  // serialized anneal.v1.JobSpec, bit for bit as submitted; empty in lists
  std::string spec_sha256;  // of `spec`, hex
  int64_t attempt_count = 0;
  std::optional<TrialPlace> trial;       // of a sweep's trial
  JobId model_job_id = 0;  // of a prediction: the training whose weights predict; 0 otherwise
  std::vector<Attempt> attempts;         // empty in lists
  std::optional<TrainingResult> result;  // empty in lists, and where there is none
};

struct JobStateChange {
  JobState state = JobState::kQueued;
  StopReason stop_reason = StopReason::kNone;
  std::string message;
  int64_t attempt = 0;  // the attempt it belongs to; 0 before the first
};

struct JobWarning {
  std::string text;
};

// Of a sweep: one of its trials has ended.
struct JobTrialEnd {
  JobId job_id = 0;
  int64_t trial = 0;  // its number
  JobState state = JobState::kSucceeded;
};

// Where the training stands was kept: an interruption after this costs nothing before it.
struct JobStateKept {
  int64_t epochs = 0;   // finished
  int64_t batches = 0;  // of the next epoch
  int64_t bytes = 0;
};

// Somebody changed something else than the state.
struct JobNote {
  std::string text;  // "priority 0 -> 5"
};

// One thing that happened to a job. Stored in the transaction that made it true, then published.
struct JobEvent {
  using StateChange = JobStateChange;
  using Warning = JobWarning;
  using TrialEnd = JobTrialEnd;
  using StateKept = JobStateKept;
  using Note = JobNote;

  JobId job_id = 0;
  int64_t sequence = 0;  // per job, from 1, without gaps
  int64_t time_us = 0;
  std::variant<StateChange, EpochRecord, Warning, TrainingResult, TrialEnd, StateKept, Note> what;
};

// The event that a watcher waits for: a change to a terminal state.
bool IsLast(const JobEvent& event);

}  // namespace anneal
