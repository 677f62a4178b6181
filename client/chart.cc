// How it works: every curve is drawn into a grid of dots, as fine as the way it is shown allows (2
// x 4 dots a character in braille, one with marks). Braille characters are U+2800 plus one bit a
// dot; the bits go down the left column, then the right, but the fourth row, added to braille
// later, has the two highest bits.
#include "client/chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
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

std::string PadLeft(const std::string& text, size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
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
  for (Curve& curve : finite) {
    std::erase_if(curve.points, [](const auto& point) {
      return !std::isfinite(point.first) || !std::isfinite(point.second);
    });
    for (const auto& [x, y] : curve.points) {
      widen(xs, x);
      widen(ys, y);
    }
  }
  if (!xs) return "";

  const std::string top = FormatMetric(ys->high);
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
    text +=
        PadLeft(labelled ? label : "", label_width) + (labelled ? tick : wall) + curve_row + "\n";
  }
  std::string axis(label_width + 1, ' ');
  axis += style.unicode ? "└" : "+";
  for (int i = 0; i < std::max(10, plot_width); ++i) axis += style.unicode ? "─" : "-";
  text += axis + "\n";

  const std::string first = AxisNumber(xs->low);
  const std::string last = AxisNumber(xs->high);
  std::string numbers = std::string(label_width + 2, ' ') + first;
  if (xs->high > xs->low) {
    const size_t total = label_width + 2 + static_cast<size_t>(std::max(10, plot_width));
    const std::string label = Escape(options.x_label);
    const size_t label_columns = static_cast<size_t>(DisplayWidth(label));
    const size_t free =
        total > numbers.size() + last.size() ? total - numbers.size() - last.size() : 1;
    if (label_columns > 0 && free >= label_columns + 2) {
      const size_t left = (free - label_columns) / 2;
      numbers +=
          std::string(left, ' ') + label + std::string(free - label_columns - left, ' ') + last;
    } else {
      numbers += std::string(free, ' ') + last;
    }
  } else if (!options.x_label.empty()) {
    numbers += "  " + Escape(options.x_label);
  }
  text += numbers + "\n";

  if (finite.size() > 1) {
    const std::string margin(label_width + 1, ' ');
    const int columns = static_cast<int>(label_width) + 3 + std::max(10, plot_width);
    std::string legend = margin;
    int width = static_cast<int>(margin.size());
    for (size_t i = 0; i < finite.size(); ++i) {
      const std::string mark = braille ? std::string("━━")
                               : style.unicode
                                   ? std::string(kUnicodeMarks[i % kUnicodeMarks.size()])
                                   : std::string(kAsciiMarks[i % kAsciiMarks.size()]);
      const std::string name = Escape(finite[i].name);
      const int entry = 2 + DisplayWidth(mark) + 1 + DisplayWidth(name);
      if (i > 0 && width + entry > columns) {
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
