// What happens to a raw image before the network sees it.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "anneal/v1/training.pb.h"
#include "server/data/dataset.h"

namespace anneal {

// Every step (rescale, standardize) is affine in each feature, so any list of them is one multiplication and one addition
// a feature: value = byte * scale[f] + shift[f].
struct InputPreparation {
  at::Tensor scale;  // float32 on the CPU, [features], or [1] where all features share it
  at::Tensor shift;  // the same
};

// Fits the steps on samples [begin, begin + count) of `split` (the training samples, without those held out). Mean and
// deviation are computed from exact integer sums, in double.
InputPreparation FitInputPreparation(const google::protobuf::RepeatedPtrField<v1::InputStep>& steps,
                                     const DatasetSplit& split, int64_t features, int64_t begin, int64_t count);

}  // namespace anneal
