// Plain loops, so that the compiler vectorizes them, once per instruction set. Needs
// -fno-math-errno (a square root that may set errno cannot be vectorized); nothing here relaxes the
// arithmetic otherwise: roots and quotients are exact.
//
// A step of Adam reads four arrays and writes three, 28 bytes a parameter: it is bound by memory,
// and separate passes for m, v and w would cost three times as much.
//
// v is a sum of two positive terms rather than Keras's v += (1 - beta_2) (g^2 - v), which is the
// same number but, in float and with a beta_2 near 0, loses a small g^2 beside a large v
// altogether: v becomes 0 and the weight leaps.
#include "server/engine/kernels/optimizer_kernels.h"

#include <cmath>

// ThreadSanitizer cannot start a program whose functions are chosen while it is being loaded.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && \
    defined(__gnu_linux__) && !defined(__SANITIZE_THREAD__)
#define ANNEAL_VECTOR_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ANNEAL_VECTOR_CLONES
#endif

namespace anneal::kernels {

ANNEAL_VECTOR_CLONES
void SgdStep(float learning_rate, int64_t count, float* __restrict parameters,
             const float* __restrict gradients) {
  for (int64_t i = 0; i < count; ++i) parameters[i] -= learning_rate * gradients[i];
}

ANNEAL_VECTOR_CLONES
void SgdMomentumStep(float learning_rate, float momentum, int64_t count,
                     float* __restrict parameters, const float* __restrict gradients,
                     float* __restrict velocity) {
  for (int64_t i = 0; i < count; ++i) {
    const float next = momentum * velocity[i] - learning_rate * gradients[i];
    velocity[i] = next;
    parameters[i] += next;
  }
}

ANNEAL_VECTOR_CLONES
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

ANNEAL_VECTOR_CLONES
void AdamStep(AdamConstants constants, int64_t count, float* __restrict parameters,
              const float* __restrict gradients, float* __restrict m, float* __restrict v) {
  const MomentConstants moments = constants.moments;
  for (int64_t i = 0; i < count; ++i) {
    const float gradient = gradients[i];
    const float mean = moments.beta_1 * m[i] + moments.one_minus_beta_1 * gradient;
    const float square = moments.beta_2 * v[i] + moments.one_minus_beta_2 * (gradient * gradient);
    m[i] = mean;
    v[i] = square;
    parameters[i] -= constants.step_size * mean / (std::sqrt(square) + constants.epsilon);
  }
}

ANNEAL_VECTOR_CLONES
void NadamStep(NadamConstants constants, int64_t count, float* __restrict parameters,
               const float* __restrict gradients, float* __restrict m, float* __restrict v) {
  const MomentConstants moments = constants.moments;
  for (int64_t i = 0; i < count; ++i) {
    const float gradient = gradients[i];
    const float mean = moments.beta_1 * m[i] + moments.one_minus_beta_1 * gradient;
    const float square = moments.beta_2 * v[i] + moments.one_minus_beta_2 * (gradient * gradient);
    m[i] = mean;
    v[i] = square;
    parameters[i] -= (constants.momentum_step * mean + constants.gradient_step * gradient) /
                     (constants.root_scale * std::sqrt(square) + constants.epsilon);
  }
}

}  // namespace anneal::kernels
