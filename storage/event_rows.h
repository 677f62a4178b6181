// Events of jobs as rows.
#pragma once

#include <cstdint>

#include "server/core/job.h"
#include "storage/connection.h"

namespace anneal {

// How an event's kind is stored: never change one.
enum class EventKind : int64_t {
  kStateChange = 1,
  kEpoch = 2,
  kWarning = 3,
  kResult = 4,
  kTrialEnd = 5,
  kStateKept = 6,
  kNote = 7
};

// Gives `event` the next sequence number of its job and stores it. Inside a transaction of the
// caller; throws what SQLiteCpp throws.
void WriteEvent(Connection& connection, JobEvent& event);

}  // namespace anneal
