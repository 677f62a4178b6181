#include "server/engine/kernels/dropout_mask.h"

#include <algorithm>
#include <array>

namespace anneal {

void FillDropoutMask(const RandomStream& stream, double rate, double kept, float* mask,
                     int64_t count) {
  const auto threshold = static_cast<float>(rate);
  const auto value = static_cast<float>(kept);
  for (int64_t begin = 0; begin < count; begin += 4) {
    const std::array<uint32_t, 4> words = stream.Block(static_cast<uint32_t>(begin / 4));
    const int64_t end = std::min<int64_t>(4, count - begin);
    for (int64_t k = 0; k < end; ++k) {
      mask[begin + k] = UniformFloat(words[static_cast<size_t>(k)]) < threshold ? 0.0F : value;
    }
  }
}

}  // namespace anneal
