// The training loop. All memory is allocated before the first step: weights, gradients and moments
// in flat buffers, one workspace for full batches and one for the last partial batch over the same
// memory. A step gathers and converts a batch, runs forward, loss, backward, adds penalties, clips,
// and makes one fused optimizer pass; for the usual layers it allocates nothing.
#include "server/engine/trainer.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/core/status_macros.h"
#include "server/engine/early_stopping.h"
#include "server/engine/evaluator.h"
#include "server/engine/gradient_clipping.h"
#include "server/engine/input_preparation.h"
#include "server/engine/learning_rate_schedule.h"
#include "server/engine/loss.h"
#include "server/engine/network.h"
#include "server/engine/optimizer.h"
#include "server/engine/reduce_on_plateau.h"
#include "server/engine/shuffle.h"
#include "server/engine/weight_constraints.h"
#include "server/engine/weight_penalties.h"
#include "server/spec/defaults.h"
#include "server/spec/metric_names.h"

namespace anneal {
namespace {

// Large enough to fill the vector units, small enough that a convolutional network's activations
// stay in tens of megabytes.
constexpr int64_t kEvaluationRows = 128;

// The k of every top-k accuracy that the spec asks for.
std::vector<int64_t> TopK(const v1::TrainingSpec& training) {
  std::vector<int64_t> top_k;
  for (const v1::MetricSpec& metric : training.metrics())
    top_k.push_back(defaults::K(metric.top_k_accuracy()));
  return top_k;
}

void SortByName(std::vector<MetricValue>& metrics) {
  std::sort(metrics.begin(), metrics.end(),
            [](const MetricValue& a, const MetricValue& b) { return a.name < b.name; });
}

class Training {
 public:
  Training(const ValidatedSpec& spec, std::shared_ptr<const Dataset> dataset,
           std::unique_ptr<Kernels> kernels, const Clock& clock, std::stop_token stop,
           TrainingObserver& observer, ProgressCell& progress)
      : spec_(spec),
        training_(spec.training()),
        dataset_(std::move(dataset)),
        clock_(clock),
        stop_(std::move(stop)),
        observer_(observer),
        progress_(progress),
        batch_size_(std::min(defaults::BatchSize(training_), spec.training_samples())),
        network_(Network::Create(spec, std::move(kernels))),
        loss_(Loss::Create(training_.loss())),
        optimizer_(Optimizer::Create(training_.optimizer(), network_->parameters().numel(),
                                     network_->kernels().device())),
        clipping_(training_.optimizer(), network_->ranges(), PathFor(network_->kernels().device())),
        penalties_(network_->ranges(), PathFor(network_->kernels().device())),
        constraints_(network_->ranges(), PathFor(network_->kernels().device())),
        top_k_(TopK(training_)),
        evaluator_(*network_, *loss_, preparation_, top_k_, kEvaluationRows),
        pool_(network_->kernels().device()) {}

  absl::StatusOr<TrainingOutcome> Run() {
    ChooseSamples();
    Allocate();
    const int64_t epochs = defaults::Epochs(training_);
    const int64_t batches = (train_.count + batch_size_ - 1) / batch_size_;
    const v1::LearningRateSchedule& schedule = training_.optimizer().schedule();
    if (schedule.has_reduce_on_plateau()) {
      plateau_.emplace(schedule.reduce_on_plateau());
    } else if (training_.optimizer().has_schedule()) {
      schedule_ =
          LearningRateSchedule::Create(schedule, optimizer_->learning_rate(), epochs * batches);
    }
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
        End(StopReason::kStorage,
            absl::StrCat("epoch ", epoch, " could not be stored: ", std::string(stored.message())));
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
      case v1::Validation::kFraction:
        validation_ = {split, train_.count, held_out};
        break;
      case v1::Validation::kFirst:
        validation_ = {split, 0, held_out};
        train_.begin = held_out;
        break;
      case v1::Validation::kSplit:
        validation_ = {dataset_->FindSplit(training_.validation().split()), 0, held_out};
        break;
      case v1::Validation::SOURCE_NOT_SET:
        break;
    }
    if (training_.has_test()) {
      const DatasetSplit* const test = dataset_->FindSplit(training_.test().split());
      test_ = {test, 0, test->samples()};
    }
  }

  void Allocate() {
    preparation_ = InputPreparation::Fit(training_.input(), dataset_->info().shape, train_);
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
    std::vector<int64_t> top_hits(top_k_.size());
    int64_t batch = 0;
    for (int64_t done = 0; done < train_.count; done += batch_size_) {
      if (stop_.stop_requested()) return absl::CancelledError("stopped while training");
      const bool full = train_.count - done >= batch_size_;
      const LossSums step =
          Step(full ? *full_batch_ : *last_batch_, full ? full_labels_ : last_labels_,
               order_.data() + done, top_hits);
      sums.loss += step.loss;
      sums.correct += step.correct;
      ++batch;
      if (!std::isfinite(step.loss)) {
        End(StopReason::kDiverged,
            absl::StrFormat("the loss became %f in epoch %d, batch %d; a smaller learning rate "
                            "or clipped gradients may help",
                            step.loss, record.epoch, batch));
        return absl::OkStatus();
      }
      progress_.Step(batch, std::min(done + batch_size_, train_.count), sums.loss, sums.correct);
    }
    const auto samples = static_cast<double>(train_.count);
    record.metrics = {{"accuracy", static_cast<double>(sums.correct) / samples},
                      {"loss", sums.loss / samples}};
    for (size_t k = 0; k < top_k_.size(); ++k) {
      record.metrics.push_back({MetricName(training_.metrics(static_cast<int>(k))),
                                static_cast<double>(top_hits[k]) / samples});
    }
    return absl::OkStatus();
  }

  // The sums of the batch; a penalty on the weights counts once a sample, so that the epoch's mean
  // has it once.
  LossSums Step(Workspace& workspace, at::Tensor& labels, const uint32_t* samples,
                std::vector<int64_t>& top_hits) {
    Kernels& kernels = network_->kernels();
    const AugmentationContext augmentation{training_.seed(), step_};
    preparation_.Prepare(kernels, *train_.split, samples, workspace.input(), &augmentation);
    auto* const label = static_cast<int32_t*>(labels.data_ptr());
    for (int64_t n = 0; n < workspace.rows(); ++n) label[n] = train_.split->labels[samples[n]];
    network_->Forward(workspace, StepContext{training_.seed(), step_});
    for (size_t k = 0; k < top_k_.size(); ++k)
      top_hits[k] += CountTopK(workspace.output(), labels, top_k_[k]);
    LossSums sums = loss_->EvaluateWithGradient(kernels, workspace.output(), labels,
                                                workspace.output_gradient());
    network_->Backward(workspace);
    if (penalties_.active()) {
      sums.loss += penalties_.AddGradients(network_->parameters(), network_->gradients()) *
                   static_cast<double>(workspace.rows());
    }
    if (clipping_.active()) clipping_.Apply(network_->gradients());
    if (schedule_ != nullptr) optimizer_->set_learning_rate(schedule_->At(step_));
    optimizer_->Step(network_->parameters(), network_->gradients());
    if (constraints_.active()) constraints_.Apply(network_->parameters());
    ++step_;
    return sums;
  }

  absl::Status ValidateEpoch(EpochRecord& record) {
    if (validation_.split != nullptr) {
      ASSIGN_OR_RETURN(std::vector<MetricValue> metrics, Evaluate(validation_, "val_"));
      record.metrics.insert(record.metrics.end(), metrics.begin(), metrics.end());
    }
    SortByName(record.metrics);
    return absl::OkStatus();
  }

  // Loss (with penalties, as Keras has it), accuracy and the spec's metrics, each name after
  // `prefix`.
  absl::StatusOr<std::vector<MetricValue>> Evaluate(const SampleRange& range,
                                                    const std::string& prefix) {
    ASSIGN_OR_RETURN(const Evaluation evaluation, evaluator_.Evaluate(range, stop_));
    std::vector<MetricValue> metrics = {
        {prefix + "accuracy", evaluation.accuracy},
        {prefix + "loss", evaluation.loss + penalties_.Penalty(network_->parameters())}};
    for (size_t k = 0; k < top_k_.size(); ++k) {
      metrics.push_back({prefix + MetricName(training_.metrics(static_cast<int>(k))),
                         evaluation.top_accuracy[k]});
    }
    SortByName(metrics);
    return metrics;
  }

  // Whether the training ends here; sets outcome_ then.
  bool Judge(const EpochRecord& record) {
    for (const MetricValue& metric : record.metrics) {
      if (!std::isfinite(metric.value)) {
        End(StopReason::kDiverged,
            absl::StrFormat("%s became %f in epoch %d", metric.name, metric.value, record.epoch));
        return true;
      }
    }
    if (plateau_.has_value()) {
      const double value =
          Watched(record, defaults::Monitor(training_.optimizer().schedule().reduce_on_plateau()));
      const std::optional<double> reduced = plateau_->OnEpoch(value, optimizer_->learning_rate());
      if (reduced.has_value()) optimizer_->set_learning_rate(*reduced);
    }
    if (!early_stopping_.has_value()) return false;
    const std::string monitor = defaults::Monitor(training_.early_stopping());
    const EarlyStopping::Decision decision =
        early_stopping_->OnEpoch(record.epoch, Watched(record, monitor));
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

  // The metric that a rule monitors; validation has seen to it that it is measured.
  static double Watched(const EpochRecord& record, const std::string& monitor) {
    for (const MetricValue& metric : record.metrics) {
      if (metric.name == monitor) return metric.value;
    }
    return std::numeric_limits<double>::quiet_NaN();
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
      ASSIGN_OR_RETURN(result_.metrics, Evaluate(test_, "test_"));
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
  const int64_t batch_size_;  // as asked, at most the number of samples
  const std::unique_ptr<Network> network_;
  const std::unique_ptr<Loss> loss_;
  const std::unique_ptr<Optimizer> optimizer_;
  const GradientClipping clipping_;
  const WeightPenalties penalties_;
  WeightConstraints constraints_;
  std::unique_ptr<LearningRateSchedule>
      schedule_;  // null: constant, or changed after epochs by plateau_
  std::optional<ReduceOnPlateau> plateau_;
  InputPreparation preparation_;
  const std::vector<int64_t> top_k_;
  Evaluator evaluator_;
  WorkspacePool pool_;
  std::unique_ptr<Workspace> full_batch_;
  std::unique_ptr<Workspace> last_batch_;  // null where batches divide the samples evenly
  at::Tensor full_labels_;                 // int32 [rows], on the CPU
  at::Tensor last_labels_;
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

absl::StatusOr<TrainingOutcome> RunTraining(const ValidatedSpec& spec,
                                            std::shared_ptr<const Dataset> dataset,
                                            std::unique_ptr<Kernels> kernels, const Clock& clock,
                                            std::stop_token stop, TrainingObserver& observer,
                                            ProgressCell& progress) {
  // Settings of this thread alone: one job, one core (parallelism is across jobs), so that the bits
  // of a result do not depend on who calls.
  at::set_num_threads(1);
  at::globalContext().setFlushDenormal(true);
  const at::NoGradGuard no_autograd;
  return Training(spec, std::move(dataset), std::move(kernels), clock, std::move(stop), observer,
                  progress)
      .Run();
}

}  // namespace anneal
