#include "server/spec/output_checks.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/layer_kind.h"
#include "server/spec/loss_checks.h"
#include "server/spec/text.h"

namespace anneal {
namespace {

std::string ActivationPath(const ResolvedLayer& layer) {
  return absl::StrCat(layer.path, ".", KindOf(*layer.layer).field, ".",
                      ActivationField(*layer.layer));
}

// Whether anything is written after layers.back() that could not be expanded.
bool EndIsKnown(const Expansion& expansion) {
  const bool gap = !expansion.gaps.empty() && expansion.gaps.back() == expansion.layers.size();
  return !expansion.layers.empty() && !gap &&
         expansion.layers.back().layer->kind_case() != v1::Layer::KIND_NOT_SET;
}

// The layer whose size is the output's.
const ResolvedLayer& ShapingLayer(const std::vector<ResolvedLayer>& layers) {
  const auto found = std::find_if(layers.rbegin(), layers.rend(), [](const ResolvedLayer& layer) {
    return !KeepsShape(*layer.layer);
  });
  return found == layers.rend() ? layers.back() : *found;
}

const char* LossName(const v1::Loss& loss) {
  const auto* const field = loss.GetReflection()->GetOneofFieldDescriptor(
      loss, v1::Loss::descriptor()->FindOneofByName("kind"));
  return field == nullptr ? "" : field->name().c_str();
}

bool IsLearned(const v1::Layer& layer) {
  const auto normalizes = [](const auto& normalization) {
    return defaults::Scale(normalization) || defaults::Center(normalization);
  };
  if (layer.has_batch_normalization()) return normalizes(layer.batch_normalization());
  if (layer.has_layer_normalization()) return normalizes(layer.layer_normalization());
  return HasKernel(layer) || layer.has_prelu();
}

}  // namespace

void CheckOutputShape(const v1::TrainingSpec& training, const Expansion& expansion,
                      const Shape& output, const DatasetInfo* dataset, ViolationList& violations) {
  if (!output || dataset == nullptr || !EndIsKnown(expansion)) return;
  if (std::find(output->begin(), output->end(), kUnknownSize) != output->end()) return;
  const auto classes = static_cast<int64_t>(dataset->class_names.size());
  const std::vector<int64_t> outputs = OutputsFor(training.loss(), classes);
  if (output->size() == 1 &&
      std::find(outputs.begin(), outputs.end(), output->front()) != outputs.end()) {
    if (output->front() < classes && !training.metrics().empty()) {
      violations.Add("training.metrics[0]",
                     "ranks the outputs, but the network has only one; end it with one for each "
                     "class, or leave the metric out");
    }
    return;
  }
  const ResolvedLayer& shaping = ShapingLayer(expansion.layers);
  const std::string right =
      absl::StrCat("data set ", Quote(dataset->name), " has ", classes, " classes");
  if (shaping.layer->has_dense()) {
    violations.Add(
        shaping.path + ".dense.units",
        absl::StrCat("is ", shaping.layer->dense().units(), ", which makes the network's output ",
                     FormatShape(*output), "; ", right, ": units must be ", outputs.front(),
                     outputs.size() > 1 ? absl::StrCat(" or ", outputs.back()) : ""));
    return;
  }
  const v1::Activation::Function activation = NeedsOf(training.loss()).activation;
  violations.Add(shaping.path,
                 absl::StrCat("makes the network's output ", FormatShape(*output), "; ", right,
                              ": end with dense { units: ", outputs.front(),
                              activation == v1::Activation::LINEAR
                                  ? ""
                                  : absl::StrCat(" activation: ", ActivationName(activation)),
                              " }"));
}

void CheckEnd(const v1::TrainingSpec& training, const Expansion& expansion,
              ViolationList& violations) {
  const LossNeeds needs = NeedsOf(training.loss());
  if (!EndIsKnown(expansion)) return;
  const ResolvedLayer& last = expansion.layers.back();
  const v1::Layer& layer = *last.layer;
  const v1::Activation::Function activation = ActivationOf(layer);
  if (!v1::Activation::Function_IsValid(activation)) return;
  const std::string from_logits =
      absl::StrCat("training.loss.", LossName(training.loss()), ".from_logits");
  const bool is_probability =
      activation == v1::Activation::SOFTMAX ||
      (activation == v1::Activation::SIGMOID && training.loss().has_binary_crossentropy());
  if (needs.from_logits && is_probability) {
    violations.Add(from_logits,
                   absl::StrCat("is true, but the network ends in ", ActivationName(activation),
                                " (", ActivationPath(last),
                                "), whose outputs are probabilities; leave one of the two out"));
  }
  if (needs.activation == v1::Activation::LINEAR || activation == needs.activation) return;
  const std::string right =
      absl::StrCat("the loss needs probabilities: end the network in ",
                   ActivationName(needs.activation), ", or set ", from_logits);
  if (HasActivation(layer)) {
    violations.Add(ActivationPath(last), absl::StrCat("is ", ActivationName(activation),
                                                      " in the network's last layer; ", right));
  } else {
    violations.Add(last.path, absl::StrCat("is the network's last layer (", KindOf(layer).field,
                                           "); ", right));
  }
}

void CheckTrainable(const Expansion& expansion, ViolationList& violations) {
  if (!expansion.gaps.empty()) return;
  for (const ResolvedLayer& layer : expansion.layers) {
    if (IsLearned(*layer.layer) || layer.layer->kind_case() == v1::Layer::KIND_NOT_SET) return;
  }
  violations.Add("training.network.layers",
                 "have no weights to train; a network has at least one dense or conv2d layer");
}

}  // namespace anneal
