#include "server/rpc/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace anneal {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";

TEST(Utf8Test, KeepsWhatIsWellFormed) {
  // One to four bytes, the first and last code point of each length, and zero.
  const std::string text(
      "a\0\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", 21);
  EXPECT_EQ(ToUtf8(text), text);
  EXPECT_EQ(ToUtf8(""), "");
}

TEST(Utf8Test, ReplacesEveryByteThatIsNot) {
  const std::string r = kReplacement;
  EXPECT_EQ(ToUtf8("a\xFFz"), "a" + r + "z");
  EXPECT_EQ(ToUtf8("\x80"), r);  // a lone continuation
  EXPECT_EQ(ToUtf8("\xC3"), r);  // cut off
  EXPECT_EQ(ToUtf8("\xC3z"), r + "z");
  EXPECT_EQ(ToUtf8("\xE2\x82"), r + r);                  // cut off
  EXPECT_EQ(ToUtf8("\xC0\xAF"), r + r);                  // overlong
  EXPECT_EQ(ToUtf8("\xE0\x80\xAF"), r + r + r);          // overlong
  EXPECT_EQ(ToUtf8("\xED\xA0\x80"), r + r + r);          // a surrogate
  EXPECT_EQ(ToUtf8("\xF4\x90\x80\x80"), r + r + r + r);  // beyond U+10FFFF
  EXPECT_EQ(ToUtf8("\xF5"), r);
}

TEST(Utf8Test, ShortensBetweenCharacters) {
  EXPECT_EQ(Shorten("abcdef", 6), "abcdef");
  EXPECT_EQ(Shorten("abcdefg", 6), "abc...");
  EXPECT_EQ(Shorten("a\xC3\xA9zzzz", 5), "a...");  // 5 - 3 = 2 would cut the second character
  EXPECT_EQ(Shorten("a\xC3\xA9zzzz", 6), "a\xC3\xA9...");
  EXPECT_EQ(Shorten("abcdef", 3), "...");
}

}  // namespace
}  // namespace anneal
