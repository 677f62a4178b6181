#include "server/rpc/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/rpc/error_details.h"

namespace anneal {
namespace {

using testing::ElementsAre;

TEST(StatusTest, OkIsOk) { EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok()); }

TEST(StatusTest, KeepsCodeAndTextAndNamesTheCodeAsReason) {
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status status = ToGrpcStatus(
        absl::Status(static_cast<absl::StatusCode>(code), absl::StrCat("text ", code)));
    EXPECT_EQ(static_cast<int>(status.error_code()), code);
    EXPECT_EQ(status.error_message(), absl::StrCat("text ", code));
    EXPECT_EQ(ReasonOf(status), absl::StatusCodeToString(static_cast<absl::StatusCode>(code)));
  }
  EXPECT_EQ(ToGrpcStatus(absl::NotFoundError("x")).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ToGrpcStatus(absl::DataLossError("x")).error_code(), grpc::StatusCode::DATA_LOSS);
}

TEST(StatusTest, CarriesAReason) {
  EXPECT_EQ(ReasonOf(ToGrpcStatus(WithReason(absl::NotFoundError("no job 'x'"), "JOB_NOT_FOUND"))),
            "JOB_NOT_FOUND");
}

TEST(StatusTest, OneViolationIsTheMessage) {
  const grpc::Status status =
      ToGrpcStatus(InvalidRequest("training.epochs", "must be at least 1, is 0"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "training.epochs: must be at least 1, is 0");
  EXPECT_EQ(ReasonOf(status), "INVALID_REQUEST");
  ASSERT_EQ(ViolationsOf(status).size(), 1u);
  EXPECT_EQ(ViolationsOf(status)[0].field(), "training.epochs");
  EXPECT_EQ(ViolationsOf(status)[0].description(), "must be at least 1, is 0");
}

TEST(StatusTest, TheMessageNamesTheFirstFewAndTheDetailsAll) {
  const grpc::Status status =
      ToGrpcStatus(InvalidRequest({{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}, {"e", "5"}}));
  EXPECT_EQ(status.error_message(), "5 problems: a: 1; b: 2; c: 3; and 2 more");
  EXPECT_THAT(FieldsOf(status), ElementsAre("a", "b", "c", "d", "e"));
}

// A peer takes 8 KB of trailers. The sizes as in RFC 9113, 6.5.2: name, value and 32 bytes an
// entry; a binary value is base64.
TEST(StatusTest, FitsIntoTrailersWhateverIsInIt) {
  std::vector<std::vector<Violation>> cases;
  cases.emplace_back();
  for (int i = 0; i < 100; ++i) {
    cases.back().push_back({absl::StrCat("training.network.layers[", i, "].dropout.rate"),
                            "must be at least 0 and less than 1, is 1.5"});
  }
  cases.push_back({{std::string(100'000, 'f'), std::string(100'000, 'd')}});
  cases.emplace_back(1000, Violation{std::string(5000, 'f'), std::string(5000, '\xFF')});
  std::string umlauts;
  for (int i = 0; i < 5000; ++i) umlauts += "\xC3\xBC";
  cases.emplace_back(50, Violation{umlauts, umlauts});
  for (const auto& violations : cases) {
    const grpc::Status status = ToGrpcStatus(InvalidRequest(violations));
    size_t bytes = 3 * 32 + 60;
    for (const char c : status.error_message()) bytes += c < ' ' || c > '~' || c == '%' ? 3 : 1;
    bytes += (status.error_details().size() + 2) / 3 * 4;
    EXPECT_LE(bytes, 8192u);
    const auto sent = ViolationsOf(status);
    ASSERT_FALSE(sent.empty());
    if (sent.size() < violations.size()) {
      EXPECT_EQ(sent.back().description(),
                absl::StrCat(violations.size() - (sent.size() - 1), " more are not listed here"));
    }
  }
  // The first case is an ordinary bad file: most of it is told.
  EXPECT_GE(ViolationsOf(ToGrpcStatus(InvalidRequest(cases[0]))).size(), 30u);
}

TEST(StatusTest, AMessageThatIsNotUtf8Arrives) {
  EXPECT_EQ(ToGrpcStatus(absl::InternalError("file \xFF")).error_message(), "file \xEF\xBF\xBD");
  EXPECT_LE(ToGrpcStatus(absl::InternalError(std::string(100'000, 'x'))).error_message().size(),
            1000u);
}

}  // namespace
}  // namespace anneal
