#include "server/engine/mc_dropout.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/prediction_measures.h"
#include "server/core/status_macros.h"

namespace anneal {
namespace {

// Blocks that the samples of one run fill: the last is filled up, which costs that little.
constexpr int64_t kBlocksPerRun = 32;

absl::Status NotNumbers(int64_t image) {
  return absl::OutOfRangeError(absl::StrCat(
      "the network gives nan for image ", image,
      ": its activations overflow there; are the images of the kind it was trained on?"));
}

}  // namespace

void ToProbabilities(Kernels& kernels, OutputKind kind, const at::Tensor& output,
                     at::Tensor& probabilities) {
  switch (kind) {
    case OutputKind::kLogits:
      kernels.Activate(MakeActivationOf(v1::Activation::SOFTMAX), output, probabilities);
      return;
    case OutputKind::kLogit: {
      at::Tensor positive = probabilities.select(1, 1);
      at::sigmoid_out(positive, output.select(1, 0));
      at::Tensor negative = probabilities.select(1, 0);
      // Not 1 - sigmoid(x), which has no digits left where that is small.
      at::sigmoid_out(negative, output.select(1, 0).neg());
      return;
    }
    case OutputKind::kProbabilities:
      probabilities.copy_(output);
      return;
    case OutputKind::kNone:
      return;  // not reached: validated
  }
}

MonteCarloDropout::MonteCarloDropout(const Network& network, const InputPreparation& preparation,
                                     OutputKind kind, const PredictionSet& set)
    : network_(network),
      preparation_(preparation),
      kind_(kind),
      samples_(set.samples),
      classes_(set.classes()),
      seed_(set.seed),
      consistent_masks_(set.consistent_masks),
      rows_(RowsFor(network.LargestActivation())),
      images_per_run_(samples_ == 0
                          ? 0
                          : std::clamp<int64_t>(
                                (kBlocksPerRun * rows_ + samples_ - 1) / samples_, 1, rows_)),
      before_pool_(network.kernels().device()),
      rest_pool_(network.kernels().device()),
      indices_(static_cast<size_t>(rows_)),
      sources_(static_cast<size_t>(rows_)),
      masks_(static_cast<size_t>(rows_)),
      deterministic_probabilities_(static_cast<size_t>(rows_ * classes_)),
      sample_probabilities_(static_cast<size_t>(images_per_run_ * samples_ * classes_)) {
  const size_t layers = network_.layer_count();
  const size_t first = network_.FirstActiveDropout();
  before_ = network_.MakeWorkspace(rows_, Mode::kInference, before_pool_, 0, first);
  deterministic_ = network_.MakeWorkspace(rows_, Mode::kInference, rest_pool_, first, layers);
  if (samples_ > 0)
    sampled_rest_ = network_.MakeWorkspace(rows_, Mode::kMonteCarlo, rest_pool_, first, layers);
  probabilities_ = at::zeros({rows_, classes_}, before_->input().options());
}

int64_t MonteCarloDropout::RowsFor(int64_t largest_activation) {
  int64_t rows = kRows;
  const auto width = static_cast<int64_t>(sizeof(float)) * largest_activation;
  while (rows > kFewestRows && rows * width > kBlockBytes) rows /= 2;
  return rows;
}

absl::Status MonteCarloDropout::Predict(const DatasetSplit& split, const Continue& go_on,
                                        PredictionChunk& chunk) {
  for (int64_t done = 0; done < chunk.count; done += rows_) {
    RETURN_IF_ERROR(
        PredictGroup(split, done, std::min(rows_, chunk.count - done), go_on, chunk));
  }
  return absl::OkStatus();
}

// Images `first` .. `first + count` of the chunk, at most as many as a block has rows.
absl::Status MonteCarloDropout::PredictGroup(const DatasetSplit& split, int64_t first,
                                             int64_t count, const Continue& go_on,
                                             PredictionChunk& chunk) {
  if (!go_on(first)) return absl::CancelledError("stopped while predicting");
  // The last image fills the block up.
  for (int64_t n = 0; n < rows_; ++n) {
    indices_[static_cast<size_t>(n)] =
        static_cast<uint32_t>(chunk.begin + first + std::min(n, count - 1));
  }
  preparation_.Prepare(network_.kernels(), split, indices_.data(), before_->input());
  network_.Forward(*before_, StepContext{});
  deterministic_->input().copy_(before_->output());
  network_.Forward(*deterministic_, StepContext{});
  const int64_t bad =
      TakeProbabilities(deterministic_->output(), count, deterministic_probabilities_.data());
  if (bad < count) return NotNumbers(chunk.begin + first + bad);

  const int64_t run = std::max<int64_t>(images_per_run_, 1);
  for (int64_t row = 0; row < count; row += run) {
    const int64_t images = std::min(run, count - row);
    if (samples_ > 0) {
      RETURN_IF_ERROR(SampleRun(chunk.begin + first, row, images, [&] { return go_on(first + row); }));
    }
    for (int64_t n = 0; n < images; ++n) {
      ImageProbabilities image;
      image.label = split.labels[indices_[static_cast<size_t>(row + n)]];
      image.classes = classes_;
      image.deterministic = deterministic_probabilities_.data() + (row + n) * classes_;
      image.samples = samples_;
      image.sampled = sample_probabilities_.data() + n * samples_ * classes_;
      MeasureImage(image, first + row + n, chunk);
    }
  }
  return absl::OkStatus();
}

// All samples of the images in rows `first_row` .. of the group, which begins at `first_image` of
// the split, into sample_probabilities_.
absl::Status MonteCarloDropout::SampleRun(int64_t first_image, int64_t first_row, int64_t images,
                                          const std::function<bool()>& go_on) {
  const int64_t total = images * samples_;
  for (int64_t done = 0; done < total; done += rows_) {
    if (!go_on()) return absl::CancelledError("stopped while predicting");
    const int64_t count = std::min(rows_, total - done);
    for (int64_t n = 0; n < rows_; ++n) {
      const int64_t which = std::min(done + n, total - 1);  // the last one fills the block up
      const auto k = static_cast<size_t>(n);
      sources_[k] = first_row + which / samples_;
      masks_[k].sample = static_cast<uint32_t>(which % samples_);
      masks_[k].image =
          consistent_masks_ ? 0 : static_cast<uint32_t>(first_image + sources_[k]);
    }
    network_.kernels().GatherRows(before_->output(), sources_, sampled_rest_->input());
    StepContext context;
    context.seed = seed_;
    context.rows = masks_.data();
    network_.Forward(*sampled_rest_, context);
    const int64_t bad = TakeProbabilities(sampled_rest_->output(), count,
                                          sample_probabilities_.data() + done * classes_);
    if (bad < count) return NotNumbers(first_image + sources_[static_cast<size_t>(bad)]);
  }
  return absl::OkStatus();
}

// The first `count` rows of the output, as probabilities. Returns the first of them that are not
// numbers; `count`: all are.
int64_t MonteCarloDropout::TakeProbabilities(const at::Tensor& output, int64_t count,
                                             float* probabilities) {
  ToProbabilities(network_.kernels(), kind_, output, probabilities_);
  const at::Tensor host = probabilities_.to(at::kCPU);
  const int64_t numbers = count * classes_;
  std::memcpy(probabilities, host.data_ptr(), static_cast<size_t>(numbers) * sizeof(float));
  const float* const bad = std::find_if(probabilities, probabilities + numbers,
                                        [](float p) { return std::isnan(p); });
  return (bad - probabilities) / classes_;
}

}  // namespace anneal
