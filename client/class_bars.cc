#include "client/class_bars.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <string_view>

#include "client/prediction_text.h"

namespace anneal::client {
namespace {

constexpr std::array<std::string_view, 9> kEighths = {"·", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::string_view kTenths = ".123456789";

// `probability` in steps of 1 / `steps`, rounded, at most `last`. NaN is none.
size_t Step(float probability, int steps, size_t last) {
  const double scaled = std::round(static_cast<double>(probability) * steps);
  if (!(scaled > 0)) return 0;
  return std::min(static_cast<size_t>(std::min(scaled, 1e6)), last);
}

// The indices of `values`, largest value first, equals in order, NaN last.
std::vector<int> LargestFirst(std::vector<double> values) {
  for (double& value : values) {
    if (std::isnan(value)) value = -HUGE_VAL;
  }
  std::vector<int> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return values[static_cast<size_t>(a)] > values[static_cast<size_t>(b)];
  });
  return order;
}

}  // namespace

std::string ClassBars(const v1::Prediction& prediction, const Style& style) {
  std::string bars;
  for (int i = 0; i < prediction.probabilities_size(); ++i) {
    const float probability = prediction.probabilities(i);
    const std::string_view cell =
        style.unicode ? kEighths[Step(probability, 8, kEighths.size() - 1)]
                      : kTenths.substr(Step(probability, 10, kTenths.size() - 1), 1);
    const Color color = i == prediction.label()       ? Color::kGreen
                        : i == prediction.predicted() ? Color::kRed
                                                      : Color::kNone;
    bars += Paint(cell, color, style);
  }
  return bars;
}

std::string LikelyClasses(const v1::Prediction& prediction, const v1::PredictionSet& set,
                          int columns, const Style& style) {
  std::string text;
  for (const int i :
       LargestFirst({prediction.probabilities().begin(), prediction.probabilities().end()})) {
    const double probability = static_cast<double>(prediction.probabilities(i));
    if (!text.empty() && !(probability >= 0.005)) break;
    std::array<char, 64> number;
    std::snprintf(number.data(), number.size(), "%.2f", probability);
    const std::string entry = ClassName(set, i) + " " + number.data();
    if (text.empty()) {
      text = Shorten(entry, columns, style);
    } else if (DisplayWidth(text) + 2 + DisplayWidth(entry) <= columns) {
      text += ", " + entry;
    } else {
      break;
    }
  }
  return text;
}

std::string VotesText(const v1::Prediction& prediction, const v1::PredictionSet& set) {
  const int classes = prediction.probabilities_size();
  if (classes == 0) return "";
  std::vector<double> votes(static_cast<size_t>(classes));
  const float* sample = prediction.sample_probabilities().data();
  for (int left = prediction.sample_probabilities_size() / classes; left > 0; --left) {
    ++votes[static_cast<size_t>(std::max_element(sample, sample + classes) - sample)];
    sample += classes;
  }
  std::string text;
  for (const int i : LargestFirst(votes)) {
    const auto count = static_cast<int64_t>(votes[static_cast<size_t>(i)]);
    if (count == 0) break;
    text += (text.empty() ? "" : ", ") + ClassName(set, i) + " " + FormatCount(count);
  }
  return text;
}

}  // namespace anneal::client
