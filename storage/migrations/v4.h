// Schema version 4: whose a job is, when it must end, what it needs, its place in the queue, and
// where its time went. A released migration is never edited.
#pragma once

namespace anneal {

inline constexpr char kMigrationV4[] = R"sql(

ALTER TABLE jobs ADD COLUMN owner TEXT NOT NULL DEFAULT '';   -- '': nobody said
ALTER TABLE jobs ADD COLUMN deadline_us INTEGER;              -- NULL: none
ALTER TABLE jobs ADD COLUMN max_run_time_us INTEGER;          -- of all attempts; NULL: no limit
-- What was moved to the front of the queue: the greater, the sooner it runs. 0: it never was.
ALTER TABLE jobs ADD COLUMN front INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN memory_bytes INTEGER NOT NULL DEFAULT 0;  -- estimated; 0: not known
ALTER TABLE jobs ADD COLUMN work_flops REAL NOT NULL DEFAULT 0;       -- estimated; 0: not known
-- Attempts since the last epoch, state or prediction was stored that nobody had asked to end.
ALTER TABLE jobs ADD COLUMN restarts INTEGER NOT NULL DEFAULT 0;

-- The queue in the order it runs.
DROP INDEX jobs_queued;
CREATE INDEX jobs_queued ON jobs (front DESC, priority DESC, id) WHERE state = 1;

-- Whose jobs wait: QUEUED and PAUSED.
CREATE INDEX jobs_waiting ON jobs (owner) WHERE state IN (1, 4);

CREATE INDEX jobs_with_deadline ON jobs (deadline_us, state) WHERE deadline_us IS NOT NULL;

CREATE TABLE labels (
  job_id INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  key    TEXT NOT NULL,
  value  TEXT NOT NULL,
  PRIMARY KEY (job_id, key)
) STRICT, WITHOUT ROWID;

-- Where an attempt's time went. NULL: not known, as it runs or did not end in order.
ALTER TABLE attempts ADD COLUMN loading_us INTEGER;
ALTER TABLE attempts ADD COLUMN training_us INTEGER;
ALTER TABLE attempts ADD COLUMN validating_us INTEGER;
ALTER TABLE attempts ADD COLUMN saving_us INTEGER;

-- Kind 6: where the training stands was kept; `epoch` epochs are finished, and `batches` of the
-- next. Kind 7: somebody changed something else than the state; `text` says what.
ALTER TABLE events ADD COLUMN batches INTEGER
  CHECK (kind <> 6 OR (epoch IS NOT NULL AND batches IS NOT NULL));
ALTER TABLE events ADD COLUMN bytes INTEGER
  CHECK (kind <> 6 OR bytes IS NOT NULL);

)sql";

}  // namespace anneal
