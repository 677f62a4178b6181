#include "server/core/random.h"

#include <Random123/philox.h>

#include <cmath>

namespace anneal {

std::array<uint32_t, 4> RandomStream::Block(uint32_t block) const {
  const r123::Philox4x32::ctr_type counter = {{block, static_cast<uint32_t>(position),
                                               static_cast<uint32_t>(position >> 32),
                                               static_cast<uint32_t>(purpose) << 24 | layer}};
  const r123::Philox4x32::key_type key = {
      {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}};
  const r123::Philox4x32::ctr_type words = r123::Philox4x32()(counter, key);
  return {words[0], words[1], words[2], words[3]};
}

double NormalDouble(const RandomStream& stream, uint32_t element) {
  // Two uniform words make one pair of normal numbers; a block of four words serves four elements.
  const std::array<uint32_t, 4> words = stream.Block(element / 4);
  const uint32_t pair = element % 4 / 2 * 2;
  const double radius = std::sqrt(-2.0 * std::log(UniformDouble(words[pair])));
  const double angle = 2.0 * 3.14159265358979323846 * UniformDouble(words[pair + 1]);
  return element % 2 == 0 ? radius * std::cos(angle) : radius * std::sin(angle);
}

}  // namespace anneal
