// What to do when the store cannot write now.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>

#include "absl/status/status.h"
#include "server/core/clock.h"

namespace anneal {

// UNAVAILABLE (busy) and RESOURCE_EXHAUSTED (disk full): the same write may succeed later.
bool IsTransient(const absl::Status& status);

// Waits that double, so that a store in trouble is not asked all the time. Used by one thread.
class Backoff {
 public:
  static constexpr int64_t kFirstUs = 5'000;
  static constexpr int64_t kLongestUs = 1'000'000;

  // Blocks for 5 ms, the next time 10 ms, ... up to 1 s; less where `stop` is requested, then it
  // returns false.
  bool Wait(const std::stop_token& stop);

  // Begins again with the shortest wait.
  void Reset() { next_us_ = kFirstUs; }

 private:
  int64_t next_us_ = kFirstUs;
};

// Calls `write` until it returns something else than a transient error, for at most `retry_us` of
// `clock`, and returns that, or its last error. Gives up early where `stop` is requested:
// CANCELLED, with the last error in the message.
absl::Status RetryTransient(const std::function<absl::Status()>& write, int64_t retry_us,
                            const Clock& clock, const std::stop_token& stop);

}  // namespace anneal
