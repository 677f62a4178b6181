// What of a job may be changed after it was submitted, besides its state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/core/job.h"

namespace anneal {

struct JobUpdate {
  std::optional<int32_t> priority{};  // also takes it from the front
  bool to_front = false;              // runs before all that wait now; not together with `priority`
  std::vector<std::string> remove_labels{};  // keys; before `set_labels`
  Labels set_labels{};
  std::optional<int64_t> deadline_us{};      // 0: none
  std::optional<int64_t> max_run_time_us{};  // 0: no limit
};

// FAILED_PRECONDITION: the job has ended and more than its labels is to be changed; `to_front` of one
// that does not wait (a sweep's trials do). INVALID_ARGUMENT: it would have too many labels.
absl::Status CheckUpdate(const Job& job, const JobUpdate& update);

// The part of it that is about labels: INVALID_ARGUMENT where the job would have more of them than
// it may, and than it has.
absl::Status CheckLabels(const Job& job, const JobUpdate& update);

// Changes `job`, which CheckUpdate() has passed, and says what is new, in words; "" where it is what
// it was. `new_front`: of `to_front`.
std::string ApplyUpdate(const JobUpdate& update, int64_t new_front, Job& job);

}  // namespace anneal
