#include "server/core/prediction_filter.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/core/prediction_filter_lexer.h"
#include "server/core/status_macros.h"
#include "server/core/strings.h"

namespace anneal {
namespace {

using Kind = FilterToken::Kind;

constexpr size_t kMaxBytes = 4000;
constexpr size_t kMaxComparisons = 200;
constexpr size_t kMaxLevels = 100;
constexpr size_t kListedClasses = 20;

bool IsKeyWord(const FilterToken& token, std::string_view word) {
  return token.kind == Kind::kWord && absl::EqualsIgnoreCase(ToAbsl(token.text), ToAbsl(word));
}

std::string Describe(const FilterToken& token) {
  return token.kind == Kind::kEnd ? "the end" : FilterQuote(token.text);
}

std::string FieldList() {
  std::string list = "image";
  for (const ImageFact fact : kAllImageFacts) {
    absl::StrAppend(&list, ", ", ToAbsl(ImageFactName(fact)));
  }
  for (const Measure measure : kAllMeasures) {
    absl::StrAppend(&list, ", ", ToAbsl(MeasureName(measure)));
  }
  return list;
}

std::string ClassList(const std::vector<std::string>& names) {
  std::string list;
  for (size_t i = 0; i < std::min(names.size(), kListedClasses); ++i) {
    absl::StrAppend(&list, i == 0 ? "" : ", ", FilterQuote(names[i]));
  }
  if (names.size() > kListedClasses) {
    absl::StrAppend(&list, " and ", names.size() - kListedClasses, " more");
  }
  return list;
}

// The nearest float32, infinity included.
float ToFloat(double value) {
  constexpr double kLargest = std::numeric_limits<float>::max();
  if (std::abs(value) <= kLargest) return static_cast<float>(value);
  return static_cast<float>(std::copysign(std::numeric_limits<double>::infinity(), value));
}

template <typename Value, typename Compare>
void CompareColumn(const Value* column, Value value, size_t count, Compare compare,
                   uint8_t* __restrict matches) {
  for (size_t i = 0; i < count; ++i) {
    matches[i] = static_cast<uint8_t>(compare(column[i], value));
  }
}

template <typename Compare>
void CompareImages(int64_t begin, double value, size_t count, Compare compare, uint8_t* matches) {
  for (size_t i = 0; i < count; ++i) {
    const auto image = static_cast<double>(begin + static_cast<int64_t>(i));
    matches[i] = static_cast<uint8_t>(compare(image, value));
  }
}

}  // namespace

// Recursive descent; the bound on levels is the bound on recursion.
class PredictionFilter::Parser {
 public:
  Parser(std::string_view text, const std::vector<std::string>& class_names)
      : lexer_(text), class_names_(class_names) {}

  absl::StatusOr<PredictionFilter> Parse() {
    RETURN_IF_ERROR(Advance());
    if (token_.kind != Kind::kEnd) {
      RETURN_IF_ERROR(ParseOr(0));
      if (token_.kind != Kind::kEnd) return Error("expected \"and\", \"or\" or the end");
    }
    return std::move(filter_);
  }

 private:
  absl::Status Advance() {
    ASSIGN_OR_RETURN(token_, lexer_.Next());
    return absl::OkStatus();
  }

  // What is expected instead of the token.
  absl::Status Error(std::string_view expected) const {
    return FilterErrorAt(token_.position,
                         absl::StrCat(ToAbsl(expected), ", not ", Describe(token_)));
  }

  absl::Status ParseOr(size_t level) {
    RETURN_IF_ERROR(ParseAnd(level));
    while (IsKeyWord(token_, "or")) {
      RETURN_IF_ERROR(Advance());
      RETURN_IF_ERROR(ParseAnd(level));
      Emit(Operation::kOr);
    }
    return absl::OkStatus();
  }

  absl::Status ParseAnd(size_t level) {
    RETURN_IF_ERROR(ParseNot(level));
    while (IsKeyWord(token_, "and")) {
      RETURN_IF_ERROR(Advance());
      RETURN_IF_ERROR(ParseNot(level));
      Emit(Operation::kAnd);
    }
    return absl::OkStatus();
  }

  // The grammar's `not`, with any number of them: "not not x" is harmless.
  absl::Status ParseNot(size_t level) {
    const bool negates = IsKeyWord(token_, "not");
    if (!negates && token_.kind != Kind::kOpen) return ParseComparison();
    if (level == kMaxLevels) {
      return FilterErrorAt(token_.position, absl::StrCat("more than ", kMaxLevels,
                                                         " levels of parentheses and \"not\""));
    }
    const FilterToken opening = token_;
    RETURN_IF_ERROR(Advance());
    if (negates) {
      RETURN_IF_ERROR(ParseNot(level + 1));
      Emit(Operation::kNot);
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(ParseOr(level + 1));
    if (token_.kind != Kind::kClose) {
      return Error(absl::StrCat("expected \"and\", \"or\" or the \")\" of the \"(\" at character ",
                                opening.position));
    }
    return Advance();
  }

  absl::Status ParseComparison() {
    if (token_.kind != Kind::kWord) {
      return Error("expected a field, \"wrong\", \"right\", \"not\" or \"(\"");
    }
    if (++comparisons_ > kMaxComparisons) {
      return FilterErrorAt(token_.position,
                           absl::StrCat("more than ", kMaxComparisons, " comparisons"));
    }
    if (IsKeyWord(token_, "wrong") || IsKeyWord(token_, "right")) {
      Emit(Operation::kWrong);
      if (IsKeyWord(token_, "right")) Emit(Operation::kNot);
      return Advance();
    }
    Instruction instruction;
    const FilterToken field = token_;
    if (field.text == "image") {
      instruction.source = Source::kImage;
    } else if (const auto fact = ParseImageFact(field.text); fact.has_value()) {
      instruction.source = Source::kFact;
      instruction.column = static_cast<size_t>(*fact);
    } else if (const auto measure = ParseMeasure(field.text); measure.has_value()) {
      instruction.source = Source::kMeasure;
      instruction.column = static_cast<size_t>(*measure);
    } else {
      return FilterErrorAt(
          field.position,
          absl::StrCat("there is no field ", FilterQuote(field.text), "; there are ", FieldList(),
                       ", and \"wrong\" and \"right\" by themselves"));
    }
    RETURN_IF_ERROR(Advance());
    if (token_.kind != Kind::kComparison) {
      return Error(absl::StrCat("expected =, !=, <, <=, > or >= after ", FilterQuote(field.text)));
    }
    instruction.operation = ComparisonOf(token_.text);
    RETURN_IF_ERROR(Advance());
    ASSIGN_OR_RETURN(instruction.value, ParseValue(field.text, instruction.source));
    Emit(instruction);
    return Advance();
  }

  static Operation ComparisonOf(std::string_view text) {
    if (text == "<") return Operation::kLess;
    if (text == "<=") return Operation::kLessEqual;
    if (text == ">") return Operation::kGreater;
    if (text == ">=") return Operation::kGreaterEqual;
    if (text == "!=") return Operation::kNotEqual;
    return Operation::kEqual;
  }

  absl::StatusOr<double> ParseValue(const std::string& field, Source source) const {
    if (source == Source::kFact) return ParseClass(field);
    if (token_.kind != Kind::kNumber) {
      return Error(absl::StrCat(FilterQuote(field), " is compared with a number"));
    }
    if (source == Source::kMeasure) return static_cast<double>(ToFloat(token_.number));
    if (token_.number != std::floor(token_.number)) return Error("an image is a whole number");
    return token_.number;
  }

  // The index of the class that the token names.
  absl::StatusOr<double> ParseClass(const std::string& field) const {
    if (token_.kind == Kind::kNumber) {
      const double last = static_cast<double>(class_names_.size()) - 1;
      const bool known =
          token_.number >= 0 && token_.number <= last && token_.number == std::floor(token_.number);
      if (known) return token_.number;
      return FilterErrorAt(
          token_.position,
          absl::StrCat("there is no class ", token_.text, "; the classes are 0 to ", last,
                       " (a class's name that is a number stands in double quotes)"));
    }
    if (token_.kind != Kind::kWord && token_.kind != Kind::kQuoted) {
      return Error(absl::StrCat(FilterQuote(field), " is compared with a class's index or name"));
    }
    const auto found = std::find(class_names_.begin(), class_names_.end(), token_.text);
    if (found == class_names_.end()) {
      return FilterErrorAt(token_.position,
                           absl::StrCat("there is no class ", FilterQuote(token_.text),
                                        "; there are ", ClassList(class_names_)));
    }
    const auto second = std::find(found + 1, class_names_.end(), token_.text);
    if (second != class_names_.end()) {
      return FilterErrorAt(
          token_.position,
          absl::StrCat("classes ", found - class_names_.begin(), " and ",
                       second - class_names_.begin(), " are both called ", FilterQuote(token_.text),
                       "; write the index of the one that is meant"));
    }
    return static_cast<double>(found - class_names_.begin());
  }

  void Emit(Operation operation) {
    Instruction instruction;
    instruction.operation = operation;
    Emit(instruction);
  }

  void Emit(const Instruction& instruction) {
    switch (instruction.operation) {
      case Operation::kNot:
        break;
      case Operation::kAnd:
      case Operation::kOr:
        --operands_;
        break;
      default:
        ++operands_;
    }
    filter_.stack_size_ = std::max(filter_.stack_size_, operands_);
    filter_.program_.push_back(instruction);
  }

  FilterLexer lexer_;
  const std::vector<std::string>& class_names_;
  FilterToken token_;
  size_t comparisons_ = 0;
  size_t operands_ = 0;  // on the stack after what was emitted
  PredictionFilter filter_;
};

absl::StatusOr<PredictionFilter> PredictionFilter::Parse(
    std::string_view text, const std::vector<std::string>& class_names) {
  if (text.size() > kMaxBytes) {
    const auto characters = std::count_if(text.begin(), text.begin() + kMaxBytes, [](char c) {
      return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    });
    return FilterErrorAt(
        static_cast<size_t>(characters) + 1,
        absl::StrCat("a filter has at most ", kMaxBytes, " bytes, this one has ", text.size()));
  }
  return Parser(text, class_names).Parse();
}

bool PredictionFilter::needs(ImageFact fact) const {
  return std::any_of(program_.begin(), program_.end(), [fact](const Instruction& instruction) {
    if (instruction.operation == Operation::kWrong) {
      return fact == ImageFact::kLabel || fact == ImageFact::kPredicted;
    }
    return instruction.source == Source::kFact && instruction.column == static_cast<size_t>(fact);
  });
}

bool PredictionFilter::needs(Measure measure) const {
  return std::any_of(program_.begin(), program_.end(), [measure](const Instruction& instruction) {
    return instruction.source == Source::kMeasure &&
           instruction.column == static_cast<size_t>(measure);
  });
}

// `matches` is first the whole operand stack, of columns.count bytes an operand; the result is the
// operand that is left, at its bottom.
void PredictionFilter::Match(const PredictionColumns& columns,
                             std::vector<uint8_t>& matches) const {
  const auto count = static_cast<size_t>(columns.count);
  if (matches_all()) {
    matches.assign(count, 1);
    return;
  }
  matches.resize(count * stack_size_);
  uint8_t* top = matches.data();  // where the next operand goes
  for (const Instruction& instruction : program_) {
    switch (instruction.operation) {
      case Operation::kAnd:
      case Operation::kOr: {
        top -= count;
        uint8_t* __restrict left = top - count;
        const uint8_t* right = top;
        if (instruction.operation == Operation::kAnd) {
          for (size_t i = 0; i < count; ++i) left[i] = static_cast<uint8_t>(left[i] & right[i]);
        } else {
          for (size_t i = 0; i < count; ++i) left[i] = static_cast<uint8_t>(left[i] | right[i]);
        }
        break;
      }
      case Operation::kNot:
        for (uint8_t* i = top - count; i != top; ++i) *i = static_cast<uint8_t>(*i ^ 1);
        break;
      case Operation::kWrong: {
        const int32_t* labels = columns.facts[static_cast<size_t>(ImageFact::kLabel)];
        const int32_t* predicted = columns.facts[static_cast<size_t>(ImageFact::kPredicted)];
        uint8_t* __restrict wrong = top;
        for (size_t i = 0; i < count; ++i) {
          wrong[i] = static_cast<uint8_t>(labels[i] != predicted[i]);
        }
        top += count;
        break;
      }
      default:
        Compare(instruction, columns, top);
        top += count;
    }
  }
  matches.resize(count);
}

void PredictionFilter::Compare(const Instruction& instruction, const PredictionColumns& columns,
                               uint8_t* matches) {
  const auto count = static_cast<size_t>(columns.count);
  const auto with = [&](auto compare) {
    switch (instruction.source) {
      case Source::kFact:
        return CompareColumn(columns.facts[instruction.column],
                             static_cast<int32_t>(instruction.value), count, compare, matches);
      case Source::kMeasure:
        return CompareColumn(columns.measures[instruction.column],
                             static_cast<float>(instruction.value), count, compare, matches);
      case Source::kImage:
        return CompareImages(columns.begin, instruction.value, count, compare, matches);
      case Source::kNone:
        return;
    }
  };
  switch (instruction.operation) {
    case Operation::kEqual:
      return with(std::equal_to<>());
    case Operation::kNotEqual:
      return with(std::not_equal_to<>());
    case Operation::kLess:
      return with(std::less<>());
    case Operation::kLessEqual:
      return with(std::less_equal<>());
    case Operation::kGreater:
      return with(std::greater<>());
    case Operation::kGreaterEqual:
      return with(std::greater_equal<>());
    default:
      return;
  }
}

}  // namespace anneal
