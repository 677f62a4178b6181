// SGD, Adam and Nadam on flat buffers, with the formulas of Keras 3.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "anneal/v1/optimizer.pb.h"

namespace anneal {

// Updates every parameter of a network, which lie in one flat buffer, in one pass. Not thread-safe.
//
//   SGD     w -= lr g; with momentum: velocity = mu velocity - lr g, w += velocity
//           (nesterov: w += mu velocity - lr g)
//   Adam    w -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon)
//           (Kingma & Ba 2015, end of section 2)
//   Nadam   u_t = b1 (1 - 0.5 * 0.96^t)
//           w -= lr (u_{t+1} m / (1 - u_1 .. u_{t+1}) + (1 - u_t) g / (1 - u_1 .. u_t))
//                / (sqrt(v / (1 - b2^t)) + epsilon)
//           (Dozat 2016; Keras 3)
//   with m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, t = 1 at the first step.
//
// What is the same for every parameter is computed in double and rounded to float once a step; b1
// and b2 are rounded to float first, so that a weight of (1 - b2^t) in v is exactly what the
// correction takes out again. An epsilon below the smallest normal float counts as that, so that a
// parameter whose gradient has always been 0 stays where it is.
class Optimizer {
 public:
  // For `count` (>= 0) parameters on `device`; state begins at zero. `spec` must have a kind.
  // Throws c10::Error where memory is short.
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
  // it. SGD: {velocity}, without momentum {}; Adam and Nadam: {m, v}.
  const std::vector<at::Tensor>& moments() const { return moments_; }

  // Steps taken.
  int64_t step() const { return step_; }
  void set_step(int64_t step) { step_ = step; }

  // Nadam: u_1 .. u_t of the steps taken. 1 for the others.
  double momentum_product() const { return momentum_product_; }
  void set_momentum_product(double product) { momentum_product_ = product; }

 protected:
  Optimizer(double learning_rate, int64_t count, at::Device device, int moment_count);

  // Step number step_ (from 1) with buffers that have been checked.
  virtual void Update(at::Tensor& parameters, const at::Tensor& gradients) = 0;

  double learning_rate_;
  const int64_t count_;
  const at::Device device_;
  std::vector<at::Tensor> moments_;
  int64_t step_ = 0;
  double momentum_product_ = 1.0;
};

namespace internal {

// kFused: raw loops on CPU memory. kAten: LibTorch's in-place operations, for every device; needs
// one more buffer of `count` floats for Adam and Nadam.
enum class OptimizerPath { kFused, kAten };

// Create() with the path chosen by the caller, so that tests can compare the two on the CPU.
std::unique_ptr<Optimizer> CreateOptimizer(const v1::Optimizer& spec, int64_t count,
                                           at::Device device, OptimizerPath path);

}  // namespace internal
}  // namespace anneal
