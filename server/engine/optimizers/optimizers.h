// The optimizers one by one, for optimizer.cc alone: everyone else calls Optimizer::Create.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>

#include "anneal/v1/optimizer.pb.h"
#include "server/engine/optimizer.h"

namespace anneal::internal {

// What every optimizer is given besides its own message.
struct OptimizerSetting {
  int64_t count = 0;
  at::Device device;
  ComputePath path = ComputePath::kAten;
  double weight_decay = 0;
};

// Rounded to float, but never to 0 or to a denormal number, which a processor may take for 0.
inline float AtLeastNormal(double epsilon) {
  return std::max(static_cast<float>(epsilon), std::numeric_limits<float>::min());
}

// A buffer of an ATen path's intermediate results: undefined where the path is fused.
at::Tensor Scratch(const OptimizerSetting& setting);

// The running means of the ATen paths, in place, by the arithmetic of the fused ones
// (kernels/optimizer_kernels.h): of `values`, and of their squares.
void Blend(at::Tensor& mean, float share, const at::Tensor& values);
void BlendSquare(at::Tensor& mean, float share, const at::Tensor& values);

std::unique_ptr<Optimizer> MakeSgd(const v1::Sgd& spec, const OptimizerSetting& setting);
std::unique_ptr<Optimizer> MakeRmsProp(const v1::RmsProp& spec, const OptimizerSetting& setting);
std::unique_ptr<Optimizer> MakeAdagrad(const v1::Adagrad& spec, const OptimizerSetting& setting);
std::unique_ptr<Optimizer> MakeAdadelta(const v1::Adadelta& spec, const OptimizerSetting& setting);
std::unique_ptr<Optimizer> MakeAdam(const v1::Adam& spec, const OptimizerSetting& setting);
std::unique_ptr<Optimizer> MakeAdamW(const v1::AdamW& spec, const OptimizerSetting& setting);
std::unique_ptr<Optimizer> MakeAdamax(const v1::Adamax& spec, const OptimizerSetting& setting);
std::unique_ptr<Optimizer> MakeNadam(const v1::Nadam& spec, const OptimizerSetting& setting);
std::unique_ptr<Optimizer> MakeLion(const v1::Lion& spec, const OptimizerSetting& setting);

}  // namespace anneal::internal
