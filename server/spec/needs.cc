#include "server/spec/needs.h"

#include "server/spec/defaults.h"

namespace anneal {
namespace {

constexpr double kPassesOfATrainedSample = 3;

}  // namespace

JobNeeds NeedsOf(const ValidatedSpec& spec) {
  JobNeeds needs;
  needs.memory_bytes = spec.summary().memory_bytes();
  const auto pass_flops = static_cast<double>(spec.summary().flops_per_sample());
  const v1::JobSpec& proto = spec.proto();
  if (proto.has_lr_range_test()) {
    const int64_t batch = defaults::BatchSize(spec.training());
    const int64_t batches = (spec.training_samples() + batch - 1) / batch;
    needs.work_flops = kPassesOfATrainedSample * pass_flops * static_cast<double>(batch) *
                       static_cast<double>(defaults::Steps(proto.lr_range_test(), batches));
    return needs;
  }
  const double epoch_passes =
      kPassesOfATrainedSample * static_cast<double>(spec.training_samples()) +
      static_cast<double>(spec.validation_samples());
  needs.work_flops =
      pass_flops * epoch_passes * static_cast<double>(defaults::Epochs(spec.training()));
  return needs;
}

JobNeeds NeedsOf(const ValidatedPrediction& prediction) {
  const v1::NetworkSummary& summary = prediction.model().summary();
  JobNeeds needs;
  needs.memory_bytes = summary.memory_bytes();
  needs.work_flops = static_cast<double>(summary.flops_per_sample()) *
                     static_cast<double>(prediction.set().images) *
                     (static_cast<double>(prediction.set().samples) + 1);
  return needs;
}

}  // namespace anneal
