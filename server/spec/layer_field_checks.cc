#include "server/spec/layer_field_checks.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/initializer_checks.h"
#include "server/spec/layer_kind.h"
#include "server/spec/limits.h"
#include "server/spec/text.h"
#include "server/spec/weight_checks.h"

namespace anneal {
namespace {

void CheckActivation(const FieldChecks& checks, const char* field,
                     v1::Activation::Function function) {
  checks.Enum(field, function, v1::Activation::Function_descriptor());
}

// `noun`: "a pooling window". Width 0 means height. True where both are in range.
bool CheckSize(const FieldChecks& checks, const v1::Size2D& size, const char* noun) {
  const std::string height = absl::StrCat("the height of ", noun);
  const bool fits = checks.Integer("height", size.height(), 1, limits::kWindow, height.c_str());
  if (size.width() == 0) return fits;
  const std::string width = absl::StrCat("the width of ", noun);
  return checks.Integer("width", size.width(), 1, limits::kWindow, width.c_str()) && fits;
}

// What Dense and Conv2D say of their kernel and bias.
template <typename DenseOrConv2D>
void CheckWeights(const FieldChecks& checks, const DenseOrConv2D& layer, WeightKind kernel) {
  if (layer.has_kernel_initializer())
    CheckInitializer(checks.In("kernel_initializer"), layer.kernel_initializer(), kernel);
  if (layer.has_bias_initializer())
    CheckInitializer(checks.In("bias_initializer"), layer.bias_initializer(), WeightKind::kBias);
  if (layer.has_kernel_regularizer())
    CheckRegularizer(checks.In("kernel_regularizer"), layer.kernel_regularizer());
  if (layer.has_bias_regularizer())
    CheckRegularizer(checks.In("bias_regularizer"), layer.bias_regularizer());
  if (layer.has_kernel_constraint())
    CheckConstraint(checks.In("kernel_constraint"), layer.kernel_constraint());
  if (layer.has_bias_constraint())
    CheckConstraint(checks.In("bias_constraint"), layer.bias_constraint());
}

void CheckDense(const FieldChecks& checks, const v1::Dense& dense) {
  checks.Integer("units", dense.units(), 1, limits::kUnits, "the number of units");
  CheckActivation(checks, "activation", dense.activation());
  CheckWeights(checks, dense, WeightKind::kDenseKernel);
}

// A kernel's values stand dilation_rate pixels apart, so that it spans (size - 1) * rate + 1; the
// span is limited as a window's size is, since padding grows with it.
void CheckDilation(const FieldChecks& checks, const v1::Conv2D& conv, bool strides_fit) {
  if (!CheckSize(checks.In("dilation_rate"), conv.dilation_rate(), "a dilation rate")) return;
  const defaults::Size rate = defaults::DilationRate(conv);
  if (rate.height == 1 && rate.width == 1) return;
  const std::string is = absl::StrCat("is ", FormatSize(rate.height, rate.width));
  const defaults::Size strides = defaults::Strides(conv);
  if (strides_fit && (strides.height != 1 || strides.width != 1)) {
    checks.Add("dilation_rate",
               absl::StrCat(is, " with strides of ", FormatSize(strides.height, strides.width),
                            "; a dilated convolution has strides of 1"));
  }
  const defaults::Size kernel = defaults::KernelSize(conv);
  const auto fits = [](int64_t size) { return size >= 1 && size <= limits::kWindow; };
  if (!fits(kernel.height) || !fits(kernel.width)) return;
  const int64_t height = (kernel.height - 1) * rate.height + 1;
  const int64_t width = (kernel.width - 1) * rate.width + 1;
  if (fits(height) && fits(width)) return;
  checks.Add("dilation_rate",
             absl::StrCat(is, ", which makes the ", FormatSize(kernel.height, kernel.width),
                          " kernel span ", FormatSize(height, width), "; a kernel spans at most ",
                          FormatSize(limits::kWindow, limits::kWindow)));
}

void CheckConv2D(const FieldChecks& checks, const v1::Conv2D& conv) {
  const bool filters =
      checks.Integer("filters", conv.filters(), 1, limits::kUnits, "the number of filters");
  if (conv.has_kernel_size()) {
    CheckSize(checks.In("kernel_size"), conv.kernel_size(), "a kernel");
  } else {
    checks.Add("kernel_size", "is missing; for example kernel_size { height: 3 } for 3x3");
  }
  const bool strides =
      !conv.has_strides() || CheckSize(checks.In("strides"), conv.strides(), "a stride");
  checks.Enum("padding", conv.padding(), v1::Padding_descriptor());
  CheckActivation(checks, "activation", conv.activation());
  if (conv.activation() == v1::Activation::SOFTMAX ||
      conv.activation() == v1::Activation::LOG_SOFTMAX) {
    const std::string name = ActivationName(conv.activation());
    checks.Add("activation", absl::StrCat("is ", name, ", which a convolution does not apply; add ",
                                          "activation { function: ", name,
                                          " } behind it, which is over the channels"));
  }
  if (conv.has_dilation_rate()) CheckDilation(checks, conv, strides);
  const int64_t groups = defaults::Groups(conv);
  if (checks.Integer("groups", groups, 1, limits::kUnits, "the number of groups") && filters &&
      conv.filters() % groups != 0) {
    checks.Add("groups", absl::StrCat("is ", groups, ", which does not divide the ", conv.filters(),
                                      " filters; every group has as many"));
  }
  CheckWeights(checks, conv, WeightKind::kConvKernel);
}

template <typename Pooling>
void CheckPooling(const FieldChecks& checks, const Pooling& pooling) {
  if (pooling.has_pool_size())
    CheckSize(checks.In("pool_size"), pooling.pool_size(), "a pooling window");
  if (pooling.has_strides()) CheckSize(checks.In("strides"), pooling.strides(), "a stride");
  checks.Enum("padding", pooling.padding(), v1::Padding_descriptor());
}

void CheckBatchNormalization(const FieldChecks& checks,
                             const v1::BatchNormalization& normalization) {
  checks.Real("momentum", defaults::Momentum(normalization), kBelowOne, "a momentum");
  checks.Real("epsilon", defaults::Epsilon(normalization), kPositive, "an epsilon");
}

void CheckReLU(const FieldChecks& checks, const v1::ReLU& relu) {
  const bool max_value = !relu.has_max_value() ||
                         checks.Real("max_value", relu.max_value(), kPositive, "a largest value");
  checks.Real("negative_slope", relu.negative_slope(), kNotNegative, "a slope");
  const bool threshold = checks.Real("threshold", relu.threshold(), kNotNegative, "a threshold");
  if (max_value && threshold && relu.has_max_value() &&
      static_cast<float>(relu.max_value()) <= static_cast<float>(relu.threshold())) {
    checks.Add("max_value", absl::StrCat("is ", FormatReal(relu.max_value()),
                                         "; it is greater than threshold, which is ",
                                         FormatReal(relu.threshold())));
  }
}

void CheckRReLU(const FieldChecks& checks, const v1::RReLU& rrelu) {
  const double lower = defaults::Lower(rrelu);
  const double upper = defaults::Upper(rrelu);
  const bool lower_fits = checks.Real("lower", lower, kNotNegative, "the smallest slope");
  const bool upper_fits = checks.Real("upper", upper, kNotNegative, "the largest slope");
  if (lower_fits && upper_fits && upper < lower) {
    checks.Add("upper",
               absl::StrCat("is ", FormatReal(upper), rrelu.has_upper() ? "" : " (the default)",
                            "; it is at least lower, which is ", FormatReal(lower),
                            rrelu.has_lower() ? "" : " (the default)"));
  }
}

}  // namespace

void CheckLayerFields(const FieldChecks& checks, const v1::Layer& layer) {
  const auto check_rate = [&checks](double rate) {
    checks.Real("rate", rate, kBelowOne, "a rate");
  };
  switch (layer.kind_case()) {
    case v1::Layer::kActivation:
      return CheckActivation(checks, "function", layer.activation().function());
    case v1::Layer::kDense: return CheckDense(checks, layer.dense());
    case v1::Layer::kConv2D: return CheckConv2D(checks, layer.conv2d());
    case v1::Layer::kMaxPooling2D: return CheckPooling(checks, layer.max_pooling2d());
    case v1::Layer::kAveragePooling2D: return CheckPooling(checks, layer.average_pooling2d());
    case v1::Layer::kDropout: return check_rate(layer.dropout().rate());
    case v1::Layer::kAlphaDropout: return check_rate(layer.alpha_dropout().rate());
    case v1::Layer::kSpatialDropout2D: return check_rate(layer.spatial_dropout2d().rate());
    case v1::Layer::kGaussianNoise:
      checks.Real("stddev", layer.gaussian_noise().stddev(), kNotNegative, "a standard deviation");
      return;
    case v1::Layer::kBatchNormalization:
      return CheckBatchNormalization(checks, layer.batch_normalization());
    case v1::Layer::kLayerNormalization:
      checks.Real("epsilon", defaults::Epsilon(layer.layer_normalization()), kPositive,
                  "an epsilon");
      return;
    case v1::Layer::kRelu: return CheckReLU(checks, layer.relu());
    case v1::Layer::kLeakyRelu:
      checks.Real("negative_slope", defaults::NegativeSlope(layer.leaky_relu()), kNotNegative,
                  "a slope");
      return;
    case v1::Layer::kPrelu:
      if (layer.prelu().has_alpha_initializer())
        CheckInitializer(checks.In("alpha_initializer"), layer.prelu().alpha_initializer(),
                         WeightKind::kSlope);
      return;
    case v1::Layer::kRrelu: return CheckRReLU(checks, layer.rrelu());
    case v1::Layer::kElu:
      checks.Real("alpha", defaults::Alpha(layer.elu()), kPositive, "an alpha");
      return;
    case v1::Layer::kFlatten:
    case v1::Layer::kGlobalMaxPooling2D:
    case v1::Layer::kGlobalAveragePooling2D:
    case v1::Layer::kRepeat:
    case v1::Layer::KIND_NOT_SET: return;
  }
}

}  // namespace anneal
