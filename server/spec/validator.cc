// Judging a spec goes from what stands by itself to what follows from it:
//
//   1. fields: every field on its own, and against those it names (splits, monitors);
//   2. expansion: repeats written out, layers named. Not done where that would be too much;
//   3. shapes: from the data set's samples through every layer, with parameter counts;
//   4. the whole: output against classes and loss, parameters and memory against the limits;
//   5. a sweep's block, and the trials that come out of it;
//   6. only for a spec without violations: warnings and the summary;
//   7. every trial of a sweep, from 1 on.
//
// Each stage goes on with what the earlier ones left known and reports nothing that follows only
// from what they found.
#include "server/spec/validator.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/spec/defaults.h"
#include "server/spec/estimate.h"
#include "server/spec/expansion.h"
#include "server/spec/field_checks.h"
#include "server/spec/layer_checks.h"
#include "server/spec/limits.h"
#include "server/spec/loss_checks.h"
#include "server/spec/lr_range_test_checks.h"
#include "server/spec/monitor_checks.h"
#include "server/spec/optimizer_checks.h"
#include "server/spec/output_checks.h"
#include "server/spec/pruning_checks.h"
#include "server/spec/run_checks.h"
#include "server/spec/shapes.h"
#include "server/spec/summary.h"
#include "server/spec/sweep.h"
#include "server/spec/text.h"
#include "server/spec/trial_checks.h"
#include "server/spec/unknown_fields.h"
#include "server/spec/warnings.h"

namespace anneal {

ValidationResult Validator::Run(const v1::JobSpec& spec) && {
  // The layers' pointers lead into this copy.
  auto contents = std::make_shared<ValidatedSpec::Contents>();
  contents->proto = spec;
  CheckJob(contents->proto);
  DataPlan plan;
  if (contents->proto.has_training())
    plan = CheckTraining(contents->proto.training(), contents->layers);

  if (spec.has_sweep() && spec.has_training()) contents->trials = CheckSweep(contents->proto);

  ValidationResult result;
  if (violations_.empty()) {
    contents->dataset = *std::move(plan.dataset);
    contents->training_samples = plan.training_samples;
    contents->validation_samples = plan.validation_samples;
    contents->summary = Summarize(contents->proto.training(), contents->layers);
    result.spec = ValidatedSpec(contents);
    result.warnings = FindWarnings(*result.spec);
  }
  if (!contents->trials.empty()) {
    const v1::Sweep& sweep = contents->proto.sweep();
    CheckTrials(sweep, defaults::Monitor(sweep, contents->proto.training()), contents->trials,
                catalog_, violations_, result.warnings);
  }
  if (!violations_.empty()) {
    result.spec.reset();
    result.warnings.clear();
    result.violations = std::move(violations_).Take();
  }
  return result;
}

void Validator::CheckJob(const v1::JobSpec& spec) {
  CheckUnknownFields(spec, violations_);
  const FieldChecks checks("", violations_);
  std::string problem = NameProblem(spec.name(), limits::kJobNameBytes);
  if (!problem.empty()) checks.Add("name", std::move(problem));
  if (!spec.has_training()) checks.Add("training", "is missing; a job says what to train");
  if (spec.has_lr_range_test()) CheckLearningRateRangeTest(spec.lr_range_test(), violations_);
}

DataPlan Validator::CheckTraining(const v1::TrainingSpec& training,
                                  std::vector<ResolvedLayer>& layers) {
  DataPlan plan = CheckData(training, catalog_, violations_);
  CheckNetwork(training, plan, layers);
  const DatasetInfo* const dataset = plan.dataset ? &*plan.dataset : nullptr;
  CheckLoss(training, dataset, violations_);
  CheckMetrics(training, dataset, violations_);
  CheckOptimizer(training, violations_);
  CheckRun(training, violations_);
  return plan;
}

std::vector<PlannedTrial> Validator::CheckSweep(const v1::JobSpec& spec) {
  const v1::Sweep& sweep = spec.sweep();
  CheckMonitor(FieldChecks("sweep", violations_), defaults::Monitor(sweep, spec.training()),
               sweep.monitor().empty(), spec.training());
  return PlanTrials(spec, violations_);
}

void Validator::CheckNetwork(const v1::TrainingSpec& training, const DataPlan& plan,
                             std::vector<ResolvedLayer>& layers) {
  if (!CheckLayers(training.network(), violations_)) return;
  Expansion expansion = Expand(training.network(), violations_);
  const Shape output = InferShapes(plan.input_shape, expansion, violations_);
  CheckOutputShape(training, expansion, output, plan.dataset ? &*plan.dataset : nullptr,
                   violations_);
  CheckEnd(training, expansion, violations_);
  CheckTrainable(expansion, violations_);
  CheckPruning(training, expansion, plan.training_samples, violations_);
  if (CheckParameters(expansion.layers, violations_))
    CheckMemory(training, expansion.layers, violations_);
  layers = std::move(expansion.layers);
}

ValidationResult Validate(const v1::JobSpec& spec, const DatasetCatalog& catalog) {
  return Validator(catalog).Run(spec);
}

}  // namespace anneal
