// The power fails at any moment; and what was promised holds. And where a sync is left out, this
// finds it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/fault/disk_history.h"
#include "tests/fault/fault_main.h"
#include "tests/fault/recording_disk.h"
#include "tests/fault/stored_check.h"

namespace anneal {
namespace {

using ::testing::IsEmpty;

struct Recorded {
  DiskHistory history;
  std::vector<Ack> acks;
};

// A scenario that came to its end, on a disk that remembers.
Recorded Record(const RecordingDisk::Omissions& omissions = {}) {
  const QuickTempFolder folder;
  const RecordingDisk disk(folder.path(), omissions, {});
  AckLog log;
  log.SetClock([&disk] { return disk.Operations(); });
  World world({.folder = folder.path(), .vfs = disk.vfs()}, log);
  const absl::Status finished = world.RunScenario();
  EXPECT_TRUE(finished.ok()) << finished;
  world.Stop();
  return {disk.History(), log.All()};
}

// What is violated after a power failure there. `seed`: as in DiskHistory::WriteAfterCut.
Violations CutAt(const Recorded& recorded, int64_t operations, uint64_t seed) {
  const QuickTempFolder folder;
  recorded.history.WriteAfterCut(operations, seed, folder.path());
  std::vector<Ack> acks;
  for (const Ack& ack : recorded.acks) {
    if (ack.position <= operations) acks.push_back(ack);
  }
  return RecoverAndCheck(folder.path(), std::move(acks));
}

struct Cut {
  int64_t operations = 0;
  uint64_t seed = 0;
};

// So many moments, spread over the history; one in eight keeps only what is certain.
std::vector<Cut> DrawCuts(const DiskHistory& history, int count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Cut> cuts;
  for (int i = 0; i < count; ++i) {
    const int64_t from = history.size() * i / count, to = history.size() * (i + 1) / count;
    const uint64_t left = i % 8 == 0 ? 0 : random() | 1;
    cuts.push_back({std::uniform_int_distribution<int64_t>(from, to)(random), left});
  }
  return cuts;
}

// Whether one of these cuts violates something.
bool Finds(const Recorded& recorded, const std::vector<Cut>& cuts) {
  for (const Cut& cut : cuts) {
    const Violations violations = CutAt(recorded, cut.operations, cut.seed);
    if (violations.empty()) continue;
    std::printf("found, as it should be, after %lld of %lld operations:\n%s\n",
                static_cast<long long>(cut.operations),
                static_cast<long long>(recorded.history.size()), Lines(violations).c_str());
    return true;
  }
  return false;
}

TEST(PowerLoss, NothingThatWasPromisedIsLost) {
  const FaultOptions& options = TheFaultOptions();
  const Recorded recorded = Record();
  std::vector<Cut> cuts = DrawCuts(recorded.history, options.full ? 600 : 60, options.seed);
  if (!options.only.empty()) {
    const std::vector<std::string> parts = absl::StrSplit(options.only, '/');
    ASSERT_EQ(parts.size(), 2U) << "--only=OPERATIONS/SEED";
    Cut cut;
    ASSERT_TRUE(absl::SimpleAtoi(parts[0], &cut.operations) &&
                absl::SimpleAtoi(parts[1], &cut.seed));
    cuts = {cut};
  }
  std::printf("%zu cuts of %lld operations, seed %llu\n", cuts.size(),
              static_cast<long long>(recorded.history.size()),
              static_cast<unsigned long long>(options.seed));
  for (const Cut& cut : cuts) {
    const Violations violations =
        CutAt(recorded, std::min(cut.operations, recorded.history.size()), cut.seed);
    EXPECT_THAT(violations, IsEmpty())
        << Lines(violations)
        << "\nto repeat, nearly (threads take turns as they like): " << ThisProgram()
        << " --gtest_filter=PowerLoss.NothingThat* --only=" << cut.operations << "/" << cut.seed;
  }
}

// --- tests of the test: it must see what is missing ---

TEST(PowerLoss, CommitsThatAreNotSyncedAreFound) {
  const Recorded recorded = Record({.commit_sync = true});
  EXPECT_TRUE(Finds(recorded, DrawCuts(recorded.history, 60, TheFaultOptions().seed)));
}

TEST(PowerLoss, FilesThatAreNotSyncedAreFound) {
  const Recorded recorded = Record({.file_sync = true});
  EXPECT_TRUE(Finds(recorded, DrawCuts(recorded.history, 60, TheFaultOptions().seed)));
}

TEST(PowerLoss, FoldersThatAreNotSyncedAreFound) {
  const Recorded recorded = Record({.folder_sync = true});
  EXPECT_TRUE(Finds(recorded, DrawCuts(recorded.history, 60, TheFaultOptions().seed)));
}

}  // namespace
}  // namespace anneal
