// Time that the clients and the daemon of a model check share, so that what one did and the other
// saw can be ordered.
#pragma once

#include <chrono>
#include <cstdint>

#include "server/core/clock.h"

namespace anneal::model {

// Microseconds of the machine's monotonic clock, which all processes share and nobody sets, counted
// from a fixed day so that they look like a date.
inline int64_t SharedNowUs() {
  constexpr int64_t kSomeDayUs = 1'700'000'000'000'000;
  return kSomeDayUs + std::chrono::duration_cast<std::chrono::microseconds>(
                          std::chrono::steady_clock::now().time_since_epoch())
                          .count();
}

// The daemon's clock. Durations seem `haste` times as long as they are: what it waits between two
// states of a training (a second) passes in a few milliseconds.
class SharedClock final : public Clock {
 public:
  explicit SharedClock(int64_t haste) : haste_(haste) {}

  int64_t NowUs() const override { return SharedNowUs(); }
  int64_t MonotonicUs() const override { return (SharedNowUs() - start_us_) * haste_; }

 private:
  const int64_t haste_;
  const int64_t start_us_ = SharedNowUs();
};

}  // namespace anneal::model
