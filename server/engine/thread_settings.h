// What a thread must set before it computes, so that the bits of a result do not depend on who
// calls.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

namespace anneal {

// Of this thread alone: one intra-op thread (one job, one core; parallelism is across jobs) and
// denormal numbers flushed to zero, which stay set; no autograd as long as this lives.
class ThreadSettings {
 public:
  ThreadSettings() {
    at::set_num_threads(1);
    at::globalContext().setFlushDenormal(true);
  }

 private:
  const at::NoGradGuard no_autograd_;
};

}  // namespace anneal
