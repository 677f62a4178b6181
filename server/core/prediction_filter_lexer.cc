#include "server/core/prediction_filter_lexer.h"

#include <charconv>
#include <cmath>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/core/status_macros.h"
#include "server/core/strings.h"
#include "server/core/utf8.h"

namespace anneal {
namespace {

using Kind = FilterToken::Kind;

constexpr size_t kQuotedCharacters = 40;

bool IsAscii(char c) { return static_cast<unsigned char>(c) < 0x80; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool BeginsWord(char c) { return IsLetter(c) || c == '_' || !IsAscii(c); }
bool ContinuesWord(char c) {
  return BeginsWord(c) || IsDigit(c) || c == '-' || c == '.' || c == '/';
}
bool BeginsNumber(char c) { return IsDigit(c) || c == '.' || c == '-' || c == '+'; }

// A character's bytes after its first.
bool ContinuesCharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

absl::Status FilterErrorAt(size_t position, std::string_view message) {
  return absl::InvalidArgumentError(absl::StrCat("at character ", position, ": ", ToAbsl(message)));
}

std::string FilterQuote(std::string_view text) {
  std::string quoted = "\"";
  size_t characters = 0;
  for (const char c : text) {
    if (!ContinuesCharacter(c) && ++characters > kQuotedCharacters) return quoted + "...\"";
    quoted += IsSpace(c) ? ' ' : c;
  }
  return quoted + "\"";
}

absl::StatusOr<size_t> FilterLexer::CharacterLength() const {
  const size_t length = Utf8SequenceLength(rest_);
  if (length == 0) return FilterErrorAt(position_, "this is not UTF-8");
  const auto first = static_cast<unsigned char>(rest_.front());
  if ((first < 0x20 && !IsSpace(rest_.front())) || first == 0x7F) {
    return FilterErrorAt(position_, absl::StrFormat("a control character, U+%04X", first));
  }
  return length;
}

std::string_view FilterLexer::Take(size_t bytes) {
  const std::string_view taken = rest_.substr(0, bytes);
  rest_.remove_prefix(bytes);
  for (const char c : taken) position_ += ContinuesCharacter(c) ? 0 : 1;
  return taken;
}

absl::StatusOr<FilterToken> FilterLexer::Next() {
  while (!rest_.empty() && IsSpace(rest_.front())) Take(1);
  FilterToken token;
  token.position = position_;
  if (rest_.empty()) return token;
  ASSIGN_OR_RETURN(const size_t length, CharacterLength());
  const char first = rest_.front();
  if (BeginsWord(first)) return Word();
  if (BeginsNumber(first)) return Number();
  const bool equals_follows = rest_.size() > 1 && rest_[1] == '=';
  switch (first) {
    case '"':
      return Quoted();
    case '(':
      token.kind = Kind::kOpen;
      token.text = Take(1);
      return token;
    case ')':
      token.kind = Kind::kClose;
      token.text = Take(1);
      return token;
    case '=':
    case '<':
    case '>':
      token.kind = Kind::kComparison;
      token.text = Take(equals_follows ? 2 : 1);
      return token;
    case '!':
      if (!equals_follows) return FilterErrorAt(position_, "\"!\" alone; write \"not\" or \"!=\"");
      token.kind = Kind::kComparison;
      token.text = Take(2);
      return token;
    case '&':
      return FilterErrorAt(position_, "write \"and\" instead of \"&\"");
    case '|':
      return FilterErrorAt(position_, "write \"or\" instead of \"|\"");
    case '\'':
      return FilterErrorAt(position_, "write \" instead of ' around a class's name");
    default:
      return FilterErrorAt(position_,
                           absl::StrCat("unexpected ", FilterQuote(rest_.substr(0, length))));
  }
}

absl::StatusOr<FilterToken> FilterLexer::Word() {
  FilterToken token;
  token.kind = Kind::kWord;
  token.position = position_;
  while (!rest_.empty() && ContinuesWord(rest_.front())) {
    ASSIGN_OR_RETURN(const size_t length, CharacterLength());
    token.text += Take(length);
  }
  return token;
}

absl::StatusOr<FilterToken> FilterLexer::Number() {
  FilterToken token;
  token.kind = Kind::kNumber;
  token.position = position_;
  // Up to where a reader would say that it ends, so that "0x10" and "3cats" are shown whole.
  size_t bytes = 1;
  for (; bytes < rest_.size(); ++bytes) {
    const char c = rest_[bytes];
    const char before = rest_[bytes - 1];
    const bool sign = (c == '-' || c == '+') && (before == 'e' || before == 'E');
    if (!IsDigit(c) && !IsLetter(c) && c != '_' && c != '.' && !sign) break;
  }
  token.text = Take(bytes);
  std::string_view digits = token.text;
  if (digits.front() == '+') digits.remove_prefix(1);
  const char* const end = digits.data() + digits.size();
  const auto [parsed, error] = std::from_chars(digits.data(), end, token.number);
  if (error == std::errc::result_out_of_range && parsed == end) {
    return FilterErrorAt(
        token.position, absl::StrCat(FilterQuote(token.text), " is beyond the numbers known here"));
  }
  if (error != std::errc() || parsed != end || !std::isfinite(token.number)) {
    return FilterErrorAt(
        token.position,
        absl::StrCat(FilterQuote(token.text),
                     " is not a number (a class's name that begins so stands in double quotes)"));
  }
  return token;
}

absl::StatusOr<FilterToken> FilterLexer::Quoted() {
  FilterToken token;
  token.kind = Kind::kQuoted;
  token.position = position_;
  Take(1);
  while (!rest_.empty()) {
    ASSIGN_OR_RETURN(const size_t length, CharacterLength());
    const char first = rest_.front();
    if (first == '"') {
      Take(1);
      return token;
    }
    if (first == '\\') {
      if (rest_.size() < 2 || (rest_[1] != '"' && rest_[1] != '\\')) {
        return FilterErrorAt(position_, "a backslash stands before \" or another backslash only");
      }
      Take(1);
    }
    token.text += Take(length);  // what a backslash stands before is one byte too
  }
  return FilterErrorAt(token.position, "these double quotes are not closed");
}

}  // namespace anneal
