// Text for people: numbers with units, safe names, tables. Pure functions of their arguments.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "google/protobuf/timestamp.pb.h"

namespace anneal::client {

// What the reader's screen can do.
struct Style {
  bool color = false;    // ANSI colours
  bool unicode = false;  // the locale is UTF-8
  int columns = 80;
};

enum class Color { kNone, kRed, kGreen, kYellow, kBlue, kMagenta, kCyan, kDim, kBold };

// `text` in `color`, where style.color allows it.
std::string Paint(std::string_view text, Color color, const Style& style);

// `text` with everything that could steer a terminal or mislead its reader made visible: C0 and C1
// controls (newline and tab too), DEL, line separators and bidirectional overrides as \n, \t, \xNN
// or \u{NNNN}; bytes that are not UTF-8 as \xNN.
std::string Escape(std::string_view text);

// Whether `text` is well-formed UTF-8.
bool IsUtf8(std::string_view text);

// Columns that UTF-8 `text` (escaped before) takes on a terminal: 2 for East Asian wide characters
// and emoji, 0 for combining ones, else 1.
int DisplayWidth(std::string_view text);

// `text` cut to `columns`, the last of them an ellipsis where anything was cut.
std::string Shorten(std::string_view text, int columns, const Style& style);

// `text` (escaped before) filled with spaces to `columns`.
std::string PadLeft(std::string_view text, int columns);
std::string PadRight(std::string_view text, int columns);

// `text` (escaped before) broken between words at style.columns (at least 40, at most 100). Lines
// end in '\n'.
std::string Paragraph(const std::string& text, const Style& style);

// The same as a list's item: "- " before the first line, the others below the text.
std::string ListItem(const std::string& text, const Style& style);

// 1234567 -> "1,234,567"
std::string FormatCount(int64_t count);

// 1536 -> "1.5 KiB"; up to EiB.
std::string FormatBytes(int64_t bytes);

// "0 s", "85 ms", "14.2 s", "3m 25s", "2h 05m", "3d 04h". Negative: "0 s".
std::string FormatDuration(int64_t duration_us);

// A metric's value at about five significant digits: "0.3102", "12.3456", "3.2e-05", "nan", "inf".
std::string FormatMetric(double value);

// Enough digits (17) to read back the same double; "nan", "inf", "-inf".
std::string FormatExact(double value);

// Enough digits (9) to read back the same float; "nan", "inf", "-inf".
std::string FormatExactFloat(float value);

// {32, 32, 3} -> "32 x 32 x 3"; nothing -> "-"
std::string FormatShape(const std::vector<int64_t>& shape);

// "2026-01-31 14:05:09", local time; "-" where the timestamp is not set.
std::string FormatTime(const google::protobuf::Timestamp& time);

int64_t TimestampUs(const google::protobuf::Timestamp& time);

// A CSV field: quoted (RFC 4180) where it must be.
std::string CsvField(std::string_view text);

// Columns wide enough for their cells, two spaces between them.
class Table {
 public:
  static constexpr int kGap = 2;  // spaces between columns

  enum class Align { kLeft, kRight };
  struct Cell {
    Cell(std::string content, Color paint = Color::kNone)
        : text(std::move(content)), color(paint) {}
    Cell(const char* content) : text(content) {}
    std::string text;
    Color color = Color::kNone;
  };

  // A column with no header text in any column leaves out the header line.
  void AddColumn(std::string header, Align align = Align::kLeft);

  // As many cells as columns. Cells are escaped here.
  void AddRow(std::vector<Cell> cells);

  // Columns of its widest line.
  int Width() const;

  // Lines end in '\n' and have no trailing spaces.
  std::string ToString(const Style& style) const;

 private:
  struct Column {
    std::string header;
    Align align;
  };
  std::vector<int> Widths() const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace anneal::client
