// Which of two implementations works on a flat buffer.
#pragma once

#include <ATen/core/Tensor.h>

namespace anneal {

// kFused: raw loops on CPU memory, which allocate nothing. kAten: LibTorch's operations, for every
// device. Both compute the same up to float's rounding; tests compare them on the CPU.
enum class ComputePath { kFused, kAten };

inline ComputePath PathFor(at::Device device) {
  return device.is_cpu() ? ComputePath::kFused : ComputePath::kAten;
}

}  // namespace anneal
