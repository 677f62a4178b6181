#include "client/range_test_text.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "client/chart.h"

namespace anneal::client {
namespace {

using Result = v1::LearningRateRangeTestResult;
using Point = Result::Point;

// Above this the curve only says that it exploded: the highest loss up to the minimum, and a
// quarter of the fall from there to the minimum. Nothing where no loss is higher.
std::optional<double> CutOff(const Result& result) {
  const auto& points = result.points();
  const auto lower = [](const Point& a, const Point& b) {
    return a.smoothed_loss() < b.smoothed_loss();
  };
  const auto least = std::min_element(points.begin(), points.end(), lower);
  if (least == points.end()) return std::nullopt;
  const double start = std::max_element(points.begin(), least + 1, lower)->smoothed_loss();
  const double fall = start - least->smoothed_loss();
  // A curve that never falls has half of its first value to show that it rises.
  const double limit = start + (fall > 0 ? fall / 4 : std::abs(start) / 2);
  if (!(limit > least->smoothed_loss())) return std::nullopt;
  return limit;
}

std::string Chart(const Result& result, const Style& style) {
  Curve curve{"smoothed loss", {}};
  for (const Point& point : result.points())
    curve.points.emplace_back(point.learning_rate(), point.smoothed_loss());
  ChartOptions options;
  options.title = "smoothed loss";
  options.x_label = "learning rate";
  options.width = std::clamp(style.columns - 1, 30, 100);
  options.log_x = true;
  options.highest_y = CutOff(result);
  for (const Suggestion& suggestion : kSuggestions) {
    if (const auto value = suggestion.In(result); value)
      options.marks.push_back({*value, suggestion.mark});
  }
  return RenderChart({curve}, options, style);
}

bool SuggestsSomething(const Result& result) {
  return std::any_of(kSuggestions.begin(), kSuggestions.end(),
                     [&](const Suggestion& suggestion) { return suggestion.In(result); });
}

}  // namespace

const std::array<Suggestion, 3> kSuggestions = {
    {{"steepest", 'S', "where the loss falls fastest", &Result::has_steepest, &Result::steepest},
     {"valley", 'V', "in the middle of the longest fall", &Result::has_valley, &Result::valley},
     {"minimum_tenth", 'M', "a tenth of where the loss is least", &Result::has_minimum_tenth,
      &Result::minimum_tenth}}};

const Suggestion* FindSuggestion(std::string_view name) {
  const auto found = std::find_if(kSuggestions.begin(), kSuggestions.end(),
                                  [&](const Suggestion& known) { return known.name == name; });
  return found == kSuggestions.end() ? nullptr : &*found;
}

std::string SuggestionNames() {
  std::string names;
  for (const Suggestion& suggestion : kSuggestions)
    names += (names.empty() ? "" : ", ") + std::string(suggestion.name);
  return names;
}

std::string FormatLearningRate(double learning_rate) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.3g", learning_rate);
  return text.data();
}

std::string RangeTestText(const v1::LearningRateRangeTestResult& result, const Style& style) {
  const std::string chart = Chart(result, style);
  return chart + (chart.empty() ? "" : "\n") + SuggestionsText(result, style);
}

std::string SuggestionsText(const v1::LearningRateRangeTestResult& result, const Style& style) {
  std::string text;
  if (SuggestsSomething(result)) {
    Table table;
    table.AddColumn("");
    table.AddColumn("SUGGESTION");
    table.AddColumn("LEARNING RATE", Table::Align::kRight);
    table.AddColumn("");
    for (const Suggestion& suggestion : kSuggestions) {
      const std::optional<double> value = suggestion.In(result);
      table.AddRow({std::string(1, suggestion.mark), std::string(suggestion.name),
                    value ? FormatLearningRate(*value) : "none", std::string(suggestion.meaning)});
    }
    text += table.ToString(style);
  } else {
    text +=
        "Nothing is suggested: the curve has too few points, or its loss never falls. Other limits "
        "(--min, --max) or\nmore steps (--steps) may help.\n";
  }
  if (result.diverged() && !result.points().empty()) {
    const Point& last = *result.points().rbegin();
    text += "The loss diverged after step " + FormatCount(last.step()) +
            ", at a learning rate of about " + FormatLearningRate(last.learning_rate()) + ".\n";
  }
  return text;
}

std::string RangeTestAdvice(const std::string& command,
                            const v1::LearningRateRangeTestResult& result) {
  if (!SuggestsSomething(result)) return "";
  std::string choice;
  for (const Suggestion& suggestion : kSuggestions) {
    if (suggestion.In(result)) choice += (choice.empty() ? "" : "|") + std::string(suggestion.name);
  }
  return "\nTrain with one of them: " + command + "[:" + choice + "]\n" +
         (result.has_valley() ? "" : "The default, valley, is not there: name one.\n");
}

std::string RangeTestCsv(const std::string& job_id, const v1::LearningRateRangeTestResult& result) {
  std::string text = "job,step,learning_rate,loss,smoothed_loss\n";
  for (const Point& point : result.points()) {
    text += CsvField(Escape(job_id)) + "," + std::to_string(point.step()) + "," +
            FormatExact(point.learning_rate()) + "," + FormatExact(point.loss()) + "," +
            FormatExact(point.smoothed_loss()) + "\n";
  }
  return text;
}

}  // namespace anneal::client
