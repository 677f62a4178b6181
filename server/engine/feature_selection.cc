#include "server/engine/feature_selection.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace anneal {
namespace {

constexpr size_t kBins = 256;
constexpr size_t kCounts = size_t{1} << 24;  // held at once: 64 MiB

// Means of groups of samples per feature: group g's are at [g * features].
struct GroupMeans {
  std::vector<double> means;
  std::vector<double> counts;  // of samples in a group
};

GroupMeans MeasureMeans(const LabelledRows& rows, int64_t groups) {
  const auto width = static_cast<size_t>(rows.features);
  GroupMeans measured{std::vector<double>(width * static_cast<size_t>(groups)),
                      std::vector<double>(static_cast<size_t>(groups))};
  rows.each([&](int32_t label, const float* values) {
    const size_t group = groups == 1 ? 0 : static_cast<size_t>(label);
    measured.counts[group] += 1;
    double* const sums = measured.means.data() + group * width;
    for (size_t f = 0; f < width; ++f) sums[f] += static_cast<double>(values[f]);
  });
  for (size_t g = 0; g < measured.counts.size(); ++g) {
    for (size_t f = 0; f < width; ++f)
      measured.means[g * width + f] /= std::max(measured.counts[g], 1.0);
  }
  return measured;
}

// Sum over the samples of (x - mean of its group)^2.
std::vector<double> SquaresAround(const LabelledRows& rows, const GroupMeans& around) {
  const auto width = static_cast<size_t>(rows.features);
  std::vector<double> squares(width);
  rows.each([&](int32_t label, const float* values) {
    const size_t group = around.counts.size() == 1 ? 0 : static_cast<size_t>(label);
    const double* const means = around.means.data() + group * width;
    for (size_t f = 0; f < width; ++f) {
      const double distance = static_cast<double>(values[f]) - means[f];
      squares[f] += distance * distance;
    }
  });
  return squares;
}

std::vector<double> Variances(const LabelledRows& rows) {
  std::vector<double> scores = SquaresAround(rows, MeasureMeans(rows, 1));
  for (double& score : scores) score /= static_cast<double>(rows.samples);
  return scores;
}

std::vector<double> FScores(const LabelledRows& rows) {
  const GroupMeans all = MeasureMeans(rows, 1);
  const GroupMeans classes = MeasureMeans(rows, rows.classes);
  const std::vector<double> within = SquaresAround(rows, classes);
  const auto width = static_cast<size_t>(rows.features);
  const auto present = static_cast<double>(std::count_if(
      classes.counts.begin(), classes.counts.end(), [](double count) { return count > 0; }));
  std::vector<double> scores(width);
  for (size_t f = 0; f < width; ++f) {
    double between = 0;
    for (size_t g = 0; g < classes.counts.size(); ++g) {
      const double distance = classes.means[g * width + f] - all.means[f];
      between += classes.counts[g] * distance * distance;
    }
    if (!(between > 0)) continue;
    const double freedom = static_cast<double>(rows.samples) - present;
    scores[f] = within[f] > 0 && freedom > 0 ? (between / (present - 1)) / (within[f] / freedom)
                                             : std::numeric_limits<double>::infinity();
  }
  return scores;
}

// Of [0, kBins). What has no place between them (NaN, and infinities between infinities) is in the
// first.
size_t Bin(float value, float smallest, float largest) {
  const double place = (static_cast<double>(value) - static_cast<double>(smallest)) /
                       (static_cast<double>(largest) - static_cast<double>(smallest));
  if (!(place > 0)) return 0;
  return std::min(static_cast<size_t>(place * static_cast<double>(kBins)), kBins - 1);
}

std::vector<double> MutualInformation(const LabelledRows& rows) {
  const auto width = static_cast<size_t>(rows.features);
  std::vector<float> smallest(width, std::numeric_limits<float>::infinity());
  std::vector<float> largest(width, -std::numeric_limits<float>::infinity());
  std::vector<double> of_class(static_cast<size_t>(rows.classes));
  rows.each([&](int32_t label, const float* values) {
    of_class[static_cast<size_t>(label)] += 1;
    for (size_t f = 0; f < width; ++f) {
      smallest[f] = std::min(smallest[f], values[f]);
      largest[f] = std::max(largest[f], values[f]);
    }
  });
  const auto samples = static_cast<double>(rows.samples);
  const auto classes = static_cast<size_t>(rows.classes);
  std::vector<double> scores(width);
  const size_t block = std::max<size_t>(1, kCounts / (kBins * classes));
  for (size_t begin = 0; begin < width; begin += block) {
    const size_t count = std::min(block, width - begin);
    std::vector<uint32_t> counts(count * kBins * classes);
    rows.each([&](int32_t label, const float* values) {
      for (size_t i = 0; i < count; ++i) {
        const size_t f = begin + i;
        const size_t bin = Bin(values[f], smallest[f], largest[f]);
        ++counts[(i * kBins + bin) * classes + static_cast<size_t>(label)];
      }
    });
    for (size_t i = 0; i < count; ++i) {
      double information = 0;
      for (size_t bin = 0; bin < kBins; ++bin) {
        const uint32_t* const joint = counts.data() + (i * kBins + bin) * classes;
        const double in_bin = std::accumulate(joint, joint + classes, 0.0);
        for (size_t y = 0; y < classes; ++y) {
          if (joint[y] == 0) continue;
          information += joint[y] / samples * std::log(joint[y] * samples / (in_bin * of_class[y]));
        }
      }
      scores[begin + i] = std::max(0.0, information);
    }
  }
  return scores;
}

}  // namespace

std::vector<double> ScoreFeatures(v1::SelectFeatures::Score score, const LabelledRows& rows) {
  switch (score) {
    case v1::SelectFeatures::MUTUAL_INFORMATION:
      return MutualInformation(rows);
    case v1::SelectFeatures::F_SCORE:
      return FScores(rows);
    default:
      return Variances(rows);  // validated: VARIANCE
  }
}

std::vector<int64_t> LargestScores(const std::vector<double>& scores, int64_t k) {
  std::vector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto score = [&](int64_t index) {
    const double value = scores[static_cast<size_t>(index)];
    return std::isnan(value) ? -std::numeric_limits<double>::infinity() : value;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return score(a) > score(b); });
  order.resize(static_cast<size_t>(k));
  std::sort(order.begin(), order.end());
  return order;
}

}  // namespace anneal
