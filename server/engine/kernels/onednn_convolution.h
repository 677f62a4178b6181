// Convolution on the CPU by oneDNN.
#pragma once

#include <memory>

#include "server/engine/kernels/kernels.h"

namespace anneal {

// Primitives, memory and argument lists are made here, once; Forward and Backward only execute
// them.
std::unique_ptr<ConvolutionKernel> MakeOnednnConvolution(const WindowGeometry& window,
                                                         const ConvolutionTensors& tensors);

}  // namespace anneal
