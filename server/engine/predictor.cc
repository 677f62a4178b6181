#include "server/engine/predictor.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/prediction_measures.h"
#include "server/engine/checkpoint.h"
#include "server/engine/mc_dropout.h"
#include "server/engine/thread_settings.h"

namespace anneal {
namespace {

constexpr int64_t kPassesPerChunk = 51'200;
constexpr int64_t kMostImages = 4'096;
constexpr int64_t kFloatBytes = 4;
constexpr int64_t kMostSampleProbabilities = int64_t{1} << 24;  // 64 MiB, where they are stored

TrainingOutcome BadEnd(StopReason reason, std::string message) {
  TrainingOutcome outcome;
  outcome.stop_reason = reason;
  outcome.message = std::move(message);
  return outcome;
}

// The split where it is still there, as it was judged; else why not.
absl::StatusOr<const DatasetSplit*> FindSplit(const ValidatedPrediction& prediction,
                                              const Dataset& dataset) {
  const PredictionSet& set = prediction.set();
  const DatasetSplit* const split = dataset.FindSplit(set.split);
  if (split == nullptr || split->samples() < set.begin + set.images ||
      dataset.info().shape != prediction.model().dataset().shape ||
      dataset.info().class_names.size() != set.class_names.size()) {
    return absl::FailedPreconditionError(
        absl::StrCat("data set \"", set.dataset, "\" has changed since the prediction was judged"));
  }
  return split;
}

int64_t Product(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

// Of the activations and masks of MonteCarloDropout, as if all were as large as the largest.
int64_t BlocksBytes(const ValidatedSpec& model) {
  int64_t largest = Product(model.layers().front().input_shape);
  int64_t blocks = 6;
  for (const ResolvedLayer& resolved : model.layers()) {
    largest = std::max(largest, Product(resolved.output_shape));
    if (IsActiveDropout(*resolved.layer)) blocks += resolved.layer->has_alpha_dropout() ? 2 : 1;
  }
  return blocks * MonteCarloDropout::RowsFor(largest) * largest * kFloatBytes;
}

}  // namespace

int64_t ChunkImages(const PredictionSet& set) {
  const int64_t samples = std::max<int64_t>(set.samples, 1);
  int64_t images = std::min(kPassesPerChunk / samples, kMostImages);
  if (set.keeps_samples)
    images = std::min(images, kMostSampleProbabilities / (samples * set.classes()));
  return std::max<int64_t>(images, 1);
}

int64_t PredictionBytes(const ValidatedPrediction& prediction) {
  const PredictionSet& set = prediction.set();
  const int64_t samples = std::max<int64_t>(set.samples, 1);
  const int64_t of_samples = samples * set.classes();
  const int64_t chunk = ChunkImages(set) * set.classes() * (3 + (set.keeps_samples ? samples : 0));
  return 3 * prediction.checkpoint().bytes + BlocksBytes(prediction.model()) +
         kFloatBytes * (2 * of_samples + chunk);
}

absl::StatusOr<TrainingOutcome> RunPrediction(const ValidatedPrediction& prediction,
                                              const std::string& checkpoint_path, int64_t stored,
                                              std::shared_ptr<const Dataset> dataset,
                                              std::unique_ptr<Kernels> kernels,
                                              const Clock& clock, std::stop_token stop,
                                              PredictionObserver& observer,
                                              ProgressCell& progress) {
  const ThreadSettings settings;
  const PredictionSet& set = prediction.set();
  const absl::StatusOr<const DatasetSplit*> split = FindSplit(prediction, *dataset);
  if (!split.ok()) return BadEnd(StopReason::kInvalidData, std::string(split.status().message()));
  const absl::StatusOr<TrainedModel> model = LoadCheckpoint(
      checkpoint_path, prediction.checkpoint(), prediction.model(), std::move(kernels));
  if (!model.ok()) return BadEnd(StopReason::kInvalidData, std::string(model.status().message()));
  MonteCarloDropout network(*model->network, model->preparation, OutputKindOf(prediction.model()),
                            set);

  // One epoch whose batches are images; an earlier attempt has begun with the stored ones.
  progress.BeginAttempt(1, set.images, set.images - stored, clock.MonotonicUs());
  progress.BeginEpoch(1, clock.MonotonicUs());
  double nll_sum = 0;
  int64_t correct = 0;
  for (int64_t done = stored; done < set.images;) {
    PredictionChunk chunk = MakePredictionChunk(
        set, set.begin + done, std::min(ChunkImages(set), set.images - done));
    int64_t counted = 0;
    const auto count_to = [&](int64_t images) {
      for (; counted < images; ++counted) {
        const auto k = static_cast<size_t>(counted);
        const bool right =
            chunk.fact(ImageFact::kPredicted)[k] == chunk.fact(ImageFact::kLabel)[k];
        correct += right ? 1 : 0;
        nll_sum += static_cast<double>(chunk.measure(Measure::kNll)[k]);
      }
      progress.Step(done + images, done - stored + images, nll_sum, correct);
    };
    const absl::Status predicted = network.Predict(
        **split,
        [&](int64_t images) {
          count_to(images);
          return !stop.stop_requested();
        },
        chunk);
    if (absl::IsCancelled(predicted)) return predicted;
    if (!predicted.ok()) return BadEnd(StopReason::kDiverged, std::string(predicted.message()));
    count_to(chunk.count);
    if (const absl::Status kept = observer.OnChunk(chunk); !kept.ok()) {
      if (stop.stop_requested()) return absl::CancelledError("stopped while storing predictions");
      return BadEnd(StopReason::kStorage,
                    absl::StrCat("the predictions of images ", chunk.begin, " to ",
                                 chunk.begin + chunk.count - 1,
                                 " could not be stored: ", std::string(kept.message())));
    }
    done += chunk.count;
  }
  return TrainingOutcome{};
}

}  // namespace anneal
