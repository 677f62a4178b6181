#include "server/engine/weight_constraints.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "server/engine/kernels/weight_kernels.h"
#include "server/spec/defaults.h"

namespace anneal {
namespace {

constexpr double kEpsilon = 1e-7;  // keras.config.epsilon()

}  // namespace

WeightConstraints::WeightConstraints(const std::vector<WeightRange>& ranges, ComputePath path)
    : path_(path) {
  int64_t most_columns = 0;
  for (const WeightRange& range : ranges) {
    const v1::Constraint::KindCase kind = range.constraint.kind_case();
    if (kind == v1::Constraint::KIND_NOT_SET || range.count == 0) continue;
    const int64_t columns = range.shape.size() > 1 ? range.shape.back() : 1;
    constrained_.push_back({.offset = range.offset,
                            .rows = range.count / columns,
                            .columns = columns,
                            .kind = kind,
                            .max_value = defaults::MaxValue(range.constraint.max_norm())});
    most_columns = std::max(most_columns, columns);
  }
  if (path_ == ComputePath::kFused) columns_.resize(static_cast<size_t>(most_columns));
}

void WeightConstraints::Apply(at::Tensor& parameters) {
  const at::NoGradGuard no_grad;
  for (const Constrained& c : constrained_) {
    if (path_ == ComputePath::kFused) {
      ApplyFused(c, parameters.data_ptr<float>() + c.offset);
      continue;
    }
    at::Tensor weights =
        parameters.narrow(0, c.offset, c.rows * c.columns).view({c.rows, c.columns});
    if (c.kind == v1::Constraint::kNonNeg) {
      weights.clamp_min_(0.0);
      continue;
    }
    const at::Tensor norms = weights.square().sum(0, /*keepdim=*/true, at::kDouble).sqrt_();
    const at::Tensor divisors = norms + kEpsilon;
    const at::Tensor factors = c.kind == v1::Constraint::kMaxNorm
                                   ? norms.clamp_max(c.max_value).div_(divisors)
                                   : divisors.reciprocal();
    weights.mul_(factors.to(at::kFloat));
  }
}

void WeightConstraints::ApplyFused(const Constrained& c, float* weights) {
  if (c.kind == v1::Constraint::kNonNeg) {
    kernels::ClipNegatives(c.rows * c.columns, weights);
    return;
  }
  double* const columns = columns_.data();
  kernels::ColumnSumsOfSquares(c.rows, c.columns, weights, columns);
  for (int64_t i = 0; i < c.columns; ++i) {
    const double norm = std::sqrt(columns[i]);
    // NaN stays NaN: std::min takes its first argument when nothing is less.
    const double target = c.kind == v1::Constraint::kMaxNorm ? std::min(norm, c.max_value) : 1.0;
    columns[i] = target / (kEpsilon + norm);
  }
  kernels::ScaleColumns(c.rows, c.columns, columns, weights);
}

}  // namespace anneal
