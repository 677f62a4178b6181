#include "client/channel.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace anneal::client {
namespace {

TEST(ParseAddressTest, Good) {
  const std::string longest = "unix:/" + std::string(106, 'x');
  for (const std::string text :
       {"localhost:50551", "127.0.0.1:1", "my-host.example_2.org:65535", "[::1]:50551",
        "[fe80::1%25]:7", "unix:/run/anneal.sock", "unix:relative/path", longest.c_str()}) {
    const auto address = ParseAddress(text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->text, text);
  }
}

TEST(ParseAddressTest, Bad) {
  for (const std::string text :
       {"", "localhost", ":50551", "localhost:", "localhost:0", "localhost:65536", "localhost:x",
        "localhost:5x", "localhost:-1", "::1:50551", "[::1:50551", "[]:1", "[x]:1",
        "http://localhost:50551", "a b:1", "unix:", "host\n:1", "dns:///a:1"}) {
    const auto address = ParseAddress(text);
    EXPECT_FALSE(address.ok()) << text;
    EXPECT_THAT(std::string(address.status().message()), testing::HasSubstr("HOST:PORT"));
  }
  EXPECT_THAT(std::string(ParseAddress("unix:/" + std::string(107, 'x')).status().message()),
              testing::HasSubstr("at most 107"));
}

}  // namespace
}  // namespace anneal::client
