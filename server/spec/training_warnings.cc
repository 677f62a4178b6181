#include <cstdint>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/saturating.h"
#include "server/spec/text.h"
#include "server/spec/warnings.h"

namespace anneal {
namespace {

constexpr double kHighMomentum = 0.99;

void WarnAboutLearningRate(const std::string& optimizer, double learning_rate,
                           WarningList& warnings) {
  if (learning_rate <= 1) return;
  warnings.Add(optimizer + ".learning_rate",
               absl::StrCat("is ", FormatReal(learning_rate),
                            ", above 1; training will very likely diverge"));
}

void WarnAboutOptimizer(const v1::Optimizer& optimizer, WarningList& warnings) {
  const std::string path = "training.optimizer";
  switch (optimizer.kind_case()) {
    case v1::Optimizer::kAdam:
      return WarnAboutLearningRate(path + ".adam", defaults::LearningRate(optimizer.adam()),
                                   warnings);
    case v1::Optimizer::kNadam:
      return WarnAboutLearningRate(path + ".nadam", defaults::LearningRate(optimizer.nadam()),
                                   warnings);
    case v1::Optimizer::kSgd: break;
    case v1::Optimizer::KIND_NOT_SET: return;
  }
  const v1::Sgd& sgd = optimizer.sgd();
  WarnAboutLearningRate(path + ".sgd", defaults::LearningRate(sgd), warnings);
  if (sgd.momentum() >= kHighMomentum) {
    // Under a constant gradient the velocity grows to learning_rate / (1 - momentum) (Polyak 1964).
    warnings.Add(
        path + ".sgd.momentum",
        absl::StrCat("is ", FormatReal(sgd.momentum()), "; so close to 1 the steps grow to ",
                     FormatReal(1 / (1 - sgd.momentum())),
                     " times the learning rate and overshoot; 0.9 is usual"));
  }
}

void WarnAboutBatchSize(const ValidatedSpec& spec, WarningList& warnings) {
  const int64_t batch_size = defaults::BatchSize(spec.training());
  const std::string path = "training.batch_size";
  if (batch_size > spec.training_samples()) {
    warnings.Add(path, absl::StrCat("is ", batch_size, ", more than the ",
                                    FormatCount(spec.training_samples()),
                                    " training samples; every epoch is a single step"));
  }
  if (batch_size != 1) return;
  for (const ResolvedLayer& layer : spec.layers()) {
    if (!layer.layer->has_batch_normalization() || layer.input_shape.size() != 1) continue;
    warnings.Add(path, absl::StrCat("is 1, over which ", layer.path,
                                    ".batch_normalization has no variance: while "
                                    "training its output does not depend on its input"));
  }
}

// `monitor` is measured on the training data, or by a mode that goes the wrong way.
void WarnAboutMonitor(const v1::TrainingSpec& training, WarningList& warnings) {
  const v1::EarlyStopping& stopping = training.early_stopping();
  const std::string path = "training.early_stopping";
  const std::string monitor = defaults::Monitor(stopping);
  if (!training.has_validation()) {
    warnings.Add(path + ".monitor",
                 absl::StrCat("is ", monitor,
                              ", measured on the training data, which goes on "
                              "improving while the network overfits; add training.validation"));
  }
  const bool is_accuracy = absl::EndsWith(monitor, "accuracy");
  if (is_accuracy && stopping.mode() == v1::EarlyStopping::MIN) {
    warnings.Add(path + ".mode", absl::StrCat("is MIN, which waits for ", monitor,
                                              " to fall; MAX or AUTO is meant"));
  }
  if (!is_accuracy && stopping.mode() == v1::EarlyStopping::MAX) {
    warnings.Add(path + ".mode", absl::StrCat("is MAX, which waits for ", monitor,
                                              " to rise; MIN or AUTO is meant"));
  }
}

void WarnAboutEarlyStopping(const v1::TrainingSpec& training, WarningList& warnings) {
  if (!training.has_early_stopping()) return;
  WarnAboutMonitor(training, warnings);
  const v1::EarlyStopping& stopping = training.early_stopping();
  const std::string path = "training.early_stopping";
  if (!stopping.restore_best_weights()) {
    warnings.Add(path + ".restore_best_weights",
                 "is false, so the final weights are those of the last epoch, not of the best one");
  }
  const int64_t epochs = defaults::Epochs(training);
  if (stopping.start_from_epoch() >= epochs) {
    warnings.Add(path + ".start_from_epoch",
                 absl::StrCat("is ", stopping.start_from_epoch(), ", but there are ", epochs,
                              " epochs; no epoch is ever judged"));
  } else if (SaturatingAdd(stopping.patience(), stopping.start_from_epoch()) >= epochs) {
    // The first epoch that is judged is the best so far; the wait can reach epochs -
    // start_from_epoch - 1.
    warnings.Add(path + ".patience",
                 absl::StrCat("is ", stopping.patience(), ", too long to stop before the last of ",
                              epochs, " epochs"));
  }
}

}  // namespace

void WarnAboutTraining(const ValidatedSpec& spec, WarningList& warnings) {
  WarnAboutOptimizer(spec.training().optimizer(), warnings);
  WarnAboutBatchSize(spec, warnings);
  WarnAboutEarlyStopping(spec.training(), warnings);
}

}  // namespace anneal
