// Batch and layer normalization over row-major matrices.
#include <algorithm>
#include <cmath>

#include "server/engine/kernels/cpu_loops.h"
#include "server/engine/kernels/vectorized.h"

namespace anneal::cpu {
namespace {

// Columns are taken in strips that fit the registers and the stack; long sums are kept accurate by
// adding up at most 64 rows in float before adding to a double.
constexpr int64_t kStrip = 64;
constexpr int64_t kFloatRows = 64;

}  // namespace

ANNEAL_VECTORIZED void MeanAndVariance(const float* x, int64_t rows, int64_t columns, float* mean,
                                       float* variance) {
  const auto count = static_cast<double>(rows);
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
    float center[kStrip];
    for (int64_t c = 0; c < width; ++c) center[c] = static_cast<float>(total[c] / count);

    double squares[kStrip] = {};
    for (int64_t block = 0; block < rows; block += kFloatRows) {
      float partial[kStrip] = {};
      const int64_t end = std::min(block + kFloatRows, rows);
      for (int64_t row = block; row < end; ++row) {
        const float* const line = x + row * columns + begin;
        for (int64_t c = 0; c < width; ++c) {
          const float difference = line[c] - center[c];
          partial[c] += difference * difference;
        }
      }
      for (int64_t c = 0; c < width; ++c) squares[c] += static_cast<double>(partial[c]);
    }
    for (int64_t c = 0; c < width; ++c) {
      mean[begin + c] = center[c];
      variance[begin + c] = static_cast<float>(squares[c] / count);
    }
  }
}

ANNEAL_VECTORIZED void Normalize(const float* x, const float* mean, const float* inverse_deviation,
                                 const float* gamma, const float* beta, float* y, int64_t rows,
                                 int64_t columns) {
  for (int64_t begin = 0; begin < columns; begin += kStrip) {
    const int64_t width = std::min(kStrip, columns - begin);
    float factor[kStrip];
    float offset[kStrip];
    float center[kStrip];
    for (int64_t c = 0; c < width; ++c) {
      factor[c] = inverse_deviation[begin + c] * (gamma == nullptr ? 1.0F : gamma[begin + c]);
      offset[c] = beta == nullptr ? 0.0F : beta[begin + c];
      center[c] = mean[begin + c];
    }
    for (int64_t row = 0; row < rows; ++row) {
      const float* const line = x + row * columns + begin;
      float* const out = y + row * columns + begin;
      for (int64_t c = 0; c < width; ++c) out[c] = (line[c] - center[c]) * factor[c] + offset[c];
    }
  }
}

ANNEAL_VECTORIZED void NormalizeBackward(const float* x, const float* mean,
                                         const float* inverse_deviation, const float* gamma,
                                         const float* dy, float* gamma_gradient,
                                         float* beta_gradient, float* dx, int64_t rows,
                                         int64_t columns) {
  const auto count = static_cast<double>(rows);
  for (int64_t begin = 0; begin < columns; begin += kStrip) {
    const int64_t width = std::min(kStrip, columns - begin);
    float center[kStrip];
    float inverse[kStrip];
    for (int64_t c = 0; c < width; ++c) {
      center[c] = mean[begin + c];
      inverse[c] = inverse_deviation[begin + c];
    }
    double sum[kStrip] = {};
    double product[kStrip] = {};
    for (int64_t block = 0; block < rows; block += kFloatRows) {
      float partial_sum[kStrip] = {};
      float partial_product[kStrip] = {};
      const int64_t end = std::min(block + kFloatRows, rows);
      for (int64_t row = block; row < end; ++row) {
        const float* const line = x + row * columns + begin;
        const float* const gradient = dy + row * columns + begin;
        for (int64_t c = 0; c < width; ++c) {
          partial_sum[c] += gradient[c];
          partial_product[c] += gradient[c] * ((line[c] - center[c]) * inverse[c]);
        }
      }
      for (int64_t c = 0; c < width; ++c) {
        sum[c] += static_cast<double>(partial_sum[c]);
        product[c] += static_cast<double>(partial_product[c]);
      }
    }
    float factor[kStrip];
    float mean_gradient[kStrip];
    float mean_product[kStrip];
    for (int64_t c = 0; c < width; ++c) {
      beta_gradient[begin + c] = static_cast<float>(sum[c]);
      gamma_gradient[begin + c] = static_cast<float>(product[c]);
      mean_gradient[c] = static_cast<float>(sum[c] / count);
      mean_product[c] = static_cast<float>(product[c] / count);
      factor[c] = inverse[c] * (gamma == nullptr ? 1.0F : gamma[begin + c]);
    }
    if (dx == nullptr) continue;
    for (int64_t row = 0; row < rows; ++row) {
      const float* const line = x + row * columns + begin;
      const float* const gradient = dy + row * columns + begin;
      float* const out = dx + row * columns + begin;
      for (int64_t c = 0; c < width; ++c) {
        const float normalized = (line[c] - center[c]) * inverse[c];
        out[c] = factor[c] * (gradient[c] - mean_gradient[c] - normalized * mean_product[c]);
      }
    }
  }
}

ANNEAL_VECTORIZED void NormalizeRows(const float* x, float epsilon, const float* gamma,
                                     const float* beta, float* normalized, float* inverse_deviation,
                                     float* y, int64_t rows, int64_t columns) {
  const auto count = static_cast<double>(columns);
  for (int64_t row = 0; row < rows; ++row) {
    const float* const line = x + row * columns;
    float* const hat = normalized + row * columns;
    float* const out = y + row * columns;
    double sum = 0;
    for (int64_t c = 0; c < columns; ++c) sum += static_cast<double>(line[c]);
    const auto mean = static_cast<float>(sum / count);
    double squares = 0;
    for (int64_t c = 0; c < columns; ++c) {
      hat[c] = line[c] - mean;
      squares += static_cast<double>(hat[c] * hat[c]);
    }
    const float inverse = 1.0F / std::sqrt(static_cast<float>(squares / count) + epsilon);
    inverse_deviation[row] = inverse;
    for (int64_t c = 0; c < columns; ++c) hat[c] *= inverse;
    for (int64_t c = 0; c < columns; ++c) out[c] = hat[c];
    if (gamma != nullptr) {
      for (int64_t c = 0; c < columns; ++c) out[c] *= gamma[c];
    }
    if (beta != nullptr) {
      for (int64_t c = 0; c < columns; ++c) out[c] += beta[c];
    }
  }
}

ANNEAL_VECTORIZED void NormalizeRowsBackward(const float* normalized,
                                             const float* inverse_deviation, const float* gamma,
                                             const float* dy, float* gamma_gradient,
                                             float* beta_gradient, float* dx, int64_t rows,
                                             int64_t columns) {
  for (int64_t c = 0; c < columns; ++c) gamma_gradient[c] = beta_gradient[c] = 0.0F;
  const auto count = static_cast<double>(columns);
  for (int64_t row = 0; row < rows; ++row) {
    const float* const hat = normalized + row * columns;
    const float* const upstream = dy + row * columns;
    double sum = 0;
    double product = 0;
    for (int64_t c = 0; c < columns; ++c) {
      gamma_gradient[c] += upstream[c] * hat[c];
      beta_gradient[c] += upstream[c];
      const float scaled = gamma == nullptr ? upstream[c] : upstream[c] * gamma[c];
      sum += static_cast<double>(scaled);
      product += static_cast<double>(scaled * hat[c]);
    }
    if (dx == nullptr) continue;
    const auto mean = static_cast<float>(sum / count);
    const auto mean_product = static_cast<float>(product / count);
    float* const out = dx + row * columns;
    for (int64_t c = 0; c < columns; ++c) {
      const float scaled = gamma == nullptr ? upstream[c] : upstream[c] * gamma[c];
      out[c] = (scaled - mean - hat[c] * mean_product) * inverse_deviation[row];
    }
  }
}

}  // namespace anneal::cpu
