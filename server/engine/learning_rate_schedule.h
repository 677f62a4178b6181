// How the learning rate changes from step to step: the schedules of Keras 3, and the one cycle.
#pragma once

#include <cstdint>
#include <memory>

#include "anneal/v1/optimizer.pb.h"

namespace anneal {

// A pure function of the step; thread-safe. With lr the optimizer's rate, s the step from 0:
//
//   exponential_decay         lr decay_rate^(s / decay_steps); staircase: the quotient rounded down
//   inverse_time_decay        lr / (1 + decay_rate s / decay_steps); staircase likewise
//   polynomial_decay          (lr - end) (1 - min(s, D) / D)^power + end, D = decay_steps; cycle:
//                             D is the first multiple of decay_steps that is at least s (and not 0)
//   piecewise_constant_decay  lr while s <= boundaries[0], then values[0] while
//                             s <= boundaries[1], ...
//   cosine_decay              lr ((1 - alpha) (1 + cos(pi s / decay_steps)) / 2 + alpha), constant
//                             from decay_steps on; with warmup_steps: first linearly from lr to
//                             warmup_target, then the same from there
//   cosine_decay_restarts     lr ((1 - alpha) m_mul^i (1 + cos(pi f)) / 2 + alpha) in the i-th run
//                             (from 0), f the share of it that is done; runs last
//                             first_decay_steps t_mul^i (Loshchilov & Hutter 2017)
//   one_cycle                 with n = total_steps, last = n / 10 + 1, half = (n - last) / 2 (whole
//                             numbers): linearly from lr / 10 at 0 to lr at half, to lr / 10 at
//                             2 half, to lr / 10000 at n, where it stays (Smith 2018; Geron 2019)
//   none, reduce_on_plateau   lr; reduce_on_plateau.h looks at epochs instead
class LearningRateSchedule {
 public:
  // `spec` has been checked. `initial`: the optimizer's learning rate. `total_steps`: of the whole
  // training, for one_cycle.
  static std::unique_ptr<LearningRateSchedule> Create(const v1::LearningRateSchedule& spec,
                                                      double initial, int64_t total_steps);

  virtual ~LearningRateSchedule() = default;
  LearningRateSchedule(const LearningRateSchedule&) = delete;
  LearningRateSchedule& operator=(const LearningRateSchedule&) = delete;

  // The rate of step `step` (>= 0), the first being 0: to be set before it is taken.
  virtual double At(int64_t step) const = 0;

 protected:
  LearningRateSchedule() = default;
};

}  // namespace anneal
