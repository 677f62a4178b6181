#include "server/engine/learning_rate_schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "server/spec/defaults.h"

namespace anneal {
namespace {

using Spec = v1::LearningRateSchedule;

constexpr double kPi = 3.14159265358979323846;

// Half a cosine: 1 at 0, alpha at 1, its height above alpha times `height`.
double HalfCosine(double done, double alpha, double height) {
  return (1.0 - alpha) * height * 0.5 * (1.0 + std::cos(kPi * done)) + alpha;
}

// s / decay_steps, or that rounded down.
double Quotient(int64_t step, int64_t decay_steps, bool staircase) {
  return staircase ? static_cast<double>(step / decay_steps)
                   : static_cast<double>(step) / static_cast<double>(decay_steps);
}

class Constant final : public LearningRateSchedule {
 public:
  explicit Constant(double initial) : initial_(initial) {}
  double At(int64_t) const override { return initial_; }

 private:
  const double initial_;
};

class ExponentialDecay final : public LearningRateSchedule {
 public:
  ExponentialDecay(const Spec::ExponentialDecay& spec, double initial)
      : spec_(spec), initial_(initial) {}
  double At(int64_t step) const override {
    return initial_ *
           std::pow(spec_.decay_rate(), Quotient(step, spec_.decay_steps(), spec_.staircase()));
  }

 private:
  const Spec::ExponentialDecay spec_;
  const double initial_;
};

class InverseTimeDecay final : public LearningRateSchedule {
 public:
  InverseTimeDecay(const Spec::InverseTimeDecay& spec, double initial)
      : spec_(spec), initial_(initial) {}
  double At(int64_t step) const override {
    return initial_ /
           (1.0 + spec_.decay_rate() * Quotient(step, spec_.decay_steps(), spec_.staircase()));
  }

 private:
  const Spec::InverseTimeDecay spec_;
  const double initial_;
};

class PolynomialDecay final : public LearningRateSchedule {
 public:
  PolynomialDecay(const Spec::PolynomialDecay& spec, double initial)
      : decay_steps_(static_cast<double>(spec.decay_steps())),
        cycle_(spec.cycle()),
        initial_(initial),
        end_(defaults::EndLearningRate(spec)),
        power_(defaults::Power(spec)) {}
  double At(int64_t step) const override {
    const double s = static_cast<double>(step);
    const double whole =
        cycle_ ? decay_steps_ * std::max(1.0, std::ceil(s / decay_steps_)) : decay_steps_;
    return (initial_ - end_) * std::pow(1.0 - std::min(s, whole) / whole, power_) + end_;
  }

 private:
  const double decay_steps_;
  const bool cycle_;
  const double initial_;
  const double end_;
  const double power_;
};

class PiecewiseConstantDecay final : public LearningRateSchedule {
 public:
  PiecewiseConstantDecay(const Spec::PiecewiseConstantDecay& spec, double initial)
      : spec_(spec), initial_(initial) {}
  double At(int64_t step) const override {
    // Boundaries below the step have been passed.
    const auto& boundaries = spec_.boundaries();
    const auto passed = std::lower_bound(boundaries.begin(), boundaries.end(), step);
    if (passed == boundaries.begin()) return initial_;
    return spec_.values(static_cast<int>(passed - boundaries.begin()) - 1);
  }

 private:
  const Spec::PiecewiseConstantDecay spec_;
  const double initial_;
};

class CosineDecay final : public LearningRateSchedule {
 public:
  CosineDecay(const Spec::CosineDecay& spec, double initial)
      : decay_steps_(static_cast<double>(spec.decay_steps())),
        warmup_steps_(static_cast<double>(spec.warmup_steps())),
        alpha_(spec.alpha()),
        initial_(initial),
        highest_(spec.warmup_steps() > 0 ? spec.warmup_target() : initial) {}
  double At(int64_t step) const override {
    const double s = static_cast<double>(step);
    if (s < warmup_steps_) return initial_ + (highest_ - initial_) * (s / warmup_steps_);
    return highest_ * HalfCosine(std::min((s - warmup_steps_) / decay_steps_, 1.0), alpha_, 1.0);
  }

 private:
  const double decay_steps_;
  const double warmup_steps_;
  const double alpha_;
  const double initial_;
  const double highest_;
};

// Run i begins after 1 + t + .. + t^(i-1) = (t^i - 1) / (t - 1) first runs, so that i is the whole
// part of a logarithm; in floating point that is sometimes one off where a run begins, and is then
// put right.
class CosineDecayRestarts final : public LearningRateSchedule {
 public:
  CosineDecayRestarts(const Spec::CosineDecayRestarts& spec, double initial)
      : first_decay_steps_(static_cast<double>(spec.first_decay_steps())),
        t_mul_(defaults::TMul(spec)),
        m_mul_(defaults::MMul(spec)),
        alpha_(spec.alpha()),
        initial_(initial) {}
  double At(int64_t step) const override {
    const double runs = static_cast<double>(step) / first_decay_steps_;  // in lengths of the first
    double i = std::floor(runs);
    if (t_mul_ > 1.0) {
      const double growth =
          std::min(runs * (t_mul_ - 1.0), std::numeric_limits<double>::max());  // never infinite
      i = std::floor(std::log1p(growth) / std::log(t_mul_));
      if (i > 0.0 && Begin(i) > runs) {
        --i;
      } else if (Begin(i + 1.0) <= runs) {
        ++i;
      }
    }
    const double done = (runs - Begin(i)) / std::pow(t_mul_, i);
    return initial_ * HalfCosine(done, alpha_, std::pow(m_mul_, i));
  }

 private:
  double Begin(double i) const {
    return t_mul_ > 1.0 ? (std::pow(t_mul_, i) - 1.0) / (t_mul_ - 1.0) : i;
  }

  const double first_decay_steps_;
  const double t_mul_;
  const double m_mul_;
  const double alpha_;
  const double initial_;
};

class OneCycle final : public LearningRateSchedule {
 public:
  OneCycle(double highest, int64_t total_steps)
      : steps_(total_steps),
        half_((total_steps - (total_steps / 10 + 1)) / 2),
        highest_(highest),
        start_(highest / 10.0),
        last_(highest / 10.0 / 1000.0) {}
  double At(int64_t step) const override {
    if (step >= steps_) return last_;
    if (step < half_) return Between(step, 0, start_, half_, highest_);
    if (step < 2 * half_) return Between(step, half_, highest_, 2 * half_, start_);
    return Between(step, 2 * half_, start_, steps_, last_);
  }

 private:
  // On the line through (from, a) and (to, b).
  static double Between(int64_t step, int64_t from, double a, int64_t to, double b) {
    return a + (b - a) * (static_cast<double>(step - from) / static_cast<double>(to - from));
  }

  const int64_t steps_;
  const int64_t half_;
  const double highest_;
  const double start_;
  const double last_;
};

}  // namespace

std::unique_ptr<LearningRateSchedule> LearningRateSchedule::Create(const Spec& spec, double initial,
                                                                   int64_t total_steps) {
  switch (spec.kind_case()) {
    case Spec::kExponentialDecay:
      return std::make_unique<ExponentialDecay>(spec.exponential_decay(), initial);
    case Spec::kInverseTimeDecay:
      return std::make_unique<InverseTimeDecay>(spec.inverse_time_decay(), initial);
    case Spec::kPolynomialDecay:
      return std::make_unique<PolynomialDecay>(spec.polynomial_decay(), initial);
    case Spec::kPiecewiseConstantDecay:
      return std::make_unique<PiecewiseConstantDecay>(spec.piecewise_constant_decay(), initial);
    case Spec::kCosineDecay:
      return std::make_unique<CosineDecay>(spec.cosine_decay(), initial);
    case Spec::kCosineDecayRestarts:
      return std::make_unique<CosineDecayRestarts>(spec.cosine_decay_restarts(), initial);
    case Spec::kOneCycle:
      return std::make_unique<OneCycle>(initial, total_steps);
    case Spec::kReduceOnPlateau:
    case Spec::KIND_NOT_SET:
      break;
  }
  return std::make_unique<Constant>(initial);
}

}  // namespace anneal
