// The expanded network as the warnings look at it: what really follows what.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "server/spec/validated_spec.h"

namespace anneal {

// The path of a field of the layer's kind; "" is the kind itself.
std::string FieldPath(const ResolvedLayer& layer, const std::string& field);

// An activation, of an activation layer with parameters that of its family: LEAKY_RELU for prelu.
struct AppliedActivation {
  v1::Activation::Function function = v1::Activation::LINEAR;
  std::string name;  // "RELU", "prelu"
};

// What this layer by itself applies to its outputs; LINEAR where nothing.
AppliedActivation ActivationApplied(const v1::Layer& layer);

class NetworkView {
 public:
  // `layers` must outlive it.
  explicit NetworkView(const std::vector<ResolvedLayer>& layers);

  // Layers with a kernel.
  int kernels() const { return kernels_; }

  // Whether a layer with a kernel comes after it.
  bool IsHidden(size_t index) const { return kernels_ > 0 && index < last_kernel_; }

  // Whether all layers with a kernel, of which there are some, come before it.
  bool IsAfterTheLastKernel(size_t index) const { return kernels_ > 0 && index > last_kernel_; }

  bool IsNext(size_t index, v1::Layer::KindCase kind) const;

  // The activation that finally applies to the outputs of the layer at `index`, which has a kernel:
  // its own, or that of an activation layer behind it with nothing but normalizations, dropouts and
  // noise between.
  AppliedActivation AppliedTo(size_t index) const;

 private:
  const std::vector<ResolvedLayer>& layers_;
  size_t last_kernel_ = 0;
  int kernels_ = 0;
};

}  // namespace anneal
