#include "server/core/progress.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace anneal {

void ProgressCell::Write(const Counts& counts) noexcept {
  const uint64_t version = version_.load(std::memory_order_relaxed);
  version_.store(version + 1, std::memory_order_relaxed);
  batch_.store(counts.batch, std::memory_order_release);
  samples_.store(counts.samples, std::memory_order_release);
  loss_sum_.store(counts.loss_sum, std::memory_order_release);
  correct_.store(counts.correct, std::memory_order_release);
  version_.store(version + 2, std::memory_order_release);
}

ProgressCell::Counts ProgressCell::Read() const {
  for (;;) {
    const uint64_t before = version_.load(std::memory_order_acquire);
    Counts counts;
    counts.batch = batch_.load(std::memory_order_acquire);
    counts.samples = samples_.load(std::memory_order_acquire);
    counts.loss_sum = loss_sum_.load(std::memory_order_acquire);
    counts.correct = correct_.load(std::memory_order_acquire);
    if (before % 2 == 0 && version_.load(std::memory_order_relaxed) == before) return counts;
  }
}

void ProgressCell::BeginAttempt(int64_t epochs, int64_t batches, int64_t samples_per_epoch,
                                int64_t monotonic_us) {
  MutexLock lock(mutex_);
  epochs_ = epochs;
  batches_ = batches;
  samples_per_epoch_ = samples_per_epoch;
  begin_us_ = monotonic_us;
}

void ProgressCell::BeginEpoch(int64_t epoch, int64_t monotonic_us) {
  MutexLock lock(mutex_);
  epoch_ = epoch;
  epoch_begin_us_ = monotonic_us;
  Write({});
}

void ProgressCell::Step(int64_t batch, int64_t samples, double loss_sum, int64_t correct) noexcept {
  Write({batch, samples, loss_sum, correct});
}

void ProgressCell::EndEpoch(const EpochRecord& record, int64_t monotonic_us) {
  MutexLock lock(mutex_);
  finished_epochs_ += 1;
  finished_us_ += monotonic_us - epoch_begin_us_;
  last_metrics_ = record.metrics;
}

ProgressSnapshot ProgressCell::Snapshot(int64_t monotonic_us) const {
  MutexLock lock(mutex_);
  ProgressSnapshot snapshot;
  snapshot.epoch = epoch_;
  snapshot.epochs = epochs_;
  const Counts counts = Read();
  snapshot.batch = counts.batch;
  snapshot.batches = batches_;
  snapshot.elapsed_us = begin_us_ == 0 ? 0 : std::max<int64_t>(0, monotonic_us - begin_us_);
  const int64_t samples = counts.samples;
  if (samples > 0) {
    const auto count = static_cast<double>(samples);
    snapshot.metrics.push_back({"accuracy", static_cast<double>(counts.correct) / count});
    snapshot.metrics.push_back({"loss", counts.loss_sum / count});
  }
  for (const MetricValue& metric : last_metrics_) {
    if (absl::StartsWith(metric.name, "val_")) snapshot.metrics.push_back(metric);
  }
  const int64_t in_epoch_us = std::max<int64_t>(1, monotonic_us - epoch_begin_us_);
  if (epoch_ > 0 && samples > 0) {
    snapshot.samples_per_second =
        static_cast<double>(samples) * 1e6 / static_cast<double>(in_epoch_us);
  }
  // An epoch lasts as long as the finished ones on average; before the first has finished, as its
  // share so far says.
  double epoch_us = 0;
  if (finished_epochs_ > 0) {
    epoch_us = static_cast<double>(finished_us_) / static_cast<double>(finished_epochs_);
  } else if (samples > 0 && samples_per_epoch_ > 0) {
    epoch_us = static_cast<double>(in_epoch_us) * static_cast<double>(samples_per_epoch_) /
               static_cast<double>(samples);
  }
  if (epoch_ > 0 && epoch_us > 0) {
    const double left =
        epoch_us * static_cast<double>(epochs_ - epoch_ + 1) - static_cast<double>(in_epoch_us);
    snapshot.remaining_us = std::max<int64_t>(1, static_cast<int64_t>(left));
  }
  return snapshot;
}

}  // namespace anneal
