// A question to stored predictions: which images.
//
//   or      := and { "or" and }
//   and     := not { "and" not }
//   not     := [ "not" ] primary
//   primary := "(" or ")" | "wrong" | "right" | field comparison value
//
// `field` is image, label, predicted, deterministic_predicted or a measure; a comparison is one of
// = == != < <= > >=; a value is a number, or for label, predicted and deterministic_predicted also
// a class's name: a word, or anything in double quotes (backslash before quote and backslash). Key
// words in any case; fields and classes exactly as they are named. `wrong`: predicted is not label.
// Measures are float32, so a number is rounded to that before it is compared. A class stands for
// its index, so `label < 3` is of indices; `label = 3` is the class of that index and `label = "3"`
// the class of that name. A name that two classes have is an error: it is not clear which is meant.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/core/prediction.h"

namespace anneal {

// The columns of one chunk; those that a filter does not need may be null.
struct PredictionColumns {
  int64_t begin = 0;  // image of the first entry
  int64_t count = 0;
  std::array<const int32_t*, kImageFactCount> facts{};
  std::array<const float*, kMeasureCount> measures{};
};

// Immutable. Copies are cheap enough to be kept in queries.
class PredictionFilter {
 public:
  // Matches everything.
  PredictionFilter() = default;

  // "" (or white space) matches everything. INVALID_ARGUMENT: the message begins "at character N: "
  // (from 1, in characters, not bytes) and says what is wrong and what would be right. Bounded: at
  // most 4,000 bytes, 200 comparisons and 100 levels of parentheses and nots.
  static absl::StatusOr<PredictionFilter> Parse(std::string_view text,
                                                const std::vector<std::string>& class_names);

  bool matches_all() const { return program_.empty(); }
  // Whether Match reads the column.
  bool needs(ImageFact fact) const;
  bool needs(Measure measure) const;

  // matches[i] = 1 where image i of the chunk matches, else 0; resized to columns.count. Allocates
  // nothing where `matches` was used in a call with as many images before: its capacity beyond the
  // result is the operand stack.
  void Match(const PredictionColumns& columns, std::vector<uint8_t>& matches) const;

 private:
  enum class Operation {
    kEqual,
    kNotEqual,
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual,
    kWrong,
    kAnd,
    kOr,
    kNot
  };
  enum class Source { kNone, kImage, kFact, kMeasure };
  // In reverse Polish order.
  struct Instruction {
    Operation operation = Operation::kEqual;
    Source source = Source::kNone;  // of comparisons
    size_t column = 0;              // which fact or measure
    double value = 0;               // what it is compared with; of measures a float
  };
  class Parser;

  // Of a comparison: matches[i] for every image of `columns`.
  static void Compare(const Instruction& instruction, const PredictionColumns& columns,
                      uint8_t* matches);

  std::vector<Instruction> program_;
  size_t stack_size_ = 0;  // operands at a time, at most
};

}  // namespace anneal
