// What a job is, and how its state may change.
//
//             start            succeed / fail
//   QUEUED ----------> RUNNING ---------------------> SUCCEEDED, FAILED
//    |  ^                |  |  cancel                      ^
//    |  |   interrupt    |  +--------> CANCELLING ---------+  (it had ended before it saw the
//    cancel) |  +----------------+                |  stopped, interrupt |  |                | pause
//    v |  | resume         +-----> PAUSING  CANCELLED <---- cancel (from QUEUED, PAUSED) |  | |
//    stopped, interrupt |  +--------- PAUSED <---------+
//    +---- pause ----^
//
// `interrupt` is the daemon ending, by its own will or not: what ran goes back to the queue.
// Every change in the store is made WHERE state = the expected one, so two writers cannot both win.
#pragma once

#include <array>
#include <cstdint>
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
  kInterrupt
};
inline constexpr std::array<JobTransition, 8> kAllJobTransitions = {
    JobTransition::kStart,   JobTransition::kSucceed,  JobTransition::kFail,
    JobTransition::kCancel,  JobTransition::kPause,    JobTransition::kResume,
    JobTransition::kStopped, JobTransition::kInterrupt};

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

// One run of a job on a worker.
struct Attempt {
  int64_t number = 0;  // from 1
  int64_t start_time_us = 0;
  int64_t end_time_us = 0;  // 0: still running
  std::string outcome;      // "" while it runs; "SUCCEEDED", "FAILED", "CANCELLED", "INTERRUPTED"
  std::string fingerprint;  // what decides the bits of its numbers: CPU flags, threads, BLAS,
                            // LibTorch, device, build
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

// A job as stored.
struct Job {
  JobId id = 0;
  JobKind kind = JobKind::kTraining;
  std::string name;
  JobState state = JobState::kQueued;
  StopReason stop_reason = StopReason::kNone;  // set in terminal states
  std::string message;                         // why, in a sentence; may be empty
  int32_t priority = 0;                        // higher runs first
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

// One thing that happened to a job. Stored in the transaction that made it true, then published.
struct JobEvent {
  using StateChange = JobStateChange;
  using Warning = JobWarning;
  using TrialEnd = JobTrialEnd;

  JobId job_id = 0;
  int64_t sequence = 0;  // per job, from 1, without gaps
  int64_t time_us = 0;
  std::variant<StateChange, EpochRecord, Warning, TrainingResult, TrialEnd> what;
};

// The event that a watcher waits for: a change to a terminal state.
bool IsLast(const JobEvent& event);

}  // namespace anneal
