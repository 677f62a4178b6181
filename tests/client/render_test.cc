#include "client/render.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "gtest/gtest.h"

namespace anneal::client {
namespace {

constexpr Style kPlain{};
constexpr Style kUnicode{.unicode = true};

TEST(EscapeTest, LeavesTextAlone) {
  EXPECT_EQ(Escape(""), "");
  EXPECT_EQ(Escape("Übung 日本 🙂 a\\b"), "Übung 日本 🙂 a\\b");
}

TEST(EscapeTest, MakesControlsVisible) {
  EXPECT_EQ(Escape("a\nb\tc\rd"), "a\\nb\\tc\\x0dd");
  EXPECT_EQ(Escape("\x1b[31mred\x7f"), "\\x1b[31mred\\x7f");
  EXPECT_EQ(Escape(std::string("\0", 1)), "\\x00");
  EXPECT_EQ(Escape("\xc2\x9b"
                   "2J"),
            "\\x9b2J");  // C1: CSI in one character
  EXPECT_EQ(Escape("\xe2\x80\xae"
                   "gpj.exe"),
            "\\u{202e}gpj.exe");  // right-to-left override
  EXPECT_EQ(Escape("\xe2\x80\xa8"), "\\u{2028}");
}

TEST(EscapeTest, MakesBadUtf8Visible) {
  EXPECT_EQ(Escape("\xff"), "\\xff");
  EXPECT_EQ(Escape("\xc0\xaf"), "\\xc0\\xaf");                    // overlong
  EXPECT_EQ(Escape("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(Escape("\xe6\x97"), "\\xe6\\x97");                    // cut off
  EXPECT_EQ(Escape("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
  EXPECT_FALSE(IsUtf8("a\xff"));
  EXPECT_TRUE(IsUtf8("日本"));
}

TEST(DisplayWidthTest, CountsColumns) {
  EXPECT_EQ(DisplayWidth("abc"), 3);
  EXPECT_EQ(DisplayWidth("Übung"), 5);
  EXPECT_EQ(DisplayWidth("日本"), 4);
  EXPECT_EQ(DisplayWidth("🙂"), 2);
  EXPECT_EQ(DisplayWidth("e\xcc\x81"), 1);  // e and a combining accent
}

TEST(ShortenTest, CutsAtColumns) {
  EXPECT_EQ(Shorten("abcdef", 6, kPlain), "abcdef");
  EXPECT_EQ(Shorten("abcdef", 5, kPlain), "abcd~");
  EXPECT_EQ(Shorten("abcdef", 5, kUnicode), "abcd…");
  EXPECT_EQ(Shorten("日本語", 4, kPlain), "日~");  // no half characters
  EXPECT_EQ(Shorten("abc", 1, kPlain), "~");
  EXPECT_EQ(Shorten("abc", 0, kPlain), "");
}

TEST(PadTest, ByDisplayWidth) {
  EXPECT_EQ(PadLeft("日本", 6), "  日本");
  EXPECT_EQ(PadRight("日本", 6), "日本  ");
  EXPECT_EQ(PadLeft("abc", 2), "abc");
  EXPECT_EQ(PadRight("abc", -1), "abc");
}

TEST(ParagraphTest, BreaksBetweenWords) {
  const std::string words = "aaaaaaaaa bbbbbbbbb ccccccccc ddddddddd e";  // 39 columns before " e"
  const Style narrow{.columns = 1};                                      // as if it were 40
  EXPECT_EQ(Paragraph(words, narrow), "aaaaaaaaa bbbbbbbbb ccccccccc ddddddddd\ne\n");
  EXPECT_EQ(ListItem(words, narrow), "- aaaaaaaaa bbbbbbbbb ccccccccc\n  ddddddddd e\n");
  EXPECT_EQ(Paragraph(words, kPlain), words + "\n");
  const std::string endless(200, 'x');
  EXPECT_EQ(Paragraph("a " + endless + " b", narrow), "a\n" + endless + "\nb\n");
  EXPECT_EQ(Paragraph("", narrow), "\n");
}

TEST(FormatTest, Floats) {
  EXPECT_EQ(FormatExactFloat(0.1f), "0.100000001");
  EXPECT_EQ(FormatExactFloat(-2), "-2");
  EXPECT_EQ(FormatExactFloat(std::numeric_limits<float>::infinity()), "inf");
  EXPECT_EQ(FormatExactFloat(-std::numeric_limits<float>::infinity()), "-inf");
  EXPECT_EQ(FormatExactFloat(std::nanf("")), "nan");
}

TEST(FormatTest, Count) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
  EXPECT_EQ(FormatCount(-123456), "-123,456");
  EXPECT_EQ(FormatCount(std::numeric_limits<int64_t>::min()), "-9,223,372,036,854,775,808");
}

TEST(FormatTest, Bytes) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1024), "1.0 KiB");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(FormatBytes(int64_t{5} << 30), "5.0 GiB");
  EXPECT_EQ(FormatBytes(std::numeric_limits<int64_t>::max()), "8.0 EiB");
}

TEST(FormatTest, Duration) {
  EXPECT_EQ(FormatDuration(-5), "0 s");
  EXPECT_EQ(FormatDuration(0), "0 s");
  EXPECT_EQ(FormatDuration(999), "<1 ms");
  EXPECT_EQ(FormatDuration(85'000), "85 ms");
  EXPECT_EQ(FormatDuration(999'499), "999 ms");
  EXPECT_EQ(FormatDuration(999'500), "1.0 s");
  EXPECT_EQ(FormatDuration(14'200'000), "14.2 s");
  EXPECT_EQ(FormatDuration(59'949'000), "59.9 s");
  EXPECT_EQ(FormatDuration(59'950'000), "1m 00s");
  EXPECT_EQ(FormatDuration(205'000'000), "3m 25s");
  EXPECT_EQ(FormatDuration(3'599'600'000), "1h 00m");
  EXPECT_EQ(FormatDuration(7'500'000'000), "2h 05m");
  EXPECT_EQ(FormatDuration(76 * int64_t{3'600'000'000}), "3d 04h");
}

TEST(FormatTest, Numbers) {
  EXPECT_EQ(FormatMetric(0), "0.0000");
  EXPECT_EQ(FormatMetric(0.31024), "0.3102");
  EXPECT_EQ(FormatMetric(3.2e-5), "3.2e-05");
  EXPECT_EQ(FormatMetric(-123456), "-1.235e+05");
  EXPECT_EQ(FormatMetric(-NAN), "nan");
  EXPECT_EQ(FormatMetric(-INFINITY), "-inf");
  EXPECT_EQ(FormatMetric(std::numeric_limits<double>::max()), "1.798e+308");
  EXPECT_EQ(FormatExact(0.1), "0.10000000000000001");
  EXPECT_EQ(FormatExact(-NAN), "nan");
  EXPECT_EQ(FormatExact(INFINITY), "inf");
  EXPECT_EQ(FormatExact(-INFINITY), "-inf");
  EXPECT_EQ(std::stod(FormatExact(1.0 / 3)), 1.0 / 3);
  EXPECT_EQ(FormatShape({32, 32, 3}), "32 x 32 x 3");
  EXPECT_EQ(FormatShape({}), "-");
}

TEST(FormatTest, Csv) {
  EXPECT_EQ(CsvField("val_loss"), "val_loss");
  EXPECT_EQ(CsvField("a,b"), "\"a,b\"");
  EXPECT_EQ(CsvField("say \"x\""), "\"say \"\"x\"\"\"");
}

TEST(TableTest, AlignsByDisplayWidth) {
  Table table;
  table.AddColumn("ID", Table::Align::kRight);
  table.AddColumn("NAME");
  table.AddColumn("N", Table::Align::kRight);
  table.AddRow({"7", "日本", "1"});
  table.AddRow({"12", "a\nb", "234"});
  table.AddRow({"", "", ""});
  EXPECT_EQ(table.ToString(kPlain),
            "ID  NAME    N\n"
            " 7  日本    1\n"
            "12  a\\nb  234\n"
            "\n");
}

TEST(TableTest, WithoutHeaderAndWithColour) {
  Table table;
  table.AddColumn("");
  table.AddColumn("");
  table.AddRow({"state", {"FAILED", Color::kRed}});
  table.AddRow({"id", "7"});
  EXPECT_EQ(table.ToString(kPlain), "state  FAILED\nid     7\n");
  EXPECT_EQ(table.ToString(Style{.color = true}), "state  \x1b[31mFAILED\x1b[0m\nid     7\n");
}

}  // namespace
}  // namespace anneal::client
