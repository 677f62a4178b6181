// The optimizers' arithmetic: one pass over flat arrays, no LibTorch.
//
// Every array holds `count` float32 values; they must not overlap, and run fastest when aligned to
// 64 bytes. All constants of a step are computed by the caller in double and given here as float.
// Thread-safe on different arrays.
//
// Each loop is compiled for AVX-512, for AVX2 with FMA, and for the baseline processor; the
// machine's best is bound when the program starts. Fused multiply-adds round once where the
// baseline rounds twice, so the three differ in the last bit; one machine always gives the same
// bits.
//
// A running mean is given by its share, 1 - beta or 1 - rho, and computed as
// (m - share m) + share x. Made from the float nearest to 0.999, 1 - beta would be off in the fifth
// digit.
//
// A gradient that is NaN makes its weight NaN, and no other.
#pragma once

#include <cstdint>

namespace anneal::kernels {

// w -= decay w
void DecayWeights(float decay, int64_t count, float* parameters);

// w -= learning_rate g
void SgdStep(float learning_rate, int64_t count, float* parameters, const float* gradients);

// velocity = momentum velocity - learning_rate g; w += velocity
void SgdMomentumStep(float learning_rate, float momentum, int64_t count, float* parameters,
                     const float* gradients, float* velocity);

// velocity = momentum velocity - learning_rate g; w += momentum velocity - learning_rate g
void SgdNesterovStep(float learning_rate, float momentum, int64_t count, float* parameters,
                     const float* gradients, float* velocity);

struct RmsPropConstants {
  float learning_rate = 0;
  float share = 0;           // 1 - rho
  float variance_share = 0;  // rho (1 - rho)
  float momentum = 0;
  float epsilon = 0;  // greater than 0
};

// Centered where `mean` is not null, with momentum where `velocity` is not null.
//   not centered: square = rho square + (1-rho) g^2
//   centered:     square = rho square + rho (1-rho) (g - mean)^2; mean += (1-rho) (g - mean)
//   step = learning_rate g / sqrt(square + epsilon)
//   without momentum: w -= step; with: velocity = momentum velocity + step; w -= velocity
void RmsPropStep(RmsPropConstants constants, int64_t count, float* parameters,
                 const float* gradients, float* square, float* mean, float* velocity);

// accumulator += g^2; w -= learning_rate g / sqrt(accumulator + epsilon); epsilon greater than 0
void AdagradStep(float learning_rate, float epsilon, int64_t count, float* parameters,
                 const float* gradients, float* accumulator);

struct AdadeltaConstants {
  float learning_rate = 0;
  float share = 0;    // 1 - rho
  float epsilon = 0;  // greater than 0
};

// square = rho square + (1-rho) g^2; d = g sqrt(delta + epsilon) / sqrt(square + epsilon);
// delta = rho delta + (1-rho) d^2; w -= learning_rate d
void AdadeltaStep(AdadeltaConstants constants, int64_t count, float* parameters,
                  const float* gradients, float* square, float* delta);

// What Adam and Nadam remember: m = beta_1 m + (1-beta_1) g; v = beta_2 v + (1-beta_2) g^2.
struct MomentConstants {
  float share_1 = 0;  // 1 - beta_1
  float share_2 = 0;  // 1 - beta_2
};

struct AdamConstants {
  MomentConstants moments;
  float step_size = 0;  // learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t)
  float epsilon = 0;    // greater than 0
};

// m and v, then w -= step_size m / (sqrt(v) + epsilon)
void AdamStep(AdamConstants constants, int64_t count, float* parameters, const float* gradients,
              float* m, float* v);

// m and v, largest_v = max(largest_v, v), then w -= step_size m / (sqrt(largest_v) + epsilon)
void AmsgradStep(AdamConstants constants, int64_t count, float* parameters, const float* gradients,
                 float* m, float* v, float* largest_v);

struct AdamaxConstants {
  float share_1 = 0;  // 1 - beta_1
  float beta_2 = 0;
  float step_size = 0;  // learning_rate / (1 - beta_1^t)
  float epsilon = 0;    // greater than 0
};

// m = beta_1 m + (1-beta_1) g; u = max(beta_2 u, |g|); w -= step_size m / (u + epsilon)
void AdamaxStep(AdamaxConstants constants, int64_t count, float* parameters, const float* gradients,
                float* m, float* u);

struct NadamConstants {
  MomentConstants moments;
  float momentum_step = 0;  // learning_rate u_{t+1} / (1 - u_1 .. u_{t+1})
  float gradient_step = 0;  // learning_rate (1 - u_t) / (1 - u_1 .. u_t)
  float root_scale = 0;     // 1 / sqrt(1 - beta_2^t)
  float epsilon = 0;        // greater than 0
};

// m and v, then w -= (momentum_step m + gradient_step g) / (root_scale sqrt(v) + epsilon)
void NadamStep(NadamConstants constants, int64_t count, float* parameters, const float* gradients,
               float* m, float* v);

// w -= learning_rate sign(beta_1 m + (1-beta_1) g); m = beta_2 m + (1-beta_2) g. The sign of 0 is
// 0, that of NaN is NaN.
void LionStep(float learning_rate, MomentConstants constants, int64_t count, float* parameters,
              const float* gradients, float* m);

}  // namespace anneal::kernels
