#include "server/spec/estimate.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/limits.h"
#include "server/spec/optimizer_checks.h"
#include "server/spec/saturating.h"
#include "server/spec/text.h"

namespace anneal {
namespace {

constexpr int64_t kBytesPerNumber = 4;

// Numbers in one sample of this shape; 0 where the shape is not known in full.
int64_t Numbers(const std::vector<int64_t>& shape) {
  int64_t product = shape.empty() ? 0 : 1;
  for (const int64_t size : shape)
    product = SaturatingMultiply(product, std::max<int64_t>(size, 0));
  return product;
}

int64_t Bytes(int64_t numbers) { return SaturatingMultiply(numbers, kBytesPerNumber); }

}  // namespace

int64_t MemoryEstimate::total() const {
  int64_t sum = 0;
  for (const int64_t part : {weights, gradients, moments, best_weights, pruning_mask, activations})
    sum = SaturatingAdd(sum, part);
  return sum;
}

MemoryEstimate EstimateMemory(const v1::TrainingSpec& training,
                              const std::vector<ResolvedLayer>& layers) {
  int64_t trainable = 0;
  int64_t all = 0;
  int64_t numbers_per_sample = layers.empty() ? 0 : Numbers(layers.front().input_shape);
  for (const ResolvedLayer& layer : layers) {
    trainable = SaturatingAdd(trainable, layer.trainable_parameters);
    all = SaturatingAdd(all,
                        SaturatingAdd(layer.trainable_parameters, layer.non_trainable_parameters));
    if (layer.layer->has_flatten()) continue;  // the same numbers under another shape
    numbers_per_sample =
        SaturatingAdd(numbers_per_sample, SaturatingMultiply(2, Numbers(layer.output_shape)));
  }
  MemoryEstimate estimate;
  estimate.weights = Bytes(all);
  estimate.gradients = Bytes(trainable);
  estimate.moments =
      SaturatingMultiply(MomentsPerParameter(training.optimizer()), Bytes(trainable));
  estimate.best_weights = training.early_stopping().restore_best_weights() ? Bytes(all) : 0;
  estimate.pruning_mask = training.has_pruning() ? Bytes(trainable) : 0;
  const int64_t batch_size =
      std::clamp<int64_t>(defaults::BatchSize(training), 1, limits::kBatchSize);
  estimate.activations = SaturatingMultiply(batch_size, Bytes(numbers_per_sample));
  return estimate;
}

int64_t FlopsPerSample(const std::vector<ResolvedLayer>& layers) {
  int64_t flops = 0;
  for (const ResolvedLayer& layer : layers) {
    int64_t multiplications = 0;
    if (layer.layer->has_dense()) {
      multiplications = SaturatingMultiply(Numbers(layer.input_shape), Numbers(layer.output_shape));
    } else if (layer.layer->has_conv2d()) {
      const defaults::Size kernel = defaults::KernelSize(layer.layer->conv2d());
      const int64_t window = SaturatingMultiply(kernel.height, kernel.width);
      const int64_t channels = layer.input_shape[2] / defaults::Groups(layer.layer->conv2d());
      multiplications =
          SaturatingMultiply(SaturatingMultiply(window, channels), Numbers(layer.output_shape));
    }
    flops = SaturatingAdd(flops, SaturatingMultiply(2, multiplications));
  }
  return flops;
}

void CheckMemory(const v1::TrainingSpec& training, const std::vector<ResolvedLayer>& layers,
                 ViolationList& violations) {
  const MemoryEstimate estimate = EstimateMemory(training, layers);
  if (estimate.total() <= limits::kMemoryBytes) return;
  violations.Add(
      "training.batch_size",
      absl::StrCat("is ", defaults::BatchSize(training),
                   ", with which the training needs an estimated ", FormatBytes(estimate.total()),
                   " of memory (", FormatBytes(estimate.activations),
                   " for a batch's activations); at most ", FormatBytes(limits::kMemoryBytes),
                   " are accepted: use a smaller batch or a smaller network"));
}

}  // namespace anneal
