#include "server/spec/layer_checks.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/field_checks.h"
#include "server/spec/initializer_checks.h"
#include "server/spec/layer_kind.h"
#include "server/spec/limits.h"
#include "server/spec/saturating.h"
#include "server/spec/text.h"

namespace anneal {
namespace {

void CheckActivation(const FieldChecks& checks, const char* field,
                     v1::Activation::Function function) {
  checks.Enum(field, function, v1::Activation::Function_descriptor());
}

// `noun`: "a pooling window". Width 0 means height.
void CheckSize(const FieldChecks& checks, const v1::Size2D& size, const char* noun) {
  const std::string height = absl::StrCat("the height of ", noun);
  checks.Integer("height", size.height(), 1, limits::kWindow, height.c_str());
  if (size.width() == 0) return;
  const std::string width = absl::StrCat("the width of ", noun);
  checks.Integer("width", size.width(), 1, limits::kWindow, width.c_str());
}

void CheckDense(const FieldChecks& checks, const v1::Dense& dense) {
  checks.Integer("units", dense.units(), 1, limits::kUnits, "the number of units");
  CheckActivation(checks, "activation", dense.activation());
  if (dense.has_kernel_initializer())
    CheckInitializer(checks.In("kernel_initializer"), dense.kernel_initializer());
  if (dense.has_bias_initializer())
    CheckInitializer(checks.In("bias_initializer"), dense.bias_initializer());
}

void CheckConv2D(const FieldChecks& checks, const v1::Conv2D& conv) {
  checks.Integer("filters", conv.filters(), 1, limits::kUnits, "the number of filters");
  if (conv.has_kernel_size()) {
    CheckSize(checks.In("kernel_size"), conv.kernel_size(), "a kernel");
  } else {
    checks.Add("kernel_size", "is missing; for example kernel_size { height: 3 } for 3x3");
  }
  if (conv.has_strides()) CheckSize(checks.In("strides"), conv.strides(), "a stride");
  checks.Enum("padding", conv.padding(), v1::Padding_descriptor());
  CheckActivation(checks, "activation", conv.activation());
  if (conv.has_kernel_initializer())
    CheckInitializer(checks.In("kernel_initializer"), conv.kernel_initializer());
  if (conv.has_bias_initializer())
    CheckInitializer(checks.In("bias_initializer"), conv.bias_initializer());
}

void CheckMaxPooling2D(const FieldChecks& checks, const v1::MaxPooling2D& pooling) {
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
    switch (layer.kind_case()) {
      case v1::Layer::kRepeat: return CheckRepeat(checks, layer.repeat(), nesting + 1);
      case v1::Layer::kFlatten: break;
      case v1::Layer::kActivation:
        CheckActivation(checks, "function", layer.activation().function());
        break;
      case v1::Layer::kDense: CheckDense(checks, layer.dense()); break;
      case v1::Layer::kConv2D: CheckConv2D(checks, layer.conv2d()); break;
      case v1::Layer::kMaxPooling2D: CheckMaxPooling2D(checks, layer.max_pooling2d()); break;
      case v1::Layer::kDropout:
        checks.Real("rate", layer.dropout().rate(), kBelowOne, "a rate");
        break;
      case v1::Layer::kBatchNormalization:
        CheckBatchNormalization(checks, layer.batch_normalization());
        break;
      case v1::Layer::KIND_NOT_SET:
        checks.MissingKind("", v1::Layer::descriptor()->FindOneofByName("kind"), "kind of layer");
        break;
    }
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
