// From the class probabilities of one image to what is stored of it.
#pragma once

#include <cstdint>

#include "server/core/prediction.h"

namespace anneal {

// A chunk of `count` images from `begin` on with every vector at its size and zero.
PredictionChunk MakePredictionChunk(const PredictionSet& set, int64_t begin, int64_t count);

// What one distribution over the classes says of an image.
struct DistributionMeasures {
  int32_t predicted = 0;  // the class with the largest probability, the first of equals
  float confidence = 0;   // that probability
  float entropy = 0;      // at least 0
  float margin = 0;       // the largest less the second largest, which of a single class is 0
  float nll = 0;          // of the label; a probability below FLT_MIN counts as that
  float brier = 0;
};

// `probabilities`: [classes], at least 1; `label` is one of them. Formulas as of MeasureImage.
DistributionMeasures MeasureDistribution(const float* probabilities, int64_t classes,
                                         int32_t label);

// What the network says of one image.
struct ImageProbabilities {
  int32_t label = 0;
  int64_t classes = 0;                   // at least 1
  const float* deterministic = nullptr;  // [classes]: without dropout
  int64_t samples = 0;                   // 0: there is only `deterministic`
  const float* sampled = nullptr;        // [samples, classes]
};

// Fills entry `i` of `chunk`: facts, measures, probabilities, deviations, deterministic
// probabilities, and the samples' where the chunk has room for them. Formulas: message Prediction
// in proto/anneal/v1/prediction.proto; 0 log 0 is 0. Means are summed in double. Without samples,
// or with one, mutual information, variation ratio and deviations are exactly 0; so they are of
// equal samples. Confidence, margin, nll, brier and the predicted class are of the means as they
// are stored, so that they can be recomputed from them; entropies are of means in double.
// Not-a-number stays not-a-number. `label` is one of the classes. Pure: depends on the image alone.
void MeasureImage(const ImageProbabilities& image, int64_t i, PredictionChunk& chunk);

}  // namespace anneal
