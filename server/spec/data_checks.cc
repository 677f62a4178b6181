#include "server/spec/data_checks.h"

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/field_checks.h"
#include "server/spec/limits.h"
#include "server/spec/saturating.h"
#include "server/spec/text.h"

namespace anneal {
namespace {

constexpr size_t kMessageBytes = 1'000;  // of the catalog, in a violation

std::string WhatThereIs(const DatasetCatalog& catalog) {
  const std::vector<std::string> names = catalog.Names();
  return names.empty() ? "this server has no data sets"
                       : absl::StrCat("this server has ", QuotedList(names));
}

std::optional<DatasetInfo> FindDataset(const std::string& name, const DatasetCatalog& catalog,
                                       const FieldChecks& checks) {
  if (name.empty()) {
    checks.Add("name", absl::StrCat("is missing; ", WhatThereIs(catalog)));
    return std::nullopt;
  }
  absl::StatusOr<DatasetInfo> info = catalog.Describe(name);
  if (info.ok()) return *std::move(info);
  if (!absl::IsNotFound(info.status())) {
    const std::string message(info.status().message());
    checks.Add("name", absl::StrCat("is ", Quote(name),
                                    ", which cannot be read: ", Printable(message, kMessageBytes)));
    return std::nullopt;
  }
  checks.Add("name", absl::StrCat("is ", Quote(name), "; ", WhatThereIs(catalog)));
  return std::nullopt;
}

// Null, with a violation, where the data set has no such split.
const SplitInfo* FindSplit(const DatasetInfo& dataset, const std::string& split,
                           const FieldChecks& checks) {
  const SplitInfo* const found = dataset.FindSplit(split);
  if (found != nullptr) return found;
  std::vector<std::string> names;
  for (const SplitInfo& candidate : dataset.splits) names.push_back(candidate.name);
  checks.Add("split", absl::StrCat("is ", Quote(split), "; data set ", Quote(dataset.name), " has ",
                                   QuotedList(names)));
  return nullptr;
}

// Holds out a part of the training split's `samples` (0: not known). Keras's rule: floor(samples *
// (1 - fraction)) remain, computed in double precision (its `train_validation_split`).
void HoldOutFraction(double fraction, int64_t samples, const FieldChecks& checks, DataPlan& plan) {
  if (!checks.Real("fraction", fraction, kBetweenZeroAndOne, "a fraction") || samples == 0) return;
  const auto remaining =
      static_cast<int64_t>(std::floor(static_cast<double>(samples) * (1.0 - fraction)));
  if (remaining < 1 || remaining >= samples) {
    checks.Add(
        "fraction",
        absl::StrCat("is ", FormatReal(fraction), ", which splits the ", FormatCount(samples),
                     " samples into ", FormatCount(remaining), " for training and ",
                     FormatCount(samples - remaining), " for validation; both need at least one"));
    return;
  }
  plan.training_samples = remaining;
  plan.validation_samples = samples - remaining;
}

void HoldOutFirst(int64_t first, int64_t samples, const FieldChecks& checks, DataPlan& plan) {
  if (!checks.Integer("first", first, 1, std::numeric_limits<int64_t>::max(),
                      "a number of samples"))
    return;
  if (samples == 0) return;
  if (first >= samples) {
    checks.Add("first", absl::StrCat("is ", first,
                                     ", which leaves nothing to train on: the training split has ",
                                     FormatCount(samples), " samples; hold out fewer"));
    return;
  }
  plan.training_samples = samples - first;
  plan.validation_samples = first;
}

void CheckValidation(const v1::TrainingSpec& training, int64_t samples, ViolationList& violations,
                     DataPlan& plan) {
  const FieldChecks checks("training.validation", violations);
  const v1::Validation& validation = training.validation();
  switch (validation.source_case()) {
    case v1::Validation::kFraction:
      return HoldOutFraction(validation.fraction(), samples, checks, plan);
    case v1::Validation::kFirst:
      return HoldOutFirst(validation.first(), samples, checks, plan);
    case v1::Validation::kSplit:
      break;
    case v1::Validation::SOURCE_NOT_SET:
      return checks.MissingKind("", v1::Validation::descriptor()->FindOneofByName("source"),
                                "source");
  }
  if (plan.dataset) {
    const SplitInfo* const split = FindSplit(*plan.dataset, validation.split(), checks);
    if (split != nullptr) plan.validation_samples = split->samples;
  }
  if (validation.split() == defaults::TrainSplit(training)) {
    checks.Add("split", absl::StrCat("is ", Quote(validation.split()),
                                     ", the split that is trained on; name another, "
                                     "or hold out a part of it with fraction or first"));
  }
}

int64_t Features(const DatasetInfo& dataset) {
  int64_t features = 1;
  for (const int64_t size : dataset.shape) features = SaturatingMultiply(features, size);
  return features;
}

void CheckRescale(const FieldChecks& checks, const v1::Rescale& rescale) {
  const double factor = rescale.factor();
  if (checks.Real("factor", factor, kFinite, "a factor") && static_cast<float>(factor) == 0) {
    checks.Add("factor", absl::StrCat("is ", FormatReal(factor),
                                      ", which makes every input the same; for "
                                      "example 0.00392156862745098, which is 1/255"));
  }
  checks.Real("offset", rescale.offset(), kFinite, "an offset");
}

void CheckL2Normalize(const FieldChecks& checks, const v1::L2Normalize& normalize) {
  const int64_t axis = normalize.axis();
  if ((axis >= 1 && axis <= 3) || axis == -1) return;
  checks.Add("axis", absl::StrCat("is ", axis,
                                  "; an axis is 1 (height), 2 (width), 3 (channels), or -1 for "
                                  "the last"));
}

void CheckTranslation(const FieldChecks& checks, const v1::RandomTranslation& translation) {
  constexpr RealRange kShare{0, true, 1, true, "from 0 to 1"};
  checks.Real("height_factor", translation.height_factor(), kShare, "a share of the height");
  checks.Real("width_factor", translation.width_factor(), kShare, "a share of the width");
}

void CheckSelection(const FieldChecks& checks, const v1::SelectFeatures& select,
                    const DatasetInfo* dataset) {
  if (select.score() == v1::SelectFeatures::SCORE_UNSPECIFIED) {
    checks.Add("score", "is missing; it is VARIANCE, MUTUAL_INFORMATION or F_SCORE");
  } else {
    checks.Enum("score", select.score(), v1::SelectFeatures::Score_descriptor());
  }
  constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();
  if (!checks.Integer("k", select.k(), 1, kNoLimit, "the number of features to keep")) return;
  if (dataset == nullptr) return;
  const int64_t features = Features(*dataset);
  if (select.k() <= features) return;
  checks.Add("k", absl::StrCat("is ", select.k(), "; data set ", Quote(dataset->name), " has ",
                               FormatCount(features), " features"));
}

// l2_normalize, random_flip and random_translation are about height, width and channels. `dataset`
// is null where it is not known.
void CheckStep(const FieldChecks& checks, const v1::InputStep& step, const DatasetInfo* dataset) {
  const auto check_image = [&](const FieldChecks& kind) {
    if (dataset == nullptr || dataset->shape.size() == 3) return;
    kind.Add("", absl::StrCat("needs images of height, width and channels; data set ",
                              Quote(dataset->name), " has ", FormatShape(dataset->shape)));
  };
  switch (step.kind_case()) {
    case v1::InputStep::kRescale:
      return CheckRescale(checks.In("rescale"), step.rescale());
    case v1::InputStep::kL2Normalize:
      check_image(checks.In("l2_normalize"));
      return CheckL2Normalize(checks.In("l2_normalize"), step.l2_normalize());
    case v1::InputStep::kRandomFlip:
      return check_image(checks.In("random_flip"));
    case v1::InputStep::kRandomTranslation:
      check_image(checks.In("random_translation"));
      return CheckTranslation(checks.In("random_translation"), step.random_translation());
    case v1::InputStep::kStandardize:
    case v1::InputStep::kStandardizePerChannel:
      return;
    case v1::InputStep::kSelectFeatures:
      return CheckSelection(checks.In("select_features"), step.select_features(), dataset);
    case v1::InputStep::KIND_NOT_SET:
      return checks.MissingKind("", v1::InputStep::descriptor()->FindOneofByName("kind"),
                                "kind of step");
  }
}

void CheckInput(const v1::TrainingSpec& training, const DatasetInfo* dataset,
                ViolationList& violations) {
  if (training.input_size() > limits::kInputSteps) {
    violations.Add("training.input", absl::StrCat("has ", training.input_size(), " steps; at most ",
                                                  limits::kInputSteps));
  }
  int selection = -1;
  for (int i = 0; i < training.input_size(); ++i) {
    const v1::InputStep& step = training.input(i);
    const FieldChecks checks(absl::StrCat("training.input[", i, "]"), violations);
    CheckStep(checks, step, dataset);
    if (selection >= 0 && step.kind_case() != v1::InputStep::KIND_NOT_SET && !step.has_rescale() &&
        !step.has_standardize()) {
      checks.Add("", absl::StrCat("comes after training.input[", selection,
                                  "].select_features, which leaves a vector; only rescale and "
                                  "standardize may follow it"));
    } else if (step.has_select_features()) {
      selection = i;
    }
  }
}

std::optional<std::vector<int64_t>> InputShape(const v1::TrainingSpec& training,
                                               const std::optional<DatasetInfo>& dataset) {
  for (const v1::InputStep& step : training.input()) {
    if (!step.has_select_features()) continue;
    const int64_t k = step.select_features().k();
    const bool known = k >= 1 && dataset && k <= Features(*dataset);
    return std::vector<int64_t>{known ? k : kUnknownSize};
  }
  if (!dataset) return std::nullopt;
  return dataset->shape;
}

}  // namespace

DataPlan CheckData(const v1::TrainingSpec& training, const DatasetCatalog& catalog,
                   ViolationList& violations) {
  DataPlan plan;
  const FieldChecks checks("training.dataset", violations);
  plan.dataset = FindDataset(training.dataset().name(), catalog, checks);
  if (plan.dataset) {
    const SplitInfo* const split = FindSplit(*plan.dataset, defaults::TrainSplit(training), checks);
    if (split != nullptr) plan.training_samples = split->samples;
  }
  if (training.has_validation()) CheckValidation(training, plan.training_samples, violations, plan);
  if (training.has_test()) {
    const FieldChecks test("training.test", violations);
    if (training.test().split().empty()) {
      test.Add("split", "is missing; name the split to test on, for example \"test\"");
    } else if (plan.dataset) {
      FindSplit(*plan.dataset, training.test().split(), test);
    }
  }
  CheckInput(training, plan.dataset ? &*plan.dataset : nullptr, violations);
  plan.input_shape = InputShape(training, plan.dataset);
  return plan;
}

}  // namespace anneal
