// Arithmetic on counts that stops at the largest number instead of wrapping: a product of sizes
// that a client chose is either exact or kSaturated, and kSaturated is above every limit.
#pragma once

#include <cstdint>
#include <limits>

namespace anneal {

inline constexpr int64_t kSaturated = std::numeric_limits<int64_t>::max();

// a + b for a, b >= 0.
constexpr int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? kSaturated : sum;
}

// a * b for a, b >= 0.
constexpr int64_t SaturatingMultiply(int64_t a, int64_t b) {
  int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? kSaturated : product;
}

}  // namespace anneal
