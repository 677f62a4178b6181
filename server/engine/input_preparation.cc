#include "server/engine/input_preparation.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/status_macros.h"
#include "server/engine/feature_selection.h"
#include "server/engine/input_stages.h"

namespace anneal {
namespace {

constexpr int64_t kFitRows = 256;

at::Tensor ToTensor(const std::vector<double>& values) {
  at::Tensor tensor =
      at::empty({static_cast<int64_t>(values.size())}, at::TensorOptions().dtype(at::kFloat));
  auto* const out = static_cast<float*>(tensor.data_ptr());
  for (size_t f = 0; f < values.size(); ++f) out[f] = static_cast<float>(values[f]);
  return tensor;
}

// value = x * scale[f] + shift[f], in double until it is put to use. One entry while all features
// share the same map.
struct Affine {
  std::vector<double> scale = {1.0};
  std::vector<double> shift = {0.0};

  void Spread(size_t features) {
    scale.resize(features, scale[0]);
    shift.resize(features, shift[0]);
  }
};

// Sums per feature of what reaches a step. Bytes are summed exactly; other values in double.
struct Moments {
  std::vector<double> mean;
  std::vector<double> deviation;  // of the population
};

Moments MeasureBytes(const SampleRange& range, int64_t features) {
  const auto width = static_cast<size_t>(features);
  std::vector<int64_t> sums(width);
  std::vector<int64_t> squares(width);
  for (int64_t n = range.begin; n < range.begin + range.count; ++n) {
    const uint8_t* const image = range.split->images.data() + n * features;
    for (size_t f = 0; f < width; ++f) {
      sums[f] += image[f];
      squares[f] += image[f] * image[f];
    }
  }
  Moments moments{std::vector<double>(width), std::vector<double>(width)};
  const auto samples = static_cast<double>(range.count);
  for (size_t f = 0; f < width; ++f) {
    moments.mean[f] = static_cast<double>(sums[f]) / samples;
    // n sum x^2 - (sum x)^2 in integers of 128 bits: exact, so never below 0.
    const auto numerator = static_cast<double>(static_cast<__int128>(range.count) * squares[f] -
                                               static_cast<__int128>(sums[f]) * sums[f]);
    moments.deviation[f] = std::sqrt(numerator) / samples;
  }
  return moments;
}

std::vector<double> ToVector(const at::Tensor& tensor) {
  const at::Tensor values = tensor.to(at::kDouble).contiguous();
  const auto* const begin = static_cast<const double*>(values.data_ptr());
  return {begin, begin + values.numel()};
}

// Of `count` samples; `each(use)` calls use(first, images) with some consecutive ones at a time.
template <typename Each>
Moments MeasureValues(int64_t count, const Each& each_chunk) {
  const auto each = [&](auto&& use) {
    each_chunk([&](int64_t, const at::Tensor& images) { use(images.flatten(1).to(at::kDouble)); });
  };
  at::Tensor sum;
  each([&](const at::Tensor& rows) { sum = sum.defined() ? sum + rows.sum(0) : rows.sum(0); });
  const at::Tensor mean = sum / static_cast<double>(count);
  at::Tensor squares;
  each([&](const at::Tensor& rows) {
    const at::Tensor part = (rows - mean).square().sum(0);
    squares = squares.defined() ? squares + part : part;
  });
  return {ToVector(mean), ToVector((squares / static_cast<double>(count)).sqrt())};
}

// One mean and deviation a channel, out of those of its features: the mean of means, and by the law
// of total variance.
Moments PerChannel(const Moments& features, int64_t channels) {
  const auto width = static_cast<size_t>(channels);
  const auto places = static_cast<double>(features.mean.size()) / static_cast<double>(channels);
  std::vector<double> mean(width);
  std::vector<double> variance(width);
  for (size_t f = 0; f < features.mean.size(); ++f) mean[f % width] += features.mean[f] / places;
  for (size_t f = 0; f < features.mean.size(); ++f) {
    const double distance = features.mean[f] - mean[f % width];
    variance[f % width] +=
        (features.deviation[f] * features.deviation[f] + distance * distance) / places;
  }
  Moments moments{std::vector<double>(features.mean.size()),
                  std::vector<double>(features.mean.size())};
  for (size_t f = 0; f < features.mean.size(); ++f) {
    moments.mean[f] = mean[f % width];
    moments.deviation[f] = std::sqrt(variance[f % width]);
  }
  return moments;
}

// Appends the standardization to `affine`, whose input has these moments.
void Standardize(const Moments& moments, Affine& affine) {
  affine.Spread(moments.mean.size());
  for (size_t f = 0; f < moments.mean.size(); ++f) {
    const double mean = moments.mean[f] * affine.scale[f] + affine.shift[f];
    const double deviation = moments.deviation[f] * std::abs(affine.scale[f]);
    const double divisor =
        deviation > 0 ? deviation : 1.0;  // a feature that never changes is only centred
    affine.scale[f] /= divisor;
    affine.shift[f] = (affine.shift[f] - mean) / divisor;
  }
}

bool IsAffine(const v1::InputStep& step) {
  return step.has_rescale() || step.has_standardize() || step.has_standardize_per_channel();
}

// The stage of a step that fits nothing; null for the others.
std::shared_ptr<const InputPreparation::Stage> MakeStage(const v1::InputStep& step,
                                                         uint32_t index) {
  switch (step.kind_case()) {
    case v1::InputStep::kL2Normalize:
      return MakeL2NormalizeStage(step.l2_normalize().axis());
    case v1::InputStep::kRandomFlip:
      return MakeRandomFlipStage(index);
    case v1::InputStep::kRandomTranslation:
      return MakeRandomTranslationStage(step.random_translation().height_factor(),
                                        step.random_translation().width_factor(), index);
    case v1::InputStep::kRescale:
    case v1::InputStep::kStandardize:
    case v1::InputStep::kStandardizePerChannel:
    case v1::InputStep::kSelectFeatures:
    case v1::InputStep::KIND_NOT_SET:
      break;
  }
  return nullptr;
}

std::string StageName(size_t number, const std::string& tensor) {
  return absl::StrCat("stages/", number, "/", tensor);
}

}  // namespace

InputPreparation InputPreparation::Fit(
    const google::protobuf::RepeatedPtrField<v1::InputStep>& steps,
    const std::vector<int64_t>& shape, const SampleRange& training) {
  InputPreparation fitted;
  fitted.shape_ = shape;
  fitted.features_ = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  std::vector<int64_t> shape_here = shape;  // of a sample, after the steps so far
  Affine affine;                            // not yet part of `fitted`
  bool pending = false;                     // steps have gone into it
  bool gathered = false;                    // the affine map of the gathering is settled

  // Settles the affine map so far, because a step follows that is not affine.
  const auto stages = [&]() -> auto& {
    return fitted.selected_.defined() ? fitted.stages_after_selection_ : fitted.stages_;
  };
  const auto settle = [&] {
    if (!gathered) {
      fitted.scale_ = ToTensor(affine.scale);
      fitted.shift_ = ToTensor(affine.shift);
      gathered = true;
    } else if (pending) {
      stages().push_back(MakeAffineStage(ToTensor(affine.scale), ToTensor(affine.shift)));
    }
    affine = Affine();
    pending = false;
  };
  const auto measure = [&] {
    if (!gathered) return MeasureBytes(training, fitted.features_);
    return MeasureValues(training.count,
                         [&](const auto& use) { fitted.EachChunk(training, shape_here, use); });
  };

  uint32_t index = 0;
  for (const v1::InputStep& step : steps) {
    if (IsAffine(step)) pending = true;
    switch (step.kind_case()) {
      case v1::InputStep::kRescale:
        for (size_t f = 0; f < affine.scale.size(); ++f) {
          affine.scale[f] *= step.rescale().factor();
          affine.shift[f] = affine.shift[f] * step.rescale().factor() + step.rescale().offset();
        }
        break;
      case v1::InputStep::kStandardize:
        Standardize(measure(), affine);
        break;
      case v1::InputStep::kStandardizePerChannel: {
        // Moments of what reaches this step: the channel's features need not share one affine map.
        Moments moments = measure();
        affine.Spread(moments.mean.size());
        for (size_t f = 0; f < moments.mean.size(); ++f) {
          moments.mean[f] = moments.mean[f] * affine.scale[f] + affine.shift[f];
          moments.deviation[f] *= std::abs(affine.scale[f]);
        }
        Affine channel;
        Standardize(PerChannel(moments, shape[2]), channel);
        for (size_t f = 0; f < channel.scale.size(); ++f) {
          affine.scale[f] *= channel.scale[f];
          affine.shift[f] = affine.shift[f] * channel.scale[f] + channel.shift[f];
        }
        break;
      }
      case v1::InputStep::kL2Normalize:
      case v1::InputStep::kRandomFlip:
      case v1::InputStep::kRandomTranslation:
        settle();
        fitted.stages_.push_back(MakeStage(step, index));
        break;
      case v1::InputStep::kSelectFeatures: {
        settle();
        const int64_t k = step.select_features().k();
        const std::vector<double> scores =
            ScoreFeatures(step.select_features().score(), fitted.Rows(training));
        fitted.selected_ = at::tensor(LargestScores(scores, k), at::kLong);
        shape_here = {k};
        break;
      }
      case v1::InputStep::KIND_NOT_SET:
        break;  // not reached: validated
    }
    ++index;
  }
  settle();
  return fitted;
}

std::vector<NamedTensor> InputPreparation::Fitted() const {
  std::vector<NamedTensor> fitted = {{"scale", scale_}, {"shift", shift_}};
  if (selected_.defined()) fitted.push_back({"selected", selected_});
  size_t number = 0;
  for (const auto* stages : {&stages_, &stages_after_selection_}) {
    for (const auto& stage : *stages) {
      for (const NamedTensor& tensor : stage->Fitted())
        fitted.push_back({StageName(number, tensor.name), tensor.value});
      ++number;
    }
  }
  return fitted;
}

absl::StatusOr<InputPreparation> InputPreparation::Restore(
    const google::protobuf::RepeatedPtrField<v1::InputStep>& steps,
    const std::vector<int64_t>& shape, const std::map<std::string, at::Tensor>& fitted) {
  InputPreparation restored;
  restored.shape_ = shape;
  restored.features_ = std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  int64_t features = restored.features_;  // here, after the steps so far
  absl::Status status;
  const auto find = [&](const std::string& name, at::ScalarType type) {
    const auto found = fitted.find(name);
    if (found != fitted.end() && found->second.scalar_type() == type && found->second.dim() == 1)
      return found->second;
    status.Update(absl::InvalidArgumentError(
        absl::StrCat("the fitted input preparation has no vector \"", name, "\"")));
    return at::Tensor();
  };
  const auto check = [&](const at::Tensor& tensor, const std::string& name) {
    if (!tensor.defined() || tensor.numel() == 1 || tensor.numel() == features) return;
    status.Update(absl::InvalidArgumentError(
        absl::StrCat("the fitted input preparation's \"", name, "\" has ", tensor.numel(),
                     " entries, not 1 or ", features)));
  };

  restored.scale_ = find("scale", at::kFloat);
  restored.shift_ = find("shift", at::kFloat);
  check(restored.scale_, "scale");
  check(restored.shift_, "shift");
  const auto stages = [&]() -> auto& {
    return restored.selected_.defined() ? restored.stages_after_selection_ : restored.stages_;
  };
  bool pending = false;   // as in Fit
  bool gathered = false;
  const auto settle = [&] {
    if (!std::exchange(gathered, true) || !pending) {
      pending = false;
      return;
    }
    pending = false;
    const size_t number = restored.stages_.size() + restored.stages_after_selection_.size();
    const std::string scale_name = StageName(number, "scale");
    const std::string shift_name = StageName(number, "shift");
    const at::Tensor scale = find(scale_name, at::kFloat);
    const at::Tensor shift = find(shift_name, at::kFloat);
    check(scale, scale_name);
    check(shift, shift_name);
    if (status.ok()) stages().push_back(MakeAffineStage(scale, shift));
  };
  uint32_t index = 0;
  for (const v1::InputStep& step : steps) {
    if (IsAffine(step)) pending = true;
    const std::shared_ptr<const Stage> stage = MakeStage(step, index++);
    if (stage != nullptr) {
      settle();
      restored.stages_.push_back(stage);
    } else if (step.has_select_features()) {
      settle();
      restored.selected_ = find("selected", at::kLong);
      if (!status.ok()) break;
      const int64_t k = step.select_features().k();
      if (restored.selected_.numel() != k || restored.selected_.min().item<int64_t>() < 0 ||
          restored.selected_.max().item<int64_t>() >= restored.features_) {
        status.Update(absl::InvalidArgumentError(absl::StrCat(
            "the fitted input preparation's \"selected\" is not ", k, " features of ",
            restored.features_)));
        break;
      }
      features = k;
    }
  }
  settle();
  RETURN_IF_ERROR(status);
  return restored;
}

LabelledRows InputPreparation::Rows(const SampleRange& range) const {
  LabelledRows rows;
  rows.samples = range.count;
  rows.features = features_;
  const auto first = range.split->labels.begin() + range.begin;
  rows.classes = 1 + *std::max_element(first, first + range.count);
  rows.each = [this, range](const auto& use) {
    EachChunk(range, shape_, [&](int64_t begin, const at::Tensor& images) {
      for (int64_t n = 0; n < images.size(0); ++n) {
        use(range.split->labels[static_cast<size_t>(begin + n)],
            images.data_ptr<float>() + n * features_);
      }
    });
  };
  return rows;
}

void InputPreparation::EachChunk(const SampleRange& range, const std::vector<int64_t>& shape,
                                 const ChunkUse& use) const {
  const std::unique_ptr<Kernels> kernels = MakeCpuKernels();
  std::vector<uint32_t> indices(static_cast<size_t>(kFitRows));
  for (int64_t done = 0; done < range.count; done += kFitRows) {
    std::vector<int64_t> sizes = {std::min(kFitRows, range.count - done)};
    sizes.insert(sizes.end(), shape.begin(), shape.end());
    at::Tensor images = at::empty(sizes, at::TensorOptions().dtype(at::kFloat));
    std::iota(indices.begin(), indices.end(), static_cast<uint32_t>(range.begin + done));
    Prepare(*kernels, *range.split, indices.data(), images);
    use(range.begin + done, images);
  }
}

void InputPreparation::Prepare(Kernels& kernels, const DatasetSplit& split, const uint32_t* indices,
                               at::Tensor& images, const AugmentationContext* augmentation) const {
  if (!selected_.defined()) return PrepareAll(kernels, split, indices, images, augmentation);
  std::vector<int64_t> sizes = {images.size(0)};
  sizes.insert(sizes.end(), shape_.begin(), shape_.end());
  at::Tensor all = at::empty(sizes, images.options());
  PrepareAll(kernels, split, indices, all, augmentation);
  at::index_select_out(images, all.flatten(1), 1, selected_.to(images.device()));
  for (const auto& stage : stages_after_selection_) stage->Apply(images, augmentation);
}

void InputPreparation::PrepareAll(Kernels& kernels, const DatasetSplit& split,
                                  const uint32_t* indices, at::Tensor& images,
                                  const AugmentationContext* augmentation) const {
  kernels.GatherImages(split.images.data(), features_, indices, images.size(0), scale_, shift_,
                       images);
  for (const auto& stage : stages_) stage->Apply(images, augmentation);
}

}  // namespace anneal
