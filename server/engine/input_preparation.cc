#include "server/engine/input_preparation.h"

#include <cmath>
#include <vector>

namespace anneal {
namespace {

struct Moments {
  std::vector<double> mean;       // of the raw bytes, per feature
  std::vector<double> deviation;  // of the population
};

Moments MeasureBytes(const DatasetSplit& split, int64_t features, int64_t begin, int64_t count) {
  const auto width = static_cast<size_t>(features);
  std::vector<int64_t> sums(width);
  std::vector<int64_t> squares(width);
  for (int64_t n = begin; n < begin + count; ++n) {
    const uint8_t* const image = split.images.data() + n * features;
    for (size_t f = 0; f < width; ++f) {
      sums[f] += image[f];
      squares[f] += image[f] * image[f];
    }
  }
  Moments moments{std::vector<double>(width), std::vector<double>(width)};
  const auto samples = static_cast<double>(count);
  for (size_t f = 0; f < width; ++f) {
    moments.mean[f] = static_cast<double>(sums[f]) / samples;
    // n sum x^2 - (sum x)^2 in integers of 128 bits: exact, so never below 0.
    const auto numerator = static_cast<double>(static_cast<__int128>(count) * squares[f] -
                                               static_cast<__int128>(sums[f]) * sums[f]);
    moments.deviation[f] = std::sqrt(numerator) / samples;
  }
  return moments;
}

at::Tensor ToTensor(const std::vector<double>& values) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(values.size())}, at::TensorOptions().dtype(at::kFloat));
  auto* const out = static_cast<float*>(tensor.data_ptr());
  for (size_t f = 0; f < values.size(); ++f) out[f] = static_cast<float>(values[f]);
  return tensor;
}

}  // namespace

InputPreparation FitInputPreparation(const google::protobuf::RepeatedPtrField<v1::InputStep>& steps,
                                     const DatasetSplit& split, int64_t features, int64_t begin, int64_t count) {
  // One entry while all features share the same map, one a feature from the first standardization on.
  std::vector<double> scale = {1.0};
  std::vector<double> shift = {0.0};
  for (const v1::InputStep& step : steps) {
    if (step.has_rescale()) {
      for (size_t f = 0; f < scale.size(); ++f) {
        scale[f] *= step.rescale().factor();
        shift[f] = shift[f] * step.rescale().factor() + step.rescale().offset();
      }
    } else if (step.has_standardize()) {
      const Moments moments = MeasureBytes(split, features, begin, count);
      scale.resize(static_cast<size_t>(features), scale[0]);
      shift.resize(static_cast<size_t>(features), shift[0]);
      for (size_t f = 0; f < scale.size(); ++f) {
        const double mean = moments.mean[f] * scale[f] + shift[f];
        const double deviation = moments.deviation[f] * std::abs(scale[f]);
        const double divisor = deviation > 0 ? deviation : 1.0;  // a feature that never changes is only centred
        scale[f] /= divisor;
        shift[f] = (shift[f] - mean) / divisor;
      }
    }
  }
  return {ToTensor(scale), ToTensor(shift)};
}

}  // namespace anneal
