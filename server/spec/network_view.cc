#include "server/spec/network_view.h"

#include "absl/strings/str_cat.h"
#include "server/spec/layer_kind.h"

namespace anneal {

std::string FieldPath(const ResolvedLayer& layer, const std::string& field) {
  return absl::StrCat(layer.path, ".", KindOf(*layer.layer).field, field.empty() ? "" : ".", field);
}

AppliedActivation ActivationApplied(const v1::Layer& layer) {
  if (!IsParametricActivation(layer)) {
    const v1::Activation::Function function = ActivationOf(layer);
    return {function, ActivationName(function)};
  }
  const v1::Activation::Function family = layer.has_relu()  ? v1::Activation::RELU
                                          : layer.has_elu() ? v1::Activation::ELU
                                                            : v1::Activation::LEAKY_RELU;
  return {family, KindOf(layer).field};
}

NetworkView::NetworkView(const std::vector<ResolvedLayer>& layers) : layers_(layers) {
  for (size_t i = 0; i < layers.size(); ++i) {
    if (!HasKernel(*layers[i].layer)) continue;
    last_kernel_ = i;
    ++kernels_;
  }
}

bool NetworkView::IsNext(size_t index, v1::Layer::KindCase kind) const {
  return index + 1 < layers_.size() && layers_[index + 1].layer->kind_case() == kind;
}

AppliedActivation NetworkView::AppliedTo(size_t index) const {
  AppliedActivation applied = ActivationApplied(*layers_[index].layer);
  for (size_t i = index + 1; i < layers_.size(); ++i) {
    if (applied.function != v1::Activation::LINEAR || !KeepsShape(*layers_[i].layer)) break;
    applied = ActivationApplied(*layers_[i].layer);
  }
  return applied;
}

}  // namespace anneal
