// The CPU's inner loops, on plain pointers: no LibTorch, so that they compile in seconds and can be
// read alone.
//
// Each is compiled three times (AVX-512, AVX2, baseline) and chosen when the program is loaded; GCC
// vectorizes the loops as written. Results may differ between the three in the last bits (fused
// multiply-add), never between two runs on one machine. Pointers must not overlap unless said;
// `rows` x `columns` are row-major matrices.
#pragma once

#include <array>
#include <cstdint>

namespace anneal::cpu {

enum class Function { kLinear, kRelu, kElu, kSelu };

// y = f(y + bias) in place; bias may be null.
void AddBiasAndActivate(Function function, const float* bias, float* y, int64_t rows,
                        int64_t columns);
// y = f(x); y may be x.
void Activate(Function function, const float* x, float* y, int64_t count);
// dx = dy * f', from y; dx may be dy.
void ActivationBackward(Function function, const float* y, const float* dy, float* dx,
                        int64_t count);

void ColumnSums(const float* x, float* sums, int64_t rows, int64_t columns);
void Multiply(const float* a, const float* b, float* y, int64_t count);  // y may be a or b

// x [samples, height, width, channels], y and choice [samples, out_height, out_width, channels].
struct Pool {
  int64_t samples, height, width, channels, out_height, out_width;
  int64_t kernel_height, kernel_width, stride_height, stride_width, pad_top, pad_left;
};
void MaxPool(const Pool& pool, const float* x, float* y, uint8_t* choice);
void MaxPoolBackward(const Pool& pool, const uint8_t* choice, const float* dy, float* dx);
void AveragePool(const Pool& pool, const float* x, float* y);
void AveragePoolBackward(const Pool& pool, const float* dy, float* dx);

// Mean and biased variance of each column. Sums of up to 64 rows in float, those in double.
void MeanAndVariance(const float* x, int64_t rows, int64_t columns, float* mean, float* variance);
// y = (x - mean) * inverse_deviation * gamma + beta; gamma, beta may be null; y may be x.
void Normalize(const float* x, const float* mean, const float* inverse_deviation,
               const float* gamma, const float* beta, float* y, int64_t rows, int64_t columns);
// gamma_gradient = sum dy * x^, beta_gradient = sum dy,
// dx = gamma * inverse_deviation * (dy - beta_gradient / rows - x^ * gamma_gradient / rows); dx may
// be dy, or null.
void NormalizeBackward(const float* x, const float* mean, const float* inverse_deviation,
                       const float* gamma, const float* dy, float* gamma_gradient,
                       float* beta_gradient, float* dx, int64_t rows, int64_t columns);

// Each row by its own mean and biased variance; inverse_deviation [rows]; gamma, beta may be null.
void NormalizeRows(const float* x, float epsilon, const float* gamma, const float* beta,
                   float* normalized, float* inverse_deviation, float* y, int64_t rows,
                   int64_t columns);
// dx may be dy, or null.
void NormalizeRowsBackward(const float* normalized, const float* inverse_deviation,
                           const float* gamma, const float* dy, float* gamma_gradient,
                           float* beta_gradient, float* dx, int64_t rows, int64_t columns);

// y[f] = bytes[f] * scale + shift
void ConvertBytes(const uint8_t* bytes, float scale, float shift, float* y, int64_t count);
// y[f] = bytes[f] * scale[f] + shift[f]
void ConvertBytes(const uint8_t* bytes, const float* scale, const float* shift, float* y,
                  int64_t count);

// Softmax cross-entropy of one row; gradient (may be null, may be logits) = (softmax - one_hot) *
// factor. Returns the loss.
float CrossEntropyRow(const float* logits, int64_t classes, int32_t label, float factor,
                      float* gradient);

// For tests: the exponential that the loops use, and exp(x) - 1 for x <= 0.
float Exp(float x);
float Expm1OfNonPositive(float x);

}  // namespace anneal::cpu
