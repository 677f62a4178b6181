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
#include "server/engine/early_stopping.h"
#include "server/engine/evaluator.h"
#include "server/engine/learning_rate_schedule.h"
#include "server/engine/reduce_on_plateau.h"
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
      early_stopping_.emplace(training_.early_stopping());
      if (training_.early_stopping().restore_best_weights()) {
        best_parameters_ = network_.parameters().clone();
        best_buffers_ = network_.buffers().clone();
      }
    }
  }

  absl::StatusOr<TrainingOutcome> Run(const std::vector<ResumePoint>& resume) {
    const int64_t epochs = defaults::Epochs(training_);
    const int64_t batches = step_.batches();
    const v1::LearningRateSchedule& schedule = training_.optimizer().schedule();
    if (schedule.has_reduce_on_plateau()) {
      plateau_.emplace(schedule.reduce_on_plateau());
    } else if (training_.optimizer().has_schedule()) {
      schedule_ = LearningRateSchedule::Create(schedule, step_.optimizer().learning_rate(),
                                               epochs * batches);
    }
    step_.ClearTopHits();
    Restore(resume);
    progress_.BeginAttempt(epochs, batches, samples_.train.count, clock_.MonotonicUs());

    for (int64_t epoch = result_.epochs + 1; epoch <= epochs; ++epoch) {
      // As if what an earlier attempt has done of it had just been done.
      epoch_begin_us_ = clock_.MonotonicUs() - epoch_.elapsed_us;
      progress_.BeginEpoch(epoch, clock_.MonotonicUs());
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
      result_.epochs = epoch;
      epoch_ = {};
      step_.ClearTopHits();
      if (Judge(record)) return Finish(/*measure=*/outcome_->succeeded());
      if (epoch < epochs) KeepState(/*stopping=*/false);
    }
    End(StopReason::kCompleted, "");
    return Finish(/*measure=*/true);
  }

 private:
  // The part of an epoch that is done.
  struct EpochSoFar {
    int64_t batches = 0;
    LossSums sums;
    int64_t elapsed_us = 0;  // by earlier attempts
  };

  // From where epoch_ stands. Sets outcome_ when the loss is no longer a number.
  absl::Status TrainEpoch(EpochRecord& record) {
    step_.OrderEpoch(record.epoch, order_);
    LossSums& sums = epoch_.sums;
    const int64_t count = samples_.train.count;
    for (int64_t done = epoch_.batches * step_.batch_size(); done < count;
         done += step_.batch_size()) {
      if (stop_.stop_requested()) return absl::CancelledError("stopped while training");
      if (schedule_ != nullptr) step_.optimizer().set_learning_rate(schedule_->At(step_.steps()));
      const int64_t rows = std::min(step_.batch_size(), count - done);
      const LossSums step = step_.Run(order_.data() + done, rows);
      sums.loss += step.loss;
      sums.correct += step.correct;
      ++epoch_.batches;
      if (!std::isfinite(step.loss)) {
        End(StopReason::kDiverged,
            absl::StrFormat("the loss became %f in epoch %d, batch %d; a smaller learning rate "
                            "or clipped gradients may help",
                            step.loss, record.epoch, epoch_.batches));
        return absl::OkStatus();
      }
      progress_.Step(epoch_.batches, done + rows, sums.loss, sums.correct);
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
    if (plateau_.has_value()) {
      const double value =
          Watched(record, defaults::Monitor(training_.optimizer().schedule().reduce_on_plateau()));
      const std::optional<double> reduced =
          plateau_->OnEpoch(value, step_.optimizer().learning_rate());
      if (reduced.has_value()) step_.optimizer().set_learning_rate(*reduced);
    }
    // The best weights must be pruned ones, so epochs before the last pruning do not count.
    if (!early_stopping_.has_value() || !step_.pruning().finished(step_.steps())) return false;
    const std::string monitor = defaults::Monitor(training_.early_stopping());
    const EarlyStopping::Decision decision =
        early_stopping_->OnEpoch(record.epoch, Watched(record, monitor));
    if (decision.improved && best_parameters_.defined()) {
      best_parameters_.copy_(network_.parameters());
      best_buffers_.copy_(network_.buffers());
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
        network_.parameters().copy_(best_parameters_);
        network_.buffers().copy_(best_buffers_);
      }
    }
    if (measure && samples_.test.split != nullptr) {
      ASSIGN_OR_RETURN(result_.metrics, Evaluate(samples_.test, "test_"));
    }
    if (training_.has_pruning()) diagnostics_.MeasureSparsity(result_.metrics);
    SortByName(result_.metrics);
    result_.weights_sha256 = network_.WeightsSha256();
    if (outcome_->succeeded()) RETURN_IF_ERROR(KeepWeights());
    outcome_->result = std::move(result_);
    return *std::move(outcome_);
  }

  void KeepState(bool stopping) {
    v1::TrainingStateRecord record;
    record.set_training_sha256(TrainingSha256(training_));
    record.set_fingerprint(fingerprint_);
    record.set_epochs(result_.epochs);
    record.set_steps(step_.steps());
    record.set_batches(epoch_.batches);
    record.set_loss_sum(epoch_.sums.loss);
    record.set_correct(epoch_.sums.correct);
    record.mutable_top_hits()->Add(step_.top_hits().begin(), step_.top_hits().end());
    if (epoch_.batches > 0) record.set_elapsed_us(clock_.MonotonicUs() - epoch_begin_us_);
    const GradientNorms::Sums& norms = step_.gradient_norms().sums();
    record.mutable_gradient_norms()->set_steps(norms.steps);
    record.mutable_gradient_norms()->set_total(norms.total);
    record.mutable_gradient_norms()->mutable_by_layer()->Add(norms.by_layer.begin(),
                                                             norms.by_layer.end());
    Optimizer& optimizer = step_.optimizer();
    record.set_learning_rate(optimizer.learning_rate());
    record.set_momentum_product(optimizer.momentum_product());
    if (early_stopping_.has_value()) {
      v1::TrainingStateRecord::Rule& rule = *record.mutable_early_stopping();
      if (early_stopping_->best_value().has_value()) rule.set_best(*early_stopping_->best_value());
      rule.set_best_epoch(early_stopping_->best_epoch());
      rule.set_wait(early_stopping_->wait());
    }
    if (plateau_.has_value()) {
      v1::TrainingStateRecord::Rule& rule = *record.mutable_plateau();
      if (plateau_->state().best.has_value()) rule.set_best(*plateau_->state().best);
      rule.set_wait(plateau_->state().wait);
      rule.set_rest(plateau_->state().rest);
    }
    std::vector<NamedTensor> tensors = {{"parameters", network_.parameters()},
                                        {"buffers", network_.buffers()}};
    for (size_t k = 0; k < optimizer.moments().size(); ++k)
      tensors.push_back({absl::StrCat("moments/", k), optimizer.moments()[k]});
    if (best_parameters_.defined() && early_stopping_->best_epoch() > 0) {
      tensors.push_back({"best_parameters", best_parameters_});
      tensors.push_back({"best_buffers", best_buffers_});
    }
    if (step_.pruning().mask().defined())
      tensors.push_back({"pruning_mask", step_.pruning().mask()});
    observer_.OnState(WritableTrainingState(std::move(record), std::move(tensors)), stopping);
  }

  // From the first state that can be had; from the beginning where there is none.
  void Restore(const std::vector<ResumePoint>& resume) {
    for (const ResumePoint& point : resume) {
      absl::StatusOr<LoadedTrainingState> state =
          LoadTrainingState(point.path, point.info, training_);
      absl::Status restored = state.status();
      if (state.ok()) restored = CheckFits(*state);
      if (!restored.ok()) {
        observer_.OnWarning(absl::StrCat("a state of this training cannot be gone on from: ",
                                         std::string(restored.message())));
        continue;
      }
      Take(*state);
      if (state->record.fingerprint() != fingerprint_) {
        observer_.OnWarning(
            absl::StrCat("goes on under another fingerprint: what follows is not the same to the "
                         "last bit (before: ", state->record.fingerprint(), ")"));
      }
      return;
    }
    if (!resume.empty()) observer_.OnWarning("no state is left: the training begins anew");
  }

  // Whether every tensor is there: so that a state is taken whole or not at all.
  absl::Status CheckFits(const LoadedTrainingState& state) {
    const auto fits = [&](const std::string& name, const at::Tensor& like) {
      at::Tensor copy = at::empty_like(like);
      return state.CopyTo(name, copy);
    };
    RETURN_IF_ERROR(fits("parameters", network_.parameters()));
    RETURN_IF_ERROR(fits("buffers", network_.buffers()));
    const std::vector<at::Tensor>& moments = step_.optimizer().moments();
    for (size_t k = 0; k < moments.size(); ++k)
      RETURN_IF_ERROR(fits(absl::StrCat("moments/", k), moments[k]));
    if (best_parameters_.defined() && state.record.early_stopping().best_epoch() > 0) {
      RETURN_IF_ERROR(fits("best_parameters", best_parameters_));
      RETURN_IF_ERROR(fits("best_buffers", best_buffers_));
    }
    if (state.tensors.contains("pruning_mask"))
      RETURN_IF_ERROR(fits("pruning_mask", network_.parameters()));
    if (state.record.top_hits_size() != static_cast<int>(step_.top_k().size()) ||
        state.record.gradient_norms().by_layer_size() !=
            static_cast<int>(step_.gradient_norms().sums().by_layer.size()) ||
        state.record.batches() > step_.batches()) {
      return absl::DataLossError("its counts are those of another training");
    }
    return absl::OkStatus();
  }

  // `state` fits.
  void Take(const LoadedTrainingState& state) {
    const v1::TrainingStateRecord& record = state.record;
    const auto take = [&](const std::string& name, at::Tensor target) {
      target.copy_(state.tensors.at(name));
    };
    take("parameters", network_.parameters());
    take("buffers", network_.buffers());
    Optimizer& optimizer = step_.optimizer();
    for (size_t k = 0; k < optimizer.moments().size(); ++k)
      take(absl::StrCat("moments/", k), optimizer.moments()[k]);
    optimizer.set_step(record.steps());
    optimizer.set_learning_rate(record.learning_rate());
    optimizer.set_momentum_product(record.momentum_product());
    step_.set_steps(record.steps());
    result_.epochs = record.epochs();
    epoch_.batches = record.batches();
    epoch_.sums.loss = record.loss_sum();
    epoch_.sums.correct = record.correct();
    epoch_.elapsed_us = record.elapsed_us();
    step_.set_top_hits({record.top_hits().begin(), record.top_hits().end()});
    const auto& norms = record.gradient_norms();
    step_.gradient_norms().Restore(
        {norms.steps(), norms.total(), {norms.by_layer().begin(), norms.by_layer().end()}});
    const auto best_of = [](const v1::TrainingStateRecord::Rule& rule) {
      return rule.has_best() ? std::optional<double>(rule.best()) : std::nullopt;
    };
    if (early_stopping_.has_value()) {
      const v1::TrainingStateRecord::Rule& rule = record.early_stopping();
      early_stopping_->Restore(best_of(rule), rule.best_epoch(), rule.wait());
      if (best_parameters_.defined() && rule.best_epoch() > 0) {
        take("best_parameters", best_parameters_);
        take("best_buffers", best_buffers_);
      }
    }
    if (plateau_.has_value()) {
      const v1::TrainingStateRecord::Rule& rule = record.plateau();
      plateau_->Restore({best_of(rule), rule.wait(), rule.rest()});
    }
    if (state.tensors.contains("pruning_mask")) {
      const at::Tensor mask = at::empty_like(network_.parameters());
      take("pruning_mask", mask);
      step_.pruning().Restore(mask);
    }
  }

  absl::Status KeepWeights() {
    const int64_t epoch = best_parameters_.defined() && result_.best_epoch > 0
                              ? result_.best_epoch
                              : result_.epochs;
    const Checkpoint checkpoint(
        network_, step_.preparation(),
        DescribeModel(spec_, epoch, result_.weights_sha256, fingerprint_));
    const absl::Status kept = observer_.OnFinalWeights(checkpoint);
    if (kept.ok()) return kept;
    if (stop_.stop_requested()) return absl::CancelledError("stopped while storing the weights");
    End(StopReason::kStorage,
        absl::StrCat("the weights could not be stored: ", std::string(kept.message())));
    return absl::OkStatus();
  }

  const ValidatedSpec spec_;
  const v1::TrainingSpec& training_;  // of spec_
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
      schedule_;  // null: constant, or changed after epochs by plateau_
  std::optional<ReduceOnPlateau> plateau_;
  std::vector<uint32_t> order_;
  EpochSoFar epoch_;
  int64_t epoch_begin_us_ = 0;
  std::optional<EarlyStopping> early_stopping_;
  at::Tensor best_parameters_;  // defined where the best weights are to be restored
  at::Tensor best_buffers_;
  TrainingResult result_;
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
  return Training(spec, std::move(dataset), std::move(kernels), fingerprint, clock,
                  std::move(stop), observer, progress)
      .Run(resume);
}

}  // namespace anneal
