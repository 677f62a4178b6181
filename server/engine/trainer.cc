// The training loop: epochs of steps (training_step.h), each followed by what is measured and
// decided between epochs: validation, diagnostics, the learning rate on a plateau, early stopping.
#include "server/engine/trainer.h"

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
#include "server/engine/checkpoint.h"
#include "server/engine/diagnostics.h"
#include "server/engine/evaluator.h"
#include "server/engine/learning_rate_schedule.h"
#include "server/engine/thread_settings.h"
#include "server/engine/training_state.h"
#include "server/engine/training_step.h"
#include "server/spec/defaults.h"
#include "server/spec/metric_names.h"
#include "server/spec/model_description.h"

namespace anneal {
namespace {

// Large enough to fill the vector units, small enough that a convolutional network's activations
// stay in tens of megabytes.
constexpr int64_t kEvaluationRows = 128;

void SortByName(std::vector<MetricValue>& metrics) {
  std::sort(metrics.begin(), metrics.end(),
            [](const MetricValue& a, const MetricValue& b) { return a.name < b.name; });
}

class Training {
 public:
  Training(const ValidatedSpec& spec, std::shared_ptr<const Dataset> dataset,
           std::unique_ptr<Kernels> kernels, std::string fingerprint, const Clock& clock,
           std::stop_token stop, TrainingObserver& observer, ProgressCell& progress)
      : spec_(spec),
        training_(spec_.training()),
        sha256_(TrainingSha256(training_)),
        fingerprint_(std::move(fingerprint)),
        dataset_(std::move(dataset)),
        clock_(clock),
        stop_(std::move(stop)),
        observer_(observer),
        progress_(progress),
        samples_(ChooseSamples(spec, *dataset_)),
        step_(spec, training_, samples_.train, std::move(kernels)),
        network_(step_.network()),
        evaluator_(network_, step_.loss(), step_.preparation(), step_.top_k(), kEvaluationRows),
        diagnostics_(spec, network_, step_.preparation(), samples_.train) {
    if (training_.has_early_stopping()) {
      memory_.early_stopping.emplace(training_.early_stopping());
      if (training_.early_stopping().restore_best_weights()) {
        memory_.best_parameters = network_.parameters().clone();
        memory_.best_buffers = network_.buffers().clone();
      }
    }
  }

  absl::StatusOr<TrainingOutcome> Run(const std::vector<ResumePoint>& resume) {
    const int64_t epochs = defaults::Epochs(training_);
    const int64_t batches = step_.batches();
    const v1::LearningRateSchedule& schedule = training_.optimizer().schedule();
    if (schedule.has_reduce_on_plateau()) {
      memory_.plateau.emplace(schedule.reduce_on_plateau());
    } else if (training_.optimizer().has_schedule()) {
      schedule_ = LearningRateSchedule::Create(schedule, step_.optimizer().learning_rate(),
                                               epochs * batches);
    }
    step_.ClearTopHits();
    Restore(resume);
    progress_.BeginAttempt(epochs, batches, samples_.train.count, clock_.MonotonicUs());

    for (int64_t epoch = memory_.epochs + 1; epoch <= epochs; ++epoch) {
      // As if what an earlier attempt has done of it had just been done.
      epoch_begin_us_ = clock_.MonotonicUs() - memory_.elapsed_us;
      progress_.BeginEpoch(epoch, epoch_begin_us_);
      EpochRecord record;
      record.epoch = epoch;
      absl::Status measured = TrainEpoch(record);
      if (outcome_.has_value()) return Finish(/*measure=*/false);
      const int64_t trained_us = clock_.MonotonicUs() - epoch_begin_us_;
      if (measured.ok()) measured = ValidateEpoch(record);
      record.duration_us = clock_.MonotonicUs() - epoch_begin_us_;
      if (measured.ok()) measured = Diagnose(trained_us, record);
      if (absl::IsCancelled(measured)) KeepState(/*stopping=*/true);
      RETURN_IF_ERROR(measured);
      SortByName(record.metrics);
      progress_.EndEpoch(record, clock_.MonotonicUs());
      if (const absl::Status stored = observer_.OnEpoch(record); !stored.ok()) {
        if (stop_.stop_requested()) return absl::CancelledError("stopped while storing an epoch");
        End(StopReason::kStorage,
            absl::StrCat("epoch ", epoch, " could not be stored: ", std::string(stored.message())));
        return Finish(/*measure=*/false);
      }
      memory_.epochs = epoch;
      memory_.BeginEpoch();
      step_.ClearTopHits();
      if (Judge(record)) return Finish(/*measure=*/outcome_->succeeded());
      if (epoch < epochs) KeepState(/*stopping=*/false);
    }
    End(StopReason::kCompleted, "");
    return Finish(/*measure=*/true);
  }

 private:
  // From where memory_ stands. Sets outcome_ when the loss is no longer a number.
  absl::Status TrainEpoch(EpochRecord& record) {
    step_.OrderEpoch(record.epoch, order_);
    LossSums& sums = memory_.sums;
    const int64_t count = samples_.train.count;
    for (int64_t done = memory_.batches * step_.batch_size(); done < count;
         done += step_.batch_size()) {
      if (stop_.stop_requested()) return absl::CancelledError("stopped while training");
      if (schedule_ != nullptr) step_.optimizer().set_learning_rate(schedule_->At(step_.steps()));
      const int64_t rows = std::min(step_.batch_size(), count - done);
      const LossSums step = step_.Run(order_.data() + done, rows);
      sums.loss += step.loss;
      sums.correct += step.correct;
      ++memory_.batches;
      if (!std::isfinite(step.loss)) {
        End(StopReason::kDiverged,
            absl::StrFormat("the loss became %f in epoch %d, batch %d; a smaller learning rate "
                            "or clipped gradients may help",
                            step.loss, record.epoch, memory_.batches));
        return absl::OkStatus();
      }
      progress_.Step(memory_.batches, done + rows, sums.loss, sums.correct);
    }
    const auto samples = static_cast<double>(count);
    record.metrics = {{"accuracy", static_cast<double>(sums.correct) / samples},
                      {"loss", sums.loss / samples}};
    for (size_t k = 0; k < step_.top_k().size(); ++k) {
      record.metrics.push_back({MetricName(training_.metrics(static_cast<int>(k))),
                                static_cast<double>(step_.top_hits()[k]) / samples});
    }
    return absl::OkStatus();
  }

  absl::Status ValidateEpoch(EpochRecord& record) {
    if (samples_.validation.split == nullptr) return absl::OkStatus();
    ASSIGN_OR_RETURN(std::vector<MetricValue> metrics, Evaluate(samples_.validation, "val_"));
    record.metrics.insert(record.metrics.end(), metrics.begin(), metrics.end());
    return absl::OkStatus();
  }

  // What the spec's `diagnostics` ask for. `trained_us`: the epoch's steps took.
  absl::Status Diagnose(int64_t trained_us, EpochRecord& record) {
    std::vector<MetricValue>& metrics = record.metrics;
    const v1::Diagnostics& asked = training_.diagnostics();
    if (asked.learning_rate())
      metrics.push_back({"learning_rate", step_.optimizer().learning_rate()});
    if (asked.timing()) {
      metrics.push_back({"epoch_seconds", static_cast<double>(record.duration_us) * 1e-6});
      metrics.push_back(
          {"samples_per_second", static_cast<double>(samples_.train.count) * 1e6 /
                                     static_cast<double>(std::max<int64_t>(trained_us, 1))});
    }
    RETURN_IF_ERROR(diagnostics_.Measure(stop_, metrics));
    step_.gradient_norms().Take(metrics);  // last: where the training stops before, they are kept
    return absl::OkStatus();
  }

  // Loss (with penalties, as Keras has it), accuracy and the spec's metrics, each name after
  // `prefix`.
  absl::StatusOr<std::vector<MetricValue>> Evaluate(const SampleRange& range,
                                                    const std::string& prefix) {
    ASSIGN_OR_RETURN(const Evaluation evaluation, evaluator_.Evaluate(range, stop_));
    std::vector<MetricValue> metrics = {
        {prefix + "accuracy", evaluation.accuracy},
        {prefix + "loss", evaluation.loss + step_.penalties().Penalty(network_.parameters())}};
    for (size_t k = 0; k < step_.top_k().size(); ++k) {
      metrics.push_back({prefix + MetricName(training_.metrics(static_cast<int>(k))),
                         evaluation.top_accuracy[k]});
    }
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
    if (memory_.plateau.has_value()) {
      const double value =
          Watched(record, defaults::Monitor(training_.optimizer().schedule().reduce_on_plateau()));
      const std::optional<double> reduced =
          memory_.plateau->OnEpoch(value, step_.optimizer().learning_rate());
      if (reduced.has_value()) step_.optimizer().set_learning_rate(*reduced);
    }
    // The best weights must be pruned ones, so epochs before the last pruning do not count.
    if (!memory_.early_stopping.has_value() || !step_.pruning().finished(step_.steps()))
      return false;
    const std::string monitor = defaults::Monitor(training_.early_stopping());
    const EarlyStopping::Decision decision =
        memory_.early_stopping->OnEpoch(record.epoch, Watched(record, monitor));
    if (decision.improved && memory_.best_parameters.defined()) {
      memory_.best_parameters.copy_(network_.parameters());
      memory_.best_buffers.copy_(network_.buffers());
    }
    if (!decision.stop) return false;
    End(StopReason::kEarlyStopped,
        absl::StrFormat("%s has not improved on %g (epoch %d) for %d epochs", monitor,
                        memory_.early_stopping->best_value().value_or(0),
                        memory_.early_stopping->best_epoch(), memory_.early_stopping->wait()));
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
    TrainingResult result;
    result.epochs = memory_.epochs;
    if (memory_.early_stopping.has_value())
      result.best_epoch = memory_.early_stopping->best_epoch();
    if (memory_.has_best()) {
      network_.parameters().copy_(memory_.best_parameters);
      network_.buffers().copy_(memory_.best_buffers);
    }
    if (measure && samples_.test.split != nullptr) {
      ASSIGN_OR_RETURN(result.metrics, Evaluate(samples_.test, "test_"));
    }
    if (training_.has_pruning()) diagnostics_.MeasureSparsity(result.metrics);
    SortByName(result.metrics);
    result.weights_sha256 = network_.WeightsSha256();
    if (outcome_->succeeded()) RETURN_IF_ERROR(KeepWeights(result));
    outcome_->result = std::move(result);
    return *std::move(outcome_);
  }

  void KeepState(bool stopping) {
    if (memory_.batches > 0) memory_.elapsed_us = clock_.MonotonicUs() - epoch_begin_us_;
    observer_.OnState(CapturedTrainingState(step_, memory_, sha256_, fingerprint_), stopping);
  }

  // From the first state that can be had; from the beginning where there is none.
  void Restore(const std::vector<ResumePoint>& resume) {
    for (const ResumePoint& point : resume) {
      const absl::StatusOr<LoadedTrainingState> state =
          LoadTrainingState(point.path, point.info, sha256_);
      absl::Status restored = state.status();
      if (state.ok()) restored = RestoreTrainingState(*state, step_, memory_);
      if (!restored.ok()) {
        observer_.OnWarning(absl::StrCat("a state of this training cannot be gone on from: ",
                                         std::string(restored.message())));
        continue;
      }
      if (state->record.fingerprint() != fingerprint_) {
        observer_.OnWarning(
            absl::StrCat("goes on under another fingerprint: what follows is not the same to the "
                         "last bit (before: ",
                         state->record.fingerprint(), ")"));
      }
      return;
    }
    if (!resume.empty()) observer_.OnWarning("no state is left: the training begins anew");
  }

  absl::Status KeepWeights(const TrainingResult& result) {
    const int64_t epoch = memory_.has_best() ? result.best_epoch : result.epochs;
    const Checkpoint checkpoint(network_, step_.preparation(),
                                DescribeModel(spec_, epoch, result.weights_sha256, fingerprint_));
    const absl::Status kept = observer_.OnFinalWeights(checkpoint);
    if (kept.ok()) return kept;
    if (stop_.stop_requested()) return absl::CancelledError("stopped while storing the weights");
    End(StopReason::kStorage,
        absl::StrCat("the weights could not be stored: ", std::string(kept.message())));
    return absl::OkStatus();
  }

  const ValidatedSpec spec_;
  const v1::TrainingSpec& training_;  // of spec_
  const std::string sha256_;          // of training_
  const std::string fingerprint_;
  const std::shared_ptr<const Dataset> dataset_;
  const Clock& clock_;
  const std::stop_token stop_;
  TrainingObserver& observer_;
  ProgressCell& progress_;
  const TrainingSamples samples_;
  TrainingStep step_;
  Network& network_;  // of step_
  Evaluator evaluator_;
  Diagnostics diagnostics_;
  std::unique_ptr<LearningRateSchedule>
      schedule_;  // null: constant, or changed after epochs by the plateau
  std::vector<uint32_t> order_;
  TrainingMemory memory_;
  int64_t epoch_begin_us_ = 0;
  std::optional<TrainingOutcome> outcome_;
};

}  // namespace

absl::StatusOr<TrainingOutcome> RunTraining(const ValidatedSpec& spec,
                                            std::shared_ptr<const Dataset> dataset,
                                            std::unique_ptr<Kernels> kernels,
                                            const std::string& fingerprint,
                                            const std::vector<ResumePoint>& resume,
                                            const Clock& clock, std::stop_token stop,
                                            TrainingObserver& observer, ProgressCell& progress) {
  const ThreadSettings settings;
  return Training(spec, std::move(dataset), std::move(kernels), fingerprint, clock, std::move(stop),
                  observer, progress)
      .Run(resume);
}

}  // namespace anneal
