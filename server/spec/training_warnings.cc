#include <cstdint>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/optimizer_checks.h"
#include "server/spec/saturating.h"
#include "server/spec/text.h"
#include "server/spec/warnings.h"

namespace anneal {
namespace {

constexpr double kHighMomentum = 0.99;

// Under a constant gradient the velocity grows to learning_rate / (1 - momentum) (Polyak 1964).
void WarnAboutMomentum(const std::string& path, double momentum, WarningList& warnings) {
  if (momentum < kHighMomentum) return;
  warnings.Add(path, absl::StrCat("is ", FormatReal(momentum), "; so close to 1 the steps grow to ",
                                  FormatReal(1 / (1 - momentum)),
                                  " times the learning rate and overshoot; 0.9 is usual"));
}

void WarnAboutOptimizer(const v1::Optimizer& optimizer, WarningList& warnings) {
  const std::string path = absl::StrCat("training.optimizer.", OptimizerName(optimizer));
  const double learning_rate = LearningRateOf(optimizer);
  if (learning_rate > 1) {
    warnings.Add(path + ".learning_rate",
                 absl::StrCat("is ", FormatReal(learning_rate),
                              ", above 1; training will very likely diverge"));
  }
  if (optimizer.has_adadelta() && !optimizer.adadelta().has_learning_rate()) {
    warnings.Add(path + ".learning_rate",
                 "is 0.001 (the default), with which Adadelta takes a thousandth of the steps that "
                 "it was published with (Zeiler 2012); set it to 1 for those");
  }
  WarnAboutMomentum(path + ".momentum", optimizer.sgd().momentum(), warnings);
  WarnAboutMomentum(path + ".momentum", optimizer.rmsprop().momentum(), warnings);
  const double decay = learning_rate * defaults::WeightDecay(optimizer);
  if (decay >= 1) {
    warnings.Add("training.optimizer.weight_decay",
                 absl::StrCat("is ", FormatReal(defaults::WeightDecay(optimizer)),
                              ", which with a learning rate of ", FormatReal(learning_rate),
                              " takes all of every weight away in every step"));
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
