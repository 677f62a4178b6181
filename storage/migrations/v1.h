// Schema version 1. A released migration is never edited: a later one changes what it made.
#pragma once

namespace anneal {

// Times are microseconds since the Unix epoch, UTC. Numbers of states and stop reasons are those of server/core/job.h.
inline constexpr char kMigrationV1[] = R"sql(

-- AUTOINCREMENT: an id is never given again, also after its job was deleted.
CREATE TABLE jobs (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  request_id     TEXT UNIQUE,              -- NULL: none
  name           TEXT NOT NULL,
  state          INTEGER NOT NULL,
  stop_reason    INTEGER NOT NULL DEFAULT 0,
  message        TEXT NOT NULL DEFAULT '',
  priority       INTEGER NOT NULL,
  spec_sha256    TEXT NOT NULL,
  attempt_count  INTEGER NOT NULL DEFAULT 0,
  create_time_us INTEGER NOT NULL,
  start_time_us  INTEGER,                  -- NULL: never started
  end_time_us    INTEGER                   -- NULL: not ended
) STRICT;

-- Each entry ends with the id, so that one state's jobs are found in the order of their ids.
CREATE INDEX jobs_by_state ON jobs (state, id);

-- The queue in the order it runs.
CREATE INDEX jobs_queued ON jobs (priority DESC, id) WHERE state = 1;

-- Apart from jobs, because a change of a row writes all of it, and a spec may have megabytes.
CREATE TABLE specs (
  job_id INTEGER PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
  spec   BLOB NOT NULL
) STRICT;

CREATE TABLE attempts (
  job_id        INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  attempt       INTEGER NOT NULL CHECK (attempt >= 1),
  start_time_us INTEGER NOT NULL,
  end_time_us   INTEGER,                   -- NULL: still running
  outcome       TEXT NOT NULL DEFAULT '',
  fingerprint   TEXT NOT NULL,
  PRIMARY KEY (job_id, attempt)
) STRICT, WITHOUT ROWID;

-- A job runs once at a time.
CREATE UNIQUE INDEX attempts_open ON attempts (job_id) WHERE end_time_us IS NULL;

-- The key is the promise that no epoch is stored twice, whatever attempts report it.
CREATE TABLE epochs (
  job_id      INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  epoch       INTEGER NOT NULL CHECK (epoch >= 1),
  attempt     INTEGER NOT NULL,
  time_us     INTEGER NOT NULL,
  duration_us INTEGER NOT NULL,
  PRIMARY KEY (job_id, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE epoch_metrics (
  job_id INTEGER NOT NULL,
  epoch  INTEGER NOT NULL,
  metric TEXT NOT NULL,
  value  REAL,                             -- NULL: NaN
  PRIMARY KEY (job_id, epoch, metric),
  FOREIGN KEY (job_id, epoch) REFERENCES epochs (job_id, epoch) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE results (
  job_id         INTEGER PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
  epochs         INTEGER NOT NULL,
  best_epoch     INTEGER NOT NULL,         -- 0: none
  weights_sha256 TEXT NOT NULL
) STRICT;

CREATE TABLE result_metrics (
  job_id INTEGER NOT NULL REFERENCES results (job_id) ON DELETE CASCADE,
  metric TEXT NOT NULL,
  value  REAL,                             -- NULL: NaN
  PRIMARY KEY (job_id, metric)
) STRICT, WITHOUT ROWID;

-- Epochs and results are told by reference, not copied.
CREATE TABLE events (
  job_id      INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  sequence    INTEGER NOT NULL CHECK (sequence >= 1),
  time_us     INTEGER NOT NULL,
  kind        INTEGER NOT NULL,            -- 1 state change, 2 epoch, 3 warning, 4 result
  state       INTEGER,                     -- kind 1
  stop_reason INTEGER,                     -- kind 1
  attempt     INTEGER,                     -- kind 1
  text        TEXT,                        -- kinds 1 and 3
  epoch       INTEGER,                     -- kind 2
  PRIMARY KEY (job_id, sequence),
  CHECK (kind <> 1 OR (state IS NOT NULL AND stop_reason IS NOT NULL AND attempt IS NOT NULL)),
  CHECK (kind NOT IN (1, 3) OR text IS NOT NULL),
  CHECK (kind <> 2 OR epoch IS NOT NULL)
) STRICT, WITHOUT ROWID;

)sql";

}  // namespace anneal
