// The layers, by kind. What each computes is said in proto/anneal/v1/network.proto.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "server/engine/layer.h"

namespace anneal {

std::unique_ptr<Layer> MakeDense(const v1::Dense& spec, int64_t features,
                                 const Activation& activation);
std::unique_ptr<Layer> MakeConv2D(const v1::Conv2D& spec, const std::vector<int64_t>& input_shape,
                                  const Activation& activation);

std::unique_ptr<Layer> MakeMaxPooling2D(const v1::MaxPooling2D& spec,
                                        const std::vector<int64_t>& input_shape);
std::unique_ptr<Layer> MakeAveragePooling2D(const v1::AveragePooling2D& spec,
                                            const std::vector<int64_t>& input_shape);
std::unique_ptr<Layer> MakeGlobalMaxPooling2D();
std::unique_ptr<Layer> MakeGlobalAveragePooling2D();

std::unique_ptr<Layer> MakeDropout(double rate, uint32_t index);
std::unique_ptr<Layer> MakeSpatialDropout2D(double rate, uint32_t index);
std::unique_ptr<Layer> MakeAlphaDropout(double rate, uint32_t index);
std::unique_ptr<Layer> MakeGaussianNoise(double stddev, uint32_t index);

std::unique_ptr<Layer> MakeBatchNormalization(const v1::BatchNormalization& spec, int64_t features);
std::unique_ptr<Layer> MakeLayerNormalization(const v1::LayerNormalization& spec, int64_t features);

std::unique_ptr<Layer> MakeActivationLayer(const Activation& activation);
std::unique_ptr<Layer> MakeReLU(const v1::ReLU& spec);
std::unique_ptr<Layer> MakePReLU(const v1::PReLU& spec, const std::vector<int64_t>& input_shape);
std::unique_ptr<Layer> MakeRReLU(const v1::RReLU& spec, uint32_t index);

// Flatten, and every other layer that only changes how its input is seen.
std::unique_ptr<Layer> MakeView();

}  // namespace anneal
