#include "server/engine/training_step.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "server/engine/compute_path.h"
#include "server/engine/shuffle.h"
#include "server/spec/defaults.h"

namespace anneal {
namespace {

std::vector<int64_t> TopK(const v1::TrainingSpec& training) {
  std::vector<int64_t> top_k;
  for (const v1::MetricSpec& metric : training.metrics())
    top_k.push_back(defaults::K(metric.top_k_accuracy()));
  return top_k;
}

}  // namespace

TrainingSamples ChooseSamples(const ValidatedSpec& spec, const Dataset& dataset) {
  const v1::TrainingSpec& training = spec.training();
  const DatasetSplit* const split = dataset.FindSplit(defaults::TrainSplit(training));
  TrainingSamples samples;
  samples.train = {split, 0, spec.training_samples()};
  const int64_t held_out = spec.validation_samples();
  switch (training.validation().source_case()) {
    case v1::Validation::kFraction:
      samples.validation = {split, samples.train.count, held_out};
      break;
    case v1::Validation::kFirst:
      samples.validation = {split, 0, held_out};
      samples.train.begin = held_out;
      break;
    case v1::Validation::kSplit:
      samples.validation = {dataset.FindSplit(training.validation().split()), 0, held_out};
      break;
    case v1::Validation::SOURCE_NOT_SET:
      break;
  }
  if (training.has_test()) {
    const DatasetSplit* const test = dataset.FindSplit(training.test().split());
    samples.test = {test, 0, test->samples()};
  }
  return samples;
}

TrainingStep::TrainingStep(const ValidatedSpec& spec, v1::TrainingSpec training,
                           const SampleRange& samples, std::unique_ptr<Kernels> kernels)
    : training_(std::move(training)),
      samples_(samples),
      batch_size_(std::min(defaults::BatchSize(training_), samples.count)),
      network_(Network::Create(spec, std::move(kernels))),
      loss_(Loss::Create(training_.loss())),
      optimizer_(Optimizer::Create(training_.optimizer(), network_->parameters().numel(),
                                   network_->kernels().device())),
      clipping_(training_.optimizer(), network_->ranges(), PathFor(network_->kernels().device())),
      penalties_(network_->ranges(), PathFor(network_->kernels().device())),
      constraints_(network_->ranges(), PathFor(network_->kernels().device())),
      pruning_(training_.pruning(), network_->ranges(), batches()),
      gradient_norms_(training_.diagnostics().gradient_norm(), network_->ranges(),
                      PathFor(network_->kernels().device())),
      preparation_(InputPreparation::Fit(training_.input(), spec.dataset().shape, samples)),
      pool_(network_->kernels().device()),
      full_(MakeBatch(batch_size_)),
      top_k_(TopK(training_)),
      top_hits_(top_k_.size()) {
  if (samples_.count % batch_size_ != 0) last_ = MakeBatch(samples_.count % batch_size_);
}

TrainingStep::Batch TrainingStep::MakeBatch(int64_t rows) {
  return {network_->MakeWorkspace(rows, Mode::kTraining, pool_),
          at::zeros({rows}, at::TensorOptions().dtype(at::kInt))};
}

void TrainingStep::OrderEpoch(int64_t epoch, std::vector<uint32_t>& order) const {
  order.resize(static_cast<size_t>(samples_.count));
  if (defaults::Shuffle(training_)) {
    ShufflePermutation(training_.seed(), epoch, order);
  } else {
    std::iota(order.begin(), order.end(), uint32_t{0});
  }
  for (uint32_t& sample : order) sample += static_cast<uint32_t>(samples_.begin);
}

LossSums TrainingStep::Run(const uint32_t* indices, int64_t rows) {
  Batch& batch = rows == batch_size_ ? full_ : last_;
  Workspace& workspace = *batch.workspace;
  Kernels& kernels = network_->kernels();
  if (pruning_.active()) pruning_.BeforeStep(steps_, network_->parameters());
  const AugmentationContext augmentation{training_.seed(), steps_};
  preparation_.Prepare(kernels, *samples_.split, indices, workspace.input(), &augmentation);
  auto* const label = static_cast<int32_t*>(batch.labels.data_ptr());
  for (int64_t n = 0; n < rows; ++n) label[n] = samples_.split->labels[indices[n]];
  network_->Forward(workspace, StepContext{training_.seed(), steps_});
  for (size_t k = 0; k < top_k_.size(); ++k)
    top_hits_[k] += CountTopK(workspace.output(), batch.labels, top_k_[k]);
  LossSums sums = loss_->EvaluateWithGradient(kernels, workspace.output(), batch.labels,
                                              workspace.output_gradient());
  network_->Backward(workspace);
  if (penalties_.active()) {
    sums.loss += penalties_.AddGradients(network_->parameters(), network_->gradients()) *
                 static_cast<double>(rows);
  }
  if (gradient_norms_.active()) gradient_norms_.Add(network_->gradients());
  if (clipping_.active()) clipping_.Apply(network_->gradients());
  optimizer_->Step(network_->parameters(), network_->gradients());
  // Constraints last: they keep zeros zero, while a norm with pruned weights in it would be wrong.
  if (pruning_.active()) pruning_.Apply(network_->parameters());
  if (constraints_.active()) constraints_.Apply(network_->parameters());
  ++steps_;
  return sums;
}

}  // namespace anneal
