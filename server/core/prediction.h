// Monte Carlo Dropout predictions: plain values, the same in the engine, the store and the API.
//
// They are kept in columns, a chunk of consecutive images at a time: what filters, sorts and sums
// over a million images then reads a few megabytes and nothing else.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/core/job.h"

namespace anneal {

// What is measured of one image. The formulas are in proto/anneal/v1/prediction.proto (message
// Prediction). The numbers are stored: never change one.
enum class Measure : int {
  kConfidence = 0,
  kEntropy = 1,
  kExpectedEntropy = 2,
  kMutualInformation = 3,
  kVariationRatio = 4,
  kMargin = 5,
  kNll = 6,
  kBrier = 7,
};
inline constexpr size_t kMeasureCount = 8;
inline constexpr std::array<Measure, kMeasureCount> kAllMeasures = {
    Measure::kConfidence,        Measure::kEntropy,        Measure::kExpectedEntropy,
    Measure::kMutualInformation, Measure::kVariationRatio, Measure::kMargin,
    Measure::kNll,               Measure::kBrier};

// "entropy", "mutual_information", ...; exactly so.
std::string_view MeasureName(Measure measure);
std::optional<Measure> ParseMeasure(std::string_view name);

// A whole number known of every image. The numbers are stored: never change one.
enum class ImageFact : int {
  kLabel = 0,
  kPredicted = 1,
  kDeterministicPredicted = 2,
};
inline constexpr size_t kImageFactCount = 3;
inline constexpr std::array<ImageFact, kImageFactCount> kAllImageFacts = {
    ImageFact::kLabel, ImageFact::kPredicted, ImageFact::kDeterministicPredicted};

// "label", "predicted", "deterministic_predicted"; exactly so.
std::string_view ImageFactName(ImageFact fact);
std::optional<ImageFact> ParseImageFact(std::string_view name);

// What a prediction job predicts with and on. Fixed when its first attempt begins.
struct PredictionSet {
  JobId job_id = 0;
  JobId model_job_id = 0;
  std::string checkpoint_sha256;  // of the file with the weights, hex
  std::string dataset;
  std::string split;
  int64_t samples = 0;  // T; 0: without dropout, one pass
  uint64_t seed = 0;
  bool consistent_masks = false;
  bool keeps_samples = false;
  int64_t begin = 0;   // index of the first image in the split
  int64_t images = 0;  // as asked, at least 1
  std::vector<std::string> class_names;  // at least 1
  int64_t stored = 0;  // images stored, the first ones; filled in by the store

  int64_t classes() const { return static_cast<int64_t>(class_names.size()); }
};

// Consecutive images, all that is stored of them. Vectors have `count` entries, or as many times
// what is said.
struct PredictionChunk {
  int64_t begin = 0;  // index of the first image in the split
  int64_t count = 0;
  std::array<std::vector<int32_t>, kImageFactCount> facts;  // by ImageFact
  std::array<std::vector<float>, kMeasureCount> measures;   // by Measure
  std::vector<float> probabilities;                // x classes: mean over samples
  std::vector<float> deviations;                   // x classes: of the population of samples
  std::vector<float> deterministic_probabilities;  // x classes: without dropout
  std::vector<float> sample_probabilities;         // x samples x classes; empty where not kept

  std::vector<int32_t>& fact(ImageFact which) { return facts[static_cast<size_t>(which)]; }
  const std::vector<int32_t>& fact(ImageFact which) const {
    return facts[static_cast<size_t>(which)];
  }
  std::vector<float>& measure(Measure which) { return measures[static_cast<size_t>(which)]; }
  const std::vector<float>& measure(Measure which) const {
    return measures[static_cast<size_t>(which)];
  }
};

// One image, as it is listed.
struct PredictionRow {
  int64_t image = 0;  // index in the split
  std::array<int32_t, kImageFactCount> facts{};
  std::array<float, kMeasureCount> measures{};
  std::vector<float> probabilities;                // [classes]
  std::vector<float> deviations;                   // [classes]
  std::vector<float> deterministic_probabilities;  // [classes]
  std::vector<float> sample_probabilities;         // [samples, classes]; empty where not asked for

  int32_t fact(ImageFact which) const { return facts[static_cast<size_t>(which)]; }
  float measure(Measure which) const { return measures[static_cast<size_t>(which)]; }
};

}  // namespace anneal
