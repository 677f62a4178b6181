#include "server/core/status_macros.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace anneal {
namespace {

absl::Status Twice(const absl::Status& first, const absl::Status& second, int& evaluated) {
  const auto next = [&evaluated](const absl::Status& status) {
    evaluated += 1;
    return status;
  };
  RETURN_IF_ERROR(next(first));
  RETURN_IF_ERROR(next(second));
  return absl::OkStatus();
}

TEST(StatusMacrosTest, ReturnIfErrorReturnsTheFirstErrorAndEvaluatesOnce) {
  int evaluated = 0;
  EXPECT_TRUE(Twice(absl::OkStatus(), absl::OkStatus(), evaluated).ok());
  EXPECT_EQ(evaluated, 2);
  evaluated = 0;
  EXPECT_EQ(Twice(absl::AbortedError("first"), absl::InternalError("second"), evaluated),
            absl::AbortedError("first"));
  EXPECT_EQ(evaluated, 1);
  evaluated = 0;
  EXPECT_EQ(Twice(absl::OkStatus(), absl::InternalError("second"), evaluated),
            absl::InternalError("second"));
  EXPECT_EQ(evaluated, 2);
}

TEST(StatusMacrosTest, ReturnIfErrorIsOneStatement) {
  const auto guarded = [](bool condition) -> absl::Status {
    if (condition)
      RETURN_IF_ERROR(absl::AbortedError("condition"));
    else
      RETURN_IF_ERROR(absl::InternalError("no condition"));
    return absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsAborted(guarded(true)));
  EXPECT_TRUE(absl::IsInternal(guarded(false)));
}

absl::StatusOr<int> Sum(absl::StatusOr<int> a, absl::StatusOr<int> b) {
  ASSIGN_OR_RETURN(int sum, a);
  ASSIGN_OR_RETURN(const int second, b);
  sum += second;
  return sum;
}

TEST(StatusMacrosTest, AssignOrReturnDeclares) {
  EXPECT_EQ(Sum(1, 2).value(), 3);
  EXPECT_EQ(Sum(absl::NotFoundError("a"), 2).status(), absl::NotFoundError("a"));
  EXPECT_EQ(Sum(1, absl::NotFoundError("b")).status(), absl::NotFoundError("b"));
}

TEST(StatusMacrosTest, AssignOrReturnAssignsAndMoves) {
  int evaluated = 0;
  const auto make = [&evaluated](bool good) -> absl::StatusOr<std::unique_ptr<std::string>> {
    evaluated += 1;
    if (!good) return absl::DataLossError("bad");
    return std::make_unique<std::string>("good");
  };
  std::unique_ptr<std::string> kept;
  const auto assign = [&](bool good) -> absl::Status {
    ASSIGN_OR_RETURN(kept, make(good));
    return absl::OkStatus();
  };
  EXPECT_TRUE(assign(true).ok());
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(*kept, "good");
  EXPECT_EQ(assign(false), absl::DataLossError("bad"));
  EXPECT_EQ(evaluated, 2);
  EXPECT_EQ(*kept, "good") << "an error assigns nothing";
}

}  // namespace
}  // namespace anneal
