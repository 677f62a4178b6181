#include "server/spec/layer_kind.h"

namespace anneal {

LayerKind KindOf(const v1::Layer& layer) {
  switch (layer.kind_case()) {
    case v1::Layer::kRepeat: return {"repeat", "Repeat"};
    case v1::Layer::kFlatten: return {"flatten", "Flatten"};
    case v1::Layer::kActivation: return {"activation", "Activation"};
    case v1::Layer::kDense: return {"dense", "Dense"};
    case v1::Layer::kConv2D: return {"conv2d", "Conv2D"};
    case v1::Layer::kMaxPooling2D: return {"max_pooling2d", "MaxPooling2D"};
    case v1::Layer::kAveragePooling2D: return {"average_pooling2d", "AveragePooling2D"};
    case v1::Layer::kGlobalMaxPooling2D: return {"global_max_pooling2d", "GlobalMaxPooling2D"};
    case v1::Layer::kGlobalAveragePooling2D:
      return {"global_average_pooling2d", "GlobalAveragePooling2D"};
    case v1::Layer::kDropout: return {"dropout", "Dropout"};
    case v1::Layer::kAlphaDropout: return {"alpha_dropout", "AlphaDropout"};
    case v1::Layer::kSpatialDropout2D: return {"spatial_dropout2d", "SpatialDropout2D"};
    case v1::Layer::kGaussianNoise: return {"gaussian_noise", "GaussianNoise"};
    case v1::Layer::kBatchNormalization: return {"batch_normalization", "BatchNormalization"};
    case v1::Layer::kLayerNormalization: return {"layer_normalization", "LayerNormalization"};
    case v1::Layer::kRelu: return {"relu", "ReLU"};
    case v1::Layer::kLeakyRelu: return {"leaky_relu", "LeakyReLU"};
    case v1::Layer::kPrelu: return {"prelu", "PReLU"};
    case v1::Layer::kRrelu: return {"rrelu", "RReLU"};
    case v1::Layer::kElu: return {"elu", "ELU"};
    case v1::Layer::KIND_NOT_SET: break;
  }
  return {"", ""};
}

std::string ActivationName(v1::Activation::Function function) {
  const std::string& name = v1::Activation::Function_Name(function);
  return name.empty() ? std::to_string(static_cast<int>(function)) : name;
}

v1::Activation::Function ActivationOf(const v1::Layer& layer) {
  switch (layer.kind_case()) {
    case v1::Layer::kActivation: return layer.activation().function();
    case v1::Layer::kDense: return layer.dense().activation();
    case v1::Layer::kConv2D: return layer.conv2d().activation();
    default: return v1::Activation::LINEAR;
  }
}

bool HasActivation(const v1::Layer& layer) { return HasKernel(layer) || layer.has_activation(); }

const char* ActivationField(const v1::Layer& layer) {
  return layer.has_activation() ? "function" : "activation";
}

bool IsParametricActivation(const v1::Layer& layer) {
  return layer.has_relu() || layer.has_leaky_relu() || layer.has_prelu() || layer.has_rrelu() ||
         layer.has_elu();
}

bool HasKernel(const v1::Layer& layer) { return layer.has_dense() || layer.has_conv2d(); }

bool IsStochastic(const v1::Layer& layer) {
  return layer.has_dropout() || layer.has_alpha_dropout() || layer.has_spatial_dropout2d() ||
         layer.has_gaussian_noise();
}

bool IsNormalization(const v1::Layer& layer) {
  return layer.has_batch_normalization() || layer.has_layer_normalization();
}

bool KeepsShape(const v1::Layer& layer) {
  return layer.has_activation() || IsParametricActivation(layer) || IsStochastic(layer) ||
         IsNormalization(layer);
}

const v1::Initializer& KernelInitializer(const v1::Layer& layer) {
  return layer.has_dense() ? layer.dense().kernel_initializer()
                           : layer.conv2d().kernel_initializer();
}

}  // namespace anneal
