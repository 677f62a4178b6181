#include "server/spec/layer_checks.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/spec/field_checks.h"
#include "server/spec/layer_field_checks.h"
#include "server/spec/layer_kind.h"
#include "server/spec/limits.h"
#include "server/spec/saturating.h"
#include "server/spec/text.h"

namespace anneal {
namespace {

class LayerChecker {
 public:
  explicit LayerChecker(ViolationList& violations) : violations_(violations) {}

  // Returns how many layers these expand to. `nesting`: how many repeats they are inside of.
  int64_t CheckAll(const google::protobuf::RepeatedPtrField<v1::Layer>& layers,
                   const std::string& path, int nesting) {
    int64_t expanded = 0;
    for (int i = 0; i < layers.size(); ++i) {
      const int64_t count = Check(layers[i], absl::StrCat(path, ".layers[", i, "]"), nesting);
      expanded = SaturatingAdd(expanded, count);
    }
    return expanded;
  }

  bool too_deep() const { return too_deep_; }

 private:
  int64_t Check(const v1::Layer& layer, std::string path, int nesting) {
    const FieldChecks layer_checks(std::move(path), violations_);
    CheckName(layer_checks, layer.name());
    const FieldChecks checks = layer_checks.In(KindOf(layer).field);
    if (layer.has_repeat()) return CheckRepeat(checks, layer.repeat(), nesting + 1);
    if (layer.kind_case() == v1::Layer::KIND_NOT_SET) {
      checks.MissingKind("", v1::Layer::descriptor()->FindOneofByName("kind"), "kind of layer");
    }
    CheckLayerFields(checks, layer);
    return 1;
  }

  int64_t CheckRepeat(const FieldChecks& checks, const v1::Repeat& repeat, int nesting) {
    if (nesting > limits::kRepeatNesting) {
      checks.Add("", absl::StrCat("is nested ", nesting, " deep; repeats nest at most ",
                                  limits::kRepeatNesting, " deep"));
      too_deep_ = true;
      return 0;
    }
    const bool counted =
        checks.Integer("count", repeat.count(), 1, limits::kLayers, "a repeat's count");
    if (repeat.layers().empty()) checks.Add("layers", "is empty; a repeat has at least one layer");
    // An empty repeat counts as a layer, so that rounds of nothing are limited too.
    const int64_t layers = std::max<int64_t>(CheckAll(repeat.layers(), checks.path(), nesting), 1);
    return SaturatingMultiply(layers, counted ? repeat.count() : 1);
  }

  void CheckName(const FieldChecks& checks, const std::string& name) {
    std::string problem = NameProblem(name, limits::kLayerNameBytes);
    if (problem.empty() && name.find('/') != std::string::npos) {
      problem = absl::StrCat("is ", Quote(name), "; a layer's name has no slashes");
    }
    if (!problem.empty()) checks.Add("name", std::move(problem));
  }

  ViolationList& violations_;
  bool too_deep_ = false;
};

}  // namespace

bool CheckLayers(const v1::Network& network, ViolationList& violations) {
  const std::string path = "training.network";
  if (network.layers().empty()) {
    violations.Add(path + ".layers", "is empty; a network has at least one layer");
    return false;
  }
  LayerChecker checker(violations);
  const int64_t layers = checker.CheckAll(network.layers(), path, 0);
  if (checker.too_deep()) return false;
  if (layers > limits::kLayers) {
    violations.Add(path + ".layers", absl::StrCat("are ", FormatCount(layers),
                                                  " once every repeat is expanded; a "
                                                  "network has at most ",
                                                  FormatCount(limits::kLayers)));
    return false;
  }
  return true;
}

}  // namespace anneal
