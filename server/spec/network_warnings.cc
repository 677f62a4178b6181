// About weights: how they begin, biases that do nothing, layers that are one.
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/layer_kind.h"
#include "server/spec/network_view.h"
#include "server/spec/text.h"
#include "server/spec/warnings.h"

namespace anneal {
namespace {

constexpr int kDeep =
    10;  // layers with a kernel; above it the variance that an initializer loses adds up

// The value that every weight begins with, where it is one for all.
std::optional<double> ConstantValue(const v1::Initializer& initializer) {
  switch (initializer.kind_case()) {
    case v1::Initializer::kZeros: return 0.0;
    case v1::Initializer::kOnes: return 1.0;
    case v1::Initializer::kConstant: return initializer.constant().value();
    case v1::Initializer::kIdentity:
      if (defaults::Gain(initializer.identity()) == 0) return 0.0;
      return std::nullopt;
    case v1::Initializer::kOrthogonal:
      if (defaults::Gain(initializer.orthogonal()) == 0) return 0.0;
      return std::nullopt;
    default: return std::nullopt;
  }
}

std::string InitializerName(const v1::Initializer& initializer) {
  const auto* const descriptor = v1::Initializer::descriptor();
  const auto* const kind = initializer.GetReflection()->GetOneofFieldDescriptor(
      initializer, descriptor->FindOneofByName("kind"));
  return kind == nullptr ? "glorot_uniform (the default)" : kind->name();
}

bool IsLecun(const v1::Initializer& initializer) {
  const v1::Initializer::VarianceScaling& scaling = initializer.variance_scaling();
  return initializer.has_lecun_normal() || initializer.has_lecun_uniform() ||
         (initializer.has_variance_scaling() && defaults::Scale(scaling) == 1 &&
          scaling.mode() == v1::Initializer::VarianceScaling::FAN_IN);
}

bool IsGlorot(const v1::Initializer& initializer) {
  return initializer.has_glorot_uniform() || initializer.has_glorot_normal() ||
         initializer.kind_case() == v1::Initializer::KIND_NOT_SET;
}

bool IsHe(const v1::Initializer& initializer) {
  return initializer.has_he_uniform() || initializer.has_he_normal();
}

bool Rectifies(v1::Activation::Function function) {
  switch (function) {
    case v1::Activation::RELU:
    case v1::Activation::RELU6:
    case v1::Activation::LEAKY_RELU:
    case v1::Activation::ELU:
    case v1::Activation::CELU:
    case v1::Activation::GELU:
    case v1::Activation::SILU:
    case v1::Activation::HARD_SILU:
    case v1::Activation::MISH: return true;
    default: return false;
  }
}

bool IsSigmoidal(v1::Activation::Function function) {
  return function == v1::Activation::SIGMOID || function == v1::Activation::HARD_SIGMOID ||
         function == v1::Activation::TANH || function == v1::Activation::SOFTSIGN;
}

class NetworkWarnings {
 public:
  NetworkWarnings(const ValidatedSpec& spec, WarningList& warnings)
      : spec_(spec), layers_(spec.layers()), view_(spec.layers()), warnings_(warnings) {}

  void Find() {
    WarnAboutRepeatNames(spec_.training().network().layers(), "training.network");
    for (size_t i = 0; i < layers_.size(); ++i) {
      const v1::Layer& layer = *layers_[i].layer;
      if (!HasKernel(layer)) continue;
      WarnAboutKernel(i);
      layer.has_dense() ? WarnAboutBias(i, layer.dense()) : WarnAboutBias(i, layer.conv2d());
      WarnAboutLinear(i);
    }
  }

 private:
  void WarnAboutRepeatNames(const google::protobuf::RepeatedPtrField<v1::Layer>& layers,
                            const std::string& path) {
    for (int i = 0; i < layers.size(); ++i) {
      if (!layers[i].has_repeat()) continue;
      const std::string layer_path = absl::StrCat(path, ".layers[", i, "]");
      if (!layers[i].name().empty()) {
        warnings_.Add(layer_path + ".name",
                      "is not used: a repeat has no name; name the layers inside of it");
      }
      WarnAboutRepeatNames(layers[i].repeat().layers(), layer_path + ".repeat");
    }
  }

  void WarnAboutKernel(size_t index) {
    const ResolvedLayer& layer = layers_[index];
    const v1::Initializer& initializer = KernelInitializer(*layer.layer);
    const std::string path = FieldPath(layer, "kernel_initializer");
    if (const std::optional<double> value = ConstantValue(initializer)) {
      warnings_.Add(path,
                    absl::StrCat("makes all weights equal (", FormatReal(*value), "); ",
                                 ConsequenceOfEqualWeights(index), ": use a random initializer"));
      return;
    }
    const AppliedActivation activation = view_.AppliedTo(index);
    if (activation.function == v1::Activation::SELU && !IsLecun(initializer)) {
      warnings_.Add(path, absl::StrCat("is ", InitializerName(initializer),
                                       "; SELU normalizes itself only with "
                                       "lecun_normal (Klambauer et al. 2017)"));
    }
    const bool normalized = view_.IsNext(index, v1::Layer::kBatchNormalization) ||
                            view_.IsNext(index, v1::Layer::kLayerNormalization);
    if (Rectifies(activation.function) && IsGlorot(initializer) && view_.kernels() > kDeep &&
        !normalized) {
      warnings_.Add(path, absl::StrCat("is ", InitializerName(initializer), " with ",
                                       activation.name, " in a network of ", view_.kernels(),
                                       " layers; he_normal keeps the signal from "
                                       "fading (He et al. 2015)"));
    }
    if (IsSigmoidal(activation.function) && IsHe(initializer) && view_.IsHidden(index) &&
        !normalized) {
      warnings_.Add(path,
                    absl::StrCat("is ", InitializerName(initializer), " with ", activation.name,
                                 ", for which its weights are too large; glorot_uniform is "
                                 "made for it (Glorot & Bengio 2010)"));
    }
  }

  // Neurons with equal incoming and equal outgoing weights compute the same and get the same
  // gradient. At a softmax output the gradients of the scores sum to 0, and so equal weights pass
  // nothing back.
  std::string ConsequenceOfEqualWeights(size_t index) const {
    if (!view_.IsHidden(index)) {
      return "all classes begin with the same score, and the layers before, if any, learn nothing "
             "in the first step";
    }
    size_t next = index + 1;
    while (!HasKernel(*layers_[next].layer)) ++next;
    if (ConstantValue(KernelInitializer(*layers_[next].layer))) {
      return "the neurons of this layer stay identical for ever, since they all get the same "
             "gradient";
    }
    return "the neurons of this layer begin identical, and only the next layer's weights tell them "
           "apart";
  }

  template <typename DenseOrConv2D>
  void WarnAboutBias(size_t index, const DenseOrConv2D& layer) {
    const ResolvedLayer& resolved = layers_[index];
    if (!defaults::UseBias(layer)) {
      const auto warn_unused = [&](const char* field, bool present) {
        if (present)
          warnings_.Add(FieldPath(resolved, field), "is not used, since use_bias is false");
      };
      warn_unused("bias_initializer", layer.has_bias_initializer());
      warn_unused("bias_regularizer", layer.has_bias_regularizer());
      warn_unused("bias_constraint", layer.has_bias_constraint());
      return;
    }
    // Batch normalization subtracts the mean, and any bias with it.
    if (layer.activation() != v1::Activation::LINEAR) return;
    if (!view_.IsNext(index, v1::Layer::kBatchNormalization)) return;
    warnings_.Add(FieldPath(resolved, "use_bias"),
                  "is true, but the batch normalization that follows takes every bias away again; "
                  "set it to false");
  }

  // Two layers with only affine maps between are one. A convolution in groups followed by a full
  // one is meant as that: it is a matrix in two factors (Sifre & Mallat 2014; Chollet 2017).
  void WarnAboutLinear(size_t index) {
    const v1::Layer& layer = *layers_[index].layer;
    if (ActivationOf(layer) != v1::Activation::LINEAR) return;
    if (layer.has_conv2d() && defaults::Groups(layer.conv2d()) > 1) return;
    for (size_t i = index + 1; i < layers_.size(); ++i) {
      const v1::Layer& next = *layers_[i].layer;
      if (next.has_max_pooling2d() || next.has_global_max_pooling2d()) return;
      if (next.has_layer_normalization() || IsParametricActivation(next)) return;
      if (next.has_activation() && next.activation().function() != v1::Activation::LINEAR) return;
      if (!HasKernel(next)) continue;
      warnings_.Add(FieldPath(layers_[index], "activation"),
                    absl::StrCat("is LINEAR, with no other activation before ", layers_[i].path,
                                 "; the two layers together are no more than one linear layer"));
      return;
    }
  }

  const ValidatedSpec& spec_;
  const std::vector<ResolvedLayer>& layers_;
  const NetworkView view_;
  WarningList& warnings_;
};

}  // namespace

void WarnAboutNetwork(const ValidatedSpec& spec, WarningList& warnings) {
  NetworkWarnings(spec, warnings).Find();
}

}  // namespace anneal
