// The Nth write, sync, rename, ... fails, once or for ever: nothing hangs or dies, a job goes on or
// ends with a reason, and what was acknowledged is true: of the files as they are, and of what is
// left of them when the power fails then, because a sync that failed has promised nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/fault/fault_main.h"
#include "tests/fault/recording_disk.h"
#include "tests/fault/stored_check.h"

namespace anneal {
namespace {

using ::testing::IsEmpty;

constexpr int64_t kStorageRetryUs = 20'000;
constexpr int64_t kPatienceUs = 20'000'000;      // of a client whose trouble passes
constexpr int64_t kUselessPatienceUs = 100'000;  // after a failure that does not

struct Outcome {
  bool failed = false;  // the fault was met
  absl::Status scenario;
  Violations as_it_is;          // in the files, as after kill -9
  Violations after_power_loss;  // in what is certain of them
  Violations after_other_loss;  // in what may be left of them
};

Outcome RunWith(const RecordingDisk::Fault& fault) {
  const QuickTempFolder folder, certain, other;
  Outcome outcome;
  std::vector<Ack> acks;
  {
    RecordingDisk disk(folder.path(), {}, fault);
    {
      AckLog log;
      std::optional<int64_t> failed_us;
      const auto gives_up = [&] {
        if (!fault.for_ever || !disk.HasFailed()) return false;
        const int64_t now_us = SystemClock().MonotonicUs();
        if (!failed_us.has_value()) failed_us = now_us;
        return now_us - *failed_us > kUselessPatienceUs;
      };
      World world({.folder = folder.path(),
                   .vfs = disk.vfs(),
                   .storage_retry_us = kStorageRetryUs,
                   .patience_us = kPatienceUs,
                   .gives_up = gives_up},
                  log);
      outcome.scenario = world.RunScenario();
      world.Stop();
      acks = log.All();
    }
    outcome.failed = disk.HasFailed();
    const DiskHistory history = disk.History();
    history.WriteAfterCut(history.size(), 0, certain.path());
    history.WriteAfterCut(history.size(), static_cast<uint64_t>(fault.at), other.path());
  }
  outcome.as_it_is = RecoverAndCheck(folder.path(), acks, /*disk_failed=*/true);
  outcome.after_power_loss = RecoverAndCheck(certain.path(), acks, /*disk_failed=*/true);
  outcome.after_other_loss = RecoverAndCheck(other.path(), acks, /*disk_failed=*/true);
  return outcome;
}

const char* NameOf(int error) { return error == ENOSPC ? "ENOSPC" : "EIO"; }

// Whether the fault was met.
bool ExpectGood(const RecordingDisk::Fault& fault) {
  const Outcome outcome = RunWith(fault);
  const std::string how = absl::StrCat(
      "operation ", fault.at, " fails ", fault.for_ever ? "for ever" : "once", " with ",
      NameOf(fault.error), "\nto repeat, nearly (threads take turns as they like): ", ThisProgram(),
      " --gtest_filter=IoErrors.OneCase --only=", fault.at, "/",
      fault.for_ever ? "for-ever" : "once", "/", NameOf(fault.error));
  if (!fault.for_ever) {
    EXPECT_TRUE(outcome.scenario.ok()) << how << "\n" << outcome.scenario;
  }
  EXPECT_THAT(outcome.as_it_is, IsEmpty()) << how << "\n" << Lines(outcome.as_it_is);
  EXPECT_THAT(outcome.after_power_loss, IsEmpty()) << "after a power failure: " << how << "\n"
                                                   << Lines(outcome.after_power_loss);
  EXPECT_THAT(outcome.after_other_loss, IsEmpty()) << "after a power failure: " << how << "\n"
                                                   << Lines(outcome.after_other_loss);
  return outcome.failed;
}

// All of them in a full run, until one is not met; else so many.
void Sweep(bool for_ever, int error, size_t count) {
  const FaultOptions& options = TheFaultOptions();
  if (options.full) {
    int64_t at = 1;
    while (ExpectGood({.at = at, .for_ever = for_ever, .error = error})) ++at;
    std::printf("the first %lld operations failed, one in each run\n",
                static_cast<long long>(at - 1));
    return;
  }
  const QuickTempFolder folder;
  int64_t fallible = 0;
  {
    const RecordingDisk disk(folder.path());
    AckLog log;
    World world({.folder = folder.path(), .vfs = disk.vfs()}, log);
    const absl::Status undisturbed = world.RunScenario();
    EXPECT_TRUE(undisturbed.ok()) << undisturbed;
    world.Stop();
    fallible = disk.Fallible();
  }
  std::mt19937_64 random(options.seed + (for_ever ? 1 : 0) + static_cast<uint64_t>(error) * 2);
  const auto cases = static_cast<int64_t>(count);
  for (int64_t i = 0; i < cases; ++i) {
    const int64_t from = 1 + fallible * i / cases, to = fallible * (i + 1) / cases;
    ExpectGood({.at = std::uniform_int_distribution<int64_t>(from, std::max(from, to))(random),
                .for_ever = for_ever,
                .error = error});
  }
  std::printf("%zu of %lld operations failed, one in each run, seed %llu\n", count,
              static_cast<long long>(fallible), static_cast<unsigned long long>(options.seed));
}

TEST(IoErrors, OnceAnInputOutputError) { Sweep(/*for_ever=*/false, EIO, 20); }
TEST(IoErrors, OnceNoSpace) { Sweep(/*for_ever=*/false, ENOSPC, 10); }
TEST(IoErrors, ForEverInputOutputErrors) { Sweep(/*for_ever=*/true, EIO, 10); }
TEST(IoErrors, ForEverNoSpace) { Sweep(/*for_ever=*/true, ENOSPC, 10); }

// A store that was opened although something failed takes jobs, shows them, and keeps them.
TEST(IoErrors, EveryFailureWhileTheDatabaseIsMade) {
  for (const int error : {EIO, ENOSPC}) {
    bool failed = true;
    for (int64_t at = 1; failed; ++at) {
      SCOPED_TRACE(absl::StrCat("operation ", at, " fails with ", NameOf(error)));
      const QuickTempFolder folder, certain;
      std::vector<Ack> acks;
      {
        RecordingDisk disk(folder.path(), {}, {.at = at, .for_ever = false, .error = error});
        AckLog log;
        World world({.folder = folder.path(), .vfs = disk.vfs()}, log);
        absl::Status opened = world.OpenStore();
        failed = disk.HasFailed();
        EXPECT_TRUE(opened.ok() || failed) << opened;
        if (!opened.ok()) opened = world.OpenStore();
        ASSERT_TRUE(opened.ok()) << opened;
        NewJob job;
        job.name = "kept";
        const absl::StatusOr<CreatedJob> created = world.store().CreateJob(job);
        // A failure of the log's first write is met here.
        if (!created.ok()) continue;
        log.Add({.kind = Ack::Kind::kJob, .id = created->job.id, .text = job.name});
        const absl::StatusOr<Job> read = world.store().GetJob(created->job.id);
        EXPECT_TRUE(read.ok()) << read.status();
        acks = log.All();
        // The power fails before the store is closed, which would put much right.
        const DiskHistory history = disk.History();
        history.WriteAfterCut(history.size(), 0, certain.path());
      }
      AckLog log;
      World world({.folder = certain.path()}, log);
      const absl::Status opened = world.OpenStore();
      ASSERT_TRUE(opened.ok()) << opened;
      const Violations violations =
          CheckPromises(world.store(), world.database(), world.artifacts(), acks);
      EXPECT_THAT(violations, IsEmpty()) << Lines(violations);
    }
  }
}

// What a failure printed.
TEST(IoErrors, OneCase) {
  if (TheFaultOptions().only.empty()) return;
  const std::vector<std::string> parts = absl::StrSplit(TheFaultOptions().only, '/');
  ASSERT_EQ(parts.size(), 3U) << "--only=N/once/EIO";
  RecordingDisk::Fault fault;
  ASSERT_TRUE(absl::SimpleAtoi(parts[0], &fault.at));
  fault.for_ever = parts[1] != "once";
  fault.error = parts[2] == "ENOSPC" ? ENOSPC : EIO;
  EXPECT_TRUE(ExpectGood(fault)) << "there are fewer operations";
}

}  // namespace
}  // namespace anneal
