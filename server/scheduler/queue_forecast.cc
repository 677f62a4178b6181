#include "server/scheduler/queue_forecast.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <queue>

namespace anneal {
namespace {

constexpr double kUnknown = INFINITY;
constexpr double kMicros = 1e6;

double DurationUs(double flops, std::optional<double> rate) {
  return rate.has_value() && flops > 0 ? flops / *rate * kMicros : kUnknown;
}

}  // namespace

std::optional<double> WorkRate(const std::vector<RunningWork>& running) {
  std::vector<double> rates;
  for (const RunningWork& job : running) {
    if (job.work_flops > 0 && job.left_share > 0 && job.left_us > 0)
      rates.push_back(job.work_flops * job.left_share / static_cast<double>(job.left_us) * kMicros);
  }
  if (rates.empty()) return std::nullopt;
  const auto middle = rates.begin() + static_cast<std::ptrdiff_t>(rates.size() / 2);
  std::nth_element(rates.begin(), middle, rates.end());
  return *middle;
}

std::vector<std::optional<int64_t>> ForecastStartsUs(int workers,
                                                     const std::vector<RunningWork>& running,
                                                     const std::vector<double>& queued_flops,
                                                     std::optional<double> rate) {
  // When each worker is free, from now; the soonest on top.
  std::priority_queue<double, std::vector<double>, std::greater<>> free_us;
  for (const RunningWork& job : running) {
    free_us.push(job.left_us > 0 ? static_cast<double>(job.left_us)
                                 : DurationUs(job.work_flops, rate));
  }
  while (static_cast<int>(free_us.size()) < workers) free_us.push(0);
  std::vector<std::optional<int64_t>> starts;
  for (const double flops : queued_flops) {
    const double start_us = free_us.top();
    free_us.pop();
    // Some years are as good as never, and fit into the number.
    constexpr double kLongestUs = 1e15;
    starts.push_back(start_us < kLongestUs ? std::optional(static_cast<int64_t>(start_us))
                                           : std::nullopt);
    free_us.push(start_us + DurationUs(flops, rate));
  }
  return starts;
}

}  // namespace anneal
