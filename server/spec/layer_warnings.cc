// About what stands between the weights: activations, dropouts, noise, normalizations; and about
// the network's end.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/spec/layer_kind.h"
#include "server/spec/loss_checks.h"
#include "server/spec/network_view.h"
#include "server/spec/text.h"
#include "server/spec/warnings.h"

namespace anneal {
namespace {

constexpr double kHighRate = 0.8;
constexpr int kManyHiddenLayers = 5;

// The rate of a dropout of any kind, the standard deviation of noise; 0: it does nothing.
double Strength(const v1::Layer& layer) {
  switch (layer.kind_case()) {
    case v1::Layer::kDropout: return layer.dropout().rate();
    case v1::Layer::kAlphaDropout: return layer.alpha_dropout().rate();
    case v1::Layer::kSpatialDropout2D: return layer.spatial_dropout2d().rate();
    case v1::Layer::kGaussianNoise: return layer.gaussian_noise().stddev();
    default: return 0;
  }
}

class LayerWarnings {
 public:
  LayerWarnings(const ValidatedSpec& spec, WarningList& warnings)
      : spec_(spec), layers_(spec.layers()), view_(spec.layers()), warnings_(warnings) {
    for (const ResolvedLayer& layer : layers_)
      has_selu_ = has_selu_ || ActivationOf(*layer.layer) == v1::Activation::SELU;
  }

  void Find() {
    AppliedActivation last;
    bool self_normalizing = false;  // SELU applies to the outputs of a layer so far
    for (size_t i = 0; i < layers_.size(); ++i) {
      const v1::Layer& layer = *layers_[i].layer;
      if (HasKernel(layer) && view_.AppliedTo(i).function == v1::Activation::SELU)
        self_normalizing = true;
      if (HasActivation(layer)) WarnAboutActivation(i);
      if (IsStochastic(layer) && Strength(layer) > 0) WarnAboutRandomness(i, last);
      if (IsNormalization(layer) && self_normalizing) {
        warnings_.Add(FieldPath(layers_[i], ""),
                      "is in a network with SELU, which normalizes itself (Klambauer et al. 2017); "
                      "one of the two is enough");
      }
      const AppliedActivation applied = ActivationApplied(layer);
      if (applied.function != v1::Activation::LINEAR) last = applied;
    }
    WarnAboutLogits();
    WarnAboutRegression();
  }

 private:
  std::string ActivationPath(const ResolvedLayer& layer) const {
    return FieldPath(layer, ActivationField(*layer.layer));
  }

  void WarnAboutActivation(size_t index) {
    const v1::Activation::Function function = ActivationOf(*layers_[index].layer);
    const std::string path = ActivationPath(layers_[index]);
    const std::string is = absl::StrCat("is ", ActivationName(function));
    const bool is_last = index + 1 == layers_.size();
    const bool is_softmax =
        function == v1::Activation::SOFTMAX || function == v1::Activation::LOG_SOFTMAX;
    if (is_softmax && !is_last) {
      warnings_.Add(path, absl::StrCat(is,
                                       " before the network's end, where it ties all values of a "
                                       "sample together and passes small gradients back; it is "
                                       "made for the last layer"));
    }
    if (!view_.IsHidden(index)) return;
    if (function == v1::Activation::EXPONENTIAL) {
      warnings_.Add(path, absl::StrCat(is,
                                       " in a hidden layer; it grows without bound, and training "
                                       "overflows easily: SOFTPLUS or ELU grow no faster than "
                                       "their input"));
    }
    const bool saturates = function == v1::Activation::SIGMOID ||
                           function == v1::Activation::HARD_SIGMOID ||
                           function == v1::Activation::TANH;
    const bool normalized = index > 0 && layers_[index].layer->has_activation() &&
                            IsNormalization(*layers_[index - 1].layer);
    const int hidden_layers = view_.kernels() - 1;
    if (saturates && !normalized && hidden_layers > kManyHiddenLayers) {
      warnings_.Add(path,
                    absl::StrCat(is, " in a network of ", hidden_layers,
                                 " hidden layers; it saturates, and gradients vanish on the way "
                                 "back (Glorot & Bengio 2010): ELU or RELU pass them on"));
    }
  }

  // `last`: the activation that came before.
  void WarnAboutRandomness(size_t index, const AppliedActivation& last) {
    const v1::Layer& layer = *layers_[index].layer;
    const std::string path = FieldPath(layers_[index], "");
    if (view_.IsAfterTheLastKernel(index)) {
      warnings_.Add(path, absl::StrCat("comes after the last layer with weights, so it ",
                                       layer.has_gaussian_noise() ? "disturbs" : "drops",
                                       " the network's answers themselves; put it before that "
                                       "layer"));
      return;
    }
    if (layer.has_gaussian_noise()) return;
    if (Strength(layer) >= kHighRate) {
      warnings_.Add(path + ".rate",
                    absl::StrCat("is ", FormatReal(Strength(layer)),
                                 ", which leaves little of what the layers before have found; 0.1 "
                                 "to 0.5 are usual (Srivastava et al. 2014)"));
    }
    const bool follows_selu = last.function == v1::Activation::SELU;
    if (follows_selu && !layer.has_alpha_dropout()) {
      warnings_.Add(
          path,
          "follows SELU, whose mean and variance it changes; alpha dropout is made for SELU "
          "(Klambauer et al. 2017)");
    }
    // On inputs of mean 0 and variance 1 it is as right as behind SELU.
    const bool on_inputs = last.function == v1::Activation::LINEAR && has_selu_;
    if (layer.has_alpha_dropout() && !follows_selu && !on_inputs) {
      const std::string follows = last.function == v1::Activation::LINEAR
                                      ? "is in a network without SELU"
                                      : absl::StrCat("follows ", last.name);
      warnings_.Add(path, absl::StrCat(follows,
                                       "; alpha dropout keeps the mean and variance of SELU only "
                                       "(Klambauer et al. 2017): use dropout"));
    }
  }

  // With from_logits nothing says what ends the network; an activation there limits the logits.
  void WarnAboutLogits() {
    if (!NeedsOf(spec_.training().loss()).from_logits) return;
    const ResolvedLayer& last = layers_.back();
    const v1::Activation::Function activation = ActivationOf(*last.layer);
    if (activation == v1::Activation::LINEAR) return;
    warnings_.Add(ActivationPath(last),
                  absl::StrCat("is ", ActivationName(activation),
                               " at the end of a network whose loss is from_logits; "
                               "logits are LINEAR, any real number"));
  }

  // The gradient of a distance between probabilities has the factor p (1 - p), and so is smallest
  // where the network is sure and wrong.
  void WarnAboutRegression() {
    const v1::Loss& loss = spec_.training().loss();
    if (!loss.has_mean_squared_error() && !loss.has_mean_absolute_error() && !loss.has_huber())
      return;
    const ResolvedLayer& last = layers_.back();
    const v1::Activation::Function activation = ActivationOf(*last.layer);
    const bool is_softmax = activation == v1::Activation::SOFTMAX;
    if (!is_softmax && activation != v1::Activation::SIGMOID) return;
    warnings_.Add("training.loss",
                  absl::StrCat("measures distances between probabilities (", ActivationPath(last),
                               " is ", ActivationName(activation),
                               "), whose gradients vanish where the network is sure and wrong "
                               "(Glorot & Bengio 2010, section 4.1); ",
                               is_softmax ? "sparse_categorical" : "binary",
                               "_crossentropy does not have this"));
  }

  const ValidatedSpec& spec_;
  const std::vector<ResolvedLayer>& layers_;
  const NetworkView view_;
  WarningList& warnings_;
  bool has_selu_ = false;
};

}  // namespace

void WarnAboutLayers(const ValidatedSpec& spec, WarningList& warnings) {
  LayerWarnings(spec, warnings).Find();
}

}  // namespace anneal
