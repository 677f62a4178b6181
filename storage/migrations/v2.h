// Schema version 2: sweeps and the trials they are made of, and what learning-rate range tests
// measure. A released migration is never edited.
#pragma once

namespace anneal {

inline constexpr char kMigrationV2[] = R"sql(

-- Columns of what was there before: every job of version 1 is a training.
ALTER TABLE jobs ADD COLUMN kind INTEGER NOT NULL DEFAULT 1;  -- server/core/job.h: JobKind
-- A trial's sweep goes and its trials go with it. NULL: not a trial.
ALTER TABLE jobs ADD COLUMN sweep_id INTEGER REFERENCES jobs (id) ON DELETE CASCADE;
ALTER TABLE jobs ADD COLUMN trial INTEGER                     -- NULL: not a trial
  CHECK ((trial IS NULL) = (sweep_id IS NULL) AND (trial IS NULL OR trial >= 1));

-- A sweep's trials, by number; also what ON DELETE CASCADE looks for.
CREATE UNIQUE INDEX jobs_of_sweep ON jobs (sweep_id, trial) WHERE sweep_id IS NOT NULL;

-- What makes a trial differ from its sweep's training, in the order it was set.
CREATE TABLE trial_settings (
  job_id   INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,               -- from 0
  path     TEXT NOT NULL,
  value    TEXT NOT NULL,
  PRIMARY KEY (job_id, position)
) STRICT, WITHOUT ROWID;

-- Kind 5: a trial of the sweep job_id has ended. `state` is the trial's. No foreign key: a trial
-- may be deleted on its own once its sweep has ended, and what happened stays.
ALTER TABLE events ADD COLUMN trial_job_id INTEGER;
ALTER TABLE events ADD COLUMN trial INTEGER
  CHECK (kind <> 5 OR (state IS NOT NULL AND trial_job_id IS NOT NULL AND trial IS NOT NULL));

-- The promise that the end of a trial is told once.
CREATE UNIQUE INDEX events_of_trial_ends ON events (job_id, trial_job_id) WHERE kind = 5;

-- Beside the row in results: of a learning-rate range test.
CREATE TABLE learning_rate_curves (
  job_id        INTEGER PRIMARY KEY REFERENCES results (job_id) ON DELETE CASCADE,
  steepest      REAL,                      -- NULL: no suggestion, also in the next two
  valley        REAL,
  minimum_tenth REAL,
  diverged      INTEGER NOT NULL CHECK (diverged IN (0, 1))
) STRICT;

CREATE TABLE learning_rate_points (
  job_id        INTEGER NOT NULL REFERENCES learning_rate_curves (job_id) ON DELETE CASCADE,
  step          INTEGER NOT NULL CHECK (step >= 1),
  learning_rate REAL NOT NULL,
  loss          REAL NOT NULL,
  smoothed_loss REAL NOT NULL,
  PRIMARY KEY (job_id, step)
) STRICT, WITHOUT ROWID;

)sql";

}  // namespace anneal
