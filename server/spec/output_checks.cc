#include "server/spec/output_checks.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_set>

#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/layer_kind.h"
#include "server/spec/text.h"

namespace anneal {
namespace {

// Layers that have an activation of their own.
bool HasActivation(const v1::Layer& layer) { return HasKernel(layer) || layer.has_activation(); }

std::string ActivationPath(const ResolvedLayer& layer) {
  return absl::StrCat(layer.path, ".", KindOf(*layer.layer).field,
                      layer.layer->has_activation() ? ".function" : ".activation");
}

// Whether anything is written after layers.back() that could not be expanded.
bool EndIsKnown(const Expansion& expansion) {
  const bool gap = !expansion.gaps.empty() && expansion.gaps.back() == expansion.layers.size();
  return !expansion.layers.empty() && !gap &&
         expansion.layers.back().layer->kind_case() != v1::Layer::KIND_NOT_SET;
}

// The layer whose size is the output's: the last one that is not an activation, a dropout or a
// normalization.
const ResolvedLayer& ShapingLayer(const std::vector<ResolvedLayer>& layers) {
  const auto found = std::find_if(layers.rbegin(), layers.rend(), [](const ResolvedLayer& layer) {
    const v1::Layer& kind = *layer.layer;
    return !kind.has_activation() && !kind.has_dropout() && !kind.has_batch_normalization();
  });
  return found == layers.rend() ? layers.back() : *found;
}

void CheckEnd(bool from_logits, const ResolvedLayer& last, ViolationList& violations) {
  const v1::Layer& layer = *last.layer;
  const v1::Activation::Function activation = ActivationOf(layer);
  if (!v1::Activation::Function_IsValid(activation)) return;
  const bool is_softmax = HasActivation(layer) && activation == v1::Activation::SOFTMAX;
  if (from_logits && is_softmax) {
    violations.Add("training.loss.sparse_categorical_crossentropy.from_logits",
                   absl::StrCat("is true, but the network ends in SOFTMAX (", ActivationPath(last),
                                "), whose outputs are probabilities; leave one of the two out"));
  }
  if (from_logits || is_softmax) return;
  constexpr const char* kRight =
      "the loss needs probabilities: end the network in SOFTMAX, or set "
      "training.loss.sparse_categorical_crossentropy.from_logits";
  if (HasActivation(layer)) {
    violations.Add(ActivationPath(last), absl::StrCat("is ", ActivationName(activation),
                                                      " in the network's last layer; ", kRight));
  } else {
    violations.Add(last.path, absl::StrCat("is the network's last layer, a ", KindOf(layer).field,
                                           "; ", kRight));
  }
}

}  // namespace

void CheckOutputShape(const Expansion& expansion, const Shape& output, const DatasetInfo* dataset,
                      ViolationList& violations) {
  if (!output || dataset == nullptr || !EndIsKnown(expansion)) return;
  if (std::find(output->begin(), output->end(), kUnknownSize) != output->end()) return;
  const auto classes = static_cast<int64_t>(dataset->class_names.size());
  if (*output == std::vector<int64_t>{classes}) return;
  const ResolvedLayer& shaping = ShapingLayer(expansion.layers);
  const std::string right =
      absl::StrCat("data set ", Quote(dataset->name), " has ", classes, " classes");
  if (shaping.layer->has_dense()) {
    violations.Add(
        shaping.path + ".dense.units",
        absl::StrCat("is ", shaping.layer->dense().units(), ", which makes the network's output ",
                     FormatShape(*output), "; ", right, ": units must be ", classes));
    return;
  }
  violations.Add(shaping.path,
                 absl::StrCat("makes the network's output ", FormatShape(*output), "; ", right,
                              ": end with dense { units: ", classes, " activation: SOFTMAX }"));
}

void CheckSoftmax(const v1::TrainingSpec& training, const Expansion& expansion,
                  ViolationList& violations) {
  const std::vector<ResolvedLayer>& layers = expansion.layers;
  std::unordered_set<const v1::Layer*> reported;
  bool trailing = false;  // after the last misplaced SOFTMAX comes no other activation
  for (size_t i = 0; i < layers.size(); ++i) {
    if (!HasActivation(*layers[i].layer)) continue;
    trailing = ActivationOf(*layers[i].layer) == v1::Activation::SOFTMAX && i + 1 < layers.size();
    if (!trailing || !reported.insert(layers[i].layer).second) continue;
    violations.Add(
        ActivationPath(layers[i]),
        absl::StrCat("is SOFTMAX, but ", Quote(layers[i + 1].name), " follows (",
                     layers[i + 1].path, "); SOFTMAX may only be the last thing the network does"));
  }
  const bool judged =
      training.loss().has_sparse_categorical_crossentropy() && EndIsKnown(expansion) && !trailing;
  if (!judged) return;
  CheckEnd(training.loss().sparse_categorical_crossentropy().from_logits(), layers.back(),
           violations);
}

void CheckTrainable(const Expansion& expansion, ViolationList& violations) {
  if (!expansion.gaps.empty()) return;
  for (const ResolvedLayer& layer : expansion.layers) {
    const v1::Layer& kind = *layer.layer;
    const bool normalizes =
        kind.has_batch_normalization() && (defaults::Scale(kind.batch_normalization()) ||
                                           defaults::Center(kind.batch_normalization()));
    if (HasKernel(kind) || normalizes || kind.kind_case() == v1::Layer::KIND_NOT_SET) return;
  }
  violations.Add("training.network.layers",
                 "have no weights to train; a network has at least one dense or conv2d layer");
}

}  // namespace anneal
