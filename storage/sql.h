// Every statement that reads or writes jobs, in one place, so that a test can ask SQLite how it
// would run them (prediction_sql.h has those about predictions). Parameters are numbered in the
// order in which they are bound.
#pragma once

namespace anneal::sql {

// What ReadJobRow() reads, in its order.
#define ANNEAL_JOB_COLUMNS                                                                        \
  "id, name, state, stop_reason, message, priority, create_time_us, start_time_us, end_time_us, " \
  "spec_sha256, attempt_count, kind, sweep_id, trial, model_job_id, owner, deadline_us, "           \
  "max_run_time_us, front, memory_bytes, work_flops, restarts "

// Which jobs a list has. ?2: part of the name; ?4: the owner; both '' for all.
#define ANNEAL_JOB_FILTER "(?2 = '' OR instr(name, ?2) > 0) AND (?4 = '' OR owner = ?4) "

// --- reads ---

inline constexpr char kJob[] = "SELECT " ANNEAL_JOB_COLUMNS "FROM jobs WHERE id = ?1";
inline constexpr char kSpec[] = "SELECT spec FROM specs WHERE job_id = ?1";
inline constexpr char kJobState[] = "SELECT state, attempt_count FROM jobs WHERE id = ?1";
inline constexpr char kTrialIds[] = "SELECT id FROM jobs WHERE sweep_id = ?1 ORDER BY trial";
inline constexpr char kTrialSettings[] =
    "SELECT path, value FROM trial_settings WHERE job_id = ?1 ORDER BY position";
inline constexpr char kJobOfRequest[] = "SELECT id, spec_sha256 FROM jobs WHERE request_id = ?1";

// None has a LIMIT: who reads steps as far as is needed.
inline constexpr char kNewestJobs[] =
    "SELECT " ANNEAL_JOB_COLUMNS
    "FROM jobs WHERE id < ?1 AND " ANNEAL_JOB_FILTER "ORDER BY id DESC";
inline constexpr char kNewestJobsOfState[] =
    "SELECT " ANNEAL_JOB_COLUMNS
    "FROM jobs WHERE id < ?1 AND state = ?3 AND " ANNEAL_JOB_FILTER "ORDER BY id DESC";
// One sweep has at most 1,000 trials: they are read and sorted, whatever the state.
inline constexpr char kNewestTrials[] =
    "SELECT " ANNEAL_JOB_COLUMNS
    "FROM jobs INDEXED BY jobs_of_sweep WHERE sweep_id = ?3 AND id < ?1 "
    "AND " ANNEAL_JOB_FILTER "ORDER BY id DESC";
inline constexpr char kNewestPredictions[] =
    "SELECT " ANNEAL_JOB_COLUMNS
    "FROM jobs INDEXED BY jobs_of_model WHERE model_job_id = ?3 AND id < ?1 "
    "AND " ANNEAL_JOB_FILTER "ORDER BY id DESC";
// 1 is QUEUED: a literal, because an index WHERE state = 1 serves it. SQLite would take
// jobs_by_state and sort.
inline constexpr char kQueuedJobs[] =
    "SELECT " ANNEAL_JOB_COLUMNS
    "FROM jobs INDEXED BY jobs_queued WHERE state = 1 AND kind <> 2 "
    "ORDER BY front DESC, priority DESC, id";
inline constexpr char kLabels[] = "SELECT key, value FROM labels WHERE job_id = ?1 ORDER BY key";
// 6, 7, 8: the states that are an end; kind 2: sweeps.
inline constexpr char kDeadlines[] =
    "SELECT id, deadline_us FROM jobs INDEXED BY jobs_with_deadline "
    "WHERE deadline_us IS NOT NULL AND state NOT IN (6, 7, 8) AND kind <> 2 "
    "ORDER BY deadline_us, id";
inline constexpr char kWaiting[] =
    "SELECT count(*) FROM jobs INDEXED BY jobs_waiting WHERE state IN (1, 4) AND kind <> 2";
inline constexpr char kWaitingOfOwner[] =
    "SELECT count(*) FROM jobs INDEXED BY jobs_waiting "
    "WHERE owner = ?1 AND state IN (1, 4) AND kind <> 2";
// 1 to 5: the states that are no end. What runs may come back to the queue.
inline constexpr char kGreatestFront[] =
    "SELECT max(front) FROM jobs WHERE state IN (1, 2, 3, 4, 5)";
// 2, 3, 5: RUNNING, PAUSING, CANCELLING; kind 2: sweeps.
inline constexpr char kActiveJobs[] =
    "SELECT id, state, attempt_count, restarts FROM jobs WHERE state IN (2, 3, 5) AND kind <> 2 "
    "ORDER BY id";

inline constexpr char kAttempts[] =
    "SELECT attempt, start_time_us, end_time_us, outcome, fingerprint, loading_us, training_us, "
    "validating_us, saving_us FROM attempts "
    "WHERE job_id = ?1 ORDER BY attempt";
inline constexpr char kOpenAttempt[] =
    "SELECT attempt FROM attempts WHERE job_id = ?1 AND end_time_us IS NULL";

inline constexpr char kEpochs[] =
    "SELECT epoch, attempt, time_us, duration_us FROM epochs "
    "WHERE job_id = ?1 AND epoch > ?2 AND epoch <= ?3 ORDER BY epoch LIMIT ?4";
inline constexpr char kEpochMetrics[] =
    "SELECT epoch, metric, value FROM epoch_metrics "
    "WHERE job_id = ?1 AND epoch > ?2 AND epoch <= ?3 ORDER BY epoch, metric";

// ?1 is a JSON array of job ids. CROSS JOIN keeps the order of the loops: one look-up an id. What
// is sorted is a page of jobs.
inline constexpr char kLastEpochs[] =
    "SELECT e.job_id, e.epoch, e.attempt, e.time_us, e.duration_us, m.metric, m.value, "
    "m.metric IS NOT NULL "
    "FROM json_each(?1) AS wanted "
    "CROSS JOIN epochs AS e ON e.job_id = wanted.value "
    "AND e.epoch = (SELECT max(epoch) FROM epochs WHERE job_id = wanted.value) "
    "LEFT JOIN epoch_metrics AS m ON m.job_id = e.job_id AND m.epoch = e.epoch "
    "ORDER BY e.job_id, m.metric";

inline constexpr char kResult[] =
    "SELECT epochs, best_epoch, weights_sha256 FROM results WHERE job_id = ?1";
inline constexpr char kCurve[] =
    "SELECT steepest, valley, minimum_tenth, diverged FROM learning_rate_curves WHERE job_id = ?1";
inline constexpr char kCurvePoints[] =
    "SELECT step, learning_rate, loss, smoothed_loss FROM learning_rate_points WHERE job_id = ?1 "
    "ORDER BY step";
inline constexpr char kResultMetrics[] =
    "SELECT metric, value FROM result_metrics WHERE job_id = ?1 ORDER BY metric";

// The best epoch of a trial is looked up by the key of epoch_metrics: its job's range, no other's.
// The bounds leave out infinities (NaN is NULL). ?3 is 1, or -1 where larger is better.
inline constexpr char kTrials[] =
    "SELECT jobs.id, jobs.trial, jobs.state, jobs.stop_reason, jobs.start_time_us IS NOT NULL, "
    "EXISTS (SELECT 1 FROM events WHERE events.job_id = ?1 AND events.kind = 5 "
    "AND events.trial_job_id = jobs.id), best.value, best.epoch "
    "FROM jobs LEFT JOIN epoch_metrics AS best ON best.job_id = jobs.id AND best.metric = ?2 "
    "AND best.epoch = (SELECT epoch FROM epoch_metrics WHERE job_id = jobs.id AND metric = ?2 "
    "AND value BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308 "
    "ORDER BY value * ?3, epoch LIMIT 1) "
    "WHERE jobs.sweep_id = ?1 ORDER BY jobs.trial";
inline constexpr char kSettingsOfTrials[] =
    "SELECT jobs.id, path, value FROM jobs JOIN trial_settings ON job_id = jobs.id "
    "WHERE sweep_id = ?1 ORDER BY jobs.trial, position";
// 1 to 5: the states that are no end.
inline constexpr char kOpenSweeps[] =
    "SELECT id FROM jobs WHERE state IN (1, 2, 3, 4, 5) AND kind = 2 "
    "UNION SELECT sweep_id FROM jobs WHERE state IN (1, 2, 3, 4, 5) AND sweep_id IS NOT NULL "
    "ORDER BY 1";
// 6, 7, 8: SUCCEEDED, FAILED, CANCELLED.
inline constexpr char kUntoldTrialEnds[] =
    "SELECT id, trial, state FROM jobs WHERE sweep_id = ?1 AND state IN (6, 7, 8) "
    "AND NOT EXISTS (SELECT 1 FROM events WHERE events.job_id = ?1 AND events.kind = 5 "
    "AND events.trial_job_id = jobs.id) ORDER BY trial";
// 1, 4: QUEUED, PAUSED.
inline constexpr char kWaitingTrials[] =
    "SELECT id, state FROM jobs WHERE sweep_id = ?1 AND state IN (1, 4) ORDER BY trial";
inline constexpr char kUnendedRelative[] =
    "SELECT relative.id FROM jobs AS job JOIN jobs AS relative "
    "ON relative.id = job.sweep_id WHERE job.id = ?1 AND relative.state NOT IN (6, 7, 8) "
    "UNION ALL SELECT id FROM jobs WHERE sweep_id = ?1 AND state NOT IN (6, 7, 8) LIMIT 1";

// A prediction by the training, or by a trial of the sweep, that has not ended.
inline constexpr char kUnendedPrediction[] =
    "SELECT id, model_job_id FROM jobs WHERE model_job_id = ?1 AND state NOT IN (6, 7, 8) "
    "UNION ALL SELECT prediction.id, trial.id FROM jobs AS trial CROSS JOIN jobs AS prediction "
    "ON prediction.model_job_id = trial.id "
    "WHERE trial.sweep_id = ?1 AND prediction.state NOT IN (6, 7, 8) LIMIT 1";

inline constexpr char kCheckpoint[] =
    "SELECT file, epoch, bytes, sha256, description FROM checkpoints WHERE job_id = ?1";
inline constexpr char kTrainingStates[] =
    "SELECT file, epochs, batches, bytes, sha256, fingerprint FROM training_states "
    "WHERE job_id = ?1 ORDER BY number DESC";
inline constexpr char kFiles[] =
    "SELECT file FROM checkpoints UNION ALL SELECT file FROM training_states";

inline constexpr char kEvents[] =
    "SELECT sequence, time_us, kind, state, stop_reason, attempt, text, epoch, trial_job_id, trial, "
    "batches, bytes FROM events "
    "WHERE job_id = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3";
inline constexpr char kLastEventTime[] =
    "SELECT time_us FROM events WHERE job_id = ?1 ORDER BY sequence DESC LIMIT 1";
inline constexpr char kLastSequence[] = "SELECT max(sequence) FROM events WHERE job_id = ?1";

// --- writes ---

inline constexpr char kInsertJob[] =
    "INSERT INTO jobs (request_id, name, state, priority, spec_sha256, create_time_us, kind, "
    "sweep_id, trial, model_job_id, owner, deadline_us, max_run_time_us, memory_bytes, work_flops) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
inline constexpr char kSetLabel[] =
    "INSERT INTO labels (job_id, key, value) VALUES (?1, ?2, ?3) "
    "ON CONFLICT (job_id, key) DO UPDATE SET value = excluded.value";
inline constexpr char kRemoveLabel[] = "DELETE FROM labels WHERE job_id = ?1 AND key = ?2";
inline constexpr char kUpdateJob[] =
    "UPDATE jobs SET priority = ?2, front = ?3, deadline_us = ?4, max_run_time_us = ?5 "
    "WHERE id = ?1";
inline constexpr char kAddRestart[] = "UPDATE jobs SET restarts = restarts + 1 WHERE id = ?1";
inline constexpr char kEndRestarts[] =
    "UPDATE jobs SET restarts = 0 WHERE id = ?1 AND restarts <> 0";
inline constexpr char kInsertTrialSetting[] =
    "INSERT INTO trial_settings (job_id, position, path, value) VALUES (?1, ?2, ?3, ?4)";
inline constexpr char kInsertSpec[] = "INSERT INTO specs (job_id, spec) VALUES (?1, ?2)";
inline constexpr char kStartJob[] =
    "UPDATE jobs SET state = ?3, message = '', attempt_count = attempt_count + 1, "
    "start_time_us = coalesce(start_time_us, ?4) WHERE id = ?1 AND state = ?2";
inline constexpr char kChangeJob[] =
    "UPDATE jobs SET state = ?3, stop_reason = ?4, message = ?5, end_time_us = ?6 "
    "WHERE id = ?1 AND state = ?2";
// 6, 7, 8: SUCCEEDED, FAILED, CANCELLED.
inline constexpr char kDeleteJob[] = "DELETE FROM jobs WHERE id = ?1 AND state IN (6, 7, 8)";

inline constexpr char kInsertAttempt[] =
    "INSERT INTO attempts (job_id, attempt, start_time_us, fingerprint) VALUES (?1, ?2, ?3, ?4)";
inline constexpr char kEndAttempt[] =
    "UPDATE attempts SET end_time_us = ?3, outcome = ?4, loading_us = ?5, training_us = ?6, "
    "validating_us = ?7, saving_us = ?8 "
    "WHERE job_id = ?1 AND attempt = ?2 AND end_time_us IS NULL";

inline constexpr char kInsertEpoch[] =
    "INSERT INTO epochs (job_id, epoch, attempt, time_us, duration_us) VALUES (?1, ?2, ?3, ?4, ?5) "
    "ON CONFLICT (job_id, epoch) DO NOTHING";
inline constexpr char kInsertEpochMetric[] =
    "INSERT INTO epoch_metrics (job_id, epoch, metric, value) VALUES (?1, ?2, ?3, ?4)";

inline constexpr char kInsertCheckpoint[] =
    "INSERT INTO checkpoints (job_id, file, epoch, bytes, sha256, description, time_us) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

inline constexpr char kDeleteTrainingStateOfFile[] =
    "DELETE FROM training_states WHERE job_id = ?1 AND file = ?2";
inline constexpr char kInsertTrainingState[] =
    "INSERT INTO training_states (job_id, number, attempt, file, epochs, batches, bytes, sha256, "
    "fingerprint, time_us) VALUES (?1, "
    "(SELECT coalesce(max(number), 0) + 1 FROM training_states WHERE job_id = ?1), "
    "?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
// All but the newest two. Where there are fewer, the bound is NULL and nothing is below it.
inline constexpr char kDeleteOldTrainingStates[] =
    "DELETE FROM training_states WHERE job_id = ?1 AND number < (SELECT number "
    "FROM training_states WHERE job_id = ?1 ORDER BY number DESC LIMIT 1 OFFSET 1) RETURNING file";
inline constexpr char kDeleteTrainingStates[] = "DELETE FROM training_states WHERE job_id = ?1";

inline constexpr char kInsertResult[] =
    "INSERT INTO results (job_id, epochs, best_epoch, weights_sha256) VALUES (?1, ?2, ?3, ?4)";
inline constexpr char kInsertCurve[] =
    "INSERT INTO learning_rate_curves (job_id, steepest, valley, minimum_tenth, diverged) "
    "VALUES (?1, ?2, ?3, ?4, ?5)";
inline constexpr char kInsertCurvePoint[] =
    "INSERT INTO learning_rate_points (job_id, step, learning_rate, loss, smoothed_loss) "
    "VALUES (?1, ?2, ?3, ?4, ?5)";
inline constexpr char kInsertResultMetric[] =
    "INSERT INTO result_metrics (job_id, metric, value) VALUES (?1, ?2, ?3)";

inline constexpr char kInsertEvent[] =
    "INSERT INTO events (job_id, sequence, time_us, kind, state, stop_reason, attempt, text, "
    "epoch, trial_job_id, trial, batches, bytes) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";

#undef ANNEAL_JOB_COLUMNS
#undef ANNEAL_JOB_FILTER

}  // namespace anneal::sql
