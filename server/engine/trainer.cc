// The training loop. All memory is allocated before the first step: weights, gradients and moments in flat buffers, one
// workspace for full batches and one for the last partial batch over the same memory. A step gathers and converts a batch,
// runs forward, loss, backward and one fused optimizer pass, and allocates nothing.
#include "server/engine/trainer.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/core/status_macros.h"
#include "server/engine/early_stopping.h"
#include "server/engine/evaluator.h"
#include "server/engine/input_preparation.h"
#include "server/engine/network.h"
#include "server/engine/optimizer.h"
#include "server/engine/shuffle.h"
#include "server/spec/defaults.h"

namespace anneal {
namespace {

// Large enough to fill the vector units, small enough that a convolutional network's activations stay in tens of megabytes.
constexpr int64_t kEvaluationRows = 128;

// The samples that train and those that validate: ranges of splits.
struct SampleRange {
  const DatasetSplit* split = nullptr;
  int64_t begin = 0;
  int64_t count = 0;
};

class Training {
 public:
  Training(const ValidatedSpec& spec, std::shared_ptr<const Dataset> dataset, std::unique_ptr<Kernels> kernels,
           const Clock& clock, std::stop_token stop, TrainingObserver& observer, ProgressCell& progress)
      : spec_(spec),
        training_(spec.training()),
        dataset_(std::move(dataset)),
        clock_(clock),
        stop_(std::move(stop)),
        observer_(observer),
        progress_(progress),
        features_(dataset_->features()),
        batch_size_(std::min(defaults::BatchSize(training_), spec.training_samples())),
        network_(Network::Create(spec, std::move(kernels))),
        optimizer_(Optimizer::Create(training_.optimizer(), network_->parameters().numel(),
                                     network_->kernels().device())),
        evaluator_(*network_, kEvaluationRows),
        pool_(network_->kernels().device()) {}

  absl::StatusOr<TrainingOutcome> Run() {
    ChooseSamples();
    Allocate();
    const int64_t epochs = defaults::Epochs(training_);
    const int64_t batches = (train_.count + batch_size_ - 1) / batch_size_;
    progress_.BeginAttempt(epochs, batches, train_.count, clock_.MonotonicUs());

    for (int64_t epoch = 1; epoch <= epochs; ++epoch) {
      const int64_t begin_us = clock_.MonotonicUs();
      progress_.BeginEpoch(epoch, begin_us);
      EpochRecord record;
      record.epoch = epoch;
      RETURN_IF_ERROR(TrainEpoch(record));
      if (outcome_.has_value()) return Finish(/*measure=*/false);
      RETURN_IF_ERROR(ValidateEpoch(record));
      record.duration_us = clock_.MonotonicUs() - begin_us;
      progress_.EndEpoch(record, clock_.MonotonicUs());
      if (const absl::Status stored = observer_.OnEpoch(record); !stored.ok()) {
        if (stop_.stop_requested()) return absl::CancelledError("stopped while storing an epoch");
        End(StopReason::kStorage, absl::StrCat("epoch ", epoch, " could not be stored: ",
                                               std::string(stored.message())));
        return Finish(/*measure=*/false);
      }
      result_.epochs = epoch;
      if (Judge(record)) return Finish(/*measure=*/outcome_->succeeded());
    }
    End(StopReason::kCompleted, "");
    return Finish(/*measure=*/true);
  }

 private:
  void ChooseSamples() {
    const DatasetSplit* const split = dataset_->FindSplit(defaults::TrainSplit(training_));
    train_ = {split, 0, spec_.training_samples()};
    const int64_t held_out = spec_.validation_samples();
    switch (training_.validation().source_case()) {
      case v1::Validation::kFraction: validation_ = {split, train_.count, held_out}; break;
      case v1::Validation::kFirst:
        validation_ = {split, 0, held_out};
        train_.begin = held_out;
        break;
      case v1::Validation::kSplit:
        validation_ = {dataset_->FindSplit(training_.validation().split()), 0, held_out};
        break;
      case v1::Validation::SOURCE_NOT_SET: break;
    }
    if (training_.has_test()) {
      const DatasetSplit* const test = dataset_->FindSplit(training_.test().split());
      test_ = {test, 0, test->samples()};
    }
  }

  void Allocate() {
    preparation_ = FitInputPreparation(training_.input(), *train_.split, features_, train_.begin, train_.count);
    full_batch_ = network_->MakeWorkspace(batch_size_, Mode::kTraining, pool_);
    if (train_.count % batch_size_ != 0) {
      last_batch_ = network_->MakeWorkspace(train_.count % batch_size_, Mode::kTraining, pool_);
    }
    order_.resize(static_cast<size_t>(train_.count));
    const auto labels = [](Workspace& workspace) {
      return at::zeros({workspace.rows()}, at::TensorOptions().dtype(at::kInt));
    };
    full_labels_ = labels(*full_batch_);
    if (last_batch_ != nullptr) last_labels_ = labels(*last_batch_);
    if (training_.has_early_stopping()) {
      early_stopping_.emplace(training_.early_stopping());
      if (training_.early_stopping().restore_best_weights()) {
        best_parameters_ = network_->parameters().clone();
        best_buffers_ = network_->buffers().clone();
      }
    }
  }

  // Sets outcome_ when the loss is no longer a number.
  absl::Status TrainEpoch(EpochRecord& record) {
    if (defaults::Shuffle(training_)) {
      ShufflePermutation(training_.seed(), record.epoch, order_);
    } else {
      for (size_t n = 0; n < order_.size(); ++n) order_[n] = static_cast<uint32_t>(n);
    }
    for (uint32_t& sample : order_) sample += static_cast<uint32_t>(train_.begin);

    LossSums sums;
    int64_t batch = 0;
    for (int64_t done = 0; done < train_.count; done += batch_size_) {
      if (stop_.stop_requested()) return absl::CancelledError("stopped while training");
      const bool full = train_.count - done >= batch_size_;
      const LossSums step = Step(full ? *full_batch_ : *last_batch_, full ? full_labels_ : last_labels_,
                                 order_.data() + done);
      sums.loss += step.loss;
      sums.correct += step.correct;
      ++batch;
      if (!std::isfinite(step.loss)) {
        End(StopReason::kDiverged, absl::StrFormat("the loss became %f in epoch %d, batch %d; a smaller learning rate "
                                                   "or clipped gradients may help",
                                                   step.loss, record.epoch, batch));
        return absl::OkStatus();
      }
      progress_.Step(batch, std::min(done + batch_size_, train_.count), sums.loss, sums.correct);
    }
    const auto samples = static_cast<double>(train_.count);
    record.metrics = {{"accuracy", static_cast<double>(sums.correct) / samples}, {"loss", sums.loss / samples}};
    return absl::OkStatus();
  }

  LossSums Step(Workspace& workspace, at::Tensor& labels, const uint32_t* samples) {
    Kernels& kernels = network_->kernels();
    kernels.GatherImages(train_.split->images.data(), features_, samples, workspace.rows(), preparation_.scale,
                         preparation_.shift, workspace.input());
    auto* const label = static_cast<int32_t*>(labels.data_ptr());
    for (int64_t n = 0; n < workspace.rows(); ++n) label[n] = train_.split->labels[samples[n]];
    network_->Forward(workspace, StepContext{training_.seed(), step_});
    const LossSums sums =
        kernels.CrossEntropyAndGradient(workspace.output(), labels, workspace.output_gradient());
    network_->Backward(workspace);
    optimizer_->Step(network_->parameters(), network_->gradients());
    ++step_;
    return sums;
  }

  absl::Status ValidateEpoch(EpochRecord& record) {
    if (validation_.split == nullptr) return absl::OkStatus();
    ASSIGN_OR_RETURN(const Evaluation evaluation, Evaluate(validation_));
    record.metrics.push_back({"val_accuracy", evaluation.accuracy});
    record.metrics.push_back({"val_loss", evaluation.loss});
    return absl::OkStatus();
  }

  absl::StatusOr<Evaluation> Evaluate(const SampleRange& range) {
    return evaluator_.Evaluate(*range.split, features_, range.begin, range.count, preparation_, stop_);
  }

  // Whether the training ends here; sets outcome_ then.
  bool Judge(const EpochRecord& record) {
    for (const MetricValue& metric : record.metrics) {
      if (!std::isfinite(metric.value)) {
        End(StopReason::kDiverged, absl::StrFormat("%s became %f in epoch %d", metric.name, metric.value, record.epoch));
        return true;
      }
    }
    if (!early_stopping_.has_value()) return false;
    const std::string monitor = defaults::Monitor(training_.early_stopping());
    const auto watched = std::find_if(record.metrics.begin(), record.metrics.end(),
                                      [&](const MetricValue& metric) { return metric.name == monitor; });
    if (watched == record.metrics.end()) return false;  // not reached: validated
    const EarlyStopping::Decision decision = early_stopping_->OnEpoch(record.epoch, watched->value);
    if (decision.improved && best_parameters_.defined()) {
      best_parameters_.copy_(network_->parameters());
      best_buffers_.copy_(network_->buffers());
    }
    if (!decision.stop) return false;
    End(StopReason::kEarlyStopped,
        absl::StrFormat("%s has not improved on %g (epoch %d) for %d epochs", monitor,
                        early_stopping_->best_value().value_or(0), early_stopping_->best_epoch(),
                        early_stopping_->wait()));
    return true;
  }

  void End(StopReason reason, std::string message) {
    outcome_.emplace();
    outcome_->stop_reason = reason;
    outcome_->message = std::move(message);
  }

  // Restores the best weights, measures the test split where asked, and puts the result together.
  absl::StatusOr<TrainingOutcome> Finish(bool measure) {
    if (early_stopping_.has_value()) {
      result_.best_epoch = early_stopping_->best_epoch();
      if (best_parameters_.defined() && result_.best_epoch > 0) {
        network_->parameters().copy_(best_parameters_);
        network_->buffers().copy_(best_buffers_);
      }
    }
    if (measure && test_.split != nullptr) {
      ASSIGN_OR_RETURN(const Evaluation evaluation, Evaluate(test_));
      result_.metrics = {{"test_accuracy", evaluation.accuracy}, {"test_loss", evaluation.loss}};
    }
    result_.weights_sha256 = network_->WeightsSha256();
    outcome_->result = std::move(result_);
    return *std::move(outcome_);
  }

  const ValidatedSpec& spec_;
  const v1::TrainingSpec& training_;
  const std::shared_ptr<const Dataset> dataset_;
  const Clock& clock_;
  const std::stop_token stop_;
  TrainingObserver& observer_;
  ProgressCell& progress_;
  const int64_t features_;
  const int64_t batch_size_;  // as asked, at most the number of samples
  const std::unique_ptr<Network> network_;
  const std::unique_ptr<Optimizer> optimizer_;
  Evaluator evaluator_;
  WorkspacePool pool_;
  std::unique_ptr<Workspace> full_batch_;
  std::unique_ptr<Workspace> last_batch_;  // null where batches divide the samples evenly
  at::Tensor full_labels_;                 // int32 [rows], on the CPU
  at::Tensor last_labels_;
  InputPreparation preparation_;
  SampleRange train_;
  SampleRange validation_;  // split is null where there is none
  SampleRange test_;
  std::vector<uint32_t> order_;
  int64_t step_ = 0;
  std::optional<EarlyStopping> early_stopping_;
  at::Tensor best_parameters_;  // defined where the best weights are to be restored
  at::Tensor best_buffers_;
  TrainingResult result_;
  std::optional<TrainingOutcome> outcome_;
};

}  // namespace

absl::StatusOr<TrainingOutcome> RunTraining(const ValidatedSpec& spec, std::shared_ptr<const Dataset> dataset,
                                            std::unique_ptr<Kernels> kernels, const Clock& clock,
                                            std::stop_token stop, TrainingObserver& observer,
                                            ProgressCell& progress) {
  // Settings of this thread alone: one job, one core (parallelism is across jobs), so that the bits of a result do not
  // depend on who calls.
  at::set_num_threads(1);
  at::globalContext().setFlushDenormal(true);
  const at::NoGradGuard no_autograd;
  return Training(spec, std::move(dataset), std::move(kernels), clock, std::move(stop), observer, progress).Run();
}

}  // namespace anneal
