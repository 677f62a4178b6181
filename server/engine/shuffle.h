// The order in which an epoch sees its samples.
#pragma once

#include <cstdint>
#include <vector>

namespace anneal {

// Overwrites `indices` (any size below 2^32, which stays) with a uniformly random permutation of 0
// .. size-1: a pure function of (seed, epoch, size), from RandomStream{seed, kShuffle, 0, epoch}.
void ShufflePermutation(uint64_t seed, int64_t epoch, std::vector<uint32_t>& indices);

}  // namespace anneal
