// When jobs that wait will begin, as far as can be told.
//
// Jobs are taken in order by the worker that is free first (list scheduling). How long one takes is
// its estimated work over the rate at which work is being done now, which is measured on the jobs that
// run: what their progress says is left of their work, over the time that it says is left. Early
// stopping, limits of owners and of memory are not foreseen.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace anneal {

struct RunningWork {
  double work_flops = 0;   // of the whole job; 0: not known
  double left_share = 0;   // of it, 0..1
  int64_t left_us = 0;     // until it ends; 0: not known yet
};

// Flops a second of one worker: the median of those that can be told; nothing where none can.
std::optional<double> WorkRate(const std::vector<RunningWork>& running);

// For each of `queued_flops`, in the order of the queue: how long until it begins; nothing where that
// cannot be told. `rate`: as WorkRate.
std::vector<std::optional<int64_t>> ForecastStartsUs(int workers,
                                                     const std::vector<RunningWork>& running,
                                                     const std::vector<double>& queued_flops,
                                                     std::optional<double> rate);

}  // namespace anneal
