#include "client/chart.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace anneal::client {
namespace {

constexpr Style kAscii{};
constexpr Style kUnicode{.unicode = true};

TEST(ChartTest, OneCurveInAscii) {
  // Width 30: labels take 6 columns and the axis 3, which leaves 21; x 1..3 falls on columns 0, 10
  // and 20.
  const Curve curve{"loss", {{1, 2}, {2, 1}, {3, 0}}};
  EXPECT_EQ(
      RenderChart({curve}, {.title = "loss", .x_label = "epoch", .width = 30, .height = 5}, kAscii),
      "         loss\n"
      "2.0000 |*\n"
      "       |\n"
      "1.0000 |          *\n"
      "       |\n"
      "0.0000 |                    *\n"
      "       +---------------------\n"
      "        1       epoch       3\n");
}

TEST(ChartTest, SeveralCurvesAreToldApartByMarks) {
  const std::vector<Curve> curves = {{"loss", {{1, 2}, {2, 0}}}, {"val_loss", {{1, 1}, {2, 0}}}};
  EXPECT_EQ(RenderChart(curves, {.width = 30, .height = 3}, kAscii),
            "2.0000 |*\n"
            "       |o\n"
            "0.0000 |                    o\n"
            "       +---------------------\n"
            "        1                   2\n"
            "         * loss  o val_loss\n");
  EXPECT_EQ(RenderChart(curves, {.width = 30, .height = 3}, kUnicode),
            "2.0000 ┤●\n"
            "       │○\n"
            "0.0000 ┤                    ○\n"
            "       └─────────────────────\n"
            "        1                   2\n"
            "         ● loss  ○ val_loss\n");
}

TEST(ChartTest, EightCurvesDifferAndALongLegendIsBroken) {
  std::vector<Curve> curves;
  for (int i = 1; i <= 8; ++i)
    curves.push_back({"job " + std::to_string(i), {{1.0, static_cast<double>(i)}}});
  ChartOptions options;
  options.width = 40;
  options.height = 2;
  const std::string text = RenderChart(curves, options, Style());
  EXPECT_THAT(text, testing::EndsWith("         * job 1  o job 2  x job 3\n"
                                      "         + job 4  # job 5  @ job 6\n"
                                      "         % job 7  = job 8\n"));
}

TEST(ChartTest, OneCurveInBraille) {
  // 42 x 8 dots. A level line through the top: dots 1 and 4 of every character, U+2809.
  std::string top;
  for (int i = 0; i < 20; ++i) top += "⠉";
  const Curve curve{"loss", {{0, 1}, {39, 1}, {41, 0}}};
  EXPECT_EQ(
      RenderChart({curve}, {.width = 30, .height = 2}, kUnicode),
      // From (39, 7) to (41, 0) in 7 steps: x 39 39 40 40 40 40 41 41, counted from the top 0 1 2 3
      // | 4 5 6 7. Character 19 has (38, 0), (39, 0), (39, 1): 01 + 08 + 10. Above, character 20
      // has (40, 2), (40, 3): 04 + 40; below (40, 4), (40, 5), (41, 6), (41, 7): 01 + 02 + 20 + 80.
      "1.0000 ┤" + top.substr(0, 19 * 3) + "\u2819\u2844\n" + "0.0000 ┤" + std::string(20, ' ') +
          "\u28a3\n"
          "       └─────────────────────\n"
          "        0                  41\n");
}

TEST(ChartTest, ColoursReplaceMarks) {
  const std::vector<Curve> curves = {{"a", {{1, 2}, {2, 0}}}, {"b", {{1, 1}, {2, 1}}}};
  const std::string chart =
      RenderChart(curves, {.width = 30, .height = 3}, Style{.color = true, .unicode = true});
  EXPECT_THAT(chart, testing::HasSubstr("\x1b[36m━━\x1b[0m a  \x1b[33m━━\x1b[0m b"));
  EXPECT_THAT(chart, testing::HasSubstr("⠤"));
  EXPECT_THAT(chart, testing::Not(testing::HasSubstr("●")));
}

TEST(ChartTest, WhatIsNotFiniteIsLeftOut) {
  const double nan = std::nan("");
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(RenderChart({}, {}, kAscii), "");
  EXPECT_EQ(RenderChart({{"loss", {}}}, {}, kAscii), "");
  EXPECT_EQ(RenderChart({{"loss", {{1, nan}, {2, inf}, {3, -inf}}}}, {}, kAscii), "");
  const Curve clean{"loss", {{1, 2}, {3, 0}}};
  const Curve dirty{"loss", {{1, 2}, {2, inf}, {2, nan}, {3, 0}}};
  EXPECT_EQ(RenderChart({dirty}, {}, kAscii), RenderChart({clean}, {}, kAscii));
}

TEST(ChartTest, OnePointAndOneValue) {
  const std::string one =
      RenderChart({{"loss", {{1, 0.5}}}}, {.x_label = "epoch", .width = 30, .height = 3}, kAscii);
  EXPECT_EQ(one,
            "0.5000 |\n"
            "       |          *\n"
            "0.5000 |\n"
            "       +---------------------\n"
            "        1  epoch\n");
}

TEST(ChartTest, ExtremeValuesStayInside) {
  const double huge = std::numeric_limits<double>::max();
  const Curve curve{"loss", {{1, -huge}, {2, 0}, {3, huge}}};
  for (const Style& style : {kAscii, kUnicode}) {
    const std::string chart = RenderChart({curve}, {.width = 10, .height = 1}, style);
    EXPECT_THAT(chart, testing::HasSubstr("1.798e+308"));
  }
  const Curve many = [] {
    Curve made{"loss", {}};
    for (int i = 0; i < 100'000; ++i) made.points.emplace_back(i, std::sin(i));
    return made;
  }();
  EXPECT_FALSE(RenderChart({many}, {}, kUnicode).empty());
}

TEST(ChartTest, NamesAreEscaped) {
  const std::vector<Curve> curves = {{"a\x1b[31m", {{1, 2}}}, {"b\n", {{1, 1}}}};
  const std::string chart = RenderChart(curves, {.title = "t\x1b", .x_label = "x\x1b"}, kAscii);
  EXPECT_THAT(chart, testing::Not(testing::HasSubstr("\x1b")));
  EXPECT_THAT(chart, testing::HasSubstr("b\\n"));
}

TEST(ChartTest, ALogarithmicAxisHasItsTicksAtPowersOfTen) {
  // 21 columns for 6 decades: a decade is 20/6 of them. Labels that would touch are left out.
  const Curve curve{"loss", {{1e-5, 2}, {1e-2, 1}, {10, 0}}};
  EXPECT_EQ(
      RenderChart({curve}, {.x_label = "learning rate", .width = 30, .height = 5, .log_x = true},
                  kAscii),
      "2.0000 |*\n"
      "       |\n"
      "1.0000 |          *\n"
      "       |\n"
      "0.0000 |                    *\n"
      "       ++--+---+--+--+---+--+\n"
      "        1e-05   0.01     1 10\n"
      "            learning rate\n");
}

TEST(ChartTest, ALogarithmicAxisWithinADecadeHasItsEnds) {
  const Curve curve{"loss", {{0.00234, 2}, {0.00567, 0}}};
  EXPECT_EQ(RenderChart({curve}, {.width = 30, .height = 2, .log_x = true}, kAscii),
            "2.0000 |*\n"
            "0.0000 |                    *\n"
            "       ++-------------------+\n"
            "        0.00234       0.00567\n");
}

TEST(ChartTest, WhatHasNoLogarithmIsLeftOut) {
  const Curve clean{"loss", {{1, 2}, {10, 0}}};
  const Curve dirty{"loss", {{-1, 9}, {0, 9}, {1, 2}, {std::nan(""), 9}, {10, 0}}};
  const ChartOptions options{.log_x = true};
  EXPECT_EQ(RenderChart({dirty}, options, kAscii), RenderChart({clean}, options, kAscii));
  EXPECT_EQ(RenderChart({{"loss", {{0, 1}, {-3, 2}}}}, options, kAscii), "");
  const double tiny = std::numeric_limits<double>::denorm_min();
  const double huge = std::numeric_limits<double>::max();
  EXPECT_FALSE(RenderChart({{"loss", {{tiny, 1}, {huge, 2}}}}, options, kUnicode).empty());
}

TEST(ChartTest, CutOffAndMarks) {
  const Curve curve{"loss", {{1, 0.5}, {10, 0}, {100, 5}}};
  ChartOptions options{.width = 30, .height = 3, .log_x = true};
  options.highest_y = 1;
  options.marks = {{10, 'A'}, {10, 'B'}, {1000, 'D'}, {0, 'E'}, {1, 'C'}};
  EXPECT_EQ(RenderChart({curve}, options, kAscii),
            ">1.0000 |                   *\n"
            "        |*\n"
            " 0.0000 |          *\n"
            "        ++---------+--------+\n"
            "         C         AB\n"
            "         1        10      100\n");
  // Nothing is higher: nothing is cut.
  options.highest_y = 5;
  EXPECT_THAT(RenderChart({curve}, options, kAscii), testing::StartsWith("5.0000 |"));
}

}  // namespace
}  // namespace anneal::client
