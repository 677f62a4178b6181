// Time, passed in so that tests can set it.
#pragma once

#include <chrono>
#include <cstdint>

namespace anneal {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // Microseconds since the Unix epoch, UTC. For what is stored and shown.
  virtual int64_t NowUs() const = 0;

  // Microseconds from an arbitrary start; never goes back. For durations.
  virtual int64_t MonotonicUs() const = 0;
};

class SystemClock final : public Clock {
 public:
  int64_t NowUs() const override {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  int64_t MonotonicUs() const override {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

}  // namespace anneal
