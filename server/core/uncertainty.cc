#include "server/core/uncertainty.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "server/core/doubt_ranking.h"
#include "server/core/prediction_measures.h"

namespace anneal {
namespace {

// In percent, so that rounding up to whole images is exact.
constexpr std::array<int64_t, 5> kCoveragePercents = {100, 95, 90, 80, 50};

size_t IndexOf(Measure measure) { return static_cast<size_t>(measure); }

double Edge(size_t bin, size_t bins) {
  return static_cast<double>(bin) / static_cast<double>(bins);
}

// Of a float32 the product is exact in double, so that no confidence gets on the wrong side of an
// edge.
size_t BinOf(float confidence, size_t bins) {
  if (!(confidence > 0)) return 0;
  const double place = std::ceil(static_cast<double>(confidence) * static_cast<double>(bins)) - 1;
  return static_cast<size_t>(std::clamp(place, 0.0, static_cast<double>(bins - 1)));
}

std::vector<CalibrationBin> Calibrate(const std::vector<float>& confidences,
                                      const std::vector<uint8_t>& wrong, int64_t bin_count) {
  const auto count = static_cast<size_t>(bin_count);
  std::vector<CalibrationBin> bins(count);
  // Sums first, divided at the end.
  for (size_t i = 0; i < confidences.size(); ++i) {
    CalibrationBin& bin = bins[BinOf(confidences[i], count)];
    ++bin.images;
    bin.accuracy += wrong[i] != 0 ? 0 : 1;
    bin.confidence += static_cast<double>(confidences[i]);
  }
  for (size_t i = 0; i < count; ++i) {
    bins[i].lower = Edge(i, count);
    bins[i].upper = Edge(i + 1, count);
    if (bins[i].images == 0) continue;
    bins[i].accuracy /= static_cast<double>(bins[i].images);
    bins[i].confidence /= static_cast<double>(bins[i].images);
  }
  return bins;
}

}  // namespace

bool IsKnownWithoutLabel(Measure measure) {
  return measure != Measure::kNll && measure != Measure::kBrier;
}

bool NeedsSamples(Measure measure) {
  return measure == Measure::kExpectedEntropy || measure == Measure::kMutualInformation ||
         measure == Measure::kVariationRatio;
}

bool LargeIsSure(Measure measure) {
  return measure == Measure::kConfidence || measure == Measure::kMargin;
}

UncertaintyBuilder::UncertaintyBuilder(PredictionSet set, const UncertaintyOptions& options)
    : set_(std::move(set)), options_(options) {
  for (const Measure measure : kAllMeasures) {
    deterministic_.has[IndexOf(measure)] = !NeedsSamples(measure);
    monte_carlo_.has[IndexOf(measure)] = set_.samples > 0;
  }
  const auto images = static_cast<size_t>(set_.stored);
  deterministic_.Reserve(images);
  monte_carlo_.Reserve(set_.samples > 0 ? images : 0);
}

void UncertaintyBuilder::Side::Reserve(size_t images) {
  wrong.reserve(images);
  for (const Measure measure : kAllMeasures) {
    const size_t which = IndexOf(measure);
    if (has[which] && IsKnownWithoutLabel(measure)) columns[which].reserve(images);
  }
}

void UncertaintyBuilder::Side::Add(bool is_wrong,
                                   const std::array<float, kMeasureCount>& measures) {
  wrong.push_back(is_wrong ? 1 : 0);
  count_wrong += is_wrong ? 1 : 0;
  for (const Measure measure : kAllMeasures) {
    const size_t which = IndexOf(measure);
    if (!has[which]) continue;
    (is_wrong ? sum_wrong : sum_right)[which] += static_cast<double>(measures[which]);
    if (IsKnownWithoutLabel(measure)) columns[which].push_back(measures[which]);
  }
}

void UncertaintyBuilder::Add(const PredictionChunk& chunk) {
  const auto count = static_cast<size_t>(chunk.count);
  const std::vector<int32_t>& labels = chunk.fact(ImageFact::kLabel);
  const std::vector<int32_t>& predicted = chunk.fact(ImageFact::kPredicted);
  const int64_t classes = set_.classes();
  std::array<float, kMeasureCount> measures{};
  for (size_t i = 0; i < count; ++i) {
    const DistributionMeasures one = MeasureDistribution(
        chunk.deterministic_probabilities.data() + i * static_cast<size_t>(classes), classes,
        labels[i]);
    measures[IndexOf(Measure::kConfidence)] = one.confidence;
    measures[IndexOf(Measure::kEntropy)] = one.entropy;
    measures[IndexOf(Measure::kMargin)] = one.margin;
    measures[IndexOf(Measure::kNll)] = one.nll;
    measures[IndexOf(Measure::kBrier)] = one.brier;
    deterministic_.Add(one.predicted != labels[i], measures);
    if (set_.samples == 0) continue;
    for (size_t which = 0; which < kMeasureCount; ++which) {
      measures[which] = chunk.measures[which][i];
    }
    monte_carlo_.Add(predicted[i] != labels[i], measures);
  }
  images_ += chunk.count;
}

Uncertainty UncertaintyBuilder::Finish() const {
  Uncertainty uncertainty;
  uncertainty.set = set_;
  uncertainty.set.stored = images_;
  uncertainty.deterministic = Finish(deterministic_);
  if (set_.samples > 0) uncertainty.monte_carlo = Finish(monte_carlo_);
  return uncertainty;
}

SetMeasures UncertaintyBuilder::Finish(const Side& side) const {
  const auto images = static_cast<double>(images_);
  const int64_t count_right = images_ - side.count_wrong;
  const auto mean = [&](Measure measure) {
    return (side.sum_right[IndexOf(measure)] + side.sum_wrong[IndexOf(measure)]) / images;
  };
  SetMeasures set;
  set.accuracy = static_cast<double>(count_right) / images;
  set.nll = mean(Measure::kNll);
  set.brier = mean(Measure::kBrier);
  set.bins = Calibrate(side.columns[IndexOf(Measure::kConfidence)], side.wrong, options_.bins);
  for (const CalibrationBin& bin : set.bins) {
    set.ece += static_cast<double>(bin.images) / images * std::abs(bin.accuracy - bin.confidence);
  }
  for (const Measure measure : kAllMeasures) {
    const size_t which = IndexOf(measure);
    if (!side.has[which]) continue;
    MeasureSummary& summary = set.measures.emplace_back();
    summary.measure = measure;
    if (count_right > 0) summary.right = side.sum_right[which] / static_cast<double>(count_right);
    if (side.count_wrong > 0) {
      summary.wrong = side.sum_wrong[which] / static_cast<double>(side.count_wrong);
    }
    if (!IsKnownWithoutLabel(measure)) continue;
    const DoubtRanking ranking(side.columns[which], side.wrong, LargeIsSure(measure));
    summary.auroc = ranking.Auroc();
    if (measure != options_.rank_by) continue;
    set.aurc = ranking.MeanRisk();
    for (const int64_t percent : kCoveragePercents) {
      Coverage& coverage = set.coverages.emplace_back();
      coverage.coverage = static_cast<double>(percent) / 100;
      coverage.images = (images_ * percent + 99) / 100;
      const auto answered = static_cast<size_t>(coverage.images);
      const auto all = static_cast<double>(coverage.images);
      coverage.accuracy = (all - ranking.Wrong(answered)) / all;
      coverage.threshold = static_cast<double>(ranking.Threshold(answered));
    }
  }
  return set;
}

}  // namespace anneal
