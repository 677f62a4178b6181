// The optimizers of Keras 3, with its formulas, on flat buffers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "anneal/v1/optimizer.pb.h"
#include "server/engine/compute_path.h"

namespace anneal {

namespace internal {
struct OptimizerSetting;
}

// Updates every parameter of a network, which lie in one flat buffer, in one pass. Not thread-safe.
//
//   SGD      w -= lr g; with momentum: velocity = mu velocity - lr g, w += velocity
//            (nesterov: w += mu velocity - lr g)
//   RMSprop  v = rho v + (1 - rho) g^2; centered: a = rho a + (1 - rho) g and v - a^2 in place of v
//            b = mu b + lr g / sqrt(v + epsilon), w -= b (Tieleman & Hinton 2012)
//   Adagrad  a += g^2, w -= lr g / sqrt(a + epsilon) (Duchi et al. 2011)
//   Adadelta a = rho a + (1 - rho) g^2, d = -sqrt(s + epsilon) / sqrt(a + epsilon) g
//            s = rho s + (1 - rho) d^2, w += lr d (Zeiler 2012)
//   Adam     w -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon)
//            (Kingma & Ba 2015, end of section 2); amsgrad: the largest v so far in place of v
//            (Reddi et al. 2018)
//   AdamW    Adam whose weight_decay is 0.004 where none is given (Loshchilov & Hutter 2019)
//   Adamax   u = max(b2 u, |g|), w -= lr / (1 - b1^t) m / (u + epsilon)
//            (Kingma & Ba 2015, section 7.1)
//   Nadam    u_t = b1 (1 - 0.5 * 0.96^t)
//            w -= lr (u_{t+1} m / (1 - u_1 .. u_{t+1}) + (1 - u_t) g / (1 - u_1 .. u_t))
//                 / (sqrt(v / (1 - b2^t)) + epsilon)
//            (Dozat 2016; Keras 3)
//   Lion     w -= lr sign(b1 m' + (1 - b1) g), m = b2 m' + (1 - b2) g, m' the m before
//            (Chen et al. 2023)
//   with m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, t = 1 at the first step.
//
// weight_decay is decoupled: w -= lr weight_decay w, before the rest of the step, for every
// parameter. Clipping and the schedule are not applied here: gradient_clipping.h,
// learning_rate_schedule.h.
//
// What is the same for every parameter is computed in double and rounded to float once a step; 1 -
// b1 and 1 - b2 are rounded to float first, so that a weight of (1 - b2^t) in v is exactly what the
// correction takes out again. An epsilon below the smallest normal float counts as that, so that a
// parameter whose gradient has always been 0 stays where it is.
class Optimizer {
 public:
  // For `count` (>= 0) parameters on `device`; state as before the first step. `spec` must have a
  // kind. Throws c10::Error where memory is short.
  static std::unique_ptr<Optimizer> Create(const v1::Optimizer& spec, int64_t count,
                                           at::Device device);

  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // One step, in place. parameters, gradients: float32 [count], contiguous, on the device given to
  // Create (on the CPU fastest when aligned to 64 bytes, as LibTorch's own are). Allocates nothing
  // on the CPU; on other devices nothing there, and on the host the few bytes in which LibTorch
  // wraps a scalar. Throws c10::Error where a buffer is not so.
  void Step(at::Tensor& parameters, const at::Tensor& gradients);

  // The rate of the next step; schedules set it.
  double learning_rate() const { return learning_rate_; }
  void set_learning_rate(double learning_rate) { learning_rate_ = learning_rate; }

  // The rest is what a checkpoint keeps beside the parameters.

  // float32 [count] each, sharing storage with the optimizer, so that copying into them restores
  // it. SGD: {velocity}, without momentum {}. RMSprop: {v}, centered {v - a^2, a}, and last, with
  // momentum, b. Adagrad: {a}. Adadelta: {a, s}. Adam, AdamW, Nadam: {m, v}, amsgrad {m, v,
  // largest v}. Adamax: {m, u}. Lion: {m}.
  const std::vector<at::Tensor>& moments() const { return moments_; }

  // Steps taken.
  int64_t step() const { return step_; }
  void set_step(int64_t step) { step_ = step; }

  // Nadam: u_1 .. u_t of the steps taken. 1 for the others.
  double momentum_product() const { return momentum_product_; }
  void set_momentum_product(double product) { momentum_product_ = product; }

 protected:
  Optimizer(double learning_rate, const internal::OptimizerSetting& setting, int moment_count);

  // Step number step_ (from 1) with buffers that have been checked and weights that have decayed.
  virtual void Update(at::Tensor& parameters, const at::Tensor& gradients) = 0;

  // Raw loops on CPU memory, rather than LibTorch's operations.
  bool fused() const { return fused_; }
  float* moment(size_t i) { return moments_[i].data_ptr<float>(); }

  const int64_t count_;
  const at::Device device_;
  double learning_rate_;
  std::vector<at::Tensor> moments_;
  int64_t step_ = 0;
  double momentum_product_ = 1.0;

 private:
  const bool fused_;
  const double weight_decay_;
};

namespace internal {

// Create() with the path chosen by the caller, so that tests can compare the two on the CPU. kAten
// needs one more buffer of `count` floats where a step divides by a root, two for Adadelta.
std::unique_ptr<Optimizer> CreateOptimizer(const v1::Optimizer& spec, int64_t count,
                                           at::Device device, ComputePath path);

}  // namespace internal
}  // namespace anneal
