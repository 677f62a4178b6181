#include "server/spec/shapes.h"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/layer_kind.h"
#include "server/spec/limits.h"
#include "server/spec/saturating.h"
#include "server/spec/text.h"

namespace anneal {
namespace {

// The product of sizes and counts; unknown where one of them is.
int64_t Product(std::initializer_list<int64_t> sizes) {
  int64_t product = 1;
  for (const int64_t size : sizes) {
    if (size < 0) return kUnknownSize;
    product = SaturatingMultiply(product, size);
  }
  return product;
}

Shape Features(int64_t count) { return std::vector<int64_t>{count}; }

int64_t KnownUnits(int64_t units) {
  return units >= 1 && units <= limits::kUnits ? units : kUnknownSize;
}

bool IsWindowSize(int64_t size) { return size >= 1 && size <= limits::kWindow; }

// What a window of `size` spans when its values stand `rate` apart; unknown where that is not
// accepted.
int64_t Span(int64_t size, int64_t rate) {
  if (!IsWindowSize(size) || !IsWindowSize(rate)) return kUnknownSize;
  const int64_t span = (size - 1) * rate + 1;
  return IsWindowSize(span) ? span : kUnknownSize;
}

class ShapeInference {
 public:
  explicit ShapeInference(ViolationList& violations) : violations_(violations) {}

  Shape Infer(const Shape& input, ResolvedLayer& layer) {
    const v1::Layer& kind = *layer.layer;
    switch (kind.kind_case()) {
      case v1::Layer::kDense: return Dense(input, layer);
      case v1::Layer::kConv2D: return Conv2D(input, layer);
      case v1::Layer::kMaxPooling2D: return Pooling(input, layer, kind.max_pooling2d());
      case v1::Layer::kAveragePooling2D: return Pooling(input, layer, kind.average_pooling2d());
      case v1::Layer::kGlobalMaxPooling2D:
      case v1::Layer::kGlobalAveragePooling2D:
        return Features(IsImage(input, layer) ? (*input)[2] : kUnknownSize);
      case v1::Layer::kFlatten: return Flatten(input);
      case v1::Layer::kBatchNormalization: return BatchNormalization(input, layer);
      case v1::Layer::kLayerNormalization:
        layer.trainable_parameters = NormalizationWeights(input, kind.layer_normalization());
        return input;
      case v1::Layer::kPrelu: return PReLU(input, layer);
      case v1::Layer::kSpatialDropout2D: IsImage(input, layer); return input;
      case v1::Layer::kActivation:
      case v1::Layer::kDropout:
      case v1::Layer::kAlphaDropout:
      case v1::Layer::kGaussianNoise:
      case v1::Layer::kRelu:
      case v1::Layer::kLeakyRelu:
      case v1::Layer::kRrelu:
      case v1::Layer::kElu: return input;
      case v1::Layer::kRepeat:
      case v1::Layer::KIND_NOT_SET: break;
    }
    return std::nullopt;
  }

 private:
  Shape Dense(const Shape& input, ResolvedLayer& layer) {
    const v1::Dense& dense = layer.layer->dense();
    const int64_t units = KnownUnits(dense.units());
    if (input && input->size() != 1) {
      Report(layer, "",
             absl::StrCat("receives an image of ", FormatShape(*input),
                          "; a dense layer needs a list of features: add flatten {} before it"));
    } else if (input && units != kUnknownSize && input->front() != kUnknownSize) {
      const int64_t bias = defaults::UseBias(dense) ? units : 0;
      layer.trainable_parameters = SaturatingAdd(Product({input->front(), units}), bias);
    }
    return Features(units);
  }

  Shape Conv2D(const Shape& input, ResolvedLayer& layer) {
    const v1::Conv2D& conv = layer.layer->conv2d();
    if (!IsImage(input, layer)) return std::nullopt;
    const defaults::Size kernel = defaults::KernelSize(conv);
    const defaults::Size rate = defaults::DilationRate(conv);
    Shape output = Windows(*input, layer,
                           {kernel, rate, defaults::Strides(conv), conv.padding(), "kernel_size",
                            /*size_is_default=*/false});
    const int64_t filters = KnownUnits(conv.filters());
    const int64_t groups = defaults::Groups(conv);
    const int64_t channels = (*input)[2];
    const bool known = IsWindowSize(kernel.height) && IsWindowSize(kernel.width) &&
                       filters != kUnknownSize && channels != kUnknownSize && groups >= 1;
    if (groups >= 1 && channels != kUnknownSize && channels % groups != 0) {
      Report(layer, "groups",
             absl::StrCat("is ", groups, ", which does not divide the ", channels,
                          " channels that reach ", layer.name, "; every group has as many"));
    } else if (known) {
      const int64_t bias = defaults::UseBias(conv) ? filters : 0;
      layer.trainable_parameters =
          SaturatingAdd(Product({kernel.height, kernel.width, channels / groups, filters}), bias);
    }
    (*output)[2] = filters;
    return output;
  }

  template <typename MaxOrAverage>
  Shape Pooling(const Shape& input, const ResolvedLayer& layer, const MaxOrAverage& pooling) {
    if (!IsImage(input, layer)) return std::nullopt;
    return Windows(*input, layer,
                   {defaults::PoolSize(pooling),
                    {1, 1},
                    defaults::Strides(pooling),
                    pooling.padding(),
                    "pool_size",
                    !pooling.has_pool_size()});
  }

  static Shape Flatten(const Shape& input) {
    if (!input) return Features(kUnknownSize);
    int64_t features = 1;
    for (const int64_t size : *input) features = Product({features, size});
    return Features(features);
  }

  // gamma and beta, as many as the last axis is long; 0 where that is not known.
  template <typename Normalization>
  static int64_t NormalizationWeights(const Shape& input, const Normalization& normalization) {
    if (!input || input->empty() || input->back() == kUnknownSize) return 0;
    const int64_t learned =
        (defaults::Scale(normalization) ? 1 : 0) + (defaults::Center(normalization) ? 1 : 0);
    return Product({learned, input->back()});
  }

  static Shape BatchNormalization(const Shape& input, ResolvedLayer& layer) {
    layer.trainable_parameters = NormalizationWeights(input, layer.layer->batch_normalization());
    if (input && !input->empty() && input->back() != kUnknownSize)
      layer.non_trainable_parameters = Product({2, input->back()});  // moving mean and variance
    return input;
  }

  // A slope for every value, or for every channel.
  Shape PReLU(const Shape& input, ResolvedLayer& layer) {
    const bool shared = layer.layer->prelu().share_height_and_width();
    if (!input || (shared && !IsImage(input, layer))) return input;
    const int64_t slopes = shared ? input->back() : Flatten(input)->front();
    layer.trainable_parameters = std::max<int64_t>(slopes, 0);
    return input;
  }

  // True where the input is known to have height, width and channels; a violation where it is known
  // not to.
  bool IsImage(const Shape& input, const ResolvedLayer& layer) {
    if (!input) return false;
    if (input->size() == 3) return true;
    Report(layer, "",
           absl::StrCat("receives ", FormatShape(*input),
                        ", a list of features; this layer needs an image "
                        "of height, width and channels: put it before the flatten {}"));
    return false;
  }

  struct Window {
    defaults::Size size;
    defaults::Size dilation_rate;
    defaults::Size strides;
    v1::Padding padding;
    const char* field;  // that says the size
    bool size_is_default;
  };

  // The image that a window leaves, with the input's channels.
  Shape Windows(const std::vector<int64_t>& input, const ResolvedLayer& layer,
                const Window& window) {
    const defaults::Size span = {Span(window.size.height, window.dilation_rate.height),
                                 Span(window.size.width, window.dilation_rate.width)};
    if (window.padding == v1::VALID &&
        (TooLarge(span.height, input[0]) || TooLarge(span.width, input[1]))) {
      const bool dilated = span.height > window.size.height || span.width > window.size.width;
      Report(layer, window.field,
             absl::StrCat(
                 "is ", FormatSize(window.size.height, window.size.width),
                 window.size_is_default ? " (the default)" : "",
                 dilated ? " and spans " + FormatSize(span.height, span.width) : "",
                 ", larger than the ",
                 input[0] < 0 || input[1] < 0 ? FormatShape(input) : FormatSize(input[0], input[1]),
                 " image that reaches ", layer.name,
                 "; use a smaller one, fewer poolings or strides before it, or padding: SAME"));
    }
    return Shape({Positions(input[0], span.height, window.strides.height, window.padding),
                  Positions(input[1], span.width, window.strides.width, window.padding), input[2]});
  }

  static bool TooLarge(int64_t window, int64_t input) {
    return IsWindowSize(window) && input != kUnknownSize && window > input;
  }

  // VALID: ceil((input - window + 1) / stride); SAME: ceil(input / stride).
  static int64_t Positions(int64_t input, int64_t window, int64_t stride, v1::Padding padding) {
    const bool known = input != kUnknownSize && IsWindowSize(window) && IsWindowSize(stride) &&
                       (padding == v1::SAME || padding == v1::VALID);
    if (!known || (padding == v1::VALID && window > input)) return kUnknownSize;
    const int64_t starts = padding == v1::SAME ? input : input - window + 1;
    return (starts - 1) / stride + 1;
  }

  // Once for each layer as written.
  void Report(const ResolvedLayer& layer, const char* field, std::string description) {
    if (!reported_.insert(layer.layer).second) return;
    const std::string path = absl::StrCat(layer.path, ".", KindOf(*layer.layer).field);
    violations_.Add(*field == '\0' ? path : absl::StrCat(path, ".", field), std::move(description));
  }

  ViolationList& violations_;
  std::unordered_set<const v1::Layer*> reported_;
};

int64_t Parameters(const ResolvedLayer& layer) {
  return SaturatingAdd(layer.trainable_parameters, layer.non_trainable_parameters);
}

}  // namespace

Shape InferShapes(const Shape& input, Expansion& expansion, ViolationList& violations) {
  ShapeInference inference(violations);
  Shape shape = input;
  size_t gap = 0;
  for (size_t i = 0; i <= expansion.layers.size(); ++i) {
    for (; gap < expansion.gaps.size() && expansion.gaps[gap] == i; ++gap) shape = std::nullopt;
    if (i == expansion.layers.size()) break;
    ResolvedLayer& layer = expansion.layers[i];
    layer.input_shape = shape.value_or(std::vector<int64_t>());
    shape = inference.Infer(shape, layer);
    layer.output_shape = shape.value_or(std::vector<int64_t>());
  }
  return shape;
}

int64_t TotalParameters(const std::vector<ResolvedLayer>& layers) {
  int64_t total = 0;
  for (const ResolvedLayer& layer : layers) total = SaturatingAdd(total, Parameters(layer));
  return total;
}

bool CheckParameters(const std::vector<ResolvedLayer>& layers, ViolationList& violations) {
  const int64_t total = TotalParameters(layers);
  if (total <= limits::kParameters) return true;
  const ResolvedLayer& largest = *std::max_element(
      layers.begin(), layers.end(),
      [](const ResolvedLayer& a, const ResolvedLayer& b) { return Parameters(a) < Parameters(b); });
  violations.Add("training.network",
                 absl::StrCat("has ", FormatCount(total), " parameters; at most ",
                              FormatCount(limits::kParameters),
                              " are accepted. The largest layer, ", Quote(largest.name), " (",
                              largest.path, "), has ", FormatCount(Parameters(largest))));
  return false;
}

}  // namespace anneal
