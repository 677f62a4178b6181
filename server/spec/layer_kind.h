// What a layer is called, in job files, in generated names and in summaries, and what kind of thing
// it is.
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

// The function that the layer's own `activation` or `function` names; LINEAR for layers that have
// none.
v1::Activation::Function ActivationOf(const v1::Layer& layer);

// Layers with an `activation` or `function`.
bool HasActivation(const v1::Layer& layer);

// The field in which a layer with HasActivation() names it: "activation" or "function".
const char* ActivationField(const v1::Layer& layer);

// relu, leaky_relu, prelu, rrelu, elu: activations with parameters, layers of their own.
bool IsParametricActivation(const v1::Layer& layer);

// Dense and Conv2D: the layers with a kernel.
bool HasKernel(const v1::Layer& layer);

// Layers that change values only while training: dropouts and noise.
bool IsStochastic(const v1::Layer& layer);

// Batch or layer normalization.
bool IsNormalization(const v1::Layer& layer);

// Layers whose output always has the input's shape: activations, dropouts, noise, normalizations.
bool KeepsShape(const v1::Layer& layer);

// The kernel's initializer of a layer with HasKernel(); the default instance (no kind set) where it
// is absent.
const v1::Initializer& KernelInitializer(const v1::Layer& layer);

}  // namespace anneal
