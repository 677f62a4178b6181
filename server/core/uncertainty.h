// All images of a prediction together: how often it is right, how honest its probabilities are, and
// what its doubt is worth. With dropout and without it, side by side. Messages Uncertainty and
// SetMeasures of proto/anneal/v1/prediction.proto say what the numbers are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "server/core/prediction.h"

namespace anneal {

inline constexpr int64_t kDefaultCalibrationBins = 15;

// Images whose lower < confidence <= upper; the first bin has confidence 0 too, the last one what
// rounding put above 1.
struct CalibrationBin {
  double lower = 0;
  double upper = 0;
  int64_t images = 0;
  double accuracy = 0;    // 0 where there are no images
  double confidence = 0;  // mean; 0 where there are no images
};

// Answering only the images whose rank_by is best. Among images of equal rank_by no order is better
// than another: where some of them are answered, the accuracy is the mean over all choices.
struct Coverage {
  double coverage = 0;   // as asked
  int64_t images = 0;    // answered: coverage * images, rounded up
  double accuracy = 0;   // of them
  double threshold = 0;  // the worst rank_by among them
};

struct MeasureSummary {
  Measure measure = Measure::kConfidence;
  std::optional<double>
      right;  // mean over the images predicted right; nothing where there are none
  std::optional<double> wrong;  // mean over those predicted wrong
  // For telling wrong from right (DoubtRanking::Auroc). Nothing also of measures that need the
  // label.
  std::optional<double> auroc;
};

struct SetMeasures {
  double accuracy = 0;
  double nll = 0;    // mean
  double brier = 0;  // mean
  double ece = 0;    // expected calibration error (Guo et al. 2017)
  std::vector<CalibrationBin> bins;
  // Of 1, 0.95, 0.9, 0.8, 0.5; none where rank_by needs samples and these are without.
  std::vector<Coverage> coverages;
  std::optional<double> aurc;            // Geifman & El-Yaniv 2017; nothing where no coverages are
  std::vector<MeasureSummary> measures;  // in the order of Measure; without dropout only those of
                                         // one distribution
};

struct Uncertainty {
  PredictionSet set;  // `stored`: the images that this is of
  SetMeasures deterministic;
  std::optional<SetMeasures> monte_carlo;  // nothing without samples
};

// Whether the measure can be known without the label, so that it can decide what to answer.
bool IsKnownWithoutLabel(Measure measure);

// Whether the measure compares samples: there is none of it for a single distribution.
bool NeedsSamples(Measure measure);

// Whether large values mean sure (confidence, margin) and not doubt (all others).
bool LargeIsSure(Measure measure);

struct UncertaintyOptions {
  int64_t bins = kDefaultCalibrationBins;  // at least 1
  Measure rank_by = Measure::kConfidence;  // IsKnownWithoutLabel, and without samples !NeedsSamples
};

// Sums up chunk by chunk. Keeps about 40 bytes an image (10 without samples), and 8 more while it
// finishes. Not thread-safe.
class UncertaintyBuilder {
 public:
  // Room is made for the images that `set` says are stored; there may be more or less.
  UncertaintyBuilder(PredictionSet set, const UncertaintyOptions& options);

  // Deviations and samples are not looked at: those vectors may be empty.
  void Add(const PredictionChunk& chunk);

  int64_t images() const { return images_; }

  // Of all chunks added, which must be at least one image. A measure that is not a number makes its
  // means so too, counts as the greatest doubt and falls into the first bin.
  Uncertainty Finish() const;

 private:
  // One side: with dropout, or without.
  struct Side {
    std::vector<uint8_t> wrong;  // [images]
    // By Measure, [images] each; none of those that nothing is ranked by or that the side has not.
    std::array<std::vector<float>, kMeasureCount> columns;
    std::array<bool, kMeasureCount> has{};
    std::array<double, kMeasureCount> sum_right{};
    std::array<double, kMeasureCount> sum_wrong{};
    int64_t count_wrong = 0;

    void Reserve(size_t images);
    void Add(bool is_wrong, const std::array<float, kMeasureCount>& measures);
  };

  SetMeasures Finish(const Side& side) const;

  PredictionSet set_;
  UncertaintyOptions options_;
  int64_t images_ = 0;
  Side deterministic_;
  Side monte_carlo_;  // stays empty without samples
};

}  // namespace anneal
