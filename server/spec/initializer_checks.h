// Initializers: whether their parameters make sense, and whether they fit the weight.
#pragma once

#include "anneal/v1/network.pb.h"
#include "server/spec/field_checks.h"

namespace anneal {

// Biases and slopes are no matrices, and so can be neither orthogonal nor an identity; the kernel
// of a convolution is one to orthogonal (its last axis by the rest), but has no diagonal.
enum class WeightKind { kDenseKernel, kConvKernel, kBias, kSlope };

// `checks` is at the initializer's path. A kind must be set.
void CheckInitializer(const FieldChecks& checks, const v1::Initializer& initializer,
                      WeightKind weight);

}  // namespace anneal
