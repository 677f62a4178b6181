"""What the database and the folder of artifacts of a daemon that does not run must hold, read without its help.

Everything is read from a copy: SQLite, opening the files that kill -9 has left, would repair them, which is the
daemon's own business at its next start.
"""

import hashlib
import pathlib
import shutil
import sqlite3
import tempfile

# The numbers of states, kinds of jobs and of events that the schema stores.
QUEUED, RUNNING, PAUSING, PAUSED, CANCELLING, SUCCEEDED, FAILED, CANCELLED = range(1, 9)
TERMINAL = {SUCCEEDED, FAILED, CANCELLED}
ACTIVE = {RUNNING, PAUSING, CANCELLING}
NAMES = ["", "QUEUED", "RUNNING", "PAUSING", "PAUSED", "CANCELLING", "SUCCEEDED", "FAILED", "CANCELLED"]
STATE_CHANGE, EPOCH, WARNING, RESULT = 1, 2, 3, 4
TRAINING = 1

# What may follow a state: the drawing in server/core/job.h.
NEXT = {
    QUEUED: {RUNNING, PAUSED, CANCELLED},
    RUNNING: {QUEUED, PAUSING, CANCELLING, SUCCEEDED, FAILED},
    PAUSING: {PAUSED, CANCELLING, SUCCEEDED, FAILED},
    PAUSED: {QUEUED, CANCELLED},
    CANCELLING: {CANCELLED, SUCCEEDED, FAILED},
    SUCCEEDED: set(), FAILED: set(), CANCELLED: set(),
}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Database:
    """A copy of the data folder's database."""

    def __init__(self, data_dir):
        self.data_dir = data_dir
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="anneal-copy-"))
        for name in ("anneal.db", "anneal.db-wal"):
            if (data_dir / name).exists():
                shutil.copyfile(data_dir / name, self.folder / name)
        self.connection = sqlite3.connect(self.folder / "anneal.db")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def rows(self, query, *values):
        return self.connection.execute(query, values).fetchall()

    def value(self, query, *values):
        return self.rows(query, *values)[0][0]

    def exists(self):
        """False where the daemon was killed before it had made its tables."""
        return self.value("SELECT count(*) FROM sqlite_master WHERE name = 'jobs'") == 1

    # --- what a job has measured, in a form that can be compared ---

    def metrics(self, job):
        """{(epoch, metric): value}, to the last bit; the end's measurements are those of epoch 0."""
        rows = self.rows("SELECT epoch, metric, value FROM epoch_metrics WHERE job_id = ? "
                         "UNION ALL SELECT 0, metric, value FROM result_metrics WHERE job_id = ?", job, job)
        return {(epoch, metric): value for epoch, metric, value in rows}

    def weights(self, job):
        """The hash, and the epochs that it is of."""
        return self.rows("SELECT weights_sha256, epochs, best_epoch FROM results WHERE job_id = ?", job)

    def predictions(self, job):
        """{column: SHA-256 of its bytes for all images}."""
        tables = [name for name, in self.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND "
                                              "name LIKE 'predictions\\_%' ESCAPE '\\'")]
        columns = {}
        for table in tables:
            digest = hashlib.sha256()
            for data, in self.rows(f"SELECT data FROM prediction_chunks JOIN {table} ON chunk_id = id "
                                   "WHERE job_id = ? ORDER BY begin", job):
                digest.update(data)
            columns[table] = digest.hexdigest()
        return columns

    # --- what must hold at any moment ---

    def problems(self):
        """Sentences; none where all is well."""
        found = []
        for check in ("integrity_check", "foreign_key_check"):
            rows = self.rows(f"PRAGMA {check}")
            if rows not in ([], [("ok",)]):
                found.append(f"PRAGMA {check}: {rows[:5]}")
        for column in ("request_id", "name"):
            for value, count in self.rows(f"SELECT {column}, count(*) FROM jobs WHERE {column} IS NOT NULL "
                                          "GROUP BY 1 HAVING count(*) > 1"):
                found.append(f"{count} jobs have the {column} {value}")
        for job in self.rows("SELECT id, kind, state, attempt_count FROM jobs ORDER BY id"):
            found += [f"job {job[0]} {problem}" for problem in
                      (*self.event_problems(*job), *self.attempt_problems(*job), *self.result_problems(*job))]
        return found + list(self.file_problems())

    def event_problems(self, job, _kind, state, _attempts):
        events = self.rows("SELECT sequence, kind, state, attempt, epoch FROM events WHERE job_id = ? ORDER BY sequence",
                           job)
        if [event[0] for event in events] != list(range(1, len(events) + 1)):
            yield f"has the events {[event[0] for event in events]}"
        states = [event[2] for event in events if event[1] == STATE_CHANGE]
        if not states or states[0] != QUEUED or events[0][1] != STATE_CHANGE:
            yield f"does not begin QUEUED: {states}"
            return
        for before, after in zip(states, states[1:]):
            if after not in NEXT[before]:
                yield f"went from {NAMES[before]} to {NAMES[after]}"
        if states[-1] != state:
            yield f"is {NAMES[state]}, but its last event says {NAMES[states[-1]]}"
        if state in TERMINAL and events[-1][1] != STATE_CHANGE:
            yield "has events after its end"
        told = [event[4] for event in events if event[1] == EPOCH]
        stored = [epoch for epoch, in self.rows("SELECT epoch FROM epochs WHERE job_id = ? ORDER BY epoch", job)]
        if stored != list(range(1, len(stored) + 1)):
            yield f"has the epochs {stored}"
        if told != stored:
            yield f"has the epochs {stored}, and events of {told}"
        started = [event[3] for event in events if event[1] == STATE_CHANGE and event[2] == RUNNING]
        if started != list(range(1, len(started) + 1)):
            yield f"began the attempts {started}"

    def attempt_problems(self, job, _kind, state, count):
        attempts = self.rows("SELECT attempt, end_time_us, outcome FROM attempts WHERE job_id = ? ORDER BY attempt", job)
        if [attempt[0] for attempt in attempts] != list(range(1, count + 1)):
            yield f"counts {count} attempts and has {[attempt[0] for attempt in attempts]}"
        still_open = [attempt[0] for attempt in attempts if attempt[1] is None]
        if still_open != ([count] if state in ACTIVE else []):
            yield f"is {NAMES[state]} and has the open attempts {still_open}"
        for number, end_time_us, outcome in attempts:
            if (end_time_us is None) != (outcome == ""):
                yield f"has an attempt {number} that ended at {end_time_us} with the outcome '{outcome}'"

    def result_problems(self, job, kind, state, _attempts):
        results = self.value("SELECT count(*) FROM results WHERE job_id = ?", job)
        checkpoints = self.value("SELECT count(*) FROM checkpoints WHERE job_id = ?", job)
        states = self.value("SELECT count(*) FROM training_states WHERE job_id = ?", job)
        if results > 0 and state not in TERMINAL or results == 0 and state == SUCCEEDED:
            yield f"is {NAMES[state]} and has {results} results"
        if checkpoints != (kind == TRAINING and state == SUCCEEDED):
            yield f"is {NAMES[state]} and has {checkpoints} final weights"
        if states > (0 if state in (SUCCEEDED, FAILED) else 2):
            yield f"is {NAMES[state]} and keeps {states} states"

    def files(self):
        """{name below artifacts: SHA-256} of every file that a row names."""
        return dict(self.rows("SELECT file, sha256 FROM checkpoints UNION ALL SELECT file, sha256 FROM training_states"))

    def file_problems(self):
        """Of the files that rows name."""
        for name, digest in self.files().items():
            path = self.data_dir / "artifacts" / name
            if not path.is_file():
                yield f"artifacts/{name} is missing"
            elif sha256(path) != digest:
                yield f"artifacts/{name} is not the file that was stored"

    # --- what must hold when the daemon has ended in order, or has nothing to do ---

    def rest_problems(self):
        """Jobs that are left active, and files that no row names."""
        found = [f"job {job} is left {NAMES[state]}" for job, state in
                 self.rows("SELECT id, state FROM jobs WHERE state IN (2, 3, 5)")]
        artifacts = self.data_dir / "artifacts"
        named = self.files().keys()
        on_disk = {str(path.relative_to(artifacts)) for path in artifacts.rglob("*") if path.is_file()}
        return found + [f"artifacts/{name} belongs to no job" for name in sorted(on_disk - named)]
