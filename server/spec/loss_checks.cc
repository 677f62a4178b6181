#include "server/spec/loss_checks.h"

#include <limits>
#include <string>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/field_checks.h"
#include "server/spec/metric_names.h"
#include "server/spec/text.h"

namespace anneal {
namespace {

int64_t Classes(const DatasetInfo& dataset) {
  return static_cast<int64_t>(dataset.class_names.size());
}

void CheckTopKAccuracy(const FieldChecks& checks, const v1::TopKAccuracy& metric,
                       const DatasetInfo* dataset) {
  const int64_t k = defaults::K(metric);
  constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();
  if (!checks.Integer("k", k, 1, kNoLimit, "k") || dataset == nullptr) return;
  if (k < Classes(*dataset)) return;
  checks.Add("k", absl::StrCat("is ", k, metric.has_k() ? "" : " (the default)", "; data set ",
                               Quote(dataset->name), " has ", Classes(*dataset),
                               " classes, and k is below that"));
}

}  // namespace

LossNeeds NeedsOf(const v1::Loss& loss) {
  const auto probabilities = [](bool from_logits, v1::Activation::Function activation) {
    return from_logits ? LossNeeds{v1::Activation::LINEAR, true} : LossNeeds{activation, false};
  };
  switch (loss.kind_case()) {
    case v1::Loss::kSparseCategoricalCrossentropy:
      return probabilities(loss.sparse_categorical_crossentropy().from_logits(),
                           v1::Activation::SOFTMAX);
    case v1::Loss::kCategoricalCrossentropy:
      return probabilities(loss.categorical_crossentropy().from_logits(), v1::Activation::SOFTMAX);
    case v1::Loss::kBinaryCrossentropy:
      return probabilities(loss.binary_crossentropy().from_logits(), v1::Activation::SIGMOID);
    case v1::Loss::kMeanSquaredError:
    case v1::Loss::kMeanAbsoluteError:
    case v1::Loss::kHuber:
    case v1::Loss::KIND_NOT_SET: break;
  }
  return {};
}

std::vector<int64_t> OutputsFor(const v1::Loss& loss, int64_t classes) {
  if (loss.has_binary_crossentropy() && classes == 2) return {1, 2};
  return {classes};
}

void CheckLoss(const v1::TrainingSpec& training, const DatasetInfo* dataset,
               ViolationList& violations) {
  const FieldChecks checks("training.loss", violations);
  const v1::Loss& loss = training.loss();
  const auto check_smoothing = [&](const char* kind, double smoothing) {
    checks.In(kind).Real("label_smoothing", smoothing, kBelowOne, "a label smoothing");
  };
  switch (loss.kind_case()) {
    case v1::Loss::kCategoricalCrossentropy:
      check_smoothing("categorical_crossentropy",
                      loss.categorical_crossentropy().label_smoothing());
      break;
    case v1::Loss::kBinaryCrossentropy:
      check_smoothing("binary_crossentropy", loss.binary_crossentropy().label_smoothing());
      if (dataset != nullptr && Classes(*dataset) < 2) {
        checks.Add("binary_crossentropy",
                   absl::StrCat("needs at least two classes; data set ", Quote(dataset->name),
                                " has ", Classes(*dataset)));
      }
      break;
    case v1::Loss::kHuber:
      checks.In("huber").Real("delta", defaults::Delta(loss.huber()), kPositive, "a delta");
      break;
    case v1::Loss::kSparseCategoricalCrossentropy:
    case v1::Loss::kMeanSquaredError:
    case v1::Loss::kMeanAbsoluteError: break;
    case v1::Loss::KIND_NOT_SET:
      checks.MissingKind("", v1::Loss::descriptor()->FindOneofByName("kind"), "loss");
      break;
  }
}

void CheckMetrics(const v1::TrainingSpec& training, const DatasetInfo* dataset,
                  ViolationList& violations) {
  std::unordered_map<std::string, int> first;  // name -> where it stands
  for (int i = 0; i < training.metrics_size(); ++i) {
    const v1::MetricSpec& metric = training.metrics(i);
    const FieldChecks checks(absl::StrCat("training.metrics[", i, "]"), violations);
    if (metric.kind_case() == v1::MetricSpec::KIND_NOT_SET) {
      checks.MissingKind("", v1::MetricSpec::descriptor()->FindOneofByName("kind"),
                         "kind of metric");
      continue;
    }
    CheckTopKAccuracy(checks.In("top_k_accuracy"), metric.top_k_accuracy(), dataset);
    const auto [entry, is_new] = first.emplace(MetricName(metric), i);
    if (is_new) continue;
    checks.Add("", absl::StrCat("is ", entry->first, ", as is training.metrics[", entry->second,
                                "]; each metric is measured once"));
  }
}

}  // namespace anneal
