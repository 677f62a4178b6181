// The layers, by kind. What each computes is said in proto/anneal/v1/network.proto.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "server/engine/layer.h"

namespace anneal {

std::unique_ptr<Layer> MakeDense(const v1::Dense& spec, int64_t features, ActivationFunction function);
std::unique_ptr<Layer> MakeConv2D(const v1::Conv2D& spec, const std::vector<int64_t>& input_shape,
                                  ActivationFunction function);
std::unique_ptr<Layer> MakeMaxPooling2D(const v1::MaxPooling2D& spec, const std::vector<int64_t>& input_shape);
std::unique_ptr<Layer> MakeBatchNormalization(const v1::BatchNormalization& spec, int64_t features);
std::unique_ptr<Layer> MakeActivation(ActivationFunction function);
std::unique_ptr<Layer> MakeDropout(double rate, uint32_t index);
// Flatten, and every other layer that only changes how its input is seen.
std::unique_ptr<Layer> MakeView();

}  // namespace anneal
