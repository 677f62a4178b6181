// Predictions in a store, as a prediction job leaves them there.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "server/core/prediction.h"
#include "server/core/prediction_measures.h"
#include "storage/store.h"

namespace anneal {

inline JobId CreateStoredJob(Store& store, JobKind kind, JobId model_job_id = 0) {
  NewJob job;
  job.kind = kind;
  job.name = "stored";
  job.spec = "spec";
  job.spec_sha256 = std::string(64, 'a');
  job.model_job_id = model_job_id;
  const absl::StatusOr<CreatedJob> created = store.CreateJob(job);
  EXPECT_TRUE(created.ok()) << created.status();
  return created.ok() ? created->job.id : 0;
}

// A prediction by `model_job_id` that runs and has stored nothing yet; `set.job_id` becomes its id.
inline JobId BeginStoredPrediction(Store& store, JobId model_job_id, PredictionSet& set) {
  set.model_job_id = model_job_id;
  set.job_id = CreateStoredJob(store, JobKind::kPrediction, model_job_id);
  const absl::StatusOr<StartedAttempt> attempt = store.BeginAttempt(set.job_id, "test");
  EXPECT_TRUE(attempt.ok()) << attempt.status();
  EXPECT_TRUE(store.BeginPredictions(set.job_id, 1, set).ok());
  return set.job_id;
}

// A set of three classes; the class names say which index is meant.
inline PredictionSet SmallSet(int64_t images, int64_t samples, bool keeps_samples = false) {
  PredictionSet set;
  set.checkpoint_sha256 = std::string(64, 'c');
  set.dataset = "shapes";
  set.split = "test";
  set.samples = samples;
  set.seed = 18446744073709551615u;
  set.keeps_samples = keeps_samples;
  set.begin = 100;
  set.images = images;
  set.class_names = {"zero", "one", "two words"};
  return set;
}

// Image i has the label i % 3. Probabilities are multiples of 1/64, change from image to image, and
// are right of some.
inline PredictionChunk SmallChunk(const PredictionSet& set, int64_t begin, int64_t count) {
  PredictionChunk chunk = MakePredictionChunk(set, begin, count);
  const auto classes = static_cast<size_t>(set.classes());
  const auto samples = static_cast<size_t>(set.samples);
  for (int64_t i = 0; i < count; ++i) {
    const auto image = static_cast<size_t>(begin + i);
    std::vector<float> deterministic(classes, 0.0F);
    deterministic[image * image % classes] = static_cast<float>(33 + image % 31) / 64.0F;
    deterministic[(image * image + 1) % classes] += static_cast<float>(31 - image % 31) / 64.0F;
    std::vector<float> sampled(samples * classes, 0.0F);
    for (size_t t = 0; t < samples; ++t) {
      float* const sample = sampled.data() + t * classes;
      const size_t rest = (5 * t + image) % 32;
      sample[(image * image + t * t) % classes] = static_cast<float>(64 - rest) / 64.0F;
      sample[(image * image + t * t + 1) % classes] += static_cast<float>(rest) / 64.0F;
    }
    MeasureImage({static_cast<int32_t>(image % classes), set.classes(), deterministic.data(),
                  set.samples, sampled.data()},
                 i, chunk);
  }
  return chunk;
}

// Chunks of `chunk_images` images, up to the set's end.
inline void StoreAll(Store& store, const PredictionSet& set, int64_t chunk_images = 512) {
  const int64_t end = set.begin + set.images;
  for (int64_t begin = set.begin; begin < end; begin += chunk_images) {
    const int64_t count = std::min(chunk_images, end - begin);
    const absl::Status status =
        store.AppendPredictions(set.job_id, 1, SmallChunk(set, begin, count));
    ASSERT_TRUE(status.ok()) << status;
  }
}

}  // namespace anneal
