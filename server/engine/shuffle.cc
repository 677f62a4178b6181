// Fisher and Yates's shuffle in Durstenfeld's form: from the last place down, each place swaps with
// a uniformly chosen one at or before it. The choice must be exactly uniform, or some orders come
// up more often than others; taking a 32-bit word modulo the range is not. Lemire's method ("Fast
// Random Integer Generation in an Interval", 2019, section 4) takes the upper half of word * range
// and draws again in the few cases that would favour some results.
#include "server/engine/shuffle.h"

#include <array>
#include <cstddef>
#include <numeric>
#include <utility>

#include "server/core/random.h"

namespace anneal {
namespace {

// The words of a stream, one after another.
class Words {
 public:
  explicit Words(const RandomStream& stream) : stream_(stream) {}

  uint32_t Next() {
    if (used_ == words_.size()) {
      words_ = stream_.Block(block_++);
      used_ = 0;
    }
    return words_[used_++];
  }

 private:
  const RandomStream stream_;
  std::array<uint32_t, 4> words_{};
  size_t used_ = 4;
  uint32_t block_ = 0;
};

// 0 <= result < range, every value equally likely; range >= 1.
uint32_t Below(uint32_t range, Words& words) {
  uint64_t product = uint64_t{words.Next()} * range;
  if (static_cast<uint32_t>(product) < range) {
    const uint32_t threshold = (0U - range) % range;  // 2^32 mod range
    while (static_cast<uint32_t>(product) < threshold) product = uint64_t{words.Next()} * range;
  }
  return static_cast<uint32_t>(product >> 32);
}

}  // namespace

void ShufflePermutation(uint64_t seed, int64_t epoch, std::vector<uint32_t>& indices) {
  std::iota(indices.begin(), indices.end(), 0U);
  Words words({seed, RandomPurpose::kShuffle, 0, static_cast<uint64_t>(epoch)});
  for (size_t last = indices.size(); last > 1; --last) {
    std::swap(indices[last - 1], indices[Below(static_cast<uint32_t>(last), words)]);
  }
}

}  // namespace anneal
