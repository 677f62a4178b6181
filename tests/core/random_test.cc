#include "server/core/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <vector>

namespace anneal {
namespace {

// The block whose counter is `counter` and whose key is `key`, as RandomStream lays them out.
std::array<uint32_t, 4> Philox(const std::array<uint32_t, 4>& counter,
                               const std::array<uint32_t, 2>& key) {
  RandomStream stream;
  stream.seed = static_cast<uint64_t>(key[1]) << 32 | key[0];
  stream.position = static_cast<uint64_t>(counter[2]) << 32 | counter[1];
  stream.purpose = static_cast<RandomPurpose>(counter[3] >> 24);
  stream.layer = counter[3] & 0xffffff;
  return stream.Block(counter[0]);
}

// philox4x32 10 in the known-answer vectors (kat_vectors) published with Random123.
TEST(RandomTest, PublishedVectorsOfPhilox4x32With10Rounds) {
  const uint32_t ones = 0xffffffff;
  EXPECT_EQ(Philox({0, 0, 0, 0}, {0, 0}),
            (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox({ones, ones, ones, ones}, {ones, ones}),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (std::array<uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomTest, EveryPartOfAStreamMatters) {
  const RandomStream base{7, RandomPurpose::kDropout, 3, 11};
  std::vector<RandomStream> others(6, base);
  others[0].seed = 8;
  others[1].seed = 7 | 1ULL << 32;
  others[2].purpose = RandomPurpose::kShuffle;
  others[3].layer = 4;
  others[4].position = 12;
  others[5].position = 11 | 1ULL << 32;
  std::set<std::array<uint32_t, 4>> blocks = {base.Block(0), base.Block(1)};
  for (const RandomStream& other : others) blocks.insert(other.Block(0));
  EXPECT_EQ(blocks.size(), 8U);
  EXPECT_EQ(base.Block(5), base.Block(5));
}

TEST(RandomTest, UniformFloatIsInBoundsAndCounts24Bits) {
  EXPECT_EQ(UniformFloat(0), 0.0F);
  EXPECT_EQ(UniformFloat(0xff), 0.0F);
  EXPECT_EQ(UniformFloat(0x100), 0x1p-24F);
  EXPECT_EQ(UniformFloat(0x80000000), 0.5F);
  EXPECT_EQ(UniformFloat(0xffffffff), 1.0F - 0x1p-24F);
  EXPECT_LT(UniformFloat(0xffffffff), 1.0F);
}

TEST(RandomTest, UniformDoubleNeverReachesItsBounds) {
  EXPECT_EQ(UniformDouble(0), 0x1p-33);
  EXPECT_EQ(UniformDouble(0xffffffff), 1.0 - 0x1p-33);
  EXPECT_GT(UniformDouble(0), 0.0);
  EXPECT_LT(UniformDouble(0xffffffff), 1.0);
  EXPECT_TRUE(std::isfinite(std::log(UniformDouble(0))));
}

// Box and Muller (1958): (z0, z1) is on the circle of radius sqrt(-2 log u1) at the angle 2 pi u2.
TEST(RandomTest, NormalPairsAreTheTransformOfTheirUniformPairs) {
  const RandomStream stream{123, RandomPurpose::kInitializer, 2, 0};
  for (uint32_t element = 0; element < 400; element += 2) {
    const std::array<uint32_t, 4> words = stream.Block(element / 4);
    const double u1 = UniformDouble(words[element % 4]);
    const double u2 = UniformDouble(words[element % 4 + 1]);
    const double z0 = NormalDouble(stream, element);
    const double z1 = NormalDouble(stream, element + 1);
    EXPECT_NEAR(z0 * z0 + z1 * z1, -2 * std::log(u1), 1e-12 * (1 - 2 * std::log(u1)));
    const double pi = std::acos(-1.0);
    EXPECT_NEAR(std::remainder(std::atan2(z1, z0) - 2 * pi * u2, 2 * pi), 0, 1e-12);
  }
}

// For n independent standard normal numbers, the mean has the deviation 1/sqrt(n), and the mean of
// squares, cubes and fourth powers sqrt(2/n), sqrt(15/n), sqrt(96/n). Five deviations: a fixed seed
// either passes for ever or never.
TEST(RandomTest, MomentsOfNormalNumbers) {
  constexpr uint32_t kCount = 400'000;
  const RandomStream stream{42, RandomPurpose::kInitializer, 0, 0};
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0, product = 0;
  double previous = 0;
  for (uint32_t element = 0; element < kCount; ++element) {
    const double z = NormalDouble(stream, element);
    m1 += z;
    m2 += z * z;
    m3 += z * z * z;
    m4 += z * z * z * z;
    product += z * previous;
    previous = z;
  }
  const double n = kCount;
  EXPECT_NEAR(m1 / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(m2 / n, 1, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(m3 / n, 0, 5 * std::sqrt(15 / n));
  EXPECT_NEAR(m4 / n, 3, 5 * std::sqrt(96 / n));
  EXPECT_NEAR(product / n, 0, 5 / std::sqrt(n));  // neighbours are uncorrelated
}

// The largest distance between the distribution function of `sorted` and `cdf`, times sqrt(n).
// Kolmogorov's distribution: above 1.95 with probability 0.001 (2 exp(-2 x^2)).
template <typename Cdf>
double KolmogorovSmirnov(std::vector<double> values, const Cdf& cdf) {
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  double distance = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double expected = cdf(values[i]);
    distance = std::max({distance, expected - static_cast<double>(i) / n,
                         static_cast<double>(i + 1) / n - expected});
  }
  return distance * std::sqrt(n);
}

TEST(RandomTest, NormalNumbersHaveTheNormalDistribution) {
  for (const uint64_t seed : {1ULL, 2ULL, std::numeric_limits<unsigned long long>::max()}) {
    const RandomStream stream{seed, RandomPurpose::kInitializer, 5, 0};
    std::vector<double> values;
    for (uint32_t element = 0; element < 100'000; ++element) {
      values.push_back(NormalDouble(stream, element));
    }
    EXPECT_LT(
        KolmogorovSmirnov(values, [](double z) { return std::erfc(-z / std::sqrt(2.0)) / 2; }),
        1.95)
        << seed;
  }
}

TEST(RandomTest, UniformNumbersHaveTheUniformDistributionAlongEveryIndex) {
  // Along blocks, positions and layers: each is a way in which the engine walks.
  std::vector<std::vector<double>> walks(3);
  for (uint32_t i = 0; i < 50'000; ++i) {
    const RandomStream along_blocks{9, RandomPurpose::kDropout, 1, 1};
    const RandomStream along_positions{9, RandomPurpose::kDropout, 1, i};
    const RandomStream along_layers{9, RandomPurpose::kDropout, i, 1};
    walks[0].push_back(UniformFloat(along_blocks.Block(i)[0]));
    walks[1].push_back(UniformFloat(along_positions.Block(0)[1]));
    walks[2].push_back(UniformDouble(along_layers.Block(0)[3]));
  }
  for (const std::vector<double>& walk : walks) {
    EXPECT_LT(KolmogorovSmirnov(walk, [](double u) { return u; }), 1.95);
  }
}

}  // namespace
}  // namespace anneal
