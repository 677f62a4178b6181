#include "server/core/learning_rate_curve.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace anneal {
namespace {

constexpr size_t kFewestPoints = 10;

// `first`, `last`: where to look, both included.
std::optional<double> Steepest(const std::vector<LearningRatePoint>& points, size_t first,
                               size_t last) {
  const size_t reach = std::max<size_t>(1, points.size() / 40);
  std::optional<double> found;
  double least = 0;
  for (size_t i = first + reach; i <= last && i + reach < points.size(); ++i) {
    const LearningRatePoint& before = points[i - reach];
    const LearningRatePoint& after = points[i + reach];
    const double slope = (after.smoothed_loss - before.smoothed_loss) /
                         std::log(after.learning_rate / before.learning_rate);
    if (slope < least) {
      least = slope;
      found = points[i].learning_rate;
    }
  }
  return found;
}

// The place in `points` of the middle of the longest fall; nothing where there is none.
std::optional<double> Valley(const std::vector<LearningRatePoint>& points) {
  // ends[n]: negated, the largest loss in which a falling subsequence of n + 1 points ends.
  std::vector<double> ends;
  size_t longest_end = 0;
  size_t longest = 0;
  for (size_t i = 0; i < points.size(); ++i) {
    const double value = -points[i].smoothed_loss;
    const auto place = std::lower_bound(ends.begin(), ends.end(), value);
    const auto length = static_cast<size_t>(place - ends.begin()) + 1;
    if (place == ends.end()) {
      ends.push_back(value);
    } else {
      *place = value;
    }
    if (length > longest) {
      longest = length;
      longest_end = i;
    }
  }
  if (longest < 2) return std::nullopt;
  const size_t start = longest_end - std::min(longest, longest_end);
  const double third = static_cast<double>(longest_end - start) / 3;
  return points[start + static_cast<size_t>(third) + static_cast<size_t>(third / 2)].learning_rate;
}

}  // namespace

void Suggest(LearningRateCurve& curve) {
  curve.steepest.reset();
  curve.valley.reset();
  curve.minimum_tenth.reset();
  const std::vector<LearningRatePoint>& points = curve.points;
  if (points.size() < kFewestPoints) return;
  const size_t first = points.size() / 20;
  const auto least = std::min_element(
      points.begin() + static_cast<ptrdiff_t>(first), points.end(),
      [](const auto& a, const auto& b) { return a.smoothed_loss < b.smoothed_loss; });
  if (!(least->smoothed_loss < points[first].smoothed_loss)) return;
  curve.steepest = Steepest(points, first, static_cast<size_t>(least - points.begin()));
  curve.valley = Valley(points);
  curve.minimum_tenth = least->learning_rate / 10;
}

}  // namespace anneal
