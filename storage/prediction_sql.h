// Every statement about predictions, and the tables of their columns (sql.h has the others).
#pragma once

#include <array>

#include "server/core/prediction.h"

namespace anneal::sql {

inline constexpr char kInsertPredictionSet[] =
    "INSERT INTO prediction_sets (job_id, model_job_id, checkpoint_sha256, dataset, split, "
    "samples, seed, consistent_masks, keeps_samples, begin, images) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
inline constexpr char kInsertPredictionClass[] =
    "INSERT INTO prediction_classes (job_id, class, name) VALUES (?1, ?2, ?3)";
inline constexpr char kInsertPredictionChunk[] =
    "INSERT INTO prediction_chunks (job_id, begin, count) VALUES (?1, ?2, ?3)";

inline constexpr char kPredictionSet[] =
    "SELECT model_job_id, checkpoint_sha256, dataset, split, samples, seed, consistent_masks, "
    "keeps_samples, begin, images FROM prediction_sets WHERE job_id = ?1";
inline constexpr char kPredictionClasses[] =
    "SELECT name FROM prediction_classes WHERE job_id = ?1 ORDER BY class";
inline constexpr char kPredictionSizes[] =
    "SELECT begin, images, samples, keeps_samples, "
    "(SELECT count(*) FROM prediction_classes WHERE job_id = ?1) "
    "FROM prediction_sets WHERE job_id = ?1";
inline constexpr char kPredictionChunks[] =
    "SELECT id, begin, count FROM prediction_chunks WHERE job_id = ?1 ORDER BY begin";
inline constexpr char kPredictionEnd[] =
    "SELECT begin + count FROM prediction_chunks WHERE job_id = ?1 ORDER BY begin DESC LIMIT 1";

// Where a column is.
struct PredictionColumn {
  const char* table;
  const char* insert;
};

#define ANNEAL_PREDICTION_COLUMN(table) \
  { table, "INSERT INTO " table " (chunk_id, data) VALUES (?1, ?2)" }

// By ImageFact.
inline constexpr std::array<PredictionColumn, kImageFactCount> kFactColumns = {
    {ANNEAL_PREDICTION_COLUMN("predictions_label"),
     ANNEAL_PREDICTION_COLUMN("predictions_predicted"),
     ANNEAL_PREDICTION_COLUMN("predictions_deterministic_predicted")}};

// By Measure.
inline constexpr std::array<PredictionColumn, kMeasureCount> kMeasureColumns = {
    {ANNEAL_PREDICTION_COLUMN("predictions_confidence"),
     ANNEAL_PREDICTION_COLUMN("predictions_entropy"),
     ANNEAL_PREDICTION_COLUMN("predictions_expected_entropy"),
     ANNEAL_PREDICTION_COLUMN("predictions_mutual_information"),
     ANNEAL_PREDICTION_COLUMN("predictions_variation_ratio"),
     ANNEAL_PREDICTION_COLUMN("predictions_margin"), ANNEAL_PREDICTION_COLUMN("predictions_nll"),
     ANNEAL_PREDICTION_COLUMN("predictions_brier")}};

inline constexpr PredictionColumn kProbabilityColumn =
    ANNEAL_PREDICTION_COLUMN("predictions_probabilities");
inline constexpr PredictionColumn kDeviationColumn =
    ANNEAL_PREDICTION_COLUMN("predictions_deviations");
inline constexpr PredictionColumn kDeterministicProbabilityColumn =
    ANNEAL_PREDICTION_COLUMN("predictions_deterministic_probabilities");
inline constexpr PredictionColumn kSampleProbabilityColumn =
    ANNEAL_PREDICTION_COLUMN("predictions_sample_probabilities");

#undef ANNEAL_PREDICTION_COLUMN

}  // namespace anneal::sql
