// The process dies, or an error happens, at every failpoint; and what was promised holds.
#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/core/failpoint.h"
#include "server/core/strings.h"
#include "storage/schema.h"
#include "tests/fault/fault_main.h"
#include "tests/fault/other_process.h"
#include "tests/fault/stored_check.h"

namespace anneal {
namespace {

using ::testing::IsEmpty;

std::string Name(const FailpointInfo& point) { return std::string(point.name); }

// The processes of a case, each with what is armed in it:
// "epoch.stored=crash@7,start.before=crash@1".
std::vector<std::string> ProcessesOf(const std::string& only) { return absl::StrSplit(only, ','); }

class FailpointsTest : public testing::Test {
 protected:
  // A run that nothing disturbs.
  static const ProcessEnd& Undisturbed() {
    static const auto& end = *new ProcessEnd([] {
      const QuickTempFolder folder;
      return RunInOtherProcess(folder.path(), "");
    }());
    return end;
  }

  // Processes that run one after another in one folder, each with something armed, and then a
  // recovery. Whether the last of them was killed. `for_good`: an error may end a job, or leave it
  // where it is until the next start.
  bool RunCase(const std::vector<std::string>& processes, bool for_good = false) {
    ++cases_;
    const std::string name = absl::StrJoin(processes, ",");
    SCOPED_TRACE(absl::StrCat("to repeat: ", ThisProgram(), " --gtest_filter=*",
                              testing::UnitTest::GetInstance()->current_test_info()->name(),
                              " --only='", name, "'"));
    const QuickTempFolder folder;
    bool killed = false;
    for (const std::string& armed : processes) {
      const ProcessEnd end =
          RunInOtherProcess(folder.path(), armed, for_good ? 300'000 : 20'000'000);
      killed = end.killed;
      EXPECT_TRUE(killed || end.exit_code == 0 || (for_good && end.exit_code == 1))
          << armed << ": " << end.error;
    }
    const Violations violations = RecoverAndCheck(folder.path(), ReadAcks(folder.path()), for_good);
    EXPECT_THAT(violations, IsEmpty()) << Lines(violations);
    return killed;
  }

  bool RunOnly() {
    if (TheFaultOptions().only.empty()) return false;
    RunCase(ProcessesOf(TheFaultOptions().only),
            absl::StrContains(TheFaultOptions().only, "=error"));
    return true;
  }

  // Passes to try, of a point that an undisturbed run passes so often: the first and one more; all
  // in a full run.
  std::vector<int64_t> PassesToTry(const std::string& name) {
    const int64_t passes = Undisturbed().passes.at(name);
    std::vector<int64_t> tried = {1};
    if (TheFaultOptions().full) {
      for (int64_t pass = 2; pass <= passes; ++pass) tried.push_back(pass);
    } else if (passes > 1) {
      tried.push_back(std::uniform_int_distribution<int64_t>(2, passes)(random_));
    }
    return tried;
  }

  ~FailpointsTest() override {
    if (cases_ > 0) {
      std::printf("%lld cases, seed %llu%s\n", static_cast<long long>(cases_),
                  static_cast<unsigned long long>(TheFaultOptions().seed),
                  TheFaultOptions().full ? ", all passes" : "");
    }
  }

  std::mt19937_64 random_{TheFaultOptions().seed};
  int64_t cases_ = 0;
};

TEST_F(FailpointsTest, EveryOneIsPassed) {
  const ProcessEnd& end = Undisturbed();
  ASSERT_EQ(end.exit_code, 0) << end.error;
  for (const FailpointInfo& point : kFailpoints) {
    EXPECT_GT(end.passes.at(Name(point)), 0) << point.name;
  }
}

TEST_F(FailpointsTest, ACrashAtEach) {
  if (RunOnly()) return;
  ASSERT_EQ(Undisturbed().exit_code, 0) << Undisturbed().error;
  for (const FailpointInfo& point : kFailpoints) {
    int64_t crashes = 0;
    for (const int64_t pass : PassesToTry(Name(point))) {
      crashes += RunCase({absl::StrCat(Name(point), "=crash@", pass)});
    }
    // Threads take turns as they like, so that the last passes of a run may not be there in
    // another.
    EXPECT_GT(crashes, 0) << point.name;
    if (!TheFaultOptions().full) continue;
    for (int64_t pass = Undisturbed().passes.at(Name(point)) + 1;
         RunCase({absl::StrCat(Name(point), "=crash@", pass)}); ++pass) {
    }
  }
}

TEST_F(FailpointsTest, ACrashWhileAnotherIsRecoveredFrom) {
  if (RunOnly()) return;
  // With a job that runs, one that waits and one that is being cancelled.
  const std::vector<std::string> first = {"epoch.stored=crash@9", "cancel.stored=crash@2",
                                          "predictions.stored=crash@2"};
  for (const char* start :
       {"start.before", "mutation.done", "commit.before", "commit.done", "start.recovered",
        "start.settled", "start.queued", "attempt.begin.stored"}) {
    for (const std::string& crash : first) {
      RunCase({crash, absl::StrCat(start, "=crash@1"), absl::StrCat(start, "=crash@1")});
      if (!TheFaultOptions().full) break;
    }
  }
}

// One crash after another, each at a point and a pass that are drawn.
TEST_F(FailpointsTest, ManyCrashesInARow) {
  if (RunOnly()) return;
  const int cases = TheFaultOptions().full ? 100 : 5;
  for (int i = 0; i < cases; ++i) {
    std::vector<std::string> processes;
    for (int crash = 0; crash < 4; ++crash) {
      const FailpointInfo& point =
          kFailpoints[std::uniform_int_distribution<size_t>(0, kFailpoints.size() - 1)(random_)];
      const int64_t passes = Undisturbed().passes.at(Name(point));
      const int64_t pass =
          std::uniform_int_distribution<int64_t>(1, std::max<int64_t>(passes / 3, 1))(random_);
      processes.push_back(absl::StrCat(Name(point), "=crash@", pass));
    }
    RunCase(processes);
  }
}

TEST_F(FailpointsTest, AnErrorThatPassesAtEach) {
  if (RunOnly()) return;
  for (const FailpointInfo& point : kFailpoints) {
    if (!point.can_fail) continue;
    for (const int64_t pass : PassesToTry(Name(point))) {
      RunCase({absl::StrCat(Name(point), "=busy@", pass)});
    }
  }
}

// An error that is said to be for good, where the store and the files are: a job may end for it, in
// a typed way.
TEST_F(FailpointsTest, AnErrorForGoodAtEach) {
  if (RunOnly()) return;
  for (const FailpointInfo& point : kFailpoints) {
    if (!point.can_fail) continue;
    for (const int64_t pass : PassesToTry(Name(point))) {
      RunCase({absl::StrCat(Name(point), "=error@", pass)}, /*for_good=*/true);
    }
  }
}

// Of a database with jobs in it, of every older version.
TEST_F(FailpointsTest, ACrashInEveryMigration) {
  const std::vector<Migration>& all = Migrations();
  for (size_t known = 1; known < all.size(); ++known) {
    for (const char* moment : {"before", "commit", "done"}) {
      for (size_t pass = 1; pass <= all.size() - known; ++pass) {
        const std::string armed = absl::StrCat("migration.", moment, "=crash@", pass);
        SCOPED_TRACE(absl::StrCat("from version ", known, ", ", armed));
        const QuickTempFolder folder;
        const std::string path = folder.path() + "/anneal.db";
        {
          auto connection = Connection::Open(path, Connection::Mode::kReadWriteCreate, 0, "");
          ASSERT_TRUE(connection.ok()) << connection.status();
          const auto end = all.begin() + static_cast<std::ptrdiff_t>(known);
          ASSERT_TRUE(Migrate(**connection, {all.begin(), end}).ok());
          (*connection)
              ->database()
              .exec(
                  "INSERT INTO jobs (name, state, priority, spec_sha256, create_time_us) VALUES "
                  "('kept', 1, 3, 'sha', 7); INSERT INTO specs VALUES (1, x'00ff')");
        }
        EXPECT_TRUE(OpenInOtherProcess(folder.path(), armed).killed);
        const ProcessEnd opened = OpenInOtherProcess(folder.path(), "");
        EXPECT_EQ(opened.exit_code, 0) << opened.error;
        SQLite::Database database(path);
        EXPECT_EQ(database.execAndGet("PRAGMA user_version").getInt64(), all.back().version);
        EXPECT_EQ(database.execAndGet("PRAGMA integrity_check").getString(), "ok");
        EXPECT_EQ(database.execAndGet("SELECT name || priority FROM jobs").getString(), "kept3");
        EXPECT_EQ(database.execAndGet("SELECT hex(spec) FROM specs").getString(), "00FF");
      }
    }
  }
}

}  // namespace
}  // namespace anneal
