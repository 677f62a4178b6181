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
  std::stop_source
      stop;  // requested by Scheduler::Cancel (after CANCELLING is stored) and Scheduler::Stop
  ProgressCell progress;
};

}  // namespace anneal
