// What the scheduler and the worker share about a job that runs.
#pragma once

#include <cstdint>
#include <stop_token>

#include "server/core/job.h"
#include "server/core/progress.h"

namespace anneal {

struct RunningJob {
  RunningJob(JobId job_id, int32_t job_priority) : id(job_id), priority(job_priority) {}

  const JobId id;
  const int32_t priority;
  // Requested by Scheduler::Cancel and Scheduler::Pause (after CANCELLING or PAUSING is stored) and
  // Scheduler::Stop.
  std::stop_source stop;
  ProgressCell progress;
};

}  // namespace anneal
