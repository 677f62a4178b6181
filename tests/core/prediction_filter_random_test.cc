// Random filters: none crashes, and every accepted one means what an evaluator says that shares no
// code and no method with the parser. It splits the words at the operator that binds least, image
// by image, and builds nothing.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/core/prediction_filter.h"

namespace anneal {
namespace {

// No key words that take an operand: the evaluator splits at them wherever they stand.
const std::vector<std::string> kClasses = {"cat", "polar bear", "3", "wrong", "猫", "a\"b\\c"};

constexpr int64_t kBegin = 7;
constexpr size_t kImages = 40;

struct Chunk {
  std::array<std::vector<int32_t>, kImageFactCount> facts;
  std::array<std::vector<float>, kMeasureCount> measures;
};

// Few different values, so that comparisons for equality have something to find.
Chunk RandomChunk(std::mt19937& random) {
  Chunk chunk;
  for (std::vector<int32_t>& column : chunk.facts) {
    for (size_t i = 0; i < kImages; ++i) column.push_back(static_cast<int32_t>(random() % 6));
  }
  for (std::vector<float>& column : chunk.measures) {
    for (size_t i = 0; i < kImages; ++i) {
      column.push_back(static_cast<float>(random() % 11) / 10.0F);
    }
  }
  return chunk;
}

std::string Lower(std::string word) {
  for (char& c : word) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return word;
}

template <typename Value>
bool Compare(Value left, const std::string& comparison, Value right) {
  if (comparison == "<") return left < right;
  if (comparison == "<=") return left <= right;
  if (comparison == ">") return left > right;
  if (comparison == ">=") return left >= right;
  if (comparison == "!=") return left != right;
  return left == right;
}

using Words = std::vector<std::string>;

// Where the word stands outside of parentheses, the last time; -1: nowhere.
int LastOutside(const Words& words, const std::string& word) {
  int depth = 0;
  int found = -1;
  for (size_t i = 0; i < words.size(); ++i) {
    depth += words[i] == "(" ? 1 : words[i] == ")" ? -1 : 0;
    if (depth == 0 && Lower(words[i]) == word) found = static_cast<int>(i);
  }
  return found;
}

// Of an accepted filter.
bool Matches(const Words& words, const Chunk& chunk, size_t image) {
  if (words.empty()) return true;
  for (const char* word : {"or", "and"}) {
    const int place = LastOutside(words, word);
    if (place < 0) continue;
    const bool left = Matches(Words(words.begin(), words.begin() + place), chunk, image);
    const bool right = Matches(Words(words.begin() + place + 1, words.end()), chunk, image);
    return word == std::string("or") ? left || right : left && right;
  }
  const std::string first = Lower(words[0]);
  if (first == "not") return !Matches(Words(words.begin() + 1, words.end()), chunk, image);
  if (first == "(") return Matches(Words(words.begin() + 1, words.end() - 1), chunk, image);
  if (words.size() == 1) {
    const bool wrong = chunk.facts[0][image] != chunk.facts[1][image];
    return first == "wrong" ? wrong : !wrong;
  }
  const double number = std::strtod(words[2].c_str(), nullptr);
  if (words[0] == "image") {
    return Compare(static_cast<double>(image) + kBegin, words[1], number);
  }
  if (const auto measure = ParseMeasure(words[0]); measure.has_value()) {
    const float value = chunk.measures[static_cast<size_t>(*measure)][image];
    return Compare(value, words[1], static_cast<float>(number));
  }
  const std::array<std::string, kImageFactCount> names = {"label", "predicted",
                                                          "deterministic_predicted"};
  const auto fact =
      static_cast<size_t>(std::find(names.begin(), names.end(), words[0]) - names.begin());
  const std::vector<std::string> quoted = {"\"cat\"",   "\"polar bear\"", "\"3\"",
                                           "\"wrong\"", "\"猫\"",         "\"a\\\"b\\\\c\""};
  auto index = static_cast<int32_t>(number);
  for (size_t i = 0; i < kClasses.size(); ++i) {
    const bool bare = words[2] == kClasses[i] && kClasses[i] != "3";
    if (bare || words[2] == quoted[i]) index = static_cast<int32_t>(i);
  }
  return Compare(chunk.facts[fact][image], words[1], index);
}

std::string Pick(std::mt19937& random, const std::vector<std::string>& from) {
  return from[random() % from.size()];
}

const std::vector<std::string> kComparisons = {"=", "==", "!=", "<", "<=", ">", ">="};
const std::vector<std::string> kNumbers = {"0",  "0.1", "0.5", "-0", "+.3", "7e-1", "1.",
                                           "10", "20",  "46",  "3",  "2",   "1e39", "-5"};
const std::vector<std::string> kValues = {
    "cat",    "wrong",           "猫", "\"cat\"", "\"polar bear\"", "\"3\"",
    "\"猫\"", "\"a\\\"b\\\\c\"", "0",  "5"};

std::string Field(std::mt19937& random) {
  return random() % 3 == 0 ? "image"
                           : std::string(MeasureName(kAllMeasures[random() % kMeasureCount]));
}

// Words of the grammar.
void Append(std::mt19937& random, int depth, Words& words) {
  const auto kind = random() % (depth > 5 ? 3 : 8);
  if (kind == 0) {
    words.push_back(Pick(random, {"wrong", "right", "Wrong", "RIGHT"}));
  } else if (kind == 1) {
    words.insert(words.end(), {Pick(random, {"label", "predicted", "deterministic_predicted"}),
                               Pick(random, kComparisons), Pick(random, kValues)});
  } else if (kind == 2) {
    words.insert(words.end(), {Field(random), Pick(random, kComparisons), Pick(random, kNumbers)});
  } else if (kind == 3) {
    words.push_back(Pick(random, {"not", "NOT"}));
    Append(random, depth + 1, words);
  } else if (kind == 4) {
    words.push_back("(");
    Append(random, depth + 1, words);
    words.push_back(")");
  } else {
    Append(random, depth + 1, words);
    words.push_back(Pick(random, {"and", "or", "And", "OR"}));
    Append(random, depth + 1, words);
  }
}

std::string AnyWord(std::mt19937& random) {
  switch (random() % 8) {
    case 0:
      return Pick(random, kComparisons);
    case 1:
      return Pick(random, kNumbers);
    case 2:
      return Pick(random, kValues);
    case 3:
      return Field(random);
    case 4:
      return Pick(random, {"label", "predicted", "deterministic_predicted", "bird"});
    case 5:
      return Pick(random, {"(", ")"});
    case 6:
      return Pick(random, {"and", "or", "not", "wrong", "right"});
    default:
      return Pick(random, {"\"", "'", "!", "&", "\\", "1e999", "nan", "0x10", "=", "\xff", "\x01",
                           "ü", "\"not closed", "-", "."});
  }
}

// A little is changed, more often than not so that it is no filter any more.
void Mutate(std::mt19937& random, Words& words) {
  const size_t place = words.empty() ? 0 : random() % words.size();
  switch (random() % 4) {
    case 0:
      if (!words.empty()) words.erase(words.begin() + static_cast<ptrdiff_t>(place));
      break;
    case 1:
      words.insert(words.begin() + static_cast<ptrdiff_t>(place), AnyWord(random));
      break;
    case 2:
      if (!words.empty()) words[place] = AnyWord(random);
      break;
    default:
      if (!words.empty()) std::swap(words[place], words[random() % words.size()]);
  }
}

TEST(PredictionFilterRandom, WhatIsAcceptedMeansWhatTheEvaluatorSays) {
  std::mt19937 random(20160101);
  const Chunk chunk = RandomChunk(random);
  int accepted = 0;
  int refused = 0;
  std::vector<uint8_t> matches;
  for (int n = 0; n < 100'000; ++n) {
    Words words;
    if (n % 4 == 0) {
      for (auto length = random() % 12; length > 0; --length) words.push_back(AnyWord(random));
    } else {
      Append(random, 0, words);
      for (int changes = n % 4 - 1; changes > 0; --changes) Mutate(random, words);
    }
    std::string text;
    for (const std::string& word : words) text += word + (random() % 9 == 0 ? "\t\n" : " ");
    const absl::StatusOr<PredictionFilter> filter = PredictionFilter::Parse(text, kClasses);
    if (!filter.ok()) {
      ++refused;
      ASSERT_EQ(filter.status().message().find("at character "), 0u) << filter.status();
      continue;
    }
    ++accepted;
    PredictionColumns columns;
    columns.begin = kBegin;
    columns.count = kImages;
    for (const ImageFact fact : kAllImageFacts) {
      const auto which = static_cast<size_t>(fact);
      if (filter->needs(fact)) columns.facts[which] = chunk.facts[which].data();
    }
    for (const Measure measure : kAllMeasures) {
      const auto which = static_cast<size_t>(measure);
      if (filter->needs(measure)) columns.measures[which] = chunk.measures[which].data();
    }
    filter->Match(columns, matches);
    ASSERT_EQ(matches.size(), kImages);
    for (size_t i = 0; i < kImages; ++i) {
      ASSERT_EQ(matches[i] != 0, Matches(words, chunk, i)) << text << ", image " << i;
    }
  }
  // Both kinds are many.
  EXPECT_GT(accepted, 20'000);
  EXPECT_GT(refused, 20'000);
}

TEST(PredictionFilterRandom, AnyBytesAreRefusedOrAccepted) {
  std::mt19937 random(42);
  for (int n = 0; n < 100'000; ++n) {
    std::string text(random() % 40, ' ');
    for (char& c : text) c = static_cast<char>(random() % 256);
    const absl::StatusOr<PredictionFilter> filter = PredictionFilter::Parse(text, kClasses);
    if (!filter.ok()) {
      ASSERT_EQ(filter.status().message().find("at character "), 0u) << filter.status();
    }
  }
}

}  // namespace
}  // namespace anneal
