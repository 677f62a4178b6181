// The masks of dropout, on the CPU.
#pragma once

#include <cstdint>

#include "server/core/random.h"

namespace anneal {

// mask[e] = 0 with probability `rate`, else `kept` (inverted dropout: 1 / (1 - rate)). Element e is
// decided by word e % 4 of block e / 4 of the stream, so the mask is a pure function of (stream,
// e). count <= 2^34.
void FillDropoutMask(const RandomStream& stream, double rate, double kept, float* mask,
                     int64_t count);

}  // namespace anneal
