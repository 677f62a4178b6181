// What a layer is called: in job files, in generated names and in summaries.
#pragma once

#include <string>

#include "anneal/v1/network.pb.h"

namespace anneal {

struct LayerKind {
  const char* field;       // in the job file and in generated names: "max_pooling2d"
  const char* class_name;  // Keras's: "MaxPooling2D"
};

// Empty strings where no kind is set.
LayerKind KindOf(const v1::Layer& layer);

// "RELU", or the number where it is none that is known.
std::string ActivationName(v1::Activation::Function function);

// The activation that the layer applies; LINEAR for layers that have none.
v1::Activation::Function ActivationOf(const v1::Layer& layer);

// Dense and Conv2D: the layers with a kernel.
bool HasKernel(const v1::Layer& layer);

// The kernel's initializer of a layer with HasKernel(); the default instance (no kind set) where it
// is absent.
const v1::Initializer& KernelInitializer(const v1::Layer& layer);

}  // namespace anneal
