#include "client/filter_error.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/strings/numbers.h"
#include "client/status.h"

namespace anneal::client {
namespace {

constexpr std::string_view kPrefix = "filter: at character ";
constexpr int kIndent = 2;

// The number in "filter: at character N: ...".
std::optional<int64_t> WrongCharacter(const grpc::Status& status) {
  for (const std::string& violation : FieldViolations(status)) {
    if (!violation.starts_with(kPrefix)) continue;
    const size_t colon = violation.find(':', kPrefix.size());
    if (colon == std::string::npos) continue;
    int64_t number = 0;
    if (absl::SimpleAtoi(violation.substr(kPrefix.size(), colon - kPrefix.size()), &number) &&
        number >= 1) {
      return number;
    }
  }
  return std::nullopt;
}

bool BeginsCharacter(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

// Where the character `number` begins, from 1; the end where there are fewer.
size_t Offset(std::string_view text, int64_t number) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (BeginsCharacter(text[i]) && --number == 0) return i;
  }
  return text.size();
}

// The end of `text` that takes at most `columns`, after an ellipsis where something is left out.
std::string LastColumns(std::string_view text, int columns, const Style& style) {
  if (DisplayWidth(text) <= columns) return std::string(text);
  while (!text.empty() && (!BeginsCharacter(text[0]) || DisplayWidth(text) > columns - 1))
    text.remove_prefix(1);
  return std::string(style.unicode ? "…" : "~") + std::string(text);
}

}  // namespace

std::string FilterErrorText(const std::string& filter, const grpc::Status& status,
                            const Style& style) {
  const std::optional<int64_t> number = WrongCharacter(status);
  if (!number) return "";
  const size_t wrong = Offset(filter, *number);
  const int columns = std::max(20, style.columns - kIndent);
  const std::string after = Escape(std::string_view(filter).substr(wrong));
  // Two thirds of the line for what is before, more where there is little after.
  const int before_columns = std::max(columns * 2 / 3, columns - DisplayWidth(after) - 1);
  const std::string before =
      LastColumns(Escape(std::string_view(filter).substr(0, wrong)), before_columns, style);
  const int before_width = DisplayWidth(before);
  const std::string indent(kIndent, ' ');
  return indent + before + Shorten(after, columns - before_width, style) + "\n" + indent +
         std::string(static_cast<size_t>(before_width), ' ') + "^\n";
}

}  // namespace anneal::client
