// `fault_client storm`: many submits at once, many of them more than once, and then a look at what
// the daemon made of it.
#pragma once

#include <cstdint>
#include <string>

#include "anneal/v1/job.pb.h"
#include "tests/fault/storm/job_client.h"

namespace anneal::fault {

struct StormOptions {
  v1::JobSpec job;  // each submit has it with a name, a number of epochs and a seed of its own
  int64_t submits = 2'000;
  int threads = 16;
  uint64_t seed = 1;
  int32_t priority = 0;
};

// Submits, each until it is acknowledged. What is drawn from the seed for each of them: whether it
// is submitted once; again after its acknowledgement; from two threads at once; or first with
// deadlines so short that answers are lost. Some try another spec with the request id too, which
// must be refused. Then asks for all jobs of these names: exactly one for each request id, the one
// that every answer named, QUEUED, with the spec that was sent. So nothing may run these jobs
// meanwhile; the daemon may be killed and started again at any time before the look.
//
// Prints a summary and what is wrong; the exit code: 0 nothing, 1 something.
int SubmitStorm(JobClient& client, const StormOptions& options);

}  // namespace anneal::fault
