// Time and page faults of training steps, printed as one line of JSON for step.py.
#pragma once

#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <vector>

namespace anneal::bench {

// Measures rounds of steps of this process. Begin and End allocate nothing once `rounds` of them
// are reserved, so that the meter's own memory is not among the faults.
class Meter {
 public:
  explicit Meter(size_t rounds) { rounds_.reserve(rounds); }

  void Begin() {
    begin_faults_ = MinorFaults();
    begin_cpu_us_ = CpuUs();
    begin_ = std::chrono::steady_clock::now();
  }

  // `steps`: how many were made since Begin; a part of a batch is a part of a step.
  void End(double steps) {
    const std::chrono::duration<double, std::micro> elapsed_us =
        std::chrono::steady_clock::now() - begin_;
    const double cpu_us = CpuUs() - begin_cpu_us_;
    const auto faults = static_cast<double>(MinorFaults() - begin_faults_);
    rounds_.push_back({elapsed_us.count() / steps, cpu_us / steps, faults / steps});
  }

  // {"program": "...", "rounds": [{"step_us": 1.5, "cpu_us": 1.5, "minor_faults_per_step": 0},
  // ...]}
  void Print(const char* program) const {
    std::printf("{\"program\": \"%s\", \"rounds\": [", program);
    const char* separator = "";
    for (const Round& round : rounds_) {
      std::printf("%s{\"step_us\": %.3f, \"cpu_us\": %.3f, \"minor_faults_per_step\": %.6g}",
                  separator, round.step_us, round.cpu_us, round.minor_faults);
      separator = ", ";
    }
    std::printf("]}\n");
  }

 private:
  // All a step's.
  struct Round {
    double step_us = 0;
    double cpu_us = 0;  // user and system, of all threads
    double minor_faults = 0;
  };

  static int64_t MinorFaults() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
  }

  static double CpuUs() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) * 1e-3;
  }

  std::chrono::steady_clock::time_point begin_;
  double begin_cpu_us_ = 0;
  int64_t begin_faults_ = 0;
  std::vector<Round> rounds_;
};

}  // namespace anneal::bench
