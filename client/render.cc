#include "client/render.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <numeric>
#include <utility>

namespace anneal::client {
namespace {

std::string_view ColorCode(Color color) {
  switch (color) {
    case Color::kNone:
      return "";
    case Color::kRed:
      return "\x1b[31m";
    case Color::kGreen:
      return "\x1b[32m";
    case Color::kYellow:
      return "\x1b[33m";
    case Color::kBlue:
      return "\x1b[34m";
    case Color::kMagenta:
      return "\x1b[35m";
    case Color::kCyan:
      return "\x1b[36m";
    case Color::kDim:
      return "\x1b[2m";
    case Color::kBold:
      return "\x1b[1m";
  }
  return "";
}

template <typename... Values>
std::string Print(const char* format, Values... values) {
  std::array<char, 400> buffer;  // %.4f of the largest double has 314 characters
  const int length = std::snprintf(buffer.data(), buffer.size(), format, values...);
  return std::string(buffer.data(), static_cast<size_t>(length));
}

struct CodePoint {
  uint32_t value = 0;
  size_t bytes = 1;
  bool valid = false;
};

// The code point that `text` begins with; overlong forms, surrogates and values above U+10FFFF are
// not valid.
CodePoint Decode(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {first, 1, true};
  size_t bytes = 0;
  uint32_t value = 0;
  uint32_t least = 0;
  if ((first & 0xe0) == 0xc0) {
    bytes = 2, value = first & 0x1f, least = 0x80;
  } else if ((first & 0xf0) == 0xe0) {
    bytes = 3, value = first & 0x0f, least = 0x800;
  } else if ((first & 0xf8) == 0xf0) {
    bytes = 4, value = first & 0x07, least = 0x10000;
  } else {
    return {};
  }
  if (text.size() < bytes) return {};
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = (value << 6) | (byte(i) & 0x3f);
  }
  if (value < least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return {};
  return {value, bytes, true};
}

bool IsUnsafe(uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x061c || c == 0x200e || c == 0x200f ||
         (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

bool IsCombining(uint32_t c) {
  return (c >= 0x0300 && c <= 0x036f) || (c >= 0x1ab0 && c <= 0x1aff) ||
         (c >= 0x1dc0 && c <= 0x1dff) || (c >= 0x20d0 && c <= 0x20ff) ||
         (c >= 0xfe00 && c <= 0xfe0f) || (c >= 0xfe20 && c <= 0xfe2f) ||
         (c >= 0x200b && c <= 0x200d);
}

bool IsWide(uint32_t c) {
  return (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0x303e) ||
         (c >= 0x3041 && c <= 0xa4cf) || (c >= 0xac00 && c <= 0xd7a3) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0xfe30 && c <= 0xfe6f) ||
         (c >= 0xff00 && c <= 0xff60) || (c >= 0xffe0 && c <= 0xffe6) ||
         (c >= 0x1f300 && c <= 0x1f64f) || (c >= 0x1f900 && c <= 0x1f9ff) ||
         (c >= 0x20000 && c <= 0x3fffd);
}

int Width(uint32_t c) { return IsCombining(c) ? 0 : IsWide(c) ? 2 : 1; }

// Words in lines; `first` and `others` before them take equal columns.
std::string Wrapped(const std::string& first, const std::string& others, const std::string& text,
                    const Style& style) {
  constexpr int kNarrowest = 40;
  constexpr int kWidest = 100;
  const int columns = std::clamp(style.columns, kNarrowest, kWidest);
  std::string lines = first;
  int width = DisplayWidth(first);
  bool begins = true;  // a line, which has no word yet
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    const int word_width = DisplayWidth(word);
    if (!begins && width + 1 + word_width > columns) {
      lines += "\n" + others;
      width = DisplayWidth(others);
      begins = true;
    }
    lines += (begins ? "" : " ") + word;
    width += (begins ? 0 : 1) + word_width;
    begins = false;
    begin = end + 1;
  }
  return lines + "\n";
}

}  // namespace

std::string Paint(std::string_view text, Color color, const Style& style) {
  if (!style.color || color == Color::kNone || text.empty()) return std::string(text);
  return std::string(ColorCode(color)) + std::string(text) + "\x1b[0m";
}

std::string Escape(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  while (!text.empty()) {
    const CodePoint c = Decode(text);
    if (!c.valid) {
      safe += Print("\\x%02x", static_cast<unsigned>(static_cast<uint8_t>(text[0])));
    } else if (c.value == '\n') {
      safe += "\\n";
    } else if (c.value == '\t') {
      safe += "\\t";
    } else if (IsUnsafe(c.value)) {
      safe += c.value < 0x100 ? Print("\\x%02x", c.value) : Print("\\u{%04x}", c.value);
    } else {
      safe += text.substr(0, c.bytes);
    }
    text.remove_prefix(c.bytes);
  }
  return safe;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const CodePoint c = Decode(text);
    if (!c.valid) return false;
    text.remove_prefix(c.bytes);
  }
  return true;
}

int DisplayWidth(std::string_view text) {
  int width = 0;
  while (!text.empty()) {
    const CodePoint c = Decode(text);
    width += c.valid ? Width(c.value) : 1;
    text.remove_prefix(c.bytes);
  }
  return width;
}

std::string Shorten(std::string_view text, int columns, const Style& style) {
  if (DisplayWidth(text) <= columns) return std::string(text);
  const std::string_view ellipsis = style.unicode ? "…" : "~";
  size_t bytes = 0;
  int width = 0;
  while (bytes < text.size()) {
    const CodePoint c = Decode(text.substr(bytes));
    const int more = c.valid ? Width(c.value) : 1;
    if (width + more > columns - 1) break;
    width += more;
    bytes += c.bytes;
  }
  return std::string(text.substr(0, bytes)) + (columns > 0 ? std::string(ellipsis) : "");
}

std::string PadLeft(std::string_view text, int columns) {
  return std::string(static_cast<size_t>(std::max(0, columns - DisplayWidth(text))), ' ') +
         std::string(text);
}

std::string PadRight(std::string_view text, int columns) {
  return std::string(text) +
         std::string(static_cast<size_t>(std::max(0, columns - DisplayWidth(text))), ' ');
}

std::string Paragraph(const std::string& text, const Style& style) {
  return Wrapped("", "", text, style);
}

std::string ListItem(const std::string& text, const Style& style) {
  return Wrapped("- ", "  ", text, style);
}

std::string FormatCount(int64_t count) {
  std::string digits = std::to_string(count);
  const size_t first = digits[0] == '-' ? 1 : 0;
  for (size_t i = digits.size(); i > first + 3;) {
    i -= 3;
    digits.insert(i, ",");
  }
  return digits;
}

std::string FormatBytes(int64_t bytes) {
  constexpr std::array<const char*, 7> kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  // 1023.95 would be printed as 1024.0.
  while (std::abs(value) >= (unit == 0 ? 1024 : 1023.95) && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? std::to_string(bytes) + " B" : Print("%.1f %s", value, kUnits[unit]);
}

std::string FormatDuration(int64_t duration_us) {
  if (duration_us <= 0) return "0 s";
  if (duration_us < 1'000) return "<1 ms";
  if (duration_us < 999'500) return std::to_string((duration_us + 500) / 1'000) + " ms";
  if (duration_us < 59'950'000) return Print("%.1f s", static_cast<double>(duration_us) / 1e6);
  const int64_t seconds = (duration_us + 500'000) / 1'000'000;
  const auto whole = [](int64_t value) { return static_cast<long long>(value); };
  if (seconds < 3'600) return Print("%lldm %02llds", whole(seconds / 60), whole(seconds % 60));
  if (seconds < 86'400)
    return Print("%lldh %02lldm", whole(seconds / 3'600), whole(seconds / 60 % 60));
  return Print("%lldd %02lldh", whole(seconds / 86'400), whole(seconds / 3'600 % 24));
}

std::string FormatMetric(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const double size = std::abs(value);
  if (size != 0 && (size < 1e-3 || size >= 1e5)) return Print("%.4g", value);
  return Print("%.4f", value);
}

std::string FormatExact(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return Print("%.17g", value);
}

std::string FormatExactFloat(float value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return Print("%.9g", static_cast<double>(value));
}

std::string FormatShape(const std::vector<int64_t>& shape) {
  if (shape.empty()) return "-";
  std::string text;
  for (const int64_t size : shape) text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text;
}

std::string FormatTime(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return "-";
  const std::time_t seconds = static_cast<std::time_t>(time.seconds());
  std::tm local{};
  if (localtime_r(&seconds, &local) == nullptr) return "-";
  std::array<char, 64> buffer;
  const size_t length = std::strftime(buffer.data(), buffer.size(), "%Y-%m-%d %H:%M:%S", &local);
  return std::string(buffer.data(), length);
}

int64_t TimestampUs(const google::protobuf::Timestamp& time) {
  return time.seconds() * 1'000'000 + time.nanos() / 1'000;
}

std::string CsvField(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string field = "\"";
  for (const char c : text) {
    if (c == '"') field += '"';
    field += c;
  }
  return field + "\"";
}

void Table::AddColumn(std::string header, Align align) {
  assert(rows_.empty());
  columns_.push_back({std::move(header), align});
}

void Table::AddRow(std::vector<Cell> cells) {
  assert(cells.size() == columns_.size());
  for (Cell& cell : cells) cell.text = Escape(cell.text);
  rows_.push_back(std::move(cells));
}

std::vector<int> Table::Widths() const {
  std::vector<int> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    int width = DisplayWidth(columns_[i].header);
    for (const auto& row : rows_) width = std::max(width, DisplayWidth(row[i].text));
    widths.push_back(width);
  }
  return widths;
}

int Table::Width() const {
  const std::vector<int> widths = Widths();
  return std::accumulate(widths.begin(), widths.end(), 0) +
         kGap * std::max(0, static_cast<int>(widths.size()) - 1);
}

std::string Table::ToString(const Style& style) const {
  const std::vector<int> widths = Widths();
  const bool has_header = std::any_of(columns_.begin(), columns_.end(),
                                      [](const Column& column) { return !column.header.empty(); });
  std::string text;
  const auto add_line = [&](const std::vector<Cell>& cells) {
    std::string line;
    size_t pending = 0;  // spaces not written yet: none are left at the end of a line
    for (size_t i = 0; i < cells.size(); ++i) {
      const size_t space = static_cast<size_t>(widths[i] - DisplayWidth(cells[i].text));
      if (columns_[i].align == Align::kRight) pending += space;
      if (!cells[i].text.empty()) {
        line.append(pending, ' ');
        pending = 0;
        line += Paint(cells[i].text, cells[i].color, style);
      }
      if (columns_[i].align == Align::kLeft) pending += space;
      pending += kGap;
    }
    text += line + "\n";
  };
  if (has_header) {
    std::vector<Cell> header;
    for (const Column& column : columns_) header.emplace_back(column.header, Color::kBold);
    add_line(header);
  }
  for (const auto& row : rows_) add_line(row);
  return text;
}

}  // namespace anneal::client
