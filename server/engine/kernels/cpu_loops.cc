// How these loops stay fast without intrinsics: each body is a plain loop over one row of
// independent elements, with conditions written as selections, and an exponential made of
// multiplications and additions only (below), so that GCC turns every one into full-width vector
// code; what is left of the time is memory.
#include "server/engine/kernels/cpu_loops.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "server/engine/kernels/vectorized.h"

namespace anneal::cpu {
namespace {

// exp(x) = 2^n * e^r with n = round(x / ln 2) and |r| <= ln(2) / 2; e^r - 1 by Taylor's series to
// r^7 (the rest is below 2^-26 of the result). ln 2 is taken off in two parts, the first of which
// has trailing zeros, so that n * high is exact (Cody & Waite 1980). Adding 1.5 * 2^23 rounds to
// the nearest integer and leaves it in the low bits.
struct Reduced {
  float scale;       // 2^n
  float expm1_of_r;  // e^r - 1
};

ANNEAL_INLINE Reduced Reduce(float x) {
  constexpr float kRound = 12582912.0F;
  const float clamped = std::min(std::max(x, -87.0F), 88.0F);
  const float shifted = clamped * 1.44269504088896341F + kRound;
  const float n = shifted - kRound;
  const float r = (clamped - n * 0.693359375F) + n * 2.12194440054690583e-4F;
  float p = 1.0F / 5040;
  p = p * r + 1.0F / 720;
  p = p * r + 1.0F / 120;
  p = p * r + 1.0F / 24;
  p = p * r + 1.0F / 6;
  p = p * r + 0.5F;
  p = p * r * r + r;
  const int32_t exponent = std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRound);
  return {std::bit_cast<float>((exponent + 127) << 23), p};
}

// A NaN goes in, a NaN comes out: the clamp would hide it.
ANNEAL_INLINE float ExpInline(float x) {
  const Reduced reduced = Reduce(x);
  const float y = reduced.scale * reduced.expm1_of_r + reduced.scale;
  return x == x ? y : x;
}

// Exact near 0, where exp(x) - 1 would cancel.
ANNEAL_INLINE float Expm1Inline(float x) {
  const Reduced reduced = Reduce(x);
  const float y = reduced.scale * reduced.expm1_of_r + (reduced.scale - 1.0F);
  return x == x ? y : x;
}

constexpr float kSeluScale = 1.0507009873554805F;
constexpr float kSeluScaleAlpha = 1.7580993408473766F;  // scale * alpha

template <Function function>
ANNEAL_INLINE float Apply(float x) {
  if constexpr (function == Function::kRelu) return x < 0.0F ? 0.0F : x;  // NaN stays
  if constexpr (function == Function::kElu) {
    const float negative = Expm1Inline(std::min(x, 0.0F));
    return x < 0.0F ? negative : x;
  }
  if constexpr (function == Function::kSelu) {
    const float negative = kSeluScaleAlpha * Expm1Inline(std::min(x, 0.0F));
    return x < 0.0F ? negative : kSeluScale * x;
  }
  return x;
}

// f'(x) from y = f(x): for ELU exp(x) = y + 1, for SELU scale * alpha * exp(x) = y + scale * alpha.
template <Function function>
ANNEAL_INLINE float Derivative(float y) {
  if constexpr (function == Function::kRelu) return y > 0.0F ? 1.0F : 0.0F;
  if constexpr (function == Function::kElu) return y > 0.0F ? 1.0F : y + 1.0F;
  if constexpr (function == Function::kSelu) return y > 0.0F ? kSeluScale : y + kSeluScaleAlpha;
  return 1.0F;
}

template <Function function>
ANNEAL_INLINE void AddBiasAndActivateLoop(const float* bias, float* y, int64_t rows,
                                          int64_t columns) {
  for (int64_t row = 0; row < rows; ++row) {
    float* const line = y + row * columns;
    if (bias != nullptr) {
      for (int64_t c = 0; c < columns; ++c) line[c] = Apply<function>(line[c] + bias[c]);
    } else {
      for (int64_t c = 0; c < columns; ++c) line[c] = Apply<function>(line[c]);
    }
  }
}

// Plain copies of the template for target_clones, which does not apply to templates.
ANNEAL_VECTORIZED void AddBiasLinear(const float* bias, float* y, int64_t rows, int64_t columns) {
  AddBiasAndActivateLoop<Function::kLinear>(bias, y, rows, columns);
}
ANNEAL_VECTORIZED void AddBiasRelu(const float* bias, float* y, int64_t rows, int64_t columns) {
  AddBiasAndActivateLoop<Function::kRelu>(bias, y, rows, columns);
}
ANNEAL_VECTORIZED void AddBiasElu(const float* bias, float* y, int64_t rows, int64_t columns) {
  AddBiasAndActivateLoop<Function::kElu>(bias, y, rows, columns);
}
ANNEAL_VECTORIZED void AddBiasSelu(const float* bias, float* y, int64_t rows, int64_t columns) {
  AddBiasAndActivateLoop<Function::kSelu>(bias, y, rows, columns);
}

template <Function function>
ANNEAL_INLINE void BackwardLoop(const float* y, const float* dy, float* dx, int64_t count) {
  for (int64_t e = 0; e < count; ++e) dx[e] = dy[e] * Derivative<function>(y[e]);
}
ANNEAL_VECTORIZED void BackwardRelu(const float* y, const float* dy, float* dx, int64_t count) {
  BackwardLoop<Function::kRelu>(y, dy, dx, count);
}
ANNEAL_VECTORIZED void BackwardElu(const float* y, const float* dy, float* dx, int64_t count) {
  BackwardLoop<Function::kElu>(y, dy, dx, count);
}
ANNEAL_VECTORIZED void BackwardSelu(const float* y, const float* dy, float* dx, int64_t count) {
  BackwardLoop<Function::kSelu>(y, dy, dx, count);
}

// Columns are taken in strips that fit the registers and the stack; long sums are kept accurate by
// adding up at most 64 rows in float before adding to a double.
constexpr int64_t kStrip = 64;
constexpr int64_t kFloatRows = 64;

}  // namespace

void AddBiasAndActivate(Function function, const float* bias, float* y, int64_t rows,
                        int64_t columns) {
  switch (function) {
    case Function::kLinear:
      if (bias != nullptr) AddBiasLinear(bias, y, rows, columns);
      return;
    case Function::kRelu:
      return AddBiasRelu(bias, y, rows, columns);
    case Function::kElu:
      return AddBiasElu(bias, y, rows, columns);
    case Function::kSelu:
      return AddBiasSelu(bias, y, rows, columns);
  }
}

void Activate(Function function, const float* x, float* y, int64_t count) {
  if (x != y) std::memcpy(y, x, static_cast<size_t>(count) * sizeof(float));
  AddBiasAndActivate(function, nullptr, y, 1, count);
}

void ActivationBackward(Function function, const float* y, const float* dy, float* dx,
                        int64_t count) {
  switch (function) {
    case Function::kLinear:
      if (dx != dy) std::memcpy(dx, dy, static_cast<size_t>(count) * sizeof(float));
      return;
    case Function::kRelu:
      return BackwardRelu(y, dy, dx, count);
    case Function::kElu:
      return BackwardElu(y, dy, dx, count);
    case Function::kSelu:
      return BackwardSelu(y, dy, dx, count);
  }
}

ANNEAL_VECTORIZED void ColumnSums(const float* x, float* sums, int64_t rows, int64_t columns) {
  for (int64_t begin = 0; begin < columns; begin += kStrip) {
    const int64_t width = std::min(kStrip, columns - begin);
    double total[kStrip] = {};
    for (int64_t block = 0; block < rows; block += kFloatRows) {
      float partial[kStrip] = {};
      const int64_t end = std::min(block + kFloatRows, rows);
      for (int64_t row = block; row < end; ++row) {
        const float* const line = x + row * columns + begin;
        for (int64_t c = 0; c < width; ++c) partial[c] += line[c];
      }
      for (int64_t c = 0; c < width; ++c) total[c] += static_cast<double>(partial[c]);
    }
    for (int64_t c = 0; c < width; ++c) sums[begin + c] = static_cast<float>(total[c]);
  }
}

ANNEAL_VECTORIZED void Multiply(const float* a, const float* b, float* y, int64_t count) {
  for (int64_t e = 0; e < count; ++e) y[e] = a[e] * b[e];
}

ANNEAL_VECTORIZED void ConvertBytes(const uint8_t* bytes, float scale, float shift, float* y,
                                    int64_t count) {
  for (int64_t f = 0; f < count; ++f) y[f] = static_cast<float>(bytes[f]) * scale + shift;
}

ANNEAL_VECTORIZED void ConvertBytes(const uint8_t* bytes, const float* scale, const float* shift,
                                    float* y, int64_t count) {
  for (int64_t f = 0; f < count; ++f) y[f] = static_cast<float>(bytes[f]) * scale[f] + shift[f];
}

float CrossEntropyRow(const float* logits, int64_t classes, int32_t label, float factor,
                      float* gradient) {
  float largest = -std::numeric_limits<float>::infinity();
  for (int64_t k = 0; k < classes; ++k) largest = std::max(largest, logits[k]);
  const float of_label = logits[label];
  double sum = 0;
  for (int64_t k = 0; k < classes; ++k) sum += static_cast<double>(ExpInline(logits[k] - largest));
  // In double: log(sum) + (largest - label's logit) keeps its digits when the loss is small.
  const double loss =
      std::log(sum) + (static_cast<double>(largest) - static_cast<double>(of_label));
  if (gradient != nullptr) {
    const auto inverse = static_cast<float>(1.0 / sum);
    for (int64_t k = 0; k < classes; ++k) {
      gradient[k] = ExpInline(logits[k] - largest) * inverse * factor;
    }
    gradient[label] -= factor;
  }
  return static_cast<float>(loss);
}

float Exp(float x) { return ExpInline(x); }
float Expm1OfNonPositive(float x) { return Expm1Inline(x); }

}  // namespace anneal::cpu
