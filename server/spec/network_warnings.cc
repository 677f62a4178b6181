// Looks along the expanded network, since what matters is what really follows what. Several rules
// need the activation that finally applies to a layer's outputs: its own, or that of an activation
// layer behind it with nothing but batch normalization or dropout between.
#include <cstddef>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/layer_kind.h"
#include "server/spec/text.h"
#include "server/spec/warnings.h"

namespace anneal {
namespace {

using Layers = std::vector<ResolvedLayer>;

constexpr int kDeep =
    10;  // layers with a kernel; above it the variance that an initializer loses adds up

std::string FieldPath(const ResolvedLayer& layer, const std::string& field) {
  return absl::StrCat(layer.path, ".", KindOf(*layer.layer).field, field.empty() ? "" : ".", field);
}

bool IsNext(const Layers& layers, size_t index, v1::Layer::KindCase kind) {
  return index + 1 < layers.size() && layers[index + 1].layer->kind_case() == kind;
}

// What finally applies to the outputs of the layer at `index`, which has a kernel.
v1::Activation::Function EffectiveActivation(const Layers& layers, size_t index) {
  const v1::Activation::Function own = ActivationOf(*layers[index].layer);
  if (own != v1::Activation::LINEAR) return own;
  for (size_t i = index + 1; i < layers.size(); ++i) {
    const v1::Layer& layer = *layers[i].layer;
    if (layer.has_activation() && layer.activation().function() != v1::Activation::LINEAR) {
      return layer.activation().function();
    }
    if (!layer.has_activation() && !layer.has_batch_normalization() && !layer.has_dropout()) break;
  }
  return v1::Activation::LINEAR;
}

// The value that every weight begins with, where it is one for all.
std::optional<double> ConstantValue(const v1::Initializer& initializer) {
  switch (initializer.kind_case()) {
    case v1::Initializer::kZeros: return 0.0;
    case v1::Initializer::kOnes: return 1.0;
    case v1::Initializer::kConstant: return initializer.constant().value();
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

class NetworkWarnings {
 public:
  NetworkWarnings(const ValidatedSpec& spec, WarningList& warnings)
      : spec_(spec), layers_(spec.layers()), warnings_(warnings) {
    for (size_t i = 0; i < layers_.size(); ++i) {
      if (!HasKernel(*layers_[i].layer)) continue;
      last_kernel_ = i;
      ++kernels_;
    }
  }

  void Find() {
    WarnAboutRepeatNames(spec_.training().network().layers(), "training.network");
    v1::Activation::Function last_activation = v1::Activation::LINEAR;
    bool self_normalizing = false;  // SELU has been seen
    for (size_t i = 0; i < layers_.size(); ++i) {
      const v1::Layer& layer = *layers_[i].layer;
      if (HasKernel(layer)) {
        WarnAboutKernel(i);
        WarnAboutBias(i);
        WarnAboutLinear(i);
        self_normalizing =
            self_normalizing || EffectiveActivation(layers_, i) == v1::Activation::SELU;
      }
      if (layer.has_dropout() && layer.dropout().rate() > 0) WarnAboutDropout(i, last_activation);
      if (layer.has_batch_normalization() && self_normalizing) {
        warnings_.Add(FieldPath(layers_[i], ""),
                      "is in a network with SELU, which normalizes itself (Klambauer et al. 2017); "
                      "one of the two is "
                      "enough");
      }
      const v1::Activation::Function activation = ActivationOf(layer);
      if (activation != v1::Activation::LINEAR) last_activation = activation;
    }
    WarnAboutLogits();
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
    const v1::Activation::Function activation = EffectiveActivation(layers_, index);
    if (activation == v1::Activation::SELU && !IsLecun(initializer)) {
      warnings_.Add(path, absl::StrCat("is ", InitializerName(initializer),
                                       "; SELU normalizes itself only with "
                                       "lecun_normal (Klambauer et al. 2017)"));
    }
    const bool rectifies = activation == v1::Activation::RELU || activation == v1::Activation::ELU;
    const bool normalized = IsNext(layers_, index, v1::Layer::kBatchNormalization);
    if (rectifies && IsGlorot(initializer) && kernels_ > kDeep && !normalized) {
      warnings_.Add(path, absl::StrCat("is ", InitializerName(initializer), " with ",
                                       ActivationName(activation), " in a network of ", kernels_,
                                       " layers; he_normal keeps the signal from "
                                       "fading (He et al. 2015)"));
    }
  }

  // Neurons with equal incoming and equal outgoing weights compute the same and get the same
  // gradient. At a softmax output the gradients of the scores sum to 0, and so equal weights pass
  // nothing back.
  std::string ConsequenceOfEqualWeights(size_t index) const {
    if (index == last_kernel_) {
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

  // Batch normalization subtracts the mean, and any bias with it.
  void WarnAboutBias(size_t index) {
    const v1::Layer& layer = *layers_[index].layer;
    const bool use_bias =
        layer.has_dense() ? defaults::UseBias(layer.dense()) : defaults::UseBias(layer.conv2d());
    if (!use_bias || ActivationOf(layer) != v1::Activation::LINEAR) return;
    if (!IsNext(layers_, index, v1::Layer::kBatchNormalization)) return;
    warnings_.Add(FieldPath(layers_[index], "use_bias"),
                  "is true, but the batch normalization that follows takes every bias away again; "
                  "set it to false");
  }

  // Two layers with only affine maps between are one.
  void WarnAboutLinear(size_t index) {
    if (ActivationOf(*layers_[index].layer) != v1::Activation::LINEAR) return;
    for (size_t i = index + 1; i < layers_.size(); ++i) {
      const v1::Layer& next = *layers_[i].layer;
      if (next.has_max_pooling2d()) return;
      if (next.has_activation() && next.activation().function() != v1::Activation::LINEAR) return;
      if (!HasKernel(next)) continue;
      warnings_.Add(FieldPath(layers_[index], "activation"),
                    absl::StrCat("is LINEAR, with no other activation before ", layers_[i].path,
                                 "; the two layers together are no more than one linear layer"));
      return;
    }
  }

  void WarnAboutDropout(size_t index, v1::Activation::Function last_activation) {
    const std::string path = FieldPath(layers_[index], "");
    if (kernels_ > 0 && index > last_kernel_) {
      warnings_.Add(path,
                    "comes after the last layer with weights, so it drops the network's answers "
                    "themselves; put "
                    "it before that layer");
      return;
    }
    if (last_activation == v1::Activation::SELU) {
      warnings_.Add(
          path,
          "follows SELU, whose mean and variance it changes; alpha dropout is made for SELU "
          "(Klambauer et al. 2017)");
    }
  }

  // With from_logits nothing says what ends the network; an activation there limits the logits.
  void WarnAboutLogits() {
    if (!spec_.training().loss().sparse_categorical_crossentropy().from_logits()) return;
    const ResolvedLayer& last = layers_.back();
    const v1::Activation::Function activation = ActivationOf(*last.layer);
    if (activation == v1::Activation::LINEAR) return;
    warnings_.Add(FieldPath(last, last.layer->has_activation() ? "function" : "activation"),
                  absl::StrCat("is ", ActivationName(activation),
                               " at the end of a network whose loss is from_logits; "
                               "logits are LINEAR, any real number"));
  }

  const ValidatedSpec& spec_;
  const Layers& layers_;
  WarningList& warnings_;
  size_t last_kernel_ = 0;
  int kernels_ = 0;
};

}  // namespace

void WarnAboutNetwork(const ValidatedSpec& spec, WarningList& warnings) {
  NetworkWarnings(spec, warnings).Find();
}

}  // namespace anneal
