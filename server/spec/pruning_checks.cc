#include "server/spec/pruning_checks.h"

#include <algorithm>
#include <limits>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/field_checks.h"
#include "server/spec/layer_kind.h"
#include "server/spec/limits.h"
#include "server/spec/saturating.h"
#include "server/spec/text.h"

namespace anneal {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

void CheckOneShot(const FieldChecks& checks, const v1::Pruning::OneShot& one_shot,
                  const v1::TrainingSpec& training) {
  switch (one_shot.amount_case()) {
    case v1::Pruning::OneShot::kSparsity:
      checks.Real("sparsity", one_shot.sparsity(), kBetweenZeroAndOne, "a sparsity");
      break;
    case v1::Pruning::OneShot::kThreshold:
      checks.Real("threshold", one_shot.threshold(), kPositive, "a threshold");
      break;
    case v1::Pruning::OneShot::AMOUNT_NOT_SET:
      checks.MissingKind("", v1::Pruning::OneShot::descriptor()->FindOneofByName("amount"),
                         "amount");
  }
  if (!checks.Integer("after_epoch", one_shot.after_epoch(), 0, kNoLimit, "an epoch")) return;
  if (one_shot.after_epoch() < defaults::Epochs(training)) return;
  checks.Add(
      "after_epoch",
      absl::StrCat("is ", one_shot.after_epoch(), ", and training ends after epoch ",
                   defaults::Epochs(training), "; pruning needs at least one epoch after it"));
}

// `steps`: of the whole training; 0 where it is not known.
void CheckPolynomial(const FieldChecks& checks, const v1::Pruning::PolynomialSparsity& schedule,
                     int64_t steps) {
  const bool final_known =
      checks.Real("final_sparsity", schedule.final_sparsity(), kBetweenZeroAndOne, "a sparsity");
  if (checks.Real("initial_sparsity", schedule.initial_sparsity(), kBelowOne, "a sparsity") &&
      final_known && schedule.initial_sparsity() > schedule.final_sparsity()) {
    checks.Add("initial_sparsity", absl::StrCat("is ", FormatReal(schedule.initial_sparsity()),
                                                ", above final_sparsity, which is ",
                                                FormatReal(schedule.final_sparsity()),
                                                "; what is pruned stays pruned"));
  }
  const bool begin_known =
      checks.Integer("begin_step", schedule.begin_step(), 0, kNoLimit, "a first step");
  if (begin_known && schedule.end_step() <= schedule.begin_step()) {
    checks.Add("end_step",
               absl::StrCat("is ", schedule.end_step(), "; it is greater than begin_step, ",
                            "which is ", schedule.begin_step()));
  } else if (steps > 0 && schedule.end_step() >= steps) {
    checks.Add("end_step", absl::StrCat("is ", schedule.end_step(), ", and the training has ",
                                        FormatCount(steps),
                                        " steps; it is below that, so that training goes on after "
                                        "the last pruning"));
  }
  checks.Real("power", defaults::Power(schedule), kPositive, "a power");
  checks.Integer("frequency", defaults::Frequency(schedule), 1, kNoLimit, "a number of steps");
}

// Every name is that of a layer with a kernel.
void CheckLayerNames(const FieldChecks& checks, const v1::Pruning& pruning,
                     const Expansion& expansion) {
  if (pruning.layers_size() > limits::kLayers) {
    checks.Add("layers", absl::StrCat("has ", FormatCount(pruning.layers_size()),
                                      " names; a network has at most ",
                                      FormatCount(limits::kLayers), " layers"));
    return;
  }
  std::unordered_map<std::string, const v1::Layer*> layers;
  std::vector<std::string> with_kernel;
  for (const ResolvedLayer& layer : expansion.layers) {
    layers.emplace(layer.name, layer.layer);
    if (HasKernel(*layer.layer)) with_kernel.push_back(layer.name);
  }
  for (int i = 0; i < pruning.layers_size(); ++i) {
    const std::string field = absl::StrCat("layers[", i, "]");
    const std::string& name = pruning.layers(i);
    const auto found = layers.find(name);
    if (found == layers.end()) {
      checks.Add(field.c_str(), absl::StrCat("is ", Quote(name), "; layers with a kernel are ",
                                             QuotedList(with_kernel)));
    } else if (!HasKernel(*found->second)) {
      checks.Add(field.c_str(),
                 absl::StrCat("is ", Quote(name), ", a ", KindOf(*found->second).class_name,
                              ", which has no kernel; name a Dense or a Conv2D"));
    }
  }
}

}  // namespace

void CheckPruning(const v1::TrainingSpec& training, const Expansion& expansion,
                  int64_t training_samples, ViolationList& violations) {
  if (!training.has_pruning()) return;
  const v1::Pruning& pruning = training.pruning();
  const FieldChecks checks("training.pruning", violations);
  CheckLayerNames(checks, pruning, expansion);
  switch (pruning.schedule_case()) {
    case v1::Pruning::kOneShot:
      return CheckOneShot(checks.In("one_shot"), pruning.one_shot(), training);
    case v1::Pruning::kPolynomial: {
      const int64_t batch_size = std::max<int64_t>(1, defaults::BatchSize(training));
      const int64_t batches =
          training_samples / batch_size + (training_samples % batch_size == 0 ? 0 : 1);
      const int64_t epochs = std::max<int64_t>(1, defaults::Epochs(training));
      return CheckPolynomial(checks.In("polynomial"), pruning.polynomial(),
                             SaturatingMultiply(batches, epochs));
    }
    case v1::Pruning::SCHEDULE_NOT_SET:
      return checks.MissingKind("", v1::Pruning::descriptor()->FindOneofByName("schedule"),
                                "schedule");
  }
}

}  // namespace anneal
