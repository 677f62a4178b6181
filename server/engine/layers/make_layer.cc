#include <stdexcept>

#include "server/engine/layers/layers.h"

namespace anneal {

std::unique_ptr<Layer> MakeLayer(const v1::Layer& spec, const std::vector<int64_t>& input_shape,
                                 bool softmax_in_loss, uint32_t index) {
  const auto function = [softmax_in_loss](ActivationFunction asked) {
    return softmax_in_loss && asked == v1::Activation::SOFTMAX ? v1::Activation::LINEAR : asked;
  };
  switch (spec.kind_case()) {
    case v1::Layer::kFlatten: return MakeView();
    case v1::Layer::kActivation: return MakeActivation(function(spec.activation().function()));
    case v1::Layer::kDense: return MakeDense(spec.dense(), input_shape[0], function(spec.dense().activation()));
    case v1::Layer::kConv2D: return MakeConv2D(spec.conv2d(), input_shape, spec.conv2d().activation());
    case v1::Layer::kMaxPooling2D: return MakeMaxPooling2D(spec.max_pooling2d(), input_shape);
    case v1::Layer::kDropout: return MakeDropout(spec.dropout().rate(), index);
    case v1::Layer::kBatchNormalization:
      return MakeBatchNormalization(spec.batch_normalization(), input_shape.back());
    case v1::Layer::kRepeat:
    case v1::Layer::KIND_NOT_SET: break;
  }
  throw std::logic_error("a validated network has only layers with a kind");
}

}  // namespace anneal
