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
    case v1::Layer::kDropout: return {"dropout", "Dropout"};
    case v1::Layer::kBatchNormalization: return {"batch_normalization", "BatchNormalization"};
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

bool HasKernel(const v1::Layer& layer) { return layer.has_dense() || layer.has_conv2d(); }

const v1::Initializer& KernelInitializer(const v1::Layer& layer) {
  return layer.has_dense() ? layer.dense().kernel_initializer()
                           : layer.conv2d().kernel_initializer();
}

}  // namespace anneal
