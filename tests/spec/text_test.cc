#include "server/spec/text.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/spec/saturating.h"

namespace anneal {
namespace {

TEST(TextTest, RealsReadBackAsTheyWere) {
  EXPECT_EQ(FormatReal(0.1), "0.1");
  EXPECT_EQ(FormatReal(-0.5), "-0.5");
  EXPECT_EQ(FormatReal(1e300), "1e+300");
  EXPECT_EQ(FormatReal(0), "0");
  EXPECT_EQ(FormatReal(std::nan("")), "NaN");
  EXPECT_EQ(FormatReal(std::numeric_limits<double>::infinity()), "Infinity");
  EXPECT_EQ(FormatReal(-std::numeric_limits<double>::infinity()), "-Infinity");
  for (const double value : {1.0 / 3, 0.99999999999999989, 5e-324, 1.7976931348623157e308}) {
    EXPECT_EQ(std::strtod(FormatReal(value).c_str(), nullptr), value) << FormatReal(value);
  }
}

TEST(TextTest, CountsHaveSeparators) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1000), "1,000");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
  EXPECT_EQ(FormatCount(-1000), "-1,000");
  EXPECT_EQ(FormatCount(-100), "-100");
  EXPECT_EQ(FormatCount(kSaturated), "more than 9,000,000,000,000,000,000");
}

TEST(TextTest, BytesTakeTheUnitThatFits) {
  EXPECT_EQ(FormatBytes(1023), "1023 bytes");
  EXPECT_EQ(FormatBytes(1024), "1.0 KiB");
  EXPECT_EQ(FormatBytes(int64_t{3} << 29), "1.5 GiB");
  EXPECT_EQ(FormatBytes(int64_t{5} << 60), "5.0 EiB");
}

TEST(TextTest, ShapesShowWhatIsKnown) {
  EXPECT_EQ(FormatShape({32, 32, 3}), "[32, 32, 3]");
  EXPECT_EQ(FormatShape({-1, 5}), "[?, 5]");
  EXPECT_EQ(FormatShape({}), "[]");
}

TEST(TextTest, QuotedTextIsPrintableAndShort) {
  EXPECT_EQ(Quote("abc"), "\"abc\"");
  EXPECT_EQ(Quote(""), "\"\"");
  EXPECT_EQ(Quote("a\nb"), "\"a\\x0ab\"");
  EXPECT_EQ(Quote("\xff\xfe"), "\"\\xff\\xfe\"");
  EXPECT_EQ(Quote("é"), "\"é\"");
  EXPECT_EQ(Quote(std::string(81, 'x')), "\"" + std::string(80, 'x') + "...\"");
  EXPECT_EQ(Quote(std::string(80, 'x')), "\"" + std::string(80, 'x') + "\"");
  EXPECT_EQ(Quote(std::string("a\0b", 3)), "\"a\\x00b\"");
}

TEST(TextTest, LongListsAreCut) {
  EXPECT_EQ(QuotedList({"a", "b"}), "\"a\", \"b\"");
  const std::string list = QuotedList(std::vector<std::string>(25, "x"));
  EXPECT_EQ(list.substr(list.size() - 11), " and 5 more");
}

TEST(TextTest, NamesAreCountedInBytes) {
  EXPECT_EQ(NameProblem("ééé", 6), "");
  EXPECT_NE(NameProblem("ééé", 5), "");
  EXPECT_EQ(NameProblem("", 5), "");
}

TEST(SaturatingTest, StopsAtTheLargestNumber) {
  EXPECT_EQ(SaturatingAdd(2, 3), 5);
  EXPECT_EQ(SaturatingAdd(kSaturated, 1), kSaturated);
  EXPECT_EQ(SaturatingAdd(kSaturated - 1, 1), kSaturated);
  EXPECT_EQ(SaturatingMultiply(int64_t{1} << 31, int64_t{1} << 31), int64_t{1} << 62);
  EXPECT_EQ(SaturatingMultiply(int64_t{1} << 32, int64_t{1} << 31), kSaturated);
  EXPECT_EQ(SaturatingMultiply(kSaturated, 0), 0);
}

}  // namespace
}  // namespace anneal
