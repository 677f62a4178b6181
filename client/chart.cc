// How it works: every curve is drawn into a grid of dots, as fine as the way it is shown allows (2
// x 4 dots a character in braille, one with marks). Braille characters are U+2800 plus one bit a
// dot; the bits go down the left column, then the right, but the fourth row, added to braille
// later, has the two highest bits.
#include "client/chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string_view>

namespace anneal::client {
namespace {

constexpr std::array<Color, kChartCurves> kColors = {Color::kCyan,    Color::kYellow, Color::kGreen,
                                                     Color::kMagenta, Color::kRed,    Color::kBlue,
                                                     Color::kBold,    Color::kDim};
constexpr std::array<std::string_view, kChartCurves> kUnicodeMarks = {"●", "○", "×", "+",
                                                                      "▪", "▲", "◇", "▽"};
constexpr std::array<std::string_view, kChartCurves> kAsciiMarks = {"*", "o", "x", "+",
                                                                    "#", "@", "%", "="};
constexpr uint8_t kBrailleBits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};

struct Range {
  double low = 0;
  double high = 0;
};

// Where `value` falls among `count` dots.
int Position(double value, const Range& range, int count) {
  if (range.high <= range.low) return (count - 1) / 2;
  // Halves first: high - low may overflow.
  const double share = (value / 2 - range.low / 2) / (range.high / 2 - range.low / 2);
  return static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * (count - 1)));
}

struct Character {
  uint8_t dots = 0;
  size_t curve = 0;  // the one drawn last
  bool drawn = false;
};

class Canvas {
 public:
  Canvas(int width, int height, bool braille)
      : width_(width),
        height_(height),
        braille_(braille),
        characters_(static_cast<size_t>(width) * static_cast<size_t>(height)) {}

  int dots_wide() const { return braille_ ? width_ * 2 : width_; }
  int dots_high() const { return braille_ ? height_ * 4 : height_; }

  // y counts from the bottom.
  void Dot(int x, int y, size_t curve) {
    const int down = dots_high() - 1 - y;
    const int column = braille_ ? x / 2 : x;
    const int row = braille_ ? down / 4 : down;
    Character& character = characters_[static_cast<size_t>(row * width_ + column)];
    if (braille_)
      character.dots = static_cast<uint8_t>(character.dots | kBrailleBits[down % 4][x % 2]);
    character.curve = curve;
    character.drawn = true;
  }

  // Both ends included.
  void Line(int x0, int y0, int x1, int y1, size_t curve) {
    const int steps = std::max(std::abs(x1 - x0), std::abs(y1 - y0));
    for (int i = 0; i <= steps; ++i) {
      const double share = steps == 0 ? 0 : static_cast<double>(i) / steps;
      Dot(x0 + static_cast<int>(std::lround(share * (x1 - x0))),
          y0 + static_cast<int>(std::lround(share * (y1 - y0))), curve);
    }
  }

  std::string Row(int row, bool colored, const Style& style) const {
    std::string line;
    std::string spaces;
    for (int column = 0; column < width_; ++column) {
      const Character& character = characters_[static_cast<size_t>(row * width_ + column)];
      if (!character.drawn) {
        spaces += ' ';
        continue;
      }
      line += spaces;
      spaces.clear();
      line += Paint(Glyph(character, style),
                    colored ? kColors[character.curve % kColors.size()] : Color::kNone, style);
    }
    return line;
  }

 private:
  std::string Glyph(const Character& character, const Style& style) const {
    if (!braille_) {
      return std::string(style.unicode ? kUnicodeMarks[character.curve % kUnicodeMarks.size()]
                                       : kAsciiMarks[character.curve % kAsciiMarks.size()]);
    }
    const uint32_t code = 0x2800u + character.dots;
    return {static_cast<char>(0xe0 | (code >> 12)), static_cast<char>(0x80 | ((code >> 6) & 0x3f)),
            static_cast<char>(0x80 | (code & 0x3f))};
  }

  const int width_;
  const int height_;
  const bool braille_;
  std::vector<Character> characters_;
};

std::string AxisNumber(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e6)
    return std::to_string(static_cast<int64_t>(value));
  return FormatMetric(value);
}

// A label of the x axis and the column it stands below, both from the axis's left end.
struct Tick {
  int column = 0;
  std::string text;
};

// The x axis in what is drawn: logarithms where it is logarithmic.
struct XAxis {
  Range range;
  bool log = false;
  int columns = 0;

  double Drawn(double x) const { return log ? std::log10(x) : x; }

  // In order.
  std::vector<Tick> Ticks() const {
    std::vector<Tick> ticks;
    if (log) {
      // The ends of a range that was meant to reach a power of ten may miss it by a rounding.
      constexpr double kSlack = 1e-9;
      for (double power = std::ceil(range.low - kSlack); power <= range.high + kSlack; ++power)
        ticks.push_back({Position(power, range, columns), PowerText(power)});
      if (ticks.size() >= 2) return ticks;
    }
    ticks = {{0, EndText(range.low)}};
    if (range.high > range.low) ticks.push_back({columns - 1, EndText(range.high)});
    return ticks;
  }

 private:
  static std::string PowerText(double power) {
    std::array<char, 32> text;
    std::snprintf(text.data(), text.size(), "%g", std::pow(10.0, power));
    return text.data();
  }
  std::string EndText(double end) const {
    if (!log) return AxisNumber(end);
    std::array<char, 32> text;
    std::snprintf(text.data(), text.size(), "%.3g", std::pow(10.0, end));
    return text.data();
  }
};

// The labels of a logarithmic axis, each centred below its column where there is room; those that
// would touch the one before are left out. Below them the name of the axis.
std::string LogLabels(const XAxis& axis, const std::string& name, size_t margin) {
  std::string numbers;
  for (const Tick& tick : axis.Ticks()) {
    const int length = static_cast<int>(tick.text.size());
    const int column = std::clamp(tick.column - length / 2, 0, std::max(0, axis.columns - length));
    const auto place = static_cast<size_t>(column);
    if (!numbers.empty() && place < numbers.size() + 1) continue;
    numbers.append(place - numbers.size(), ' ');
    numbers += tick.text;
  }
  std::string text = std::string(margin, ' ') + numbers + "\n";
  if (!name.empty()) {
    const int free = std::max(0, axis.columns - DisplayWidth(name));
    text += std::string(margin + static_cast<size_t>(free / 2), ' ') + name + "\n";
  }
  return text;
}

// The ends of a linear axis, with the name of the axis between them.
std::string LinearLabels(const XAxis& axis, const std::string& name, size_t margin) {
  const std::vector<Tick> ticks = axis.Ticks();
  std::string numbers = std::string(margin, ' ') + ticks[0].text;
  if (ticks.size() == 1) return numbers + (name.empty() ? "" : "  " + name) + "\n";
  const std::string& last = ticks[1].text;
  const size_t total = margin + static_cast<size_t>(axis.columns);
  const size_t name_columns = static_cast<size_t>(DisplayWidth(name));
  const size_t free =
      total > numbers.size() + last.size() ? total - numbers.size() - last.size() : 1;
  if (name_columns > 0 && free >= name_columns + 2) {
    const size_t left = (free - name_columns) / 2;
    numbers += std::string(left, ' ') + name + std::string(free - name_columns - left, ' ') + last;
  } else {
    numbers += std::string(free, ' ') + last;
  }
  return numbers + "\n";
}

// The marks' line below the axis; "" where none lies on it.
std::string MarkLine(const std::vector<ChartMark>& marks, const XAxis& axis, size_t margin) {
  std::string line(static_cast<size_t>(axis.columns) + marks.size(), ' ');
  for (const ChartMark& mark : marks) {
    const double x = axis.Drawn(mark.x);
    if (!std::isfinite(x) || x < axis.range.low || x > axis.range.high) continue;
    auto column = static_cast<size_t>(Position(x, axis.range, axis.columns));
    while (line[column] != ' ') ++column;
    line[column] = mark.letter;
  }
  const size_t last = line.find_last_not_of(' ');
  if (last == std::string::npos) return "";
  return std::string(margin, ' ') + line.substr(0, last + 1) + "\n";
}

// The line below the plot; a logarithmic axis has its ticks in it.
std::string AxisLine(const XAxis& axis, const Style& style) {
  std::vector<bool> ticks(static_cast<size_t>(axis.columns));
  if (axis.log) {
    for (const Tick& tick : axis.Ticks()) ticks[static_cast<size_t>(tick.column)] = true;
  }
  std::string line = style.unicode ? "└" : "+";
  for (const bool tick : ticks) {
    line += style.unicode ? (tick ? "┬" : "─") : (tick ? "+" : "-");
  }
  return line;
}

}  // namespace

std::string RenderChart(const std::vector<Curve>& curves, const ChartOptions& options,
                        const Style& style) {
  std::optional<Range> xs;
  std::optional<Range> ys;
  const auto widen = [](std::optional<Range>& range, double value) {
    if (!range) range = Range{value, value};
    range->low = std::min(range->low, value);
    range->high = std::max(range->high, value);
  };
  std::vector<Curve> finite = curves;
  bool is_cut = false;
  for (Curve& curve : finite) {
    for (auto& [x, y] : curve.points) {
      if (options.log_x) x = x > 0 ? std::log10(x) : std::numeric_limits<double>::quiet_NaN();
      if (options.highest_y && std::isfinite(y) && y > *options.highest_y) {
        y = *options.highest_y;
        is_cut = true;
      }
    }
    std::erase_if(curve.points, [](const auto& point) {
      return !std::isfinite(point.first) || !std::isfinite(point.second);
    });
    for (const auto& [x, y] : curve.points) {
      widen(xs, x);
      widen(ys, y);
    }
  }
  if (!xs) return "";

  const std::string top = (is_cut ? ">" : "") + FormatMetric(ys->high);
  const std::string middle = FormatMetric(ys->low / 2 + ys->high / 2);
  const std::string bottom = FormatMetric(ys->low);
  const size_t label_width = std::max({top.size(), middle.size(), bottom.size()});
  const int height = std::max(2, options.height);
  const int plot_width = std::max(30, options.width) - static_cast<int>(label_width) - 3;
  const bool braille = style.unicode && (finite.size() == 1 || style.color);
  const bool colored = finite.size() > 1;

  Canvas canvas(std::max(10, plot_width), height, braille);
  for (size_t i = 0; i < finite.size(); ++i) {
    std::optional<std::pair<int, int>> previous;
    for (const auto& [x, y] : finite[i].points) {
      const int column = Position(x, *xs, canvas.dots_wide());
      const int row = Position(y, *ys, canvas.dots_high());
      if (braille && previous) {
        canvas.Line(previous->first, previous->second, column, row, i);
      } else {
        canvas.Dot(column, row, i);
      }
      previous = {column, row};
    }
  }

  const std::string tick = style.unicode ? " ┤" : " |";
  const std::string wall = style.unicode ? " │" : " |";
  std::string text;
  if (!options.title.empty())
    text += std::string(label_width + 3, ' ') + Escape(options.title) + "\n";
  for (int row = 0; row < height; ++row) {
    const bool labelled = row == 0 || row == height - 1 || (height > 4 && row == height / 2);
    const std::string& label = row == 0 ? top : row == height - 1 ? bottom : middle;
    const std::string curve_row = canvas.Row(row, colored, style);
    text += PadLeft(labelled ? label : "", static_cast<int>(label_width)) +
            (labelled ? tick : wall) + curve_row + "\n";
  }
  const int columns = std::max(10, plot_width);
  const XAxis axis{*xs, options.log_x, columns};
  text += std::string(label_width + 1, ' ') + AxisLine(axis, style) + "\n";
  text += MarkLine(options.marks, axis, label_width + 2);
  const std::string x_label = Escape(options.x_label);
  text += options.log_x ? LogLabels(axis, x_label, label_width + 2)
                        : LinearLabels(axis, x_label, label_width + 2);

  if (finite.size() > 1) {
    const std::string margin(label_width + 1, ' ');
    const int legend_columns = static_cast<int>(label_width) + 3 + columns;
    std::string legend = margin;
    int width = static_cast<int>(margin.size());
    for (size_t i = 0; i < finite.size(); ++i) {
      const std::string mark = braille ? std::string("━━")
                               : style.unicode
                                   ? std::string(kUnicodeMarks[i % kUnicodeMarks.size()])
                                   : std::string(kAsciiMarks[i % kAsciiMarks.size()]);
      const std::string name = Escape(finite[i].name);
      const int entry = 2 + DisplayWidth(mark) + 1 + DisplayWidth(name);
      if (i > 0 && width + entry > legend_columns) {
        legend += "\n" + margin;
        width = static_cast<int>(margin.size());
      }
      legend += "  " + Paint(mark, kColors[i % kColors.size()], style) + " " + name;
      width += entry;
    }
    text += legend + "\n";
  }
  return text;
}

}  // namespace anneal::client
