#include "server/core/progress.h"

#include <algorithm>

#include "absl/strings/match.h"

namespace anneal {

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
  batch_.store(0, std::memory_order_relaxed);
  samples_.store(0, std::memory_order_relaxed);
  loss_sum_.store(0, std::memory_order_relaxed);
  correct_.store(0, std::memory_order_relaxed);
}

void ProgressCell::Step(int64_t batch, int64_t samples, double loss_sum, int64_t correct) noexcept {
  batch_.store(batch, std::memory_order_relaxed);
  samples_.store(samples, std::memory_order_relaxed);
  loss_sum_.store(loss_sum, std::memory_order_relaxed);
  correct_.store(correct, std::memory_order_relaxed);
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
  snapshot.batch = batch_.load(std::memory_order_relaxed);
  snapshot.batches = batches_;
  snapshot.elapsed_us = begin_us_ == 0 ? 0 : std::max<int64_t>(0, monotonic_us - begin_us_);
  const int64_t samples = samples_.load(std::memory_order_relaxed);
  if (samples > 0) {
    const auto count = static_cast<double>(samples);
    snapshot.metrics.push_back(
        {"accuracy", static_cast<double>(correct_.load(std::memory_order_relaxed)) / count});
    snapshot.metrics.push_back({"loss", loss_sum_.load(std::memory_order_relaxed) / count});
  }
  for (const MetricValue& metric : last_metrics_) {
    if (absl::StartsWith(metric.name, "val_")) snapshot.metrics.push_back(metric);
  }
  const int64_t in_epoch_us = std::max<int64_t>(1, monotonic_us - epoch_begin_us_);
  if (epoch_ > 0 && samples > 0) {
    snapshot.samples_per_second = static_cast<double>(samples) * 1e6 / static_cast<double>(in_epoch_us);
  }
  // An epoch lasts as long as the finished ones on average; before the first has finished, as its share so far says.
  double epoch_us = 0;
  if (finished_epochs_ > 0) {
    epoch_us = static_cast<double>(finished_us_) / static_cast<double>(finished_epochs_);
  } else if (samples > 0 && samples_per_epoch_ > 0) {
    epoch_us = static_cast<double>(in_epoch_us) * static_cast<double>(samples_per_epoch_) /
               static_cast<double>(samples);
  }
  if (epoch_ > 0 && epoch_us > 0) {
    const double left = epoch_us * static_cast<double>(epochs_ - epoch_ + 1) -
                        static_cast<double>(in_epoch_us);
    snapshot.remaining_us = std::max<int64_t>(1, static_cast<int64_t>(left));
  }
  return snapshot;
}

}  // namespace anneal
