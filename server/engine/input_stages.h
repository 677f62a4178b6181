// The input steps that are not affine, and the affine one where it comes after such a step.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "server/engine/input_preparation.h"

namespace anneal {

// x * scale + shift, per feature or for all ([features] or [1], float32 on the CPU).
std::shared_ptr<const InputPreparation::Stage> MakeAffineStage(const at::Tensor& scale,
                                                               const at::Tensor& shift);

// x / sqrt(max(sum of x^2 along `axis`, 1e-12)), axis of [N, H, W, C].
std::shared_ptr<const InputPreparation::Stage> MakeL2NormalizeStage(int64_t axis);

// Mirrors each image left to right with probability 1/2 while training. `index`: of the step, for
// its random numbers.
std::shared_ptr<const InputPreparation::Stage> MakeRandomFlipStage(uint32_t index);

// Shifts each image by up to these shares of its height and width while training; uncovered pixels
// repeat the nearest.
std::shared_ptr<const InputPreparation::Stage> MakeRandomTranslationStage(double height_factor,
                                                                          double width_factor,
                                                                          uint32_t index);

}  // namespace anneal
