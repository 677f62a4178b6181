#include "server/core/job_labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace anneal {
namespace {

using testing::HasSubstr;

TEST(JobLabelsTest, KeysThatCanBe) {
  for (const char* key : {"a", "Z", "0", "project", "team/project", "a.b_c-d/e", "2024", "x-"}) {
    EXPECT_EQ(CheckLabelKey(key), "") << key;
  }
  EXPECT_EQ(CheckLabelKey(std::string(kMaxLabelKeyBytes, 'k')), "");
}

TEST(JobLabelsTest, KeysThatCannotBe) {
  EXPECT_THAT(CheckLabelKey(""), HasSubstr("empty"));
  for (const char* key : {".a", "_a", "-a", "/a", " a", "=a", "é"}) {
    EXPECT_THAT(CheckLabelKey(key), HasSubstr("begin with a letter or a digit")) << key;
  }
  for (const char* key : {"a b", "a=b", "a,b", "a:b", "a\n", "aé", "a\x7f", "a*"}) {
    EXPECT_THAT(CheckLabelKey(key), HasSubstr("letters, digits")) << key;
  }
  EXPECT_THAT(CheckLabelKey(std::string("a\0b", 3)), HasSubstr("letters, digits"));
  const std::string problem = CheckLabelKey(std::string(kMaxLabelKeyBytes + 1, 'k'));
  EXPECT_THAT(problem, HasSubstr("at most 63"));
  EXPECT_THAT(problem, HasSubstr("has 64"));
}

TEST(JobLabelsTest, ValuesThatCanBe) {
  for (const char* value : {"", " ", "a=b, c", "größe 精度 🏠", "'; DROP TABLE labels; --"}) {
    EXPECT_EQ(CheckLabelValue(value), "") << value;
  }
  EXPECT_EQ(CheckLabelValue(std::string(kMaxLabelValueBytes, 'v')), "");
}

TEST(JobLabelsTest, ValuesThatCannotBe) {
  EXPECT_THAT(CheckLabelValue(std::string(kMaxLabelValueBytes + 1, 'v')), HasSubstr("has 201"));
  // Bytes count, not characters.
  std::string wide;
  while (wide.size() <= kMaxLabelValueBytes) wide += "精";
  EXPECT_THAT(CheckLabelValue(wide), HasSubstr("at most 200 bytes"));
  for (const char* value : {"\xff", "a\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80"}) {
    EXPECT_THAT(CheckLabelValue(value), HasSubstr("UTF-8"));
  }
  for (const char* value : {"\n", "a\tb", "\x1b[31m", "\x7f"}) {
    EXPECT_THAT(CheckLabelValue(value), HasSubstr("control characters"));
  }
  EXPECT_THAT(CheckLabelValue(std::string("a\0", 2)), HasSubstr("control characters"));
  // Those of two bytes (U+0080 to U+009F), with which terminals can be driven too.
  for (const char* value : {"\xc2\x80",
                            "a\xc2\x9b"
                            "31m",
                            "\xc2\x9f"}) {
    EXPECT_THAT(CheckLabelValue(value), HasSubstr("control characters"));
  }
  EXPECT_EQ(CheckLabelValue("\xc2\xa0"), "");  // a space that does not break
}

}  // namespace
}  // namespace anneal
