// A line chart made of characters.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/render.h"

namespace anneal::client {

// So many curves of a chart differ in colour and mark; those of more repeat.
inline constexpr size_t kChartCurves = 8;

struct Curve {
  std::string name;
  std::vector<std::pair<double, double>>
      points;  // (x, y), x not falling; points that are not finite are left out
};

// A place on the x axis.
struct ChartMark {
  double x = 0;
  char letter = '^';
};

struct ChartOptions {
  std::string title = "";
  std::string x_label = "";
  int width = 72;   // of the whole chart in columns, at least 30
  int height = 12;  // of the plot in lines, at least 2
  // The x axis is logarithmic: points with an x that is not positive are left out. Its labels are
  // the powers of ten, or the ends where there are fewer than two.
  bool log_x = false;
  // What is higher is drawn on the upper edge, whose label then is ">" and this.
  std::optional<double> highest_y{};
  // Written below the axis, those that lie on it. Where two fall on one column, the later one
  // stands to the right of the earlier.
  std::vector<ChartMark> marks{};
};

// The curves over common axes, and a legend, on several lines where it is wider than the chart.
// Lines end in '\n'; "" where no curve has a finite point.
//  - In a UTF-8 locale one curve, or several in colours, are drawn in braille: 2 x 4 dots a
//  character, points joined by
//    straight lines.
//  - Several curves without colours are told apart by their marks, one mark a point; later curves
//  lie on top.
//  - Without UTF-8 the marks and axes are ASCII.
std::string RenderChart(const std::vector<Curve>& curves, const ChartOptions& options,
                        const Style& style);

}  // namespace anneal::client
