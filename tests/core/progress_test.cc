#include "server/core/progress.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>

namespace anneal {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kBeginUs = 50 * kSecondUs;

std::map<std::string, double> Metrics(const ProgressSnapshot& snapshot) {
  std::map<std::string, double> metrics;
  for (const MetricValue& metric : snapshot.metrics) metrics[metric.name] = metric.value;
  EXPECT_EQ(metrics.size(), snapshot.metrics.size()) << "names are not unique";
  return metrics;
}

EpochRecord Epoch(int64_t epoch) {
  EpochRecord record;
  record.epoch = epoch;
  record.metrics = {{"accuracy", 0.5}, {"loss", 2.0}, {"val_accuracy", 0.25}, {"val_loss", 3.0}};
  return record;
}

TEST(ProgressCellTest, NothingIsKnownBeforeTheAttemptBegins) {
  const ProgressCell cell;
  const ProgressSnapshot snapshot = cell.Snapshot(kBeginUs);
  EXPECT_EQ(snapshot.epoch, 0);
  EXPECT_EQ(snapshot.epochs, 0);
  EXPECT_EQ(snapshot.elapsed_us, 0);
  EXPECT_EQ(snapshot.remaining_us, 0);
  EXPECT_EQ(snapshot.samples_per_second, 0);
  EXPECT_TRUE(snapshot.metrics.empty());
}

TEST(ProgressCellTest, EpochIsZeroWhileLoading) {
  ProgressCell cell;
  cell.BeginAttempt(30, 100, 3200, kBeginUs);
  const ProgressSnapshot snapshot = cell.Snapshot(kBeginUs + 2 * kSecondUs);
  EXPECT_EQ(snapshot.epoch, 0);
  EXPECT_EQ(snapshot.epochs, 30);
  EXPECT_EQ(snapshot.batch, 0);
  EXPECT_EQ(snapshot.batches, 100);
  EXPECT_EQ(snapshot.elapsed_us, 2 * kSecondUs);
  EXPECT_EQ(snapshot.remaining_us, 0);
}

TEST(ProgressCellTest, MeansAndSpeedOfTheEpochSoFar) {
  ProgressCell cell;
  cell.BeginAttempt(10, 100, 3200, kBeginUs);
  cell.BeginEpoch(1, kBeginUs + 5 * kSecondUs);
  cell.Step(25, 800, 1600.0, 200);
  const ProgressSnapshot snapshot = cell.Snapshot(kBeginUs + 7 * kSecondUs);
  EXPECT_EQ(snapshot.epoch, 1);
  EXPECT_EQ(snapshot.batch, 25);
  EXPECT_EQ(snapshot.elapsed_us, 7 * kSecondUs);
  EXPECT_EQ(Metrics(snapshot),
            (std::map<std::string, double>{{"accuracy", 200.0 / 800}, {"loss", 1600.0 / 800}}));
  // 800 samples in 2 s; an epoch of 3200 takes 8 s, of ten epochs 80 s are asked and 2 s done.
  EXPECT_DOUBLE_EQ(snapshot.samples_per_second, 400);
  EXPECT_EQ(snapshot.remaining_us, 78 * kSecondUs);
}

TEST(ProgressCellTest, FinishedEpochsTellHowLongTheRestTakes) {
  ProgressCell cell;
  cell.BeginAttempt(5, 10, 320, kBeginUs);
  cell.BeginEpoch(1, kBeginUs);
  cell.Step(10, 320, 320, 32);
  cell.EndEpoch(Epoch(1), kBeginUs + 4 * kSecondUs);
  cell.BeginEpoch(2, kBeginUs + 4 * kSecondUs);
  cell.Step(10, 320, 320, 32);
  cell.EndEpoch(Epoch(2), kBeginUs + 10 * kSecondUs);
  cell.BeginEpoch(3, kBeginUs + 10 * kSecondUs);
  // 4 s and 6 s: 5 s an epoch; three epochs are left, 2 s of the first are gone.
  const ProgressSnapshot snapshot = cell.Snapshot(kBeginUs + 12 * kSecondUs);
  EXPECT_EQ(snapshot.epoch, 3);
  EXPECT_EQ(snapshot.batch, 0);
  EXPECT_EQ(snapshot.elapsed_us, 12 * kSecondUs);
  EXPECT_EQ(snapshot.remaining_us, 13 * kSecondUs);
  EXPECT_EQ(snapshot.samples_per_second, 0);
  // Counts begin again with the epoch; validation is shown until it is measured again.
  EXPECT_EQ(Metrics(snapshot),
            (std::map<std::string, double>{{"val_accuracy", 0.25}, {"val_loss", 3.0}}));
}

TEST(ProgressCellTest, AnEpochThatTakesLongerThanTheOthersIsNeverDoneSoon) {
  ProgressCell cell;
  cell.BeginAttempt(2, 10, 320, kBeginUs);
  cell.BeginEpoch(1, kBeginUs);
  cell.EndEpoch(Epoch(1), kBeginUs + kSecondUs);
  cell.BeginEpoch(2, kBeginUs + kSecondUs);
  cell.Step(5, 160, 160, 16);
  EXPECT_EQ(cell.Snapshot(kBeginUs + 60 * kSecondUs).remaining_us, 1);
}

TEST(ProgressCellTest, AClockThatStandsStillDividesByNothing) {
  ProgressCell cell;
  cell.BeginAttempt(1, 1, 32, kBeginUs);
  cell.BeginEpoch(1, kBeginUs);
  cell.Step(1, 32, 64, 8);
  const ProgressSnapshot snapshot = cell.Snapshot(kBeginUs);
  EXPECT_DOUBLE_EQ(snapshot.samples_per_second, 32e6);
  EXPECT_EQ(snapshot.elapsed_us, 0);
  EXPECT_EQ(snapshot.remaining_us, 1);
}

TEST(ProgressCellTest, ASnapshotsCountsBelongTogether) {
  ProgressCell cell;
  cell.BeginAttempt(1, 1, 1'000'000, kBeginUs);
  cell.BeginEpoch(1, kBeginUs);
  std::atomic<bool> stop{false};
  std::thread writer([&cell, &stop] {
    // Every sample costs 0.5 and is right: whatever the moment, the means are 0.5 and 1.
    for (int64_t batch = 1; !stop; ++batch) {
      cell.Step(batch, batch, static_cast<double>(batch) * 0.5, batch);
    }
  });
  int64_t last_batch = 0;
  int torn = 0;
  for (int seen = 0; seen < 50'000;) {
    const ProgressSnapshot snapshot = cell.Snapshot(kBeginUs + kSecondUs);
    if (snapshot.metrics.empty()) continue;
    ++seen;
    if (snapshot.batch < last_batch || snapshot.metrics[0].value != 1.0 ||
        snapshot.metrics[1].value != 0.5 ||
        snapshot.samples_per_second != static_cast<double>(snapshot.batch)) {
      ++torn;
    }
    last_batch = snapshot.batch;
  }
  stop = true;
  writer.join();
  EXPECT_EQ(torn, 0);
}

}  // namespace
}  // namespace anneal
