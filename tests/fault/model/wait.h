// A wait that is exact to a few microseconds, for the moment of a kill.
#pragma once

#include <sched.h>

#include <cstdint>

#include "tests/fault/model/shared_clock.h"

namespace anneal::model {

// Until SharedNowUs() is `time_us`. Gives its core to whoever wants it until shortly before.
inline void SpinUntil(int64_t time_us) {
  constexpr int64_t kShortUs = 100;
  while (SharedNowUs() < time_us) {
    if (time_us - SharedNowUs() > kShortUs) sched_yield();
  }
}

}  // namespace anneal::model
