#include "server/rpc/digest.h"

#include <gtest/gtest.h>

#include <string>

#include "google/rpc/error_details.pb.h"

namespace anneal {
namespace {

// The examples of FIPS 180-2, appendix B.
TEST(DigestTest, Sha256OfThePublishedVectors) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256Hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(Sha256("").size(), 32u);
}

TEST(DigestTest, EqualMessagesGiveEqualBytesWhateverTheOrderOfInsertion) {
  google::rpc::ErrorInfo forward;
  google::rpc::ErrorInfo backward;
  for (int i = 0; i < 100; ++i) (*forward.mutable_metadata())[std::to_string(i)] = "x";
  for (int i = 99; i >= 0; --i) (*backward.mutable_metadata())[std::to_string(i)] = "x";
  EXPECT_EQ(SerializeDeterministic(forward), SerializeDeterministic(backward));
  google::rpc::ErrorInfo parsed;
  ASSERT_TRUE(parsed.ParseFromString(SerializeDeterministic(forward)));
  EXPECT_EQ(parsed.metadata_size(), 100);
}

}  // namespace
}  // namespace anneal
