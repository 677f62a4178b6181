#include "server/core/prediction_measures.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace anneal {
namespace {

// Entropy of the distribution, at least 0: probabilities that add up to a little more than 1 in
// float32 would have one below.
template <typename Number>
double Entropy(const Number* probabilities, size_t classes) {
  double entropy = 0;
  for (size_t i = 0; i < classes; ++i) {
    const auto p = static_cast<double>(probabilities[i]);
    if (p != 0) entropy -= p * std::log(p);
  }
  return std::max(entropy, 0.0);
}

// The first of the largest.
size_t Largest(const float* probabilities, size_t classes) {
  return static_cast<size_t>(std::max_element(probabilities, probabilities + classes) -
                             probabilities);
}

}  // namespace

PredictionChunk MakePredictionChunk(const PredictionSet& set, int64_t begin, int64_t count) {
  PredictionChunk chunk;
  chunk.begin = begin;
  chunk.count = count;
  const auto images = static_cast<size_t>(count);
  const size_t classes = set.class_names.size();
  for (std::vector<int32_t>& fact : chunk.facts) fact.resize(images);
  for (std::vector<float>& measure : chunk.measures) measure.resize(images);
  chunk.probabilities.resize(images * classes);
  chunk.deviations.resize(images * classes);
  chunk.deterministic_probabilities.resize(images * classes);
  if (set.keeps_samples) {
    chunk.sample_probabilities.resize(images * static_cast<size_t>(set.samples) * classes);
  }
  return chunk;
}

DistributionMeasures MeasureDistribution(const float* probabilities, int64_t classes,
                                         int32_t label) {
  const auto count = static_cast<size_t>(classes);
  const size_t predicted = Largest(probabilities, count);
  double second = 0;
  double brier = 0;
  for (size_t c = 0; c < count; ++c) {
    const auto p = static_cast<double>(probabilities[c]);
    if (c != predicted) second = std::max(second, p);
    const double difference = p - (c == static_cast<size_t>(label) ? 1 : 0);
    brier += difference * difference;
  }
  constexpr double kLeast = std::numeric_limits<float>::min();
  const auto of_label = static_cast<double>(probabilities[static_cast<size_t>(label)]);
  DistributionMeasures measures;
  measures.predicted = static_cast<int32_t>(predicted);
  measures.confidence = probabilities[predicted];
  measures.entropy = static_cast<float>(Entropy(probabilities, count));
  measures.margin = static_cast<float>(static_cast<double>(probabilities[predicted]) - second);
  // 0 - x, not -x: of p = 1 it is 0, not -0.
  measures.nll = static_cast<float>(0 - std::log(std::max(of_label, kLeast)));
  measures.brier = static_cast<float>(brier);
  return measures;
}

void MeasureImage(const ImageProbabilities& image, int64_t i, PredictionChunk& chunk) {
  const auto classes = static_cast<size_t>(image.classes);
  const auto samples = static_cast<size_t>(image.samples);
  const auto place = static_cast<size_t>(i);
  float* const probabilities = chunk.probabilities.data() + place * classes;
  float* const deviations = chunk.deviations.data() + place * classes;
  const auto set = [&](Measure which, auto value) {
    chunk.measure(which)[place] = static_cast<float>(value);
  };

  // The mean distribution, the deviations from it, and what the samples say one by one.
  std::vector<double> mean(image.deterministic, image.deterministic + classes);
  std::vector<double> squares(classes, 0.0);
  double expected_entropy = 0;
  size_t most_votes = samples;
  if (samples > 0) {
    std::fill(mean.begin(), mean.end(), 0.0);
    std::vector<size_t> votes(classes, 0);
    for (size_t t = 0; t < samples; ++t) {
      const float* const sample = image.sampled + t * classes;
      for (size_t c = 0; c < classes; ++c) mean[c] += static_cast<double>(sample[c]);
      ++votes[Largest(sample, classes)];
      // Welford's running mean: of equal values it is that value, exactly.
      expected_entropy +=
          (Entropy(sample, classes) - expected_entropy) / static_cast<double>(t + 1);
    }
    for (double& p : mean) p /= static_cast<double>(samples);
    // A second pass. Sums of equal float32 are exact in double, so their deviation is exactly 0.
    for (size_t t = 0; t < samples; ++t) {
      const float* const sample = image.sampled + t * classes;
      for (size_t c = 0; c < classes; ++c) {
        const double difference = static_cast<double>(sample[c]) - mean[c];
        squares[c] += difference * difference;
      }
    }
    most_votes = *std::max_element(votes.begin(), votes.end());
  }
  const double entropy = Entropy(mean.data(), classes);
  if (samples == 0) expected_entropy = entropy;
  set(Measure::kEntropy, entropy);
  set(Measure::kExpectedEntropy, expected_entropy);
  set(Measure::kMutualInformation, std::max(entropy - expected_entropy, 0.0));
  const auto divisor = static_cast<double>(std::max<size_t>(samples, 1));
  set(Measure::kVariationRatio, static_cast<double>(samples - most_votes) / divisor);
  for (size_t c = 0; c < classes; ++c) {
    probabilities[c] = static_cast<float>(mean[c]);
    deviations[c] = static_cast<float>(std::sqrt(squares[c] / divisor));
  }

  const DistributionMeasures of_mean =
      MeasureDistribution(probabilities, image.classes, image.label);
  set(Measure::kConfidence, of_mean.confidence);
  set(Measure::kMargin, of_mean.margin);
  set(Measure::kNll, of_mean.nll);
  set(Measure::kBrier, of_mean.brier);
  chunk.fact(ImageFact::kLabel)[place] = image.label;
  chunk.fact(ImageFact::kPredicted)[place] = of_mean.predicted;
  chunk.fact(ImageFact::kDeterministicPredicted)[place] =
      static_cast<int32_t>(Largest(image.deterministic, classes));
  std::copy(image.deterministic, image.deterministic + classes,
            chunk.deterministic_probabilities.data() + place * classes);
  if (!chunk.sample_probabilities.empty()) {
    std::copy(image.sampled, image.sampled + samples * classes,
              chunk.sample_probabilities.data() + place * samples * classes);
  }
}

}  // namespace anneal
