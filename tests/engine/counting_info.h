// Counts the buffers that LibTorch takes.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <torch/version.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace anneal {

// Told by LibTorch of every buffer it takes on this thread, while a
// c10::DebugInfoGuard(c10::DebugInfoKind::PROFILER_STATE, info) lives.
class CountingInfo : public c10::MemoryReportingInfoBase {
 public:
  using Total = std::conditional_t<(TORCH_VERSION_MAJOR >= 2), size_t, int64_t>;
  void reportMemoryUsage(void*, int64_t bytes, Total, Total, c10::Device) override {
    allocations += bytes > 0;
    largest_bytes = std::max(largest_bytes, bytes);
  }
  bool memoryProfilingEnabled() const override { return true; }
  int allocations = 0;
  int64_t largest_bytes = 0;
};

}  // namespace anneal
