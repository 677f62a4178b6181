// The words of a filter (prediction_filter.h) and where they stand.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace anneal {

struct FilterToken {
  enum class Kind { kWord, kNumber, kQuoted, kComparison, kOpen, kClose, kEnd };

  Kind kind = Kind::kEnd;
  std::string text;     // as written; of kQuoted what is between the quotes, without backslashes
  double number = 0;    // of kNumber: finite
  size_t position = 1;  // in characters from 1; of kEnd the one after the last
};

// INVALID_ARGUMENT: "at character 7: ...".
absl::Status FilterErrorAt(size_t position, std::string_view message);

// `text` in double quotes, shortened to some 40 characters, without line breaks and tabs.
std::string FilterQuote(std::string_view text);

// Not thread-safe. `text` must outlive it.
//
// A word begins with a letter, "_" or a character outside ASCII, and goes on with those, digits,
// "-", "." and "/". A number is decimal, with a sign and an exponent where it has them.
class FilterLexer {
 public:
  explicit FilterLexer(std::string_view text) : rest_(text) {}

  // The next token; kEnd at the end and from there on. The first character that belongs to none is
  // an error: of FilterErrorAt.
  absl::StatusOr<FilterToken> Next();

 private:
  // The length in bytes of the character that rest_ (not empty) begins with. Characters that have
  // no place in a filter, quotes included, are errors: what is no UTF-8, and control characters but
  // for tab and line breaks.
  absl::StatusOr<size_t> CharacterLength() const;
  // Takes so many bytes, whole characters, from rest_.
  std::string_view Take(size_t bytes);
  absl::StatusOr<FilterToken> Word();
  absl::StatusOr<FilterToken> Number();
  absl::StatusOr<FilterToken> Quoted();

  std::string_view rest_;
  size_t position_ = 1;
};

}  // namespace anneal
