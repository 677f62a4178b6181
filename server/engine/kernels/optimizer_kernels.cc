// Plain loops, so that the compiler vectorizes them, once per instruction set. Needs
// -fno-math-errno (a square root that may set errno cannot be vectorized); nothing here relaxes the
// arithmetic otherwise: roots and quotients are exact.
//
// A step of Adam reads four arrays and writes three, 28 bytes a parameter: it is bound by memory,
// and separate passes for m, v and w would cost three times as much.
//
// A running mean is (m - share m) + share x rather than Keras's m + share (x - m), which is the
// same number but, in float and with a share near 1, loses a small x beside a large m altogether:
// Adam's v becomes 0 and the weight leaps.
//
// A centered RMSprop keeps the variance itself. Keras keeps the mean of the squares and takes the
// squared mean off, which in float leaves only rounding where gradients hardly change, at times a
// negative number under the root. Both are the same in exact arithmetic:
//   rho v + (1-rho) g^2 - (rho a + (1-rho) g)^2 = rho (v - a^2) + rho (1-rho) (g - a)^2.
#include "server/engine/kernels/optimizer_kernels.h"

#include <algorithm>
#include <cmath>

#include "server/engine/kernels/vectorized.h"

namespace anneal::kernels {
namespace {

// The running mean `mean` after one more `value`.
ANNEAL_INLINE float Blend(float mean, float share, float value) {
  return (mean - share * mean) + share * value;
}

}  // namespace

ANNEAL_VECTORIZED
void DecayWeights(float decay, int64_t count, float* __restrict parameters) {
  for (int64_t i = 0; i < count; ++i) parameters[i] -= decay * parameters[i];
}

ANNEAL_VECTORIZED
void SgdStep(float learning_rate, int64_t count, float* __restrict parameters,
             const float* __restrict gradients) {
  for (int64_t i = 0; i < count; ++i) parameters[i] -= learning_rate * gradients[i];
}

ANNEAL_VECTORIZED
void SgdMomentumStep(float learning_rate, float momentum, int64_t count,
                     float* __restrict parameters, const float* __restrict gradients,
                     float* __restrict velocity) {
  for (int64_t i = 0; i < count; ++i) {
    const float next = momentum * velocity[i] - learning_rate * gradients[i];
    velocity[i] = next;
    parameters[i] += next;
  }
}

ANNEAL_VECTORIZED
void SgdNesterovStep(float learning_rate, float momentum, int64_t count,
                     float* __restrict parameters, const float* __restrict gradients,
                     float* __restrict velocity) {
  for (int64_t i = 0; i < count; ++i) {
    const float descent = learning_rate * gradients[i];
    const float next = momentum * velocity[i] - descent;
    velocity[i] = next;
    parameters[i] += momentum * next - descent;
  }
}

namespace {

// One of the four loops of RMSprop, inlined into each instruction set's RmsPropStep.
template <bool kCentered, bool kMomentum>
ANNEAL_INLINE void RmsPropLoop(const RmsPropConstants& constants, int64_t count,
                               float* __restrict parameters, const float* __restrict gradients,
                               float* __restrict square, float* __restrict mean,
                               float* __restrict velocity) {
  for (int64_t i = 0; i < count; ++i) {
    const float gradient = gradients[i];
    float next_square = 0;
    if constexpr (kCentered) {
      const float deviation = gradient - mean[i];
      next_square = square[i] - constants.share * square[i] +
                    constants.variance_share * (deviation * deviation);
      mean[i] += constants.share * deviation;
    } else {
      next_square = Blend(square[i], constants.share, gradient * gradient);
    }
    square[i] = next_square;
    const float step =
        constants.learning_rate * gradient / std::sqrt(next_square + constants.epsilon);
    if constexpr (kMomentum) {
      const float next_velocity = constants.momentum * velocity[i] + step;
      velocity[i] = next_velocity;
      parameters[i] -= next_velocity;
    } else {
      parameters[i] -= step;
    }
  }
}

}  // namespace

ANNEAL_VECTORIZED
void RmsPropStep(RmsPropConstants constants, int64_t count, float* __restrict parameters,
                 const float* __restrict gradients, float* __restrict square,
                 float* __restrict mean, float* __restrict velocity) {
  if (mean != nullptr && velocity != nullptr) {
    RmsPropLoop<true, true>(constants, count, parameters, gradients, square, mean, velocity);
  } else if (mean != nullptr) {
    RmsPropLoop<true, false>(constants, count, parameters, gradients, square, mean, velocity);
  } else if (velocity != nullptr) {
    RmsPropLoop<false, true>(constants, count, parameters, gradients, square, mean, velocity);
  } else {
    RmsPropLoop<false, false>(constants, count, parameters, gradients, square, mean, velocity);
  }
}

ANNEAL_VECTORIZED
void AdagradStep(float learning_rate, float epsilon, int64_t count, float* __restrict parameters,
                 const float* __restrict gradients, float* __restrict accumulator) {
  for (int64_t i = 0; i < count; ++i) {
    const float gradient = gradients[i];
    const float sum = accumulator[i] + gradient * gradient;
    accumulator[i] = sum;
    parameters[i] -= learning_rate * gradient / std::sqrt(sum + epsilon);
  }
}

ANNEAL_VECTORIZED
void AdadeltaStep(AdadeltaConstants constants, int64_t count, float* __restrict parameters,
                  const float* __restrict gradients, float* __restrict square,
                  float* __restrict delta) {
  for (int64_t i = 0; i < count; ++i) {
    const float gradient = gradients[i];
    const float next_square = Blend(square[i], constants.share, gradient * gradient);
    const float change = gradient * std::sqrt(delta[i] + constants.epsilon) /
                         std::sqrt(next_square + constants.epsilon);
    square[i] = next_square;
    delta[i] = Blend(delta[i], constants.share, change * change);
    parameters[i] -= constants.learning_rate * change;
  }
}

ANNEAL_VECTORIZED
void AdamStep(AdamConstants constants, int64_t count, float* __restrict parameters,
              const float* __restrict gradients, float* __restrict m, float* __restrict v) {
  const MomentConstants moments = constants.moments;
  for (int64_t i = 0; i < count; ++i) {
    const float gradient = gradients[i];
    const float mean = Blend(m[i], moments.share_1, gradient);
    const float square = Blend(v[i], moments.share_2, gradient * gradient);
    m[i] = mean;
    v[i] = square;
    parameters[i] -= constants.step_size * mean / (std::sqrt(square) + constants.epsilon);
  }
}

ANNEAL_VECTORIZED
void AmsgradStep(AdamConstants constants, int64_t count, float* __restrict parameters,
                 const float* __restrict gradients, float* __restrict m, float* __restrict v,
                 float* __restrict largest_v) {
  const MomentConstants moments = constants.moments;
  for (int64_t i = 0; i < count; ++i) {
    const float gradient = gradients[i];
    const float mean = Blend(m[i], moments.share_1, gradient);
    const float square = Blend(v[i], moments.share_2, gradient * gradient);
    const float largest = std::max(largest_v[i], square);
    m[i] = mean;
    v[i] = square;
    largest_v[i] = largest;
    parameters[i] -= constants.step_size * mean / (std::sqrt(largest) + constants.epsilon);
  }
}

ANNEAL_VECTORIZED
void AdamaxStep(AdamaxConstants constants, int64_t count, float* __restrict parameters,
                const float* __restrict gradients, float* __restrict m, float* __restrict u) {
  for (int64_t i = 0; i < count; ++i) {
    const float gradient = gradients[i];
    const float mean = Blend(m[i], constants.share_1, gradient);
    const float largest = std::max(constants.beta_2 * u[i], std::abs(gradient));
    m[i] = mean;
    u[i] = largest;
    parameters[i] -= constants.step_size * mean / (largest + constants.epsilon);
  }
}

ANNEAL_VECTORIZED
void NadamStep(NadamConstants constants, int64_t count, float* __restrict parameters,
               const float* __restrict gradients, float* __restrict m, float* __restrict v) {
  const MomentConstants moments = constants.moments;
  for (int64_t i = 0; i < count; ++i) {
    const float gradient = gradients[i];
    const float mean = Blend(m[i], moments.share_1, gradient);
    const float square = Blend(v[i], moments.share_2, gradient * gradient);
    m[i] = mean;
    v[i] = square;
    parameters[i] -= (constants.momentum_step * mean + constants.gradient_step * gradient) /
                     (constants.root_scale * std::sqrt(square) + constants.epsilon);
  }
}

ANNEAL_VECTORIZED
void LionStep(float learning_rate, MomentConstants constants, int64_t count,
              float* __restrict parameters, const float* __restrict gradients,
              float* __restrict m) {
  for (int64_t i = 0; i < count; ++i) {
    const float gradient = gradients[i];
    const float direction = Blend(m[i], constants.share_1, gradient);
    const float sign = direction > 0.0F ? 1.0F : (direction < 0.0F ? -1.0F : direction);
    m[i] = Blend(m[i], constants.share_2, gradient);
    parameters[i] -= learning_rate * sign;
  }
}

}  // namespace anneal::kernels
