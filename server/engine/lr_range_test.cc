#include "server/engine/lr_range_test.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "server/engine/thread_settings.h"
#include "server/engine/training_step.h"
#include "server/spec/defaults.h"

namespace anneal {
namespace {

// The training with everything left out that does not belong to the test.
v1::TrainingSpec Plain(const v1::TrainingSpec& training) {
  v1::TrainingSpec plain = training;
  plain.clear_pruning();
  plain.clear_diagnostics();
  return plain;
}

}  // namespace

absl::StatusOr<TrainingOutcome> RunLearningRateRangeTest(const ValidatedSpec& spec,
                                                         std::shared_ptr<const Dataset> dataset,
                                                         std::unique_ptr<Kernels> kernels,
                                                         const Clock& clock, std::stop_token stop,
                                                         ProgressCell& progress) {
  const ThreadSettings settings;
  const v1::LearningRateRangeTest& test = spec.proto().lr_range_test();
  const SampleRange samples = ChooseSamples(spec, *dataset).train;
  TrainingStep step(spec, Plain(spec.training()), samples, std::move(kernels));
  Network& network = step.network();
  const at::Tensor parameters = network.parameters().clone();
  const at::Tensor buffers = network.buffers().clone();

  const int64_t batches = step.batches();
  const int64_t steps = defaults::Steps(test, batches);
  const double lowest = defaults::MinLearningRate(test);
  const double growth = std::log(defaults::MaxLearningRate(test) / lowest);
  const double smoothing = defaults::Smoothing(test);
  const double divergence_factor = defaults::DivergenceFactor(test);
  // Of all steps, which go through the samples as often as it takes.
  const int64_t samples_of_steps = steps / batches * samples.count +
                                   std::min(steps % batches * step.batch_size(), samples.count);
  progress.BeginAttempt(1, steps, samples_of_steps, clock.MonotonicUs());
  progress.BeginEpoch(1, clock.MonotonicUs());

  TrainingOutcome outcome;
  LearningRateCurve curve;
  std::vector<uint32_t> order;
  double mean = 0;
  double weight = 0;  // of the losses in `mean`
  double least = 0;
  LossSums sums;
  int64_t trained = 0;
  for (int64_t n = 0; n < steps; ++n) {
    if (stop.stop_requested()) return absl::CancelledError("stopped while testing learning rates");
    const int64_t batch = n % batches;
    if (batch == 0) step.OrderEpoch(n / batches + 1, order);
    const double share = steps == 1 ? 0.0 : static_cast<double>(n) / static_cast<double>(steps - 1);
    const double learning_rate = lowest * std::exp(growth * share);
    step.optimizer().set_learning_rate(learning_rate);
    const int64_t begin = batch * step.batch_size();
    const int64_t rows = std::min(step.batch_size(), samples.count - begin);
    const LossSums batch_sums = step.Run(order.data() + begin, rows);
    const double loss = batch_sums.loss / static_cast<double>(rows);
    mean = smoothing * mean + (1 - smoothing) * loss;
    weight = smoothing * weight + (1 - smoothing);
    const double smoothed = mean / weight;
    if (!std::isfinite(loss) || !std::isfinite(smoothed)) {
      curve.diverged = true;
      outcome.message =
          absl::StrFormat("the loss became %f at a learning rate of %g", loss, learning_rate);
      break;
    }
    curve.points.push_back({n + 1, learning_rate, loss, smoothed});
    sums.loss += batch_sums.loss;
    sums.correct += batch_sums.correct;
    trained += rows;
    progress.Step(n + 1, trained, sums.loss, sums.correct);
    least = n == 0 ? smoothed : std::min(least, smoothed);
    if (smoothed > divergence_factor * least) {
      curve.diverged = true;
      outcome.message =
          absl::StrFormat("the loss diverged at a learning rate of %g, after %d of %d steps",
                          learning_rate, n + 1, steps);
      break;
    }
  }
  network.parameters().copy_(parameters);
  network.buffers().copy_(buffers);
  outcome.result.weights_sha256 = network.WeightsSha256();
  if (curve.points.empty()) {
    outcome.stop_reason = StopReason::kDiverged;
    return outcome;
  }
  Suggest(curve);
  outcome.result.learning_rate_curve = std::move(curve);
  return outcome;
}

}  // namespace anneal
