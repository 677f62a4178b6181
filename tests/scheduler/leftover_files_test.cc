// Files that a killed daemon has left without a row: gone after the next start, and nothing else
// is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/scheduler/pause_fixture.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class LeftoverFilesTest : public PauseTest {
 protected:
  void Leave(JobId id, const std::string& name) {
    const std::string folder = folder_.Join(absl::StrCat("artifacts/", id));
    std::filesystem::create_directories(folder);
    std::ofstream(folder + "/" + name) << "left";
  }

  bool HasFolder(JobId id) {
    return std::filesystem::exists(folder_.Join(absl::StrCat("artifacts/", id)));
  }

  // A start after which nothing runs.
  void StartAndStop() {
    Make();
    Start();
    scheduler_->Stop();
  }

  JobId Succeed(const std::string& name) {
    engine_.Script(name, {.epochs = 2, .keeps_weights = true});
    const JobId id = Submit(name);
    AwaitEnd(id);
    return id;
  }
};

TEST_F(LeftoverFilesTest, WeightsOfAnAttemptThatWasKilledBeforeTheirRowGoWithTheJobsCancelling) {
  const JobId id = Submit("cancelled");
  Leave(id, "final.safetensors");
  Leave(id, "final.safetensors.tmp");
  ASSERT_TRUE(scheduler_->Cancel(id).ok());
  StartAndStop();
  EXPECT_THAT(Files(id), IsEmpty());
}

TEST_F(LeftoverFilesTest, StatesOfAnEndThatWasKilledBeforeTheyWereRemoved) {
  Start();
  const JobId id = Succeed("keeps");
  scheduler_->Stop();
  Leave(id, "state-1-1.safetensors");
  Leave(id, "state-1-2.safetensors.tmp");
  StartAndStop();
  EXPECT_THAT(Files(id), ElementsAre("final.safetensors"));
}

TEST_F(LeftoverFilesTest, StatesThatAPausedJobGoesOnFromStay) {
  SlowEpochs();
  engine_.Script("held", {.epochs = 6, .hold_before_epoch = 4});
  Start();
  const JobId id = Submit("held");
  engine_.AwaitHeld("held");
  PauseHeld(id);
  scheduler_->Stop();
  const auto before = Files(id);
  EXPECT_EQ(before.size(), 2U);
  Leave(id, "state-1-99.safetensors");
  Leave(id, "notes.txt");
  StartAndStop();
  auto expected = before;
  expected.push_back("notes.txt");  // not ours
  EXPECT_THAT(Files(id), testing::UnorderedElementsAreArray(expected));
}

TEST_F(LeftoverFilesTest, TheFolderOfAJobThatIsDeleted) {
  Start();
  const JobId deleted = Succeed("deleted"), kept = Succeed("kept");
  scheduler_->Stop();
  // The row goes first; then the daemon is killed.
  ASSERT_TRUE(store_.DeleteJob(deleted).ok());
  EXPECT_THAT(Files(deleted), ElementsAre("final.safetensors"));
  StartAndStop();
  EXPECT_FALSE(HasFolder(deleted));
  EXPECT_TRUE(HasFolder(kept));
  EXPECT_THAT(Files(kept), ElementsAre("final.safetensors"));
}

// As when somebody has put the database aside: weights without any record are not ours to throw
// away.
TEST_F(LeftoverFilesTest, FoldersOfJobsThatThisDatabaseHasNeverHadStay) {
  const JobId newest = Submit("newest");
  ASSERT_TRUE(scheduler_->Cancel(newest).ok());
  Leave(newest + 1, "final.safetensors");
  StartAndStop();
  EXPECT_THAT(Files(newest + 1), ElementsAre("final.safetensors"));
}

TEST_F(LeftoverFilesTest, NothingIsRemovedWhereTheStoreCannotBeAsked) {
  const JobId id = Submit("cancelled");
  ASSERT_TRUE(scheduler_->Cancel(id).ok());
  Leave(id, "final.safetensors");
  store_.Fail(Call::kListFiles, 1, absl::UnavailableError("busy"));
  StartAndStop();
  EXPECT_THAT(Files(id), ElementsAre("final.safetensors"));
  StartAndStop();
  EXPECT_THAT(Files(id), IsEmpty());
}

}  // namespace
}  // namespace anneal
