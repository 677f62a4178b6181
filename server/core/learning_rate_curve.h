// What a learning-rate range test measures, and what it suggests.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace anneal {

struct LearningRatePoint {
  int64_t step = 0;  // from 1
  double learning_rate = 0;
  double loss = 0;           // of the step's batch, before its update
  double smoothed_loss = 0;  // exponential mean, corrected for its beginning

  friend bool operator==(const LearningRatePoint&, const LearningRatePoint&) = default;
};

struct LearningRateCurve {
  std::vector<LearningRatePoint> points;  // in order; all finite
  std::optional<double> steepest;
  std::optional<double> valley;
  std::optional<double> minimum_tenth;
  bool diverged = false;  // it ended before the largest learning rate

  friend bool operator==(const LearningRateCurve&, const LearningRateCurve&) = default;
};

// Sets the three suggestions from the points, on the smoothed loss over the logarithm of the
// learning rate:
//
//   steepest       where the slope is least, up to the smallest loss (a fall after a jump of the loss
//                  is none to go by): over a window of a fortieth of the points to either side, so
//                  that one batch does not decide
//   valley         the longest falling subsequence of the smoothed losses ends at the first point
//                  where it has its full length n; its beginning counts as n points before (or 0);
//                  suggested is the middle (a third and a sixth of the way), as in fastai
//   minimum_tenth  a tenth of the learning rate with the smallest loss (Geron 2019, chapter 11)
//
// The first twentieth of the points is left out by the first and the third: there the mean has
// hardly begun. With fewer than 10 points, or where the loss never falls, nothing is suggested.
// Takes O(n log n).
void Suggest(LearningRateCurve& curve);

}  // namespace anneal
