// What training measures: plain values, the same in the engine, the store and the API.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/core/learning_rate_curve.h"

namespace anneal {

// `value` may be NaN or infinite when a run diverges.
struct MetricValue {
  std::string name;  // "loss", "accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy"
  double value = 0;

  friend bool operator==(const MetricValue&, const MetricValue&) = default;
};

// One finished epoch.
struct EpochRecord {
  int64_t epoch = 0;                 // from 1
  int64_t attempt = 0;               // the attempt that stored it, from 1
  int64_t time_us = 0;               // when it was stored
  int64_t duration_us = 0;           // training and validation
  std::vector<MetricValue> metrics;  // sorted by name, names unique
};

// What is left at the end.
struct TrainingResult {
  std::vector<MetricValue> metrics;  // of the final weights: test_loss, test_accuracy; may be empty
  int64_t epochs = 0;                // finished
  int64_t best_epoch = 0;            // of early stopping's monitor; 0 without early stopping
  std::string weights_sha256;        // of the final parameters and moving averages, hex
  std::optional<LearningRateCurve> learning_rate_curve{};  // of a range test
};

// Where a running job stands. Written a few times a second, never stored.
struct ProgressSnapshot {
  int64_t epoch = 0;   // the one being trained, from 1; 0: still loading
  int64_t epochs = 0;  // as asked
  int64_t batch = 0;   // trained batches of this epoch
  int64_t batches = 0;
  std::vector<MetricValue>
      metrics;  // running means of this epoch, then the last finished epoch's val_* metrics
  double samples_per_second = 0;
  int64_t elapsed_us = 0;    // since the attempt began
  int64_t remaining_us = 0;  // estimated; 0: not known yet
};

}  // namespace anneal
