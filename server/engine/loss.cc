#include "server/engine/loss.h"

#include <stdexcept>
#include <utility>

#include "server/spec/defaults.h"

namespace anneal {
namespace {

// The common case, in kernels of its own.
class SparseCategoricalCrossentropy final : public Loss {
 public:
  LossSums Evaluate(Kernels& kernels, const at::Tensor& output,
                    const at::Tensor& labels) const override {
    return kernels.CrossEntropy(output, labels);
  }
  LossSums EvaluateWithGradient(Kernels& kernels, const at::Tensor& output,
                                const at::Tensor& labels, at::Tensor& gradient) const override {
    return kernels.CrossEntropyAndGradient(output, labels, gradient);
  }
};

// A loss against target vectors, in ATen operations.
class TargetLoss : public Loss {
 public:
  LossSums Evaluate(Kernels&, const at::Tensor& output, const at::Tensor& labels) const override {
    return Sums(output, labels, Values(output, Targets(output, labels)));
  }

  LossSums EvaluateWithGradient(Kernels&, const at::Tensor& output, const at::Tensor& labels,
                                at::Tensor& gradient) const override {
    const at::Tensor targets = Targets(output, labels);
    const LossSums sums = Sums(output, labels, Values(output, targets));
    gradient.copy_(Derivatives(output, targets) / static_cast<double>(output.size(0)));
    return sums;
  }

 protected:
  // The loss of each row, [N].
  virtual at::Tensor Values(const at::Tensor& output, const at::Tensor& targets) const = 0;
  // The derivative of each row's loss by its outputs, [N, outputs].
  virtual at::Tensor Derivatives(const at::Tensor& output, const at::Tensor& targets) const = 0;

  // Above this a single output means class 1.
  virtual double Threshold() const { return 0.5; }

 private:
  // One-hot [N, outputs]; for a single output the label itself.
  static at::Tensor Targets(const at::Tensor& output, const at::Tensor& labels) {
    const at::Tensor index = labels.to(output.device(), at::kLong).unsqueeze(1);
    if (output.size(1) == 1) return index.to(at::kFloat);
    return at::zeros_like(output).scatter_(1, index, 1.0);
  }

  LossSums Sums(const at::Tensor& output, const at::Tensor& labels,
                const at::Tensor& values) const {
    const at::Tensor index = labels.to(output.device(), at::kLong);
    const at::Tensor chosen =
        output.size(1) == 1 ? output.squeeze(1).gt(Threshold()).to(at::kLong) : output.argmax(1);
    return {values.to(at::kDouble).sum().item<double>(), chosen.eq(index).sum().item<int64_t>()};
  }
};

class CategoricalCrossentropy final : public TargetLoss {
 public:
  explicit CategoricalCrossentropy(double label_smoothing) : label_smoothing_(label_smoothing) {}

 protected:
  at::Tensor Values(const at::Tensor& logits, const at::Tensor& targets) const override {
    return -(Smoothed(targets) * at::log_softmax(logits, 1)).sum(1);
  }
  at::Tensor Derivatives(const at::Tensor& logits, const at::Tensor& targets) const override {
    return at::softmax(logits, 1) - Smoothed(targets);
  }

 private:
  at::Tensor Smoothed(const at::Tensor& targets) const {
    return targets * (1 - label_smoothing_) +
           label_smoothing_ / static_cast<double>(targets.size(1));
  }
  const double label_smoothing_;
};

class BinaryCrossentropy final : public TargetLoss {
 public:
  explicit BinaryCrossentropy(double label_smoothing) : label_smoothing_(label_smoothing) {}

 protected:
  // max(z, 0) - z t + log(1 + exp(-|z|)) = -(t log p + (1 - t) log(1 - p)) without overflow.
  at::Tensor Values(const at::Tensor& logits, const at::Tensor& targets) const override {
    return (logits.clamp_min(0) - logits * Smoothed(targets) + at::log1p(at::exp(-logits.abs())))
        .mean(1);
  }
  at::Tensor Derivatives(const at::Tensor& logits, const at::Tensor& targets) const override {
    return (at::sigmoid(logits) - Smoothed(targets)) / static_cast<double>(logits.size(1));
  }
  double Threshold() const override { return 0; }  // logits

 private:
  at::Tensor Smoothed(const at::Tensor& targets) const {
    return targets * (1 - label_smoothing_) + label_smoothing_ / 2;
  }
  const double label_smoothing_;
};

class MeanSquaredError final : public TargetLoss {
 protected:
  at::Tensor Values(const at::Tensor& output, const at::Tensor& targets) const override {
    return (output - targets).square().mean(1);
  }
  at::Tensor Derivatives(const at::Tensor& output, const at::Tensor& targets) const override {
    return (output - targets) * (2.0 / static_cast<double>(output.size(1)));
  }
};

class MeanAbsoluteError final : public TargetLoss {
 protected:
  at::Tensor Values(const at::Tensor& output, const at::Tensor& targets) const override {
    return (output - targets).abs().mean(1);
  }
  at::Tensor Derivatives(const at::Tensor& output, const at::Tensor& targets) const override {
    return (output - targets).sign() / static_cast<double>(output.size(1));
  }
};

class Huber final : public TargetLoss {
 public:
  explicit Huber(double delta) : delta_(delta) {}

 protected:
  at::Tensor Values(const at::Tensor& output, const at::Tensor& targets) const override {
    const at::Tensor error = (output - targets).abs();
    const at::Tensor near = error.square() * 0.5;
    const at::Tensor far = error * delta_ - 0.5 * delta_ * delta_;
    return at::where(error.le(delta_), near, far).mean(1);
  }
  at::Tensor Derivatives(const at::Tensor& output, const at::Tensor& targets) const override {
    return (output - targets).clamp(-delta_, delta_) / static_cast<double>(output.size(1));
  }

 private:
  const double delta_;
};

}  // namespace

std::unique_ptr<Loss> Loss::Create(const v1::Loss& spec) {
  switch (spec.kind_case()) {
    case v1::Loss::kSparseCategoricalCrossentropy:
      return std::make_unique<SparseCategoricalCrossentropy>();
    case v1::Loss::kCategoricalCrossentropy:
      return std::make_unique<CategoricalCrossentropy>(
          spec.categorical_crossentropy().label_smoothing());
    case v1::Loss::kBinaryCrossentropy:
      return std::make_unique<BinaryCrossentropy>(spec.binary_crossentropy().label_smoothing());
    case v1::Loss::kMeanSquaredError:
      return std::make_unique<MeanSquaredError>();
    case v1::Loss::kMeanAbsoluteError:
      return std::make_unique<MeanAbsoluteError>();
    case v1::Loss::kHuber:
      return std::make_unique<Huber>(defaults::Delta(spec.huber()));
    case v1::Loss::KIND_NOT_SET:
      break;
  }
  throw std::logic_error("a validated spec has a loss");
}

ActivationFunction Loss::FusedActivation(const v1::Loss& spec) {
  const bool on_probabilities =
      (spec.has_sparse_categorical_crossentropy() &&
       !spec.sparse_categorical_crossentropy().from_logits()) ||
      (spec.has_categorical_crossentropy() && !spec.categorical_crossentropy().from_logits());
  if (on_probabilities) return v1::Activation::SOFTMAX;
  if (spec.has_binary_crossentropy() && !spec.binary_crossentropy().from_logits())
    return v1::Activation::SIGMOID;
  return v1::Activation::LINEAR;
}

int64_t CountTopK(const at::Tensor& output, const at::Tensor& labels, int64_t k) {
  const at::Tensor index = labels.to(output.device(), at::kLong).unsqueeze(1);
  const at::Tensor of_label = output.gather(1, index);
  // Not a number is not among the largest.
  const at::Tensor hit =
      at::logical_and(output.gt(of_label).sum(1).lt(k), of_label.squeeze(1).isfinite());
  return hit.sum().item<int64_t>();
}

}  // namespace anneal
