"""The seeded bugs that mutants.py builds: exact texts of the product's sources, and what stands there instead."""

import dataclasses
import typing

# Of the histories that mutants are given.
SEED = 7


class Edit(typing.NamedTuple):
    file: str  # from the root
    old: str   # is there exactly once
    new: str


@dataclasses.dataclass
class Mutant:
    name: str
    breaks: str  # what goes wrong
    edits: list
    units: list = dataclasses.field(default_factory=list)  # what is compiled; where not named: the edited .cc files
    quick: bool = False  # in the default run, too
    program: str = "fault_model"
    gtest_filter: str = ""
    not_caught_because: str = ""

    def __post_init__(self):
        if not self.units:
            self.units = sorted({edit.file for edit in self.edits if edit.file.endswith(".cc")})


MUTANTS = [
    Mutant(
        "answer_before_commit",
        "a mutation is answered before it is committed",
        [Edit("storage/group_commit.cc",
              "namespace anneal {\n\nGroupCommit::GroupCommit(",
              "namespace anneal {\n\nstatic bool answered = false;\n\nGroupCommit::GroupCommit("),
         Edit("storage/group_commit.cc",
              "    Commit(group);\n    PassCrashpoint(\"commit.answer\");\n    Answer(group);\n",
              "    answered = false;\n    Commit(group);\n    if (!answered) Answer(group);\n"),
         Edit("storage/group_commit.cc",
              "      if (shared.ok()) shared = Execute(\"COMMIT\");\n",
              "      Answer(group);\n      answered = true;\n      if (shared.ok()) shared = Execute(\"COMMIT\");\n")]),
    Mutant(
        "double_dequeue",
        "a job that a worker takes stays in the queue",
        [Edit("server/scheduler/work_list.cc",
              "      queue_.Remove(id);\n      job.not_before_us = 0;\n",
              "      job.not_before_us = 0;\n")]),
    Mutant(
        "queued_beside_a_worker",
        "a job that a worker has is put into the queue, too",
        [Edit("server/scheduler/work_list.cc",
              "      entry->second.queued = job;\n      return false;\n",
              "      entry->second.queued = job;\n")]),
    Mutant(
        "lost_wake_up",
        "nobody wakes the worker when a job is queued",
        [Edit("server/scheduler/work_list.cc",
              "  changed_.NotifyOne();\n  return true;",
              "  return true;")]),
    Mutant(
        "request_id_not_stored",
        "a retried submit makes a second job",
        [Edit("storage/job_creation.cc",
              "    trial || job.request_id.empty() ? insert.BindNull() : insert.BindText(job.request_id);\n",
              "    insert.BindNull();\n")]),
    Mutant(
        "recovery_leaves_one_running",
        "after a restart the first of the jobs that ran is still RUNNING",
        [Edit("storage/sql.h",
              "WHERE state IN (2, 3, 5) AND kind <> 2 \"\n    \"ORDER BY id\";",
              "WHERE state IN (2, 3, 5) AND kind <> 2 \"\n    \"ORDER BY id LIMIT -1 OFFSET 1\";")],
        units=["storage/mutations.cc"]),
    Mutant(
        "recovery_requeues_cancelled",
        "a job that was being cancelled when the daemon ended is queued again",
        [Edit("server/core/job.cc",
              "      if (transition == T::kStopped || transition == T::kInterrupt) return S::kCancelled;\n",
              "      if (transition == T::kStopped) return S::kCancelled;\n"
              "      if (transition == T::kInterrupt) return S::kQueued;\n")],
        quick=True),
    Mutant(
        "recovery_leaves_attempts_open",
        "the attempt that the daemon's end interrupted is never ended",
        [Edit("storage/mutations.cc",
              "    CloseAttempt(connection, job.id, job.attempt, \"INTERRUPTED\", std::nullopt, end_us);\n",
              "    (void)end_us;\n")]),
    Mutant(
        "resume_does_not_queue",
        "a resumed job is QUEUED in the store, and in no queue",
        [Edit("server/scheduler/job_changes.cc",
              "  Enqueue(AsQueued(job));\n  RETURN_IF_ERROR(changed);",
              "  RETURN_IF_ERROR(changed);")]),
    Mutant(
        "pause_does_not_tell_the_worker",
        "a job that is PAUSING runs on",
        [Edit("server/scheduler/job_changes.cc",
              "  } else {\n    Withdraw(id, job.state);\n  }\n  return job;",
              "  }\n  return job;")],
        quick=True),
    Mutant(
        "pause_forgets_the_state",
        "a pause soon after the last state keeps none",
        [Edit("server/scheduler/attempt_observer.cc",
              "  if (!stopping && clock_.MonotonicUs() - last_state_us_ < kStateIntervalUs) return;",
              "  (void)stopping;\n  if (clock_.MonotonicUs() - last_state_us_ < kStateIntervalUs) return;")]),
    Mutant(
        "pause_drops_resumed_job",
        "a pause that a resume overtook takes the job out of the queue for good",
        [Edit("server/scheduler/job_changes.cc",
              "  if (!gone) work_.Push(now.ok() ? AsQueued(*now) : job);\n",
              "  (void)gone;\n")],
        not_caught_because="the resume must be stored and queued in the few microseconds between the pause's look at "
                           "the job and its hold on the queue; scheduler_tests have that race without chance"),
    Mutant(
        "cancel_lost_at_the_beginning",
        "a cancel or pause that comes between the attempt's row and the training is forgotten",
        [Edit("server/scheduler/attempt_runner.cc",
              "                    job.stop.get_token(), observer, job.progress);",
              "                    job.stop.stop_requested() ? std::stop_token() : job.stop.get_token(),\n"
              "                    observer, job.progress);")]),
    Mutant(
        "change_without_where",
        "a change of state does not ask for the state that it starts from",
        [Edit("storage/sql.h",
              "\"UPDATE jobs SET state = ?3, stop_reason = ?4, message = ?5, end_time_us = ?6 \"\n"
              "    \"WHERE id = ?1 AND state = ?2\";",
              "\"UPDATE jobs SET state = ?3, stop_reason = ?4, message = ?5, end_time_us = ?6 \"\n"
              "    \"WHERE id = ?1 AND ?2 > 0\";")],
        units=["storage/mutations.cc"]),
    Mutant(
        "begin_without_where",
        "a worker begins a job that is not QUEUED any more",
        [Edit("storage/sql.h",
              "?4) WHERE id = ?1 AND state = ?2\";",
              "?4) WHERE id = ?1 AND ?2 > 0\";")],
        units=["storage/mutations.cc"]),
    Mutant(
        "epochs_overwritten",
        "an epoch that is trained again is stored again",
        [Edit("storage/sql.h",
              "ON CONFLICT (job_id, epoch) DO NOTHING\";",
              "ON CONFLICT (job_id, epoch) DO UPDATE SET attempt = excluded.attempt\";"),
         Edit("storage/sql.h",
              "\"INSERT INTO epoch_metrics (job_id",
              "\"INSERT OR REPLACE INTO epoch_metrics (job_id")],
        units=["storage/mutations.cc"]),
    Mutant(
        "sequence_begins_anew",
        "after a restart the events of a job are counted from 1 again",
        [Edit("storage/event_rows.cc", "#include <variant>\n", "#include <map>\n#include <variant>\n"),
         Edit("storage/event_rows.cc",
              "    event.sequence = last.Int64(0) + 1;",
              "    static std::map<JobId, int64_t> counts;\n    event.sequence = ++counts[event.job_id];")]),
    Mutant(
        "publish_before_commit",
        "watchers hear of an epoch before it is stored",
        [Edit("server/scheduler/job_recorder.cc",
              "  ASSIGN_OR_RETURN(std::optional<JobEvent> event, store_.AppendEpoch(id, attempt, record));\n",
              "  const absl::StatusOr<std::vector<JobEvent>> known = store_.ListEvents(id, 0, 1'000'000);\n"
              "  if (known.ok() && !known->empty()) {\n"
              "    EpochRecord early = record;\n"
              "    early.attempt = attempt;\n"
              "    early.time_us = known->back().time_us;\n"
              "    bus_.Publish(JobEvent{.job_id = id,\n"
              "                          .sequence = known->back().sequence + 1,\n"
              "                          .time_us = early.time_us,\n"
              "                          .what = early});\n"
              "  }\n"
              "  ASSIGN_OR_RETURN(std::optional<JobEvent> event, store_.AppendEpoch(id, attempt, record));\n")]),
    Mutant(
        "watch_forgets_what_it_has_read",
        "a watcher is sent again what was read from the store for it",
        [Edit("server/rpc/watch_reactor.cc",
              "    last_queued_ = event.sequence;\n    pending_.push_back(std::make_shared",
              "    pending_.push_back(std::make_shared")]),
    Mutant(
        "row_before_file",
        "the row of a state is stored before its file is there",
        [Edit("server/scheduler/attempt_observer.cc",
              "  absl::StatusOr<TrainingStateInfo> written = state.Write(artifacts_.PathOf(file));\n",
              "  absl::StatusOr<TrainingStateInfo> written = state.Write(artifacts_.PathOf(file) + \"-early\");\n"
              "  artifacts_.RemoveFile(file + \"-early\");\n"),
         Edit("server/scheduler/attempt_observer.cc",
              "  for (const std::string& each : gone) artifacts_.RemoveFile(each);\n",
              "  RETURN_IF_ERROR(state.Write(artifacts_.PathOf(file)).status());\n"
              "  for (const std::string& each : gone) artifacts_.RemoveFile(each);\n")]),
    Mutant(
        "older_state_first",
        "a training goes on from the older of its two states",
        [Edit("storage/sql.h",
              "    \"WHERE job_id = ?1 ORDER BY number DESC\";",
              "    \"WHERE job_id = ?1 ORDER BY number\";")],
        units=["storage/training_state_rows.cc"]),
    Mutant(
        "priority_reversed",
        "the lowest priority goes first",
        [Edit("server/scheduler/queue.cc",
              "a.priority != b.priority ? a.priority < b.priority",
              "a.priority != b.priority ? a.priority > b.priority")],
        quick=True),
    Mutant(
        "delete_of_what_has_not_ended",
        "a delete of a job that has not ended says that it has done it",
        [Edit("storage/job_deletion.cc",
              "  if (!IsTerminal(row->state)) {",
              "  if (row->attempt_count < 0) {")]),
    Mutant(
        "race_is_given_up",
        "a call that loses a race against a worker is refused",
        [Edit("server/scheduler/job_changes.cc",
              "constexpr int kRounds = 16;",
              "constexpr int kRounds = 1;")]),
    Mutant(
        "forgotten_counter",
        "a resumed training counts its steps, which dropout's masks follow, from 0",
        [Edit("server/engine/training_state.cc", "  step.set_steps(record.steps());\n", "")],
        program="engine_tests", gtest_filter="ResumeTest.IsExact*"),
    Mutant(
        "lost_patience",
        "a resumed training has forgotten how long early stopping has waited",
        [Edit("server/engine/training_state.cc",
              "rule.best_epoch(), rule.wait());",
              "rule.best_epoch(), 0);")],
        program="engine_tests", gtest_filter="ResumeTest.IsExact*"),
]
