#include "server/engine/shuffle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <vector>

#include "server/core/random.h"

namespace anneal {
namespace {

std::vector<uint32_t> Permutation(uint64_t seed, int64_t epoch, size_t size) {
  std::vector<uint32_t> indices(size, 4'000'000'000U);
  ShufflePermutation(seed, epoch, indices);
  return indices;
}

TEST(Shuffle, IsAPermutationOfEverySize) {
  for (const size_t size : {0U, 1U, 2U, 3U, 4U, 5U, 100U, 1021U, 50'000U}) {
    std::vector<uint32_t> sorted = Permutation(3, 7, size);
    std::sort(sorted.begin(), sorted.end());
    std::vector<uint32_t> all(size);
    std::iota(all.begin(), all.end(), 0U);
    EXPECT_EQ(sorted, all) << size;
  }
}

TEST(Shuffle, DependsOnlyOnSeedEpochAndSize) {
  const std::vector<uint32_t> order = Permutation(3, 7, 1000);
  std::vector<uint32_t> reused = Permutation(4, 1, 1000);
  ShufflePermutation(3, 7, reused);  // whatever was in it before
  EXPECT_EQ(order, reused);
  EXPECT_NE(order, Permutation(3, 8, 1000));
  EXPECT_NE(order, Permutation(4, 7, 1000));
  EXPECT_NE(order, Permutation(3 + (uint64_t{1} << 32), 7, 1000));
  EXPECT_NE(order, Permutation(3, 7 + (int64_t{1} << 32), 1000));
}

// Chi-square over all 24 orders of four things: over epochs with one seed, and over seeds with one
// epoch.
TEST(Shuffle, AllOrdersOfFourAreEquallyLikely) {
  constexpr int kDraws = 24 * 2000;
  for (const bool over_epochs : {true, false}) {
    std::map<std::vector<uint32_t>, int> counts;
    for (int i = 0; i < kDraws; ++i) {
      ++counts[over_epochs ? Permutation(11, i, 4) : Permutation(static_cast<uint64_t>(i), 1, 4)];
    }
    EXPECT_EQ(counts.size(), 24U);
    double chi_square = 0;
    for (const auto& [order, count] : counts) {
      chi_square += (count - kDraws / 24.0) * (count - kDraws / 24.0) / (kDraws / 24.0);
    }
    EXPECT_LT(chi_square, 49.7);  // 23 degrees of freedom, p = 0.001
  }
}

// Every sample is equally likely in every place.
TEST(Shuffle, PlacesAreUniform) {
  constexpr size_t kSize = 37;
  constexpr int kDraws = 37 * 400;
  std::vector<std::vector<int>> counts(kSize, std::vector<int>(kSize, 0));
  for (int epoch = 0; epoch < kDraws; ++epoch) {
    const std::vector<uint32_t> order = Permutation(5, epoch, kSize);
    for (size_t place = 0; place < kSize; ++place) ++counts[place][order[place]];
  }
  double chi_square = 0;
  for (const auto& row : counts) {
    for (const int count : row) chi_square += (count - 400.0) * (count - 400.0) / 400.0;
  }
  // (37 - 1)^2 = 1296 degrees of freedom: mean 1296, deviation 51; both tails.
  EXPECT_LT(chi_square, 1296 + 4 * 51);
  EXPECT_GT(chi_square, 1296 - 4 * 51);
}

// The shuffle once more, from the definition of the unbiased draw without its short cut: the upper
// half of word * range, and a new word wherever the lower half is below 2^32 mod range.
TEST(Shuffle, FollowsTheDefinitionWordByWord) {
  constexpr uint64_t kSeed = 77;
  constexpr int64_t kEpoch = 12;
  constexpr size_t kSize = 3001;
  const RandomStream stream{kSeed, RandomPurpose::kShuffle, 0, static_cast<uint64_t>(kEpoch)};
  uint32_t word = 0;
  const auto draw = [&](uint64_t range) {
    const uint64_t favoured = (uint64_t{1} << 32) % range;
    for (;;) {
      const uint64_t product = stream.Block(word / 4)[word % 4] * range;
      ++word;
      if (product % (uint64_t{1} << 32) >= favoured) return static_cast<size_t>(product >> 32);
    }
  };
  std::vector<uint32_t> expected(kSize);
  std::iota(expected.begin(), expected.end(), 0U);
  for (size_t i = kSize - 1; i >= 1; --i) std::swap(expected[i], expected[draw(i + 1)]);
  EXPECT_EQ(Permutation(kSeed, kEpoch, kSize), expected);
}

}  // namespace
}  // namespace anneal
