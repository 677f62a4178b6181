#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/layer_kind.h"
#include "server/spec/text.h"
#include "server/spec/warnings.h"

namespace anneal {
namespace {

// Pixels are 0..255. Initializers keep the variance of inputs of about 1 (Glorot & Bengio 2010), so
// raw pixels saturate the first layers. A batch normalization in front does what an input step
// would.
void WarnAboutInput(const ValidatedSpec& spec, WarningList& warnings) {
  const v1::TrainingSpec& training = spec.training();
  for (const v1::InputStep& step : training.input()) {
    if (!step.has_random_flip() && !step.has_random_translation() && !step.has_select_features())
      return;
  }
  for (const ResolvedLayer& layer : spec.layers()) {
    if (layer.layer->has_flatten()) continue;
    if (IsNormalization(*layer.layer)) return;
    break;
  }
  warnings.Add("training.input",
               absl::StrCat(training.input().empty() ? "is empty" : "scales nothing",
                            ", so pixels go in as 0 to 255; networks train better on small "
                            "inputs: add rescale { factor: 0.00392156862745098 } or "
                            "standardize {}"));
}

void WarnAboutTranslation(const v1::TrainingSpec& training, WarningList& warnings) {
  for (int i = 0; i < training.input_size(); ++i) {
    const v1::InputStep& step = training.input(i);
    if (!step.has_random_translation()) continue;
    const v1::RandomTranslation& translation = step.random_translation();
    if (translation.height_factor() != 0 || translation.width_factor() != 0) continue;
    warnings.Add(absl::StrCat("training.input[", i, "].random_translation"),
                 "shifts nothing: height_factor and width_factor are 0; 0.1 is usual");
  }
}

// A figure from data that training has seen, or that chose the epoch, is better than the truth.
void WarnAboutTest(const ValidatedSpec& spec, WarningList& warnings) {
  const v1::TrainingSpec& training = spec.training();
  if (!training.has_test()) return;
  const std::string& test = training.test().split();
  if (test == defaults::TrainSplit(training)) {
    warnings.Add("training.test.split", absl::StrCat("is ", Quote(test),
                                                     ", the split that is trained on; the test "
                                                     "says nothing about new data"));
  }
  const bool chosen_by_validation =
      training.has_early_stopping() &&
      absl::StartsWith(defaults::Monitor(training.early_stopping()), "val_");
  if (chosen_by_validation && training.validation().has_split() &&
      test == training.validation().split()) {
    warnings.Add("training.test.split",
                 absl::StrCat("is ", Quote(test),
                              ", which early stopping watches too; a test "
                              "on the data that chose the weights is too good"));
  }
}

}  // namespace

void WarnAboutData(const ValidatedSpec& spec, WarningList& warnings) {
  WarnAboutInput(spec, warnings);
  WarnAboutTranslation(spec.training(), warnings);
  WarnAboutTest(spec, warnings);
}

}  // namespace anneal
