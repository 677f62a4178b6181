// Where a running job stands, from the training loop to whoever looks, without slowing the loop.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "server/core/metrics.h"
#include "server/core/mutex.h"

namespace anneal {

// One writer (the worker) and any number of readers. The writer stores the counts of every step
// into atomics (plain stores on x86) and everything else under a lock once an epoch; readers put a
// snapshot together. A version number that is odd while counts are being written makes readers look
// again, so that the counts of a snapshot belong together (a sequence lock; all orders are acquire
// and release, no fences, which ThreadSanitizer does not know).
class ProgressCell {
 public:
  // Once, when the attempt begins. `monotonic_us`: Clock::MonotonicUs() then.
  void BeginAttempt(int64_t epochs, int64_t batches, int64_t samples_per_epoch,
                    int64_t monotonic_us);

  // At the start of each epoch (from 1).
  void BeginEpoch(int64_t epoch, int64_t monotonic_us);

  // After each step; `batch` counts from 1; sums are over this epoch's samples so far. Never blocks
  // or allocates.
  void Step(int64_t batch, int64_t samples, double loss_sum, int64_t correct) noexcept;

  // After each epoch's validation: the metrics to show until the next.
  void EndEpoch(const EpochRecord& record, int64_t monotonic_us);

  // epoch is 0 until BeginEpoch was called.
  ProgressSnapshot Snapshot(int64_t monotonic_us) const;

 private:
  struct Counts {
    int64_t batch = 0;
    int64_t samples = 0;
    double loss_sum = 0;
    int64_t correct = 0;
  };
  void Write(const Counts& counts) noexcept;
  Counts Read() const;

  std::atomic<uint64_t> version_{0};
  std::atomic<int64_t> batch_{0};
  std::atomic<int64_t> samples_{0};
  std::atomic<double> loss_sum_{0};
  std::atomic<int64_t> correct_{0};

  mutable Mutex mutex_;
  int64_t epochs_ ANNEAL_GUARDED_BY(mutex_) = 0;
  int64_t batches_ ANNEAL_GUARDED_BY(mutex_) = 0;
  int64_t samples_per_epoch_ ANNEAL_GUARDED_BY(mutex_) = 0;
  int64_t begin_us_ ANNEAL_GUARDED_BY(mutex_) = 0;
  int64_t epoch_ ANNEAL_GUARDED_BY(mutex_) = 0;
  int64_t epoch_begin_us_ ANNEAL_GUARDED_BY(mutex_) = 0;
  int64_t finished_epochs_ ANNEAL_GUARDED_BY(mutex_) = 0;
  int64_t finished_us_ ANNEAL_GUARDED_BY(mutex_) = 0;  // total duration of the finished epochs
  std::vector<MetricValue> last_metrics_ ANNEAL_GUARDED_BY(mutex_);
};

}  // namespace anneal
