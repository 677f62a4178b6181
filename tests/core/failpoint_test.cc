#include "server/core/failpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <string>

namespace anneal {
namespace {

using ::testing::HasSubstr;

class FailpointTest : public testing::Test {
 protected:
  ~FailpointTest() override { DisarmFailpoints(); }

  static void ExpectWrong(const std::string& text, const std::string& why) {
    const absl::Status status = ArmFailpoints(text);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(why));
    EXPECT_FALSE(FailpointsActive()) << text;
  }
};

TEST_F(FailpointTest, NamesAreUniqueAndMany) {
  std::set<std::string_view> names;
  for (const FailpointInfo& point : kFailpoints) {
    EXPECT_TRUE(names.insert(point.name).second) << point.name;
  }
  EXPECT_GE(names.size(), 20U);
}

TEST_F(FailpointTest, DoesNothingUnlessArmed) {
  EXPECT_FALSE(FailpointsActive());
  EXPECT_TRUE(PassFailpoint("commit.before").ok());
  EXPECT_EQ(FailpointPasses("commit.before"), 0);
}

TEST_F(FailpointTest, FailsAtTheNthPassAndOnlyThere) {
  ASSERT_TRUE(ArmFailpoints(" commit.before=busy@3; file.sync.before=error ").ok());
  EXPECT_TRUE(PassFailpoint("commit.before").ok());
  EXPECT_TRUE(PassFailpoint("commit.done").ok());
  EXPECT_TRUE(PassFailpoint("commit.before").ok());
  const absl::Status third = PassFailpoint("commit.before");
  EXPECT_TRUE(absl::IsUnavailable(third)) << third;
  EXPECT_THAT(std::string(third.message()), HasSubstr("commit.before"));
  EXPECT_TRUE(PassFailpoint("commit.before").ok());
  EXPECT_TRUE(absl::IsInternal(PassFailpoint("file.sync.before")));
  EXPECT_TRUE(PassFailpoint("file.sync.before").ok());
  EXPECT_EQ(FailpointPasses("commit.before"), 4);
}

TEST_F(FailpointTest, CrashesAsByKill9) {
  const pid_t child = fork();
  if (child == 0) {
    if (!ArmFailpoints("delete.rows_gone=crash@2").ok()) _exit(1);
    PassCrashpoint("delete.rows_gone");
    PassCrashpoint("delete.rows_gone");
    _exit(2);
  }
  int how = 0;
  ASSERT_EQ(waitpid(child, &how, 0), child);
  ASSERT_TRUE(WIFSIGNALED(how)) << "exit code " << WEXITSTATUS(how);
  EXPECT_EQ(WTERMSIG(how), SIGKILL);
}

TEST_F(FailpointTest, CountsWithoutArming) {
  CountFailpoints();
  EXPECT_TRUE(PassFailpoint("commit.before").ok());
  PassCrashpoint("delete.rows_gone");
  EXPECT_EQ(FailpointPasses("commit.before"), 1);
  EXPECT_EQ(FailpointPasses("delete.rows_gone"), 1);
  EXPECT_EQ(FailpointPasses("no such thing"), 0);
  CountFailpoints();
  EXPECT_EQ(FailpointPasses("commit.before"), 0);
}

TEST_F(FailpointTest, EmptyTextArmsNothing) {
  EXPECT_TRUE(ArmFailpoints("").ok());
  EXPECT_TRUE(ArmFailpoints(" ; ").ok());
  EXPECT_FALSE(FailpointsActive());
}

TEST_F(FailpointTest, WrongTextsSayWhatWouldBeRight) {
  ExpectWrong("commit=crash", "there is none of that name");
  ExpectWrong("commit=crash", "commit.before");  // the list
  ExpectWrong("commit.before", "no action \"\"");
  ExpectWrong("commit.before=explode@1", "no action \"explode\"");
  ExpectWrong("commit.before=crash@", "no number");
  ExpectWrong("commit.before=crash@0", "no number");
  ExpectWrong("commit.before=crash@-1", "no number");
  ExpectWrong("commit.before=crash@x", "no number");
  ExpectWrong("commit.before=busy; nonsense", "nonsense");
  ExpectWrong("delete.rows_gone=busy@1", "only crash");
}

}  // namespace
}  // namespace anneal
