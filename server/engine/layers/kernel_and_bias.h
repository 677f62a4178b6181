// The weights of a layer that multiplies: a kernel and, where the spec wants one, a bias.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "server/engine/layer.h"
#include "server/spec/defaults.h"

namespace anneal {

class KernelAndBias {
 public:
  // Of a Dense or Conv2D: kernel [...shape, units], bias [units], trainable both.
  template <typename Spec>
  static std::vector<ParameterSpec> Parameters(const Spec& spec, std::vector<int64_t> kernel_shape,
                                               Fans fans) {
    const int64_t units = kernel_shape.back();
    std::vector<ParameterSpec> parameters;
    parameters.push_back({"kernel", std::move(kernel_shape), true,
                          defaults::KernelInitializer(spec.kernel_initializer()), fans,
                          spec.kernel_regularizer(), spec.kernel_constraint()});
    if (defaults::UseBias(spec)) {
      parameters.push_back({"bias",
                            {units},
                            true,
                            defaults::BiasInitializer(spec.bias_initializer()),
                            fans,
                            spec.bias_regularizer(),
                            spec.bias_constraint()});
    }
    return parameters;
  }

  // In the order of Parameters().
  void Bind(std::vector<Parameter> parameters) {
    kernel_ = std::move(parameters[0]);
    if (parameters.size() > 1) bias_ = std::move(parameters[1]);
  }

  const Parameter& kernel() const { return kernel_; }
  const Parameter& bias() const { return bias_; }  // undefined tensors where there is none

 private:
  Parameter kernel_;
  Parameter bias_;
};

}  // namespace anneal
