// Sums over weights and gradients, and changes in place that go by them: no LibTorch, nothing
// allocated.
//
// Arrays are float32; sums are in double, in sixteen interleaved parts that are added at the end,
// so that the order of additions, and with it the result, depends on nothing but `count`.
// Thread-safe on different arrays. Compiled for several processors, as the loops of
// optimizer_kernels.h.
#pragma once

#include <cstdint>

namespace anneal::kernels {

// Sum of x^2.
double SumOfSquares(int64_t count, const float* values);

// x *= factor
void ScaleValues(float factor, int64_t count, float* values);

// x = min(max(x, -limit), limit); NaN stays.
void ClipValues(float limit, int64_t count, float* values);

// x = max(x, 0); NaN stays.
void ClipNegatives(int64_t count, float* values);

struct WeightSums {
  double absolutes = 0;  // sum of |w|
  double squares = 0;    // sum of w^2
};

WeightSums SumWeights(int64_t count, const float* weights);

// SumWeights, and on the way g += l1 sign(w) + twice_l2 w. The sign of 0 is 0.
WeightSums AddPenaltyGradients(float l1, float twice_l2, int64_t count, const float* weights,
                               float* gradients);

// sums[c] = sum over the rows of x[r][c]^2, for x [rows, columns].
void ColumnSumsOfSquares(int64_t rows, int64_t columns, const float* values, double* sums);

// x[r][c] *= factors[c]; the product is rounded to float once.
void ScaleColumns(int64_t rows, int64_t columns, const double* factors, float* values);

}  // namespace anneal::kernels
