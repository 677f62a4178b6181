#include "server/spec/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "server/spec/saturating.h"

namespace anneal {
namespace {

constexpr size_t kQuotedBytes = 80;
constexpr size_t kListedNames = 20;

struct CodePoint {
  uint32_t value = 0;
  size_t bytes = 0;  // 0: the text does not begin with a valid sequence
};

// The code point at the beginning of `text`, which is not empty. Overlong forms, surrogates and
// values above U+10FFFF are not valid (RFC 3629, section 3).
CodePoint Decode(std::string_view text) {
  const auto byte = [text](size_t index) {
    return static_cast<uint32_t>(static_cast<unsigned char>(text[index]));
  };
  const uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  size_t bytes = 0;
  uint32_t least = 0;
  uint32_t value = 0;
  if ((first & 0xE0) == 0xC0) {
    bytes = 2, least = 0x80, value = first & 0x1F;
  } else if ((first & 0xF0) == 0xE0) {
    bytes = 3, least = 0x800, value = first & 0x0F;
  } else if ((first & 0xF8) == 0xF0) {
    bytes = 4, least = 0x10000, value = first & 0x07;
  } else {
    return {};
  }
  if (text.size() < bytes) return {};
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = (value << 6) | (byte(i) & 0x3F);
  }
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < least || value > 0x10FFFF || surrogate) return {};
  return {value, bytes};
}

// The control characters of ASCII and of Latin-1.
bool IsControl(uint32_t code_point) {
  return code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0);
}

}  // namespace

std::string Printable(std::string_view text, size_t max_bytes) {
  std::string printable;
  while (!text.empty()) {
    if (printable.size() >= max_bytes) return printable + "...";
    const CodePoint next = Decode(text);
    const size_t bytes = std::max<size_t>(next.bytes, 1);
    if (next.bytes == 0 || IsControl(next.value)) {
      for (const char c : text.substr(0, bytes)) {
        absl::StrAppendFormat(&printable, "\\x%02x", static_cast<unsigned char>(c));
      }
    } else {
      printable.append(text.substr(0, bytes));
    }
    text.remove_prefix(bytes);
  }
  return printable;
}

std::string Quote(std::string_view text) {
  return absl::StrCat("\"", Printable(text, kQuotedBytes), "\"");
}

std::string FormatReal(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  std::array<char, 64> buffer;
  const std::to_chars_result result =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return std::string(buffer.data(), result.ptr);
}

std::string FormatCount(int64_t count) {
  if (count == kSaturated) return "more than 9,000,000,000,000,000,000";
  std::string digits = absl::StrCat(count);
  const size_t first = digits.front() == '-' ? 1 : 0;
  for (size_t position = digits.size(); position > first + 3;) {
    position -= 3;
    digits.insert(position, ",");
  }
  return digits;
}

std::string FormatBytes(int64_t bytes) {
  if (bytes == kSaturated) return "more than 7 EiB";
  constexpr std::array<const char*, 7> kUnitNames = {"bytes", "KiB", "MiB", "GiB",
                                                     "TiB",   "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnitNames.size()) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? absl::StrCat(bytes, " bytes")
                   : absl::StrFormat("%.1f %s", value, kUnitNames[unit]);
}

std::string FormatShape(const std::vector<int64_t>& shape) {
  return absl::StrCat("[",
                      absl::StrJoin(shape, ", ",
                                    [](std::string* out, int64_t size) {
                                      size < 0 ? absl::StrAppend(out, "?")
                                               : absl::StrAppend(out, size);
                                    }),
                      "]");
}

std::string FormatSize(int64_t height, int64_t width) { return absl::StrCat(height, "x", width); }

std::string QuotedList(const std::vector<std::string>& names) {
  std::string list;
  for (size_t i = 0; i < std::min(names.size(), kListedNames); ++i) {
    absl::StrAppend(&list, i == 0 ? "" : ", ", Quote(names[i]));
  }
  if (names.size() > kListedNames)
    absl::StrAppend(&list, " and ", names.size() - kListedNames, " more");
  return list;
}

std::string NameProblem(std::string_view text, size_t max_bytes) {
  if (text.size() > max_bytes) {
    return absl::StrCat("is ", text.size(), " bytes long; a name has at most ", max_bytes);
  }
  const std::string_view whole = text;
  while (!text.empty()) {
    const CodePoint next = Decode(text);
    if (next.bytes == 0) return absl::StrCat("is ", Quote(whole), ", which is not valid UTF-8");
    if (IsControl(next.value)) {
      return absl::StrCat("is ", Quote(whole),
                          "; a name has no control characters such as line breaks or tabs");
    }
    text.remove_prefix(next.bytes);
  }
  return "";
}

}  // namespace anneal
