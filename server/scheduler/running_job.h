// What the scheduler and the worker share about a job that runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <stop_token>

#include "server/core/job.h"
#include "server/core/progress.h"

namespace anneal {

struct RunningJob {
  explicit RunningJob(JobId job_id) : id(job_id) {}

  const JobId id;
  // Requested by Scheduler::Cancel and Scheduler::Pause (after CANCELLING or PAUSING is stored), by
  // Scheduler::Stop, and when its time is over.
  std::stop_source stop;
  // Its deadline has passed, or it has run for as long as it may. Set before the stop is requested.
  std::atomic<bool> expired{false};
  ProgressCell progress;
};

}  // namespace anneal
