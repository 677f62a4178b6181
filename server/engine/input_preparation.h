// What happens to a raw image before the network sees it.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "anneal/v1/training.pb.h"
#include "server/data/dataset.h"
#include "server/engine/feature_selection.h"
#include "server/engine/kernels/kernels.h"
#include "server/engine/safetensors.h"

namespace anneal {

// Some consecutive samples of a split.
struct SampleRange {
  const DatasetSplit* split = nullptr;  // null: none
  int64_t begin = 0;
  int64_t count = 0;
};

// Where in a training the images are seen: the position of augmentation's random numbers.
struct AugmentationContext {
  uint64_t seed = 0;
  int64_t step = 0;
};

// The steps of a spec's `input`, fitted on the training samples. Immutable after Fit.
//
// Steps that are affine in each feature (rescale, standardize) are merged: value = byte * scale[f]
// + shift[f] costs one pass while the bytes are gathered, and most specs need nothing else. What is
// not affine (normalization to unit length, augmentation) runs on the batch afterwards, in the
// order given.
class InputPreparation {
 public:
  // One step after the gathering.
  class Stage {
   public:
    virtual ~Stage() = default;
    // In place on float32 [N, H, W, C] (after a selection [N, k]). `augmentation` is null outside
    // training.
    virtual void Apply(at::Tensor& images, const AugmentationContext* augmentation) const = 0;
    // What was fitted on the training samples; empty: nothing was.
    virtual std::vector<NamedTensor> Fitted() const { return {}; }
  };

  // `shape`: H, W, C. Statistics come from the samples of `training` alone, after the steps before,
  // without augmentation, summed in double.
  static InputPreparation Fit(const google::protobuf::RepeatedPtrField<v1::InputStep>& steps,
                              const std::vector<int64_t>& shape, const SampleRange& training);

  // All that was fitted, by names that Restore knows: enough, with the steps, to do the same again.
  std::vector<NamedTensor> Fitted() const;

  // The preparation that Fit made of `steps`, from what Fitted() gave. INVALID_ARGUMENT: a tensor is
  // missing or does not fit.
  static absl::StatusOr<InputPreparation> Restore(
      const google::protobuf::RepeatedPtrField<v1::InputStep>& steps,
      const std::vector<int64_t>& shape, const std::map<std::string, at::Tensor>& fitted);

  // images [N, H, W, C], or [N, k] where k features are selected, on the kernels' device, from
  // samples indices[0 .. N) of `split`. `augmentation` null: inference.
  void Prepare(Kernels& kernels, const DatasetSplit& split, const uint32_t* indices,
               at::Tensor& images, const AugmentationContext* augmentation = nullptr) const;

  // float32 on the CPU, [features], or [1] where all features share it.
  const at::Tensor& scale() const { return scale_; }
  const at::Tensor& shift() const { return shift_; }

  // int64 [k] on the CPU, ascending: the selected features; undefined where all are used.
  const at::Tensor& selected() const { return selected_; }

 private:
  // Everything but the selection and what follows it.
  void PrepareAll(Kernels& kernels, const DatasetSplit& split, const uint32_t* indices,
                  at::Tensor& images, const AugmentationContext* augmentation) const;
  // Calls `use` with all samples of `range` as prepared so far, some consecutive ones at a time:
  // `first` is the index of the first in the split; images float32 [n, ...shape] on the CPU, valid
  // during the call.
  using ChunkUse = std::function<void(int64_t first, const at::Tensor& images)>;
  void EachChunk(const SampleRange& range, const std::vector<int64_t>& shape,
                 const ChunkUse& use) const;
  // The same, one by one. This preparation, not a copy of it, must outlive what is returned.
  LabelledRows Rows(const SampleRange& range) const;

  std::vector<int64_t> shape_;  // of a raw sample
  int64_t features_ = 0;        // in it
  at::Tensor scale_;
  at::Tensor shift_;
  std::vector<std::shared_ptr<const Stage>> stages_;
  at::Tensor selected_;
  std::vector<std::shared_ptr<const Stage>> stages_after_selection_;
};

}  // namespace anneal
