// Schema version 3: the final weights of trainings, where they can go on, and predictions by them.
// A released migration is never edited.
#pragma once

namespace anneal {

// Predictions are stored in columns, a table each, with a row for each chunk of consecutive images:
// a question about the entropy of a million images reads the pages of that table and no other. A
// chunk's number is greater than those before it, so that every table only ever grows at its end.
// Rows keyed by (job, column, image) in one table cost 1.5 times as much to write, and twice as
// much without a rowid.
inline constexpr char kMigrationV3[] = R"sql(

-- Of a prediction: the training it is by. NULL: none. No foreign key: when the training is deleted,
-- the number stays, and is never given again (AUTOINCREMENT).
ALTER TABLE jobs ADD COLUMN model_job_id INTEGER;

-- Each entry ends with the id, so that the predictions by one training are found newest first.
CREATE INDEX jobs_of_model ON jobs (model_job_id, id) WHERE model_job_id IS NOT NULL;

-- The final weights of a job.
CREATE TABLE checkpoints (
  job_id      INTEGER PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
  file        TEXT NOT NULL,               -- below the folder of artifacts
  epoch       INTEGER NOT NULL,
  bytes       INTEGER NOT NULL,
  sha256      TEXT NOT NULL,
  description BLOB NOT NULL,               -- serialized anneal.v1.ModelDescription
  time_us     INTEGER NOT NULL
) STRICT;

-- Where a job that was interrupted can go on: the newest two.
CREATE TABLE training_states (
  job_id      INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  number      INTEGER NOT NULL CHECK (number >= 1),  -- in the order in which they were written
  attempt     INTEGER NOT NULL,            -- that wrote it
  file        TEXT NOT NULL,               -- below the folder of artifacts
  epochs      INTEGER NOT NULL CHECK (epochs >= 0),
  batches     INTEGER NOT NULL CHECK (batches >= 0),
  bytes       INTEGER NOT NULL,
  sha256      TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  time_us     INTEGER NOT NULL,
  PRIMARY KEY (job_id, number)
) STRICT, WITHOUT ROWID;

-- server/core/prediction.h: PredictionSet.
CREATE TABLE prediction_sets (
  job_id            INTEGER PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
  model_job_id      INTEGER NOT NULL,
  checkpoint_sha256 TEXT NOT NULL,
  dataset           TEXT NOT NULL,
  split             TEXT NOT NULL,
  samples           INTEGER NOT NULL CHECK (samples BETWEEN 0 AND 1000000000),
  seed              INTEGER NOT NULL,      -- the 64 bits of an unsigned one
  consistent_masks  INTEGER NOT NULL CHECK (consistent_masks IN (0, 1)),
  keeps_samples     INTEGER NOT NULL CHECK (keeps_samples IN (0, 1)),
  begin             INTEGER NOT NULL CHECK (begin >= 0),
  images            INTEGER NOT NULL CHECK (images BETWEEN 1 AND 9223372036854775807 - begin)
) STRICT;

CREATE TABLE prediction_classes (
  job_id INTEGER NOT NULL REFERENCES prediction_sets (job_id) ON DELETE CASCADE,
  class  INTEGER NOT NULL,                 -- from 0
  name   TEXT NOT NULL,
  PRIMARY KEY (job_id, class)
) STRICT, WITHOUT ROWID;

-- Consecutive images of a job, without gaps from chunk to chunk.
CREATE TABLE prediction_chunks (
  id     INTEGER PRIMARY KEY,
  job_id INTEGER NOT NULL REFERENCES prediction_sets (job_id) ON DELETE CASCADE,
  begin  INTEGER NOT NULL,
  count  INTEGER NOT NULL CHECK (count >= 1),
  UNIQUE (job_id, begin)
) STRICT;

-- The columns. `data` is, for each image of the chunk, one little-endian int32 ...
CREATE TABLE predictions_label (
  chunk_id INTEGER PRIMARY KEY REFERENCES prediction_chunks (id) ON DELETE CASCADE,
  data     BLOB NOT NULL
) STRICT;
CREATE TABLE predictions_predicted (
  chunk_id INTEGER PRIMARY KEY REFERENCES prediction_chunks (id) ON DELETE CASCADE,
  data     BLOB NOT NULL
) STRICT;
CREATE TABLE predictions_deterministic_predicted (
  chunk_id INTEGER PRIMARY KEY REFERENCES prediction_chunks (id) ON DELETE CASCADE,
  data     BLOB NOT NULL
) STRICT;

-- ... or one little-endian float32 ...
CREATE TABLE predictions_confidence (
  chunk_id INTEGER PRIMARY KEY REFERENCES prediction_chunks (id) ON DELETE CASCADE,
  data     BLOB NOT NULL
) STRICT;
CREATE TABLE predictions_entropy (
  chunk_id INTEGER PRIMARY KEY REFERENCES prediction_chunks (id) ON DELETE CASCADE,
  data     BLOB NOT NULL
) STRICT;
CREATE TABLE predictions_expected_entropy (
  chunk_id INTEGER PRIMARY KEY REFERENCES prediction_chunks (id) ON DELETE CASCADE,
  data     BLOB NOT NULL
) STRICT;
CREATE TABLE predictions_mutual_information (
  chunk_id INTEGER PRIMARY KEY REFERENCES prediction_chunks (id) ON DELETE CASCADE,
  data     BLOB NOT NULL
) STRICT;
CREATE TABLE predictions_variation_ratio (
  chunk_id INTEGER PRIMARY KEY REFERENCES prediction_chunks (id) ON DELETE CASCADE,
  data     BLOB NOT NULL
) STRICT;
CREATE TABLE predictions_margin (
  chunk_id INTEGER PRIMARY KEY REFERENCES prediction_chunks (id) ON DELETE CASCADE,
  data     BLOB NOT NULL
) STRICT;
CREATE TABLE predictions_nll (
  chunk_id INTEGER PRIMARY KEY REFERENCES prediction_chunks (id) ON DELETE CASCADE,
  data     BLOB NOT NULL
) STRICT;
CREATE TABLE predictions_brier (
  chunk_id INTEGER PRIMARY KEY REFERENCES prediction_chunks (id) ON DELETE CASCADE,
  data     BLOB NOT NULL
) STRICT;

-- ... or one of those a class ...
CREATE TABLE predictions_probabilities (
  chunk_id INTEGER PRIMARY KEY REFERENCES prediction_chunks (id) ON DELETE CASCADE,
  data     BLOB NOT NULL
) STRICT;
CREATE TABLE predictions_deviations (
  chunk_id INTEGER PRIMARY KEY REFERENCES prediction_chunks (id) ON DELETE CASCADE,
  data     BLOB NOT NULL
) STRICT;
CREATE TABLE predictions_deterministic_probabilities (
  chunk_id INTEGER PRIMARY KEY REFERENCES prediction_chunks (id) ON DELETE CASCADE,
  data     BLOB NOT NULL
) STRICT;

-- ... or one a class for each sample. No row where samples are not kept.
CREATE TABLE predictions_sample_probabilities (
  chunk_id INTEGER PRIMARY KEY REFERENCES prediction_chunks (id) ON DELETE CASCADE,
  data     BLOB NOT NULL
) STRICT;

)sql";

}  // namespace anneal
