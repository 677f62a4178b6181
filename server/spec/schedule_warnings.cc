// About how the learning rate changes.
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/optimizer_checks.h"
#include "server/spec/saturating.h"
#include "server/spec/text.h"
#include "server/spec/warnings.h"

namespace anneal {
namespace {

using Schedule = v1::LearningRateSchedule;

// Of the whole training, the last partial batches included.
int64_t Steps(const ValidatedSpec& spec) {
  const int64_t batch_size = defaults::BatchSize(spec.training());
  const int64_t steps_per_epoch = (spec.training_samples() - 1) / batch_size + 1;
  return SaturatingMultiply(steps_per_epoch, defaults::Epochs(spec.training()));
}

class ScheduleWarnings {
 public:
  ScheduleWarnings(const ValidatedSpec& spec, WarningList& warnings)
      : training_(spec.training()), steps_(Steps(spec)), warnings_(warnings) {}

  void Find() {
    const Schedule& schedule = training_.optimizer().schedule();
    switch (schedule.kind_case()) {
      case Schedule::kExponentialDecay:
        if (schedule.exponential_decay().decay_rate() <= 1) return;
        return Add("exponential_decay.decay_rate",
                   absl::StrCat("is ", FormatReal(schedule.exponential_decay().decay_rate()),
                                ", above 1, so that the learning rate grows without bound"));
      case Schedule::kPolynomialDecay: return WarnAboutPolynomial(schedule.polynomial_decay());
      case Schedule::kPiecewiseConstantDecay:
        return WarnAboutPiecewise(schedule.piecewise_constant_decay());
      case Schedule::kCosineDecay: return WarnAboutCosine(schedule.cosine_decay());
      case Schedule::kReduceOnPlateau: return WarnAboutPlateau(schedule.reduce_on_plateau());
      case Schedule::kInverseTimeDecay:
      case Schedule::kCosineDecayRestarts:
      case Schedule::kOneCycle:
      case Schedule::KIND_NOT_SET: return;
    }
  }

 private:
  void Add(const std::string& field, const std::string& text) {
    warnings_.Add("training.optimizer.schedule." + field, text);
  }

  // Steps are easily taken for epochs.
  void WarnAboutTheEnd(const std::string& field, int64_t decay_steps, int64_t zero_from) {
    if (zero_from >= steps_) return;
    Add(field, absl::StrCat("is ", decay_steps, ", so that the learning rate is 0 from step ",
                            FormatCount(zero_from), " on; training has ", FormatCount(steps_),
                            " steps, and learns nothing in the rest of them"));
  }

  void WarnAboutPolynomial(const Schedule::PolynomialDecay& decay) {
    const double end = defaults::EndLearningRate(decay);
    const double begin = LearningRateOf(training_.optimizer());
    if (end > begin) {
      Add("polynomial_decay.end_learning_rate",
          absl::StrCat("is ", FormatReal(end),
                       decay.has_end_learning_rate() ? "" : " (the default)",
                       ", above the learning rate of ", FormatReal(begin),
                       ", so that the learning rate rises"));
    }
    if (end == 0 && !decay.cycle())
      WarnAboutTheEnd("polynomial_decay.decay_steps", decay.decay_steps(), decay.decay_steps());
  }

  void WarnAboutPiecewise(const Schedule::PiecewiseConstantDecay& decay) {
    for (int i = 0; i < decay.boundaries_size(); ++i) {
      if (decay.boundaries(i) < steps_ - 1) continue;
      return Add(
          absl::StrCat("piecewise_constant_decay.boundaries[", i, "]"),
          absl::StrCat("is ", decay.boundaries(i), ", but training has only ", FormatCount(steps_),
                       " steps, counted from 0; values[", i, "] is never used"));
    }
  }

  void WarnAboutCosine(const Schedule::CosineDecay& decay) {
    if (decay.warmup_target() > 1) {
      Add("cosine_decay.warmup_target",
          absl::StrCat("is ", FormatReal(decay.warmup_target()),
                       ", above 1; training will very likely diverge"));
    }
    if (decay.alpha() > 0) return;
    WarnAboutTheEnd("cosine_decay.decay_steps", decay.decay_steps(),
                    SaturatingAdd(decay.warmup_steps(), decay.decay_steps()));
  }

  void WarnAboutPlateau(const Schedule::ReduceOnPlateau& plateau) {
    const double begin = LearningRateOf(training_.optimizer());
    if (plateau.min_learning_rate() >= begin) {
      Add("reduce_on_plateau.min_learning_rate",
          absl::StrCat("is ", FormatReal(plateau.min_learning_rate()),
                       ", not below the learning rate of ", FormatReal(begin),
                       ", which is therefore never reduced"));
    }
    const int64_t patience = defaults::Patience(plateau);
    const std::string is =
        absl::StrCat("is ", patience, plateau.has_patience() ? "" : " (the default)");
    const v1::EarlyStopping& stopping = training_.early_stopping();
    if (patience >= defaults::Epochs(training_)) {
      Add("reduce_on_plateau.patience", absl::StrCat(is, ", too long to reduce anything in ",
                                                     defaults::Epochs(training_), " epochs"));
    } else if (training_.has_early_stopping() && patience >= stopping.patience() &&
               stopping.start_from_epoch() == 0 &&
               defaults::Monitor(stopping) == defaults::Monitor(plateau)) {
      Add("reduce_on_plateau.patience",
          absl::StrCat(is, "; early stopping watches ", defaults::Monitor(plateau),
                       " too and has a patience of ", stopping.patience(),
                       ", so that training mostly ends before the learning rate is reduced"));
    }
  }

  const v1::TrainingSpec& training_;
  const int64_t steps_;
  WarningList& warnings_;
};

}  // namespace

void WarnAboutSchedule(const ValidatedSpec& spec, WarningList& warnings) {
  ScheduleWarnings(spec, warnings).Find();
}

}  // namespace anneal
