// Helpers for the tests of stored predictions.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "server/core/prediction.h"
#include "server/core/prediction_measures.h"
#include "tests/storage/storage_test_support.h"

namespace anneal {

inline PredictionSet MakePredictionSet(int64_t images, int64_t classes = 3, int64_t samples = 4,
                                       bool keeps_samples = false) {
  PredictionSet set;
  set.model_job_id = 7;
  set.checkpoint_sha256 = "ab12";
  set.dataset = "cifar10";
  set.split = "test";
  set.samples = samples;
  set.seed = 0xfedcba9876543210;
  set.keeps_samples = keeps_samples;
  set.begin = 100;
  set.images = images;
  for (int64_t i = 0; i < classes; ++i) set.class_names.push_back("class " + std::to_string(i));
  return set;
}

// Values of few kinds, so that there are many equal ones; among them those that are hard to sort.
inline float RandomMeasure(std::mt19937& random) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr std::array<float, 14> kValues = {0.0F,
                                             -0.0F,
                                             0.25F,
                                             0.5F,
                                             1.0F,
                                             1.0F + std::numeric_limits<float>::epsilon(),
                                             -0.25F,
                                             -3.0F,
                                             1e30F,
                                             std::numeric_limits<float>::denorm_min(),
                                             -std::numeric_limits<float>::denorm_min(),
                                             kInfinity,
                                             -kInfinity,
                                             std::numeric_limits<float>::quiet_NaN()};
  return kValues[std::uniform_int_distribution<size_t>(0, kValues.size() - 1)(random)];
}

// A chunk whose every value depends on set, begin and count alone.
inline PredictionChunk MakeRandomChunk(const PredictionSet& set, int64_t begin, int64_t count) {
  std::mt19937 random(static_cast<uint32_t>(begin * 1'000'003 + count));
  PredictionChunk chunk = MakePredictionChunk(set, begin, count);
  std::uniform_int_distribution<int32_t> fact(-1, static_cast<int32_t>(set.classes()));
  for (std::vector<int32_t>& column : chunk.facts) {
    for (int32_t& value : column) value = fact(random);
  }
  for (std::vector<float>& column : chunk.measures) {
    for (float& value : column) value = RandomMeasure(random);
  }
  std::uniform_real_distribution<float> probability;
  for (std::vector<float>* column :
       {&chunk.probabilities, &chunk.deviations, &chunk.deterministic_probabilities,
        &chunk.sample_probabilities}) {
    for (float& value : *column) value = probability(random);
  }
  return chunk;
}

// The whole set in chunks of `size`.
inline std::vector<PredictionChunk> MakeRandomChunks(const PredictionSet& set, int64_t size) {
  std::vector<PredictionChunk> chunks;
  const int64_t end = set.begin + set.images;
  for (int64_t begin = set.begin; begin < end; begin += size) {
    chunks.push_back(MakeRandomChunk(set, begin, std::min(size, end - begin)));
  }
  return chunks;
}

inline PredictionRow RowOf(const PredictionSet& set, const PredictionChunk& chunk, int64_t image,
                           bool with_samples) {
  const auto i = static_cast<size_t>(image - chunk.begin);
  PredictionRow row;
  row.image = image;
  for (size_t which = 0; which < kImageFactCount; ++which) row.facts[which] = chunk.facts[which][i];
  for (size_t which = 0; which < kMeasureCount; ++which) {
    row.measures[which] = chunk.measures[which][i];
  }
  const auto part = [i](const std::vector<float>& column, int64_t width) {
    const auto size = static_cast<size_t>(width);
    std::vector<float> values;
    for (size_t k = i * size; k < (i + 1) * size; ++k) values.push_back(column.at(k));
    return values;
  };
  row.probabilities = part(chunk.probabilities, set.classes());
  row.deviations = part(chunk.deviations, set.classes());
  row.deterministic_probabilities = part(chunk.deterministic_probabilities, set.classes());
  if (with_samples) {
    row.sample_probabilities = part(chunk.sample_probabilities, set.samples * set.classes());
  }
  return row;
}

// Bit for bit, also NaN and the sign of zero.
inline std::string Describe(const std::vector<float>& values) {
  std::string text = "[";
  for (const float value : values) text += std::to_string(std::bit_cast<uint32_t>(value)) + " ";
  return text + "]";
}

inline std::string Describe(const PredictionRow& row) {
  std::string text = "image " + std::to_string(row.image) + " facts";
  for (const int32_t fact : row.facts) text += " " + std::to_string(fact);
  return text + " measures " +
         Describe(std::vector<float>(row.measures.begin(), row.measures.end())) + " p " +
         Describe(row.probabilities) + " sd " + Describe(row.deviations) + " det " +
         Describe(row.deterministic_probabilities) + " samples " +
         Describe(row.sample_probabilities);
}

inline std::string Describe(const PredictionChunk& chunk) {
  std::string text =
      "chunk of " + std::to_string(chunk.count) + " from " + std::to_string(chunk.begin);
  for (const std::vector<int32_t>& column : chunk.facts) {
    text += " facts";
    for (const int32_t fact : column) text += " " + std::to_string(fact);
  }
  for (const std::vector<float>& column : chunk.measures) text += " " + Describe(column);
  return text + " p " + Describe(chunk.probabilities) + " sd " + Describe(chunk.deviations) +
         " det " + Describe(chunk.deterministic_probabilities) + " samples " +
         Describe(chunk.sample_probabilities);
}

// Everything that a Store is asked of one prediction.
inline std::vector<PredictionChunk> ReadAll(Store& store, JobId id) {
  std::vector<PredictionChunk> chunks;
  const absl::Status read = store.ReadPredictions(id, [&](const PredictionChunk& chunk) {
    chunks.push_back(chunk);
    return absl::OkStatus();
  });
  EXPECT_TRUE(read.ok()) << read;
  return chunks;
}

class PredictionStoreTest : public StoreTest {
 protected:
  // A running job that has begun these predictions, in its first attempt.
  JobId Begin(const PredictionSet& set) {
    NewJob job = MakeJob("prediction");
    job.kind = JobKind::kPrediction;
    const JobId id = Create(job);
    EXPECT_TRUE(store_->BeginAttempt(id, "cpu").ok());
    const auto stored = store_->BeginPredictions(id, 1, set);
    EXPECT_TRUE(stored.ok()) << stored.status();
    return id;
  }

  JobId Store(const PredictionSet& set, const std::vector<PredictionChunk>& chunks) {
    const JobId id = Begin(set);
    for (const PredictionChunk& chunk : chunks) {
      const absl::Status stored = store_->AppendPredictions(id, 1, chunk);
      EXPECT_TRUE(stored.ok()) << stored;
    }
    return id;
  }

  void End(JobId id, JobState state) {
    AttemptEnd end;
    end.to = state;
    end.stop_reason =
        state == JobState::kSucceeded ? StopReason::kCompleted : StopReason::kInternal;
    if (!IsTerminal(state)) end.stop_reason = StopReason::kNone;
    const auto ended = store_->EndAttempt(id, Get(id).attempt_count, end);
    EXPECT_TRUE(ended.ok()) << ended.status();
  }

  int64_t Count(const std::string& table) {
    SQLite::Database database(path_);
    return database.execAndGet("SELECT count(*) FROM " + table).getInt64();
  }
};

inline const std::vector<std::string>& ColumnTables() {
  static const auto& tables =
      *new std::vector<std::string>{"predictions_label",
                                    "predictions_predicted",
                                    "predictions_deterministic_predicted",
                                    "predictions_confidence",
                                    "predictions_entropy",
                                    "predictions_expected_entropy",
                                    "predictions_mutual_information",
                                    "predictions_variation_ratio",
                                    "predictions_margin",
                                    "predictions_nll",
                                    "predictions_brier",
                                    "predictions_probabilities",
                                    "predictions_deviations",
                                    "predictions_deterministic_probabilities",
                                    "predictions_sample_probabilities"};
  return tables;
}

}  // namespace anneal
