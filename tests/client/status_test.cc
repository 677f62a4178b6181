#include "client/status.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_server.h"

namespace anneal::client {
namespace {

using testing::HasSubstr;

TEST(ExitCodeTest, EveryCode) {
  EXPECT_EQ(ExitCodeOf(grpc::Status::OK), 0);
  for (int code = 1; code <= 16; ++code) {
    const bool unreachable =
        code == grpc::UNAVAILABLE || code == grpc::DEADLINE_EXCEEDED || code == grpc::CANCELLED;
    EXPECT_EQ(ExitCodeOf(grpc::Status(static_cast<grpc::StatusCode>(code), "")),
              unreachable ? 4 : 3)
        << code;
  }
}

TEST(DescribeTest, EveryViolationOnItsLine) {
  const grpc::Status status =
      InvalidWith("the job has 2 violations",
                  {{"training.epochs", "is 0, at least 1 is needed"}, {"", "whole\nspec"}});
  EXPECT_EQ(Describe(status, "a:1"),
            "the job has 2 violations (INVALID_ARGUMENT)\n"
            "  training.epochs: is 0, at least 1 is needed\n"
            "  whole\\nspec");
}

TEST(DescribeTest, ViolationsInTheMessageAreNotSaidTwice) {
  EXPECT_EQ(Describe(InvalidWith("2 problems: name: is too long; training: is missing",
                                 {{"name", "is too long"}, {"training", "is missing"}}),
                     "a:1"),
            "the server refused (INVALID_ARGUMENT):\n  name: is too long\n  training: is missing");
}

TEST(DescribeTest, DetailsThatAreNoDetails) {
  EXPECT_EQ(Describe(grpc::Status(grpc::NOT_FOUND, "no job 9", "\xff\xff garbage"), "a:1"),
            "no job 9 (NOT_FOUND)");
  google::rpc::Status details;
  details.add_details()->set_type_url("type.googleapis.com/google.rpc.BadRequest");
  details.mutable_details(0)->set_value("\xff");
  details.add_details()->set_type_url("type.googleapis.com/of.the.Future");
  EXPECT_EQ(Describe(grpc::Status(grpc::INTERNAL, "", details.SerializeAsString()), "a:1"),
            "the server refused (INTERNAL)");
}

TEST(DescribeTest, ConnectionProblems) {
  const grpc::Status status(grpc::UNAVAILABLE,
                            "failed to connect to all addresses; last error: UNKNOWN: unix:/x: No "
                            "such file or directory");
  EXPECT_EQ(Cause(status), "unix:/x: No such file or directory");
  EXPECT_THAT(Describe(status, "unix:/x"), HasSubstr("cannot reach the daemon at unix:/x: "));
  EXPECT_THAT(Describe(grpc::Status(grpc::UNAVAILABLE, "storage is busy"), "a:1"),
              HasSubstr("cannot serve now: storage is busy"));
  EXPECT_THAT(Describe(grpc::Status(grpc::DEADLINE_EXCEEDED, ""), "a:1"),
              HasSubstr("did not answer in time"));
}

TEST(DescribeTest, HostileMessagesAreEscaped) {
  for (int code = 1; code <= 17; ++code) {
    const grpc::Status status(static_cast<grpc::StatusCode>(code),
                              "evil \x1b[2J\n last error: \x1b");
    EXPECT_THAT(Describe(status, "a:1\x1b"), testing::Not(HasSubstr("\x1b")));
  }
}

}  // namespace
}  // namespace anneal::client
