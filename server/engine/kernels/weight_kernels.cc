// Plain loops for the compiler to vectorize. A sum in one variable is a chain of additions that it
// may not reorder; in kParts variables it is kParts chains side by side.
#include "server/engine/kernels/weight_kernels.h"

#include <algorithm>
#include <cmath>

#include "server/engine/kernels/vectorized.h"

namespace anneal::kernels {
namespace {

constexpr int64_t kParts = 16;

ANNEAL_INLINE double Total(const double* parts) {
  double total = 0;
  for (int64_t i = 0; i < kParts; ++i) total += parts[i];
  return total;
}

// Calls body(i, part) for every i below `count`, part being i % kParts.
template <typename Body>
ANNEAL_INLINE void ForEachPart(int64_t count, const Body& body) {
  const int64_t whole = count - count % kParts;
  for (int64_t begin = 0; begin < whole; begin += kParts) {
    for (int64_t part = 0; part < kParts; ++part) body(begin + part, part);
  }
  for (int64_t i = whole; i < count; ++i) body(i, i - whole);
}

}  // namespace

ANNEAL_VECTORIZED
double SumOfSquares(int64_t count, const float* __restrict values) {
  double squares[kParts] = {};
  ForEachPart(
      count, [&](int64_t i, int64_t part) __attribute__((always_inline)) {
        const double value = values[i];
        squares[part] += value * value;
      });
  return Total(squares);
}

ANNEAL_VECTORIZED
void ScaleValues(float factor, int64_t count, float* __restrict values) {
  for (int64_t i = 0; i < count; ++i) values[i] *= factor;
}

ANNEAL_VECTORIZED
void ClipValues(float limit, int64_t count, float* __restrict values) {
  for (int64_t i = 0; i < count; ++i) values[i] = std::min(std::max(values[i], -limit), limit);
}

ANNEAL_VECTORIZED
void ClipNegatives(int64_t count, float* __restrict values) {
  for (int64_t i = 0; i < count; ++i) values[i] = std::max(values[i], 0.0F);
}

ANNEAL_VECTORIZED
WeightSums SumWeights(int64_t count, const float* __restrict weights) {
  double absolutes[kParts] = {};
  double squares[kParts] = {};
  ForEachPart(
      count, [&](int64_t i, int64_t part) __attribute__((always_inline)) {
        const double weight = weights[i];
        absolutes[part] += std::abs(weight);
        squares[part] += weight * weight;
      });
  return {Total(absolutes), Total(squares)};
}

ANNEAL_VECTORIZED
WeightSums AddPenaltyGradients(float l1, float twice_l2, int64_t count,
                               const float* __restrict weights, float* __restrict gradients) {
  double absolutes[kParts] = {};
  double squares[kParts] = {};
  ForEachPart(
      count, [&](int64_t i, int64_t part) __attribute__((always_inline)) {
        const float weight = weights[i];
        const double wide = weight;
        absolutes[part] += std::abs(wide);
        squares[part] += wide * wide;
        const float sign = weight > 0.0F ? l1 : (weight < 0.0F ? -l1 : 0.0F);
        gradients[i] += sign + twice_l2 * weight;
      });
  return {Total(absolutes), Total(squares)};
}

ANNEAL_VECTORIZED
void ColumnSumsOfSquares(int64_t rows, int64_t columns, const float* __restrict values,
                         double* __restrict sums) {
  if (columns == 1) {
    sums[0] = SumOfSquares(rows, values);
    return;
  }
  std::fill_n(sums, columns, 0.0);
  for (int64_t r = 0; r < rows; ++r) {
    const float* row = values + r * columns;
    for (int64_t c = 0; c < columns; ++c) {
      const double value = row[c];
      sums[c] += value * value;
    }
  }
}

ANNEAL_VECTORIZED
void ScaleColumns(int64_t rows, int64_t columns, const double* __restrict factors,
                  float* __restrict values) {
  for (int64_t r = 0; r < rows; ++r) {
    float* row = values + r * columns;
    for (int64_t c = 0; c < columns; ++c) {
      row[c] = static_cast<float>(static_cast<double>(row[c]) * factors[c]);
    }
  }
}

}  // namespace anneal::kernels
