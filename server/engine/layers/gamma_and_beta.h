// The weights of a layer that normalizes: what its output is multiplied by, and what is added.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "server/engine/layer.h"
#include "server/spec/defaults.h"

namespace anneal {

// An initializer that gives every element `value`.
inline v1::Initializer ConstantInitializer(double value) {
  v1::Initializer initializer;
  initializer.mutable_constant()->set_value(value);
  return initializer;
}

class GammaAndBeta {
 public:
  // Of a BatchNormalization or LayerNormalization: gamma [features] from 1 where the spec scales,
  // beta [features] from 0 where it centers.
  template <typename Spec>
  static std::vector<ParameterSpec> Parameters(const Spec& spec, int64_t features) {
    const Fans fans{features, features};
    std::vector<ParameterSpec> parameters;
    if (defaults::Scale(spec)) {
      parameters.push_back({"gamma", {features}, true, ConstantInitializer(1), fans});
    }
    if (defaults::Center(spec)) {
      parameters.push_back({"beta", {features}, true, ConstantInitializer(0), fans});
    }
    return parameters;
  }

  // Takes its own from the front of `parameters`; returns how many those were.
  template <typename Spec>
  size_t Bind(const Spec& spec, const std::vector<Parameter>& parameters) {
    size_t next = 0;
    if (defaults::Scale(spec)) gamma_ = parameters[next++];
    if (defaults::Center(spec)) beta_ = parameters[next++];
    return next;
  }

  // Undefined where there is none.
  const at::Tensor& gamma() const { return gamma_.value; }
  const at::Tensor& beta() const { return beta_.value; }

  // Where the gradients go. The kernels compute them also for a layer without gamma or beta, since
  // dx needs the sums; they end in memory of their own then. `like`: for dtype and device.
  at::Tensor GammaGradient(int64_t features, const at::Tensor& like) const {
    return gamma_.gradient.defined() ? gamma_.gradient : at::zeros({features}, like.options());
  }
  at::Tensor BetaGradient(int64_t features, const at::Tensor& like) const {
    return beta_.gradient.defined() ? beta_.gradient : at::zeros({features}, like.options());
  }

 private:
  Parameter gamma_;
  Parameter beta_;
};

}  // namespace anneal
