#include <stdexcept>

#include "server/engine/layers/layers.h"
#include "server/spec/defaults.h"

namespace anneal {

ActivationFunction FinalActivation(const v1::Layer& spec) {
  switch (spec.kind_case()) {
    case v1::Layer::kActivation:
      return spec.activation().function();
    case v1::Layer::kDense:
      return spec.dense().activation();
    case v1::Layer::kConv2D:
      return spec.conv2d().activation();
    default:
      return v1::Activation::LINEAR;
  }
}

std::unique_ptr<Layer> MakeLayer(const v1::Layer& spec, const std::vector<int64_t>& input_shape,
                                 bool activation_in_loss, uint32_t index) {
  const Activation activation =
      MakeActivationOf(activation_in_loss ? v1::Activation::LINEAR : FinalActivation(spec));
  switch (spec.kind_case()) {
    case v1::Layer::kFlatten:
      return MakeView();
    case v1::Layer::kActivation:
      return MakeActivationLayer(activation);
    case v1::Layer::kDense:
      return MakeDense(spec.dense(), input_shape[0], activation);
    case v1::Layer::kConv2D:
      return MakeConv2D(spec.conv2d(), input_shape, activation);
    case v1::Layer::kMaxPooling2D:
      return MakeMaxPooling2D(spec.max_pooling2d(), input_shape);
    case v1::Layer::kAveragePooling2D:
      return MakeAveragePooling2D(spec.average_pooling2d(), input_shape);
    case v1::Layer::kGlobalMaxPooling2D:
      return MakeGlobalMaxPooling2D();
    case v1::Layer::kGlobalAveragePooling2D:
      return MakeGlobalAveragePooling2D();
    case v1::Layer::kDropout:
      return MakeDropout(spec.dropout().rate(), index);
    case v1::Layer::kAlphaDropout:
      return MakeAlphaDropout(spec.alpha_dropout().rate(), index);
    case v1::Layer::kSpatialDropout2D:
      return MakeSpatialDropout2D(spec.spatial_dropout2d().rate(), index);
    case v1::Layer::kGaussianNoise:
      return MakeGaussianNoise(spec.gaussian_noise().stddev(), index);
    case v1::Layer::kBatchNormalization:
      return MakeBatchNormalization(spec.batch_normalization(), input_shape.back());
    case v1::Layer::kLayerNormalization:
      return MakeLayerNormalization(spec.layer_normalization(), input_shape.back());
    case v1::Layer::kRelu:
      return MakeReLU(spec.relu());
    case v1::Layer::kLeakyRelu:
      return MakeActivationLayer(
          {v1::Activation::LEAKY_RELU, defaults::NegativeSlope(spec.leaky_relu())});
    case v1::Layer::kPrelu:
      return MakePReLU(spec.prelu(), input_shape);
    case v1::Layer::kRrelu:
      return MakeRReLU(spec.rrelu(), index);
    case v1::Layer::kElu:
      return MakeActivationLayer({v1::Activation::ELU, defaults::Alpha(spec.elu())});
    case v1::Layer::kRepeat:
    case v1::Layer::KIND_NOT_SET:
      break;
  }
  throw std::logic_error("a validated network has only layers with a kind");
}

}  // namespace anneal
