#include "server/engine/initializers.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "anneal/v1/network.pb.h"
#include "google/protobuf/text_format.h"

namespace anneal {
namespace {

constexpr double kPi = 3.14159265358979323846;

v1::Initializer Parse(const std::string& text) {
  v1::Initializer spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
  return spec;
}

std::vector<float> Fill(const std::string& text, Fans fans, int64_t count, uint64_t seed = 1,
                        uint32_t weight_index = 0) {
  std::vector<float> weights(static_cast<size_t>(count), -77.0F);
  Initialize(Parse(text), {count}, fans, seed, weight_index, weights.data());
  return weights;
}

double StandardNormalCdf(double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }

struct Distribution {
  double mean;
  double stddev;  // of the distribution itself, after truncation
  double low;     // no value below
  double high;    // no value above
  std::function<double(double)> cdf;
};

Distribution Uniform(double low, double high) {
  return {(low + high) / 2, (high - low) / std::sqrt(12.0), low, high,
          [=](double x) { return std::clamp((x - low) / (high - low), 0.0, 1.0); }};
}

Distribution Normal(double mean, double stddev) {
  return {mean, stddev, -HUGE_VAL, HUGE_VAL,
          [=](double x) { return StandardNormalCdf((x - mean) / stddev); }};
}

// `stddev` is that of the normal before it is cut at two of them.
Distribution Truncated(double mean, double stddev) {
  const double inside = StandardNormalCdf(2) - StandardNormalCdf(-2);
  const double density = std::exp(-2.0) / std::sqrt(2 * kPi);
  return {mean, stddev * std::sqrt(1 - 4 * density / inside), mean - 2 * stddev, mean + 2 * stddev,
          [=](double x) {
            const double z = std::clamp((x - mean) / stddev, -2.0, 2.0);
            return (StandardNormalCdf(z) - StandardNormalCdf(-2)) / inside;
          }};
}

// A truncated normal of the given variance after truncation.
Distribution TruncatedOfVariance(double variance) {
  const double shrink = Truncated(0, 1).stddev;
  return Truncated(0, std::sqrt(variance) / shrink);
}

struct Case {
  std::string text;
  Distribution expected;
};

constexpr Fans kFans{300, 100};

std::vector<Case> RandomCases() {
  return {
      {"random_normal {}", Normal(0, 0.05)},
      {"random_normal { mean: 2 stddev: 3 }", Normal(2, 3)},
      {"random_uniform {}", Uniform(-0.05, 0.05)},
      {"random_uniform { minval: 1 maxval: 5 }", Uniform(1, 5)},
      {"truncated_normal {}", Truncated(0, 0.05)},
      {"truncated_normal { mean: -1 stddev: 0.5 }", Truncated(-1, 0.5)},
      {"variance_scaling {}", TruncatedOfVariance(1.0 / 300)},
      {"variance_scaling { scale: 2 mode: FAN_OUT }", TruncatedOfVariance(2.0 / 100)},
      {"variance_scaling { scale: 3 mode: FAN_AVG distribution: UNTRUNCATED_NORMAL }",
       Normal(0, std::sqrt(3.0 / 200))},
      {"variance_scaling { scale: 0.5 mode: FAN_OUT distribution: UNIFORM }",
       Uniform(-std::sqrt(1.5 / 100), std::sqrt(1.5 / 100))},
      {"glorot_uniform {}", Uniform(-std::sqrt(6.0 / 400), std::sqrt(6.0 / 400))},
      {"glorot_normal {}", TruncatedOfVariance(2.0 / 400)},
      {"he_uniform {}", Uniform(-std::sqrt(6.0 / 300), std::sqrt(6.0 / 300))},
      {"he_normal {}", TruncatedOfVariance(2.0 / 300)},
      {"lecun_uniform {}", Uniform(-std::sqrt(3.0 / 300), std::sqrt(3.0 / 300))},
      {"lecun_normal {}", TruncatedOfVariance(1.0 / 300)},
  };
}

TEST(Initializers, MomentsAndBounds) {
  constexpr int64_t kCount = 100'000;
  for (const Case& test : RandomCases()) {
    SCOPED_TRACE(test.text);
    const std::vector<float> weights = Fill(test.text, kFans, kCount, 42);
    double sum = 0;
    double square = 0;
    for (const float w : weights) {
      sum += w;
      square += (w - test.expected.mean) * (w - test.expected.mean);
    }
    const double n = static_cast<double>(kCount);
    // Five standard errors: of a mean sigma / sqrt(n), of a deviation at most sigma / sqrt(2 n).
    EXPECT_NEAR(sum / n, test.expected.mean, 5 * test.expected.stddev / std::sqrt(n));
    EXPECT_NEAR(std::sqrt(square / n), test.expected.stddev,
                5 * test.expected.stddev / std::sqrt(2 * n));
    const auto [low, high] = std::minmax_element(weights.begin(), weights.end());
    EXPECT_GE(*low, static_cast<float>(test.expected.low));
    EXPECT_LE(*high, static_cast<float>(test.expected.high));
  }
}

TEST(Initializers, KolmogorovSmirnovAgainstTheExactDistribution) {
  constexpr int64_t kCount = 200'000;
  for (const Case& test : RandomCases()) {
    SCOPED_TRACE(test.text);
    std::vector<float> weights = Fill(test.text, kFans, kCount, 7, 3);
    std::sort(weights.begin(), weights.end());
    const double n = static_cast<double>(kCount);
    double distance = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      const double cdf = test.expected.cdf(weights[i]);
      distance = std::max(
          {distance, cdf - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - cdf});
    }
    // P(distance sqrt(n) > 1.95) = 0.001 under the hypothesis.
    EXPECT_LT(distance * std::sqrt(n), 1.95);
  }
}

// The correction for truncation matters: without it the test above could not tell (0.88 of the
// deviation).
TEST(Initializers, KolmogorovSmirnovRejectsTheUncorrectedDeviation) {
  std::vector<float> weights = Fill("he_normal {}", kFans, 10'000);
  std::sort(weights.begin(), weights.end());
  const Distribution uncorrected = Truncated(0, std::sqrt(2.0 / 300));
  double distance = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    distance =
        std::max(distance, std::abs(uncorrected.cdf(weights[i]) - static_cast<double>(i) / 10'000));
  }
  EXPECT_GT(distance * 100, 1.95);
}

// No element resembles the one beside it, nor the same element of another weight, nor of another
// seed.
TEST(Initializers, NeighboursWeightsAndSeedsAreUncorrelated) {
  constexpr int64_t kCount = 100'000;
  const auto correlation = [](const float* a, const float* b, size_t n) {
    double ab = 0;
    double aa = 0;
    double bb = 0;
    for (size_t i = 0; i < n; ++i) {
      ab += static_cast<double>(a[i]) * b[i];
      aa += static_cast<double>(a[i]) * a[i];
      bb += static_cast<double>(b[i]) * b[i];
    }
    return ab / std::sqrt(aa * bb);
  };
  const double bound = 5 / std::sqrt(static_cast<double>(kCount));
  for (const std::string text : {"he_normal {}", "glorot_uniform {}", "random_normal {}"}) {
    SCOPED_TRACE(text);
    const std::vector<float> weights = Fill(text, kFans, kCount, 1, 0);
    for (size_t lag = 1; lag <= 8; ++lag) {
      EXPECT_LT(std::abs(correlation(weights.data(), weights.data() + lag, kCount - lag)), bound)
          << lag;
    }
    const std::vector<float> other_weight = Fill(text, kFans, kCount, 1, 1);
    const std::vector<float> other_seed = Fill(text, kFans, kCount, 2, 0);
    EXPECT_LT(std::abs(correlation(weights.data(), other_weight.data(), kCount)), bound);
    EXPECT_LT(std::abs(correlation(weights.data(), other_seed.data(), kCount)), bound);
  }
}

TEST(Initializers, EveryPrefixIsTheSame) {
  for (const Case& test : RandomCases()) {
    SCOPED_TRACE(test.text);
    const std::vector<float> whole = Fill(test.text, kFans, 1001, 9, 5);
    for (const int64_t count : {1, 2, 3, 4, 5, 7, 1000}) {
      const std::vector<float> part = Fill(test.text, kFans, count, 9, 5);
      EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin())) << count;
    }
  }
}

TEST(Initializers, SeedAndWeightIndexBothChangeEveryDistribution) {
  for (const Case& test : RandomCases()) {
    SCOPED_TRACE(test.text);
    const std::vector<float> weights = Fill(test.text, kFans, 16, 9, 5);
    EXPECT_EQ(weights, Fill(test.text, kFans, 16, 9, 5));
    EXPECT_NE(weights, Fill(test.text, kFans, 16, 10, 5));
    EXPECT_NE(weights, Fill(test.text, kFans, 16, 9, 6));
    EXPECT_NE(weights, Fill(test.text, kFans, 16, 9 + (uint64_t{1} << 32), 5));
  }
}

TEST(Initializers, Constants) {
  const auto all = [](float value) { return std::vector<float>(13, value); };
  EXPECT_EQ(Fill("zeros {}", kFans, 13), all(0.0F));
  EXPECT_EQ(Fill("ones {}", kFans, 13), all(1.0F));
  EXPECT_EQ(Fill("constant { value: -0.1 }", kFans, 13), all(-0.1F));
  EXPECT_EQ(Fill("constant {}", kFans, 13), all(0.0F));
}

TEST(Initializers, WithoutAKindZeros) { EXPECT_EQ(Fill("", kFans, 3), std::vector<float>(3)); }

std::vector<float> FillShape(const std::string& text, const std::vector<int64_t>& shape,
                             uint64_t seed = 1, uint32_t weight_index = 0) {
  const int64_t count =
      std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  std::vector<float> weights(static_cast<size_t>(count), -77.0F);
  Initialize(Parse(text), shape, kFans, seed, weight_index, weights.data());
  return weights;
}

// Only the number of values counts.
TEST(Initializers, TheShapeDoesNotMatterToIndependentElements) {
  for (const Case& test : RandomCases()) {
    SCOPED_TRACE(test.text);
    EXPECT_EQ(FillShape(test.text, {3, 2, 5, 4}), FillShape(test.text, {120}));
    EXPECT_EQ(FillShape(test.text, {}), FillShape(test.text, {1}));
  }
}

TEST(Initializers, Identity) {
  EXPECT_EQ(FillShape("identity {}", {2, 3}), (std::vector<float>{1, 0, 0, 0, 1, 0}));
  EXPECT_EQ(FillShape("identity { gain: -0.5 }", {3, 2}),
            (std::vector<float>{-0.5, 0, 0, -0.5, 0, 0}));
  EXPECT_EQ(FillShape("identity {}", {1, 1}), (std::vector<float>{1}));
  EXPECT_EQ(FillShape("identity {}", {0, 3}), std::vector<float>());
}

// Largest difference of the products of rows (of columns, where those are fewer) from gain^2 I.
double OrthogonalityError(const std::vector<float>& matrix, int64_t rows, int64_t columns,
                          double gain) {
  const bool tall = rows >= columns;
  const int64_t vectors = tall ? columns : rows;
  const int64_t length = tall ? rows : columns;
  const auto at = [&](int64_t vector, int64_t i) -> double {
    return matrix[static_cast<size_t>(tall ? i * columns + vector : vector * columns + i)];
  };
  double largest = 0;
  for (int64_t a = 0; a < vectors; ++a) {
    for (int64_t b = 0; b <= a; ++b) {
      double product = 0;
      for (int64_t i = 0; i < length; ++i) product += at(a, i) * at(b, i);
      largest = std::max(largest, std::abs(product - (a == b ? gain * gain : 0.0)));
    }
  }
  return largest;
}

TEST(Initializers, OrthogonalHasOrthonormalRowsOrColumns) {
  const std::vector<std::pair<int64_t, int64_t>> sizes = {
      {1, 1},   {1, 7},   {7, 1},     {2, 2},     {31, 31},  {32, 32},
      {33, 33}, {65, 64}, {100, 300}, {300, 100}, {200, 200}};
  for (const auto& [rows, columns] : sizes) {
    SCOPED_TRACE(testing::Message() << rows << " x " << columns);
    EXPECT_LT(OrthogonalityError(FillShape("orthogonal {}", {rows, columns}), rows, columns, 1),
              1e-6);
    EXPECT_LT(OrthogonalityError(FillShape("orthogonal { gain: -1.5 }", {rows, columns}), rows,
                                 columns, -1.5),
              3e-6);
  }
  EXPECT_GT(OrthogonalityError(FillShape("random_normal { stddev: 0.1 }", {100, 100}), 100, 100, 1),
            0.1);
}

TEST(Initializers, OrthogonalConvolutionIsTheMatrixOfTheLastAxisByTheRest) {
  EXPECT_EQ(FillShape("orthogonal {}", {3, 2, 5, 8}), FillShape("orthogonal {}", {30, 8}));
  EXPECT_EQ(FillShape("orthogonal {}", {3, 3, 1, 40}), FillShape("orthogonal {}", {9, 40}));
}

TEST(Initializers, OrthogonalIsAFunctionOfSeedAndWeightIndex) {
  const std::vector<float> matrix = FillShape("orthogonal {}", {40, 50}, 3, 4);
  EXPECT_EQ(matrix, FillShape("orthogonal {}", {40, 50}, 3, 4));
  EXPECT_NE(matrix, FillShape("orthogonal {}", {40, 50}, 4, 4));
  EXPECT_NE(matrix, FillShape("orthogonal {}", {40, 50}, 3, 5));
}

// Q = A R^-1 with R of positive diagonal is the only such Q, so Householder's reflections in
// LibTorch must find the same, once their signs are put right.
TEST(Initializers, OrthogonalIsTheQOfTheNormalMatrix) {
  const std::vector<std::pair<int64_t, int64_t>> sizes = {{70, 40}, {40, 70}, {50, 50}, {1, 1}};
  for (const auto& [rows, columns] : sizes) {
    SCOPED_TRACE(testing::Message() << rows << " x " << columns);
    const int64_t longer = std::max(rows, columns);
    const int64_t shorter = std::min(rows, columns);
    // In float: what rounding does to A stays below the tolerance, at these sizes.
    std::vector<float> normal = FillShape("random_normal { stddev: 1 }", {longer, shorter});
    const at::Tensor a = at::from_blob(normal.data(), {longer, shorter}).to(at::kDouble);
    const auto [q, r] = at::linalg_qr(a);
    at::Tensor expected = q * r.diagonal().sign();
    if (rows < columns) expected = expected.t();
    std::vector<float> filled = FillShape("orthogonal {}", {rows, columns});
    const at::Tensor actual = at::from_blob(filled.data(), {rows, columns}).to(at::kDouble);
    EXPECT_LT((actual - expected).abs().max().item<double>(), 1e-5);
  }
}

// Haar's measure: of a column of an n x n matrix, n x^2 has mean 1 and variance 2 (n-1) / (n+2),
// and without the sign correction the first row's signs would not be even.
TEST(Initializers, OrthogonalMatricesAreUniformlyDistributed) {
  constexpr int64_t kSide = 4;
  constexpr int kMatrices = 4000;
  std::array<double, kSide * kSide> sums{};
  std::array<double, kSide * kSide> squares{};
  double determinants = 0;
  for (uint32_t i = 0; i < kMatrices; ++i) {
    std::vector<float> matrix = FillShape("orthogonal {}", {kSide, kSide}, 11, i);
    for (size_t e = 0; e < matrix.size(); ++e) {
      sums[e] += matrix[e];
      squares[e] += matrix[e] * matrix[e];
    }
    determinants +=
        at::from_blob(matrix.data(), {kSide, kSide}).to(at::kDouble).det().item<double>();
  }
  const double n = kMatrices;
  for (size_t e = 0; e < sums.size(); ++e) {
    EXPECT_NEAR(sums[e] / n, 0.0, 5 * 0.5 / std::sqrt(n)) << e;
    EXPECT_NEAR(squares[e] / n, 0.25, 5 * 0.25 / std::sqrt(n)) << e;  // variance of x^2: 1/16
  }
  EXPECT_NEAR(determinants / n, 0.0, 5 / std::sqrt(n));
}

TEST(Initializers, TouchesNothingOutsideTheCount) {
  for (const Case& test : RandomCases()) {
    SCOPED_TRACE(test.text);
    std::vector<float> weights(8, -77.0F);
    Initialize(Parse(test.text), {0}, kFans, 1, 0, weights.data() + 1);
    EXPECT_EQ(weights, std::vector<float>(8, -77.0F));
    Initialize(Parse(test.text), {5}, kFans, 1, 0, weights.data() + 1);
    EXPECT_EQ(weights[0], -77.0F);
    EXPECT_NE(weights[5], -77.0F);
    EXPECT_EQ(weights[6], -77.0F);
  }
}

// Keras divides by at least 1.
TEST(Initializers, EmptyFansCountAsOne) {
  EXPECT_EQ(Fill("he_normal {}", {0, 0}, 64), Fill("he_normal {}", {1, 1}, 64));
  EXPECT_EQ(Fill("glorot_uniform {}", {0, 0}, 64), Fill("glorot_uniform {}", {1, 1}, 64));
}

TEST(Initializers, HugeUniformLimitsStayFinite) {
  for (const float w : Fill("random_uniform { minval: -3e38 maxval: 3e38 }", kFans, 1000)) {
    EXPECT_TRUE(std::isfinite(w));
  }
}

// Philox4x32-10 once more, in another form than the library's: 128-bit products, key kept as two
// words.
std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> counter, uint64_t key) {
  uint32_t k0 = static_cast<uint32_t>(key);
  uint32_t k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * counter[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ k0, static_cast<uint32_t>(p1),
               static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return counter;
}

std::array<uint32_t, 4> InitializerWords(uint64_t seed, uint32_t weight_index, uint64_t attempt,
                                         uint32_t element) {
  return Philox({element / 4, static_cast<uint32_t>(attempt), static_cast<uint32_t>(attempt >> 32),
                 (1U << 24) + weight_index},
                seed);
}

double Unit(uint32_t word) { return (word + 0.5) / 4294967296.0; }

double BoxMuller(uint64_t seed, uint32_t weight_index, uint64_t attempt, uint32_t element) {
  const std::array<uint32_t, 4> words = InitializerWords(seed, weight_index, attempt, element);
  const bool second_pair = element % 4 >= 2;
  const double radius = std::sqrt(-2 * std::log(Unit(words[second_pair ? 2 : 0])));
  const double angle = 2 * kPi * Unit(words[second_pair ? 3 : 1]);
  return radius * (element % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

TEST(Initializers, PhiloxOfThisTestMatchesThePublishedVectors) {
  // The known answers published with Random123 (kat_vectors, philox4x32 10).
  EXPECT_EQ(Philox({0, 0, 0, 0}, 0),
            (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, 0xffffffffffffffff),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822),
            (std::array<uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Initializers, ElementsAreThePhiloxNumbersTheContractNames) {
  constexpr uint64_t kSeed = 0x123456789abcdef0;
  constexpr uint32_t kWeight = 41;
  constexpr uint32_t kCount = 2003;
  const std::vector<float> uniform =
      Fill("random_uniform { minval: -2 maxval: 3 }", kFans, kCount, kSeed, kWeight);
  const std::vector<float> normal =
      Fill("random_normal { mean: 1 stddev: 2 }", kFans, kCount, kSeed, kWeight);
  const std::vector<float> truncated = Fill("he_normal {}", kFans, kCount, kSeed, kWeight);
  const double stddev = std::sqrt(2.0 / 300) / 0.87962566103423978;
  int redrawn = 0;
  for (uint32_t e = 0; e < kCount; ++e) {
    EXPECT_FLOAT_EQ(uniform[e], static_cast<float>(
                                    5 * Unit(InitializerWords(kSeed, kWeight, 0, e)[e % 4]) - 2));
    EXPECT_FLOAT_EQ(normal[e], static_cast<float>(1 + 2 * BoxMuller(kSeed, kWeight, 0, e)));
    uint64_t attempt = 0;
    while (std::abs(BoxMuller(kSeed, kWeight, attempt, e)) > 2) ++attempt;
    redrawn += attempt > 0;
    EXPECT_FLOAT_EQ(truncated[e],
                    static_cast<float>(stddev * BoxMuller(kSeed, kWeight, attempt, e)));
  }
  // 4.55 % lie outside two sigma; 2003 elements: 91 +- 9.3.
  EXPECT_GT(redrawn, 91 - 47);
  EXPECT_LT(redrawn, 91 + 47);
}

}  // namespace
}  // namespace anneal
