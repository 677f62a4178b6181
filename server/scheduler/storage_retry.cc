#include "server/scheduler/storage_retry.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "absl/strings/str_cat.h"

namespace anneal {

bool IsTransient(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status);
}

bool Backoff::Wait(const std::stop_token& stop) {
  const std::chrono::microseconds pause(next_us_);
  next_us_ = std::min(next_us_ * 2, kLongestUs);
  // Nobody notifies: only time or the stop request ends this wait.
  std::mutex mutex;
  std::condition_variable_any condition;
  std::unique_lock<std::mutex> lock(mutex);
  condition.wait_for(lock, stop, pause, [] { return false; });
  return !stop.stop_requested();
}

absl::Status RetryTransient(const std::function<absl::Status()>& write, int64_t retry_us,
                            const Clock& clock, const std::stop_token& stop) {
  const int64_t give_up_us = clock.MonotonicUs() + retry_us;
  Backoff backoff;
  for (;;) {
    absl::Status status = write();
    if (!IsTransient(status) || clock.MonotonicUs() >= give_up_us) return status;
    if (!backoff.Wait(stop)) {
      return absl::CancelledError(
          absl::StrCat("stopped while a write was being retried: ", status.message()));
    }
  }
}

}  // namespace anneal
