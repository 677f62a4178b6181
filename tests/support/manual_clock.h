// A clock that stands still until a test moves it.
#pragma once

#include <atomic>
#include <cstdint>

#include "server/core/clock.h"

namespace anneal {

// Thread-safe. Both clocks move together; neither starts at 0, so that a time that was set differs
// from none.
class ManualClock final : public Clock {
 public:
  static constexpr int64_t kStartUs = 1'700'000'000'000'000;
  static constexpr int64_t kMonotonicStartUs = 1'000'000;

  int64_t NowUs() const override { return kStartUs + passed_us_.load(); }
  int64_t MonotonicUs() const override { return kMonotonicStartUs + passed_us_.load(); }

  void Advance(int64_t us) { passed_us_.fetch_add(us); }

 private:
  std::atomic<int64_t> passed_us_{0};
};

}  // namespace anneal
