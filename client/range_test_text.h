// What people and programs read of a learning-rate range test's result. Pure functions.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "anneal/v1/result.pb.h"
#include "client/render.h"

namespace anneal::client {

// One of the learning rates that a range test can suggest.
struct Suggestion {
  std::string_view name;  // as in the proto, and after --lr-from JOB:
  char mark;              // below the chart
  std::string_view meaning;
  bool (v1::LearningRateRangeTestResult::*has)() const;
  double (v1::LearningRateRangeTestResult::*get)() const;

  std::optional<double> In(const v1::LearningRateRangeTestResult& result) const {
    return (result.*has)() ? std::optional((result.*get)()) : std::nullopt;
  }
};

extern const std::array<Suggestion, 3> kSuggestions;
inline constexpr std::string_view kDefaultSuggestion = "valley";

// Null where there is none of this name.
const Suggestion* FindSuggestion(std::string_view name);

// "steepest, valley, minimum_tenth"
std::string SuggestionNames();

// At three significant digits: "0.00123", "1.5e-06".
std::string FormatLearningRate(double learning_rate);

// The smoothed loss over the logarithm of the learning rate, with the suggestions' marks, cut off
// a little above what it was before its minimum; then SuggestionsText.
std::string RangeTestText(const v1::LearningRateRangeTestResult& result, const Style& style);

// A line for each suggestion, or that there is none, and why; and where the loss diverged.
std::string SuggestionsText(const v1::LearningRateRangeTestResult& result, const Style& style);

// How to go on: `command` is `submit FILE --lr-from JOB`. "" where nothing is suggested.
std::string RangeTestAdvice(const std::string& command,
                            const v1::LearningRateRangeTestResult& result);

// Columns job,step,learning_rate,loss,smoothed_loss, at full precision, with a header.
std::string RangeTestCsv(const std::string& job_id, const v1::LearningRateRangeTestResult& result);

}  // namespace anneal::client
