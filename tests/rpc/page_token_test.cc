#include "server/rpc/page_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/escaping.h"
#include "server/rpc/status.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST(PageTokenTest, GivesTheCursorBack) {
  const int64_t most = std::numeric_limits<int64_t>::max();
  const std::string token = EncodePageToken("query", {0, most, -1});
  const auto cursor = DecodePageToken("query", token, 3);
  ASSERT_TRUE(cursor.ok()) << cursor.status();
  EXPECT_THAT(*cursor, ElementsAre(0, most, -1));
}

TEST(PageTokenTest, RefusesATokenOfAnotherQuery) {
  const auto cursor = DecodePageToken("query b", EncodePageToken("query a", {7}), 1);
  EXPECT_EQ(cursor.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(cursor.status()), HasSubstr("page_token: the token is of another query"));
}

TEST(PageTokenTest, RefusesEverySingleChangedCharacter) {
  const std::string token = EncodePageToken("query", {7});
  for (size_t i = 0; i < token.size(); ++i) {
    for (const char c : {'A', 'B', 'x', '9', '-', '_', '=', '+', '\0', '\x80'}) {
      if (token[i] == c) continue;
      std::string changed = token;
      changed[i] = c;
      EXPECT_EQ(DecodePageToken("query", changed, 1).status().code(),
                absl::StatusCode::kInvalidArgument)
          << changed;
    }
  }
}

TEST(PageTokenTest, RefusesWhatIsNoToken) {
  const std::string token = EncodePageToken("query", {7});
  for (const std::string& garbage :
       {std::string(), std::string("x"), token + token, token + "=", token + "A", token.substr(1),
        token.substr(0, token.size() - 1), std::string(1'000'000, 'A'), std::string("\0\xFF", 2)}) {
    EXPECT_EQ(DecodePageToken("query", garbage, 1).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_FALSE(DecodePageToken("query", token, 2).ok());  // of another shape
}

TEST(PageTokenTest, RefusesAnotherVersion) {
  std::string bytes;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(EncodePageToken("query", {7}), &bytes));
  bytes[0] = 2;
  EXPECT_FALSE(DecodePageToken("query", absl::WebSafeBase64Escape(bytes), 1).ok());
}

TEST(PageSizeTest, DefaultsAndIsLimited) {
  EXPECT_EQ(*ResolvePageSize(0, 50, 1000), 50);
  EXPECT_EQ(*ResolvePageSize(1, 50, 1000), 1);
  EXPECT_EQ(*ResolvePageSize(1000, 50, 1000), 1000);
  EXPECT_EQ(*ResolvePageSize(2'000'000'000, 50, 1000), 1000);
  const auto negative = ResolvePageSize(-1, 50, 1000);
  EXPECT_EQ(negative.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(negative.status()), "page_size: must not be negative, is -1");
}

}  // namespace
}  // namespace anneal
