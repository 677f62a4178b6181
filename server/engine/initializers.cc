// Every initializer but identity and orthogonal comes down to one of four distributions:
//
//   constant(c)   normal(mean, stddev)   truncated normal(mean, stddev)   uniform(low, high)
//
// VarianceScaling and its named relatives choose the spread so that a signal keeps its variance
// from layer to layer: variance = scale / fan. A normal cut off at two standard deviations keeps
// only 0.8796^2 of its variance, so those initializers widen the normal they cut; TruncatedNormal
// itself takes the stddev it is given for that of the uncut normal (Keras 3,
// initializers/random_initializers.py).
//
// glorot: Glorot & Bengio 2010, scale 1, average of the fans. he: He et al. 2015, scale 2, fan in.
// lecun: LeCun et al. 1998, scale 1, fan in.
#include "server/engine/initializers.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <numeric>

#include "server/core/random.h"
#include "server/engine/orthogonal_matrix.h"
#include "server/spec/defaults.h"

namespace anneal {
namespace {

using VarianceScaling = v1::Initializer::VarianceScaling;

// Standard deviation of a standard normal cut off at +-2: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)).
constexpr double kTruncatedStddev = 0.87962566103423978;

struct Target {
  uint64_t seed;
  uint32_t weight_index;
  float* weights;
  int64_t count;

  RandomStream Stream(uint64_t attempt) const {
    return {seed, RandomPurpose::kInitializer, weight_index, attempt};
  }
};

void FillConstant(const Target& target, double value) {
  std::fill_n(target.weights, target.count, static_cast<float>(value));
}

void FillNormal(const Target& target, double mean, double stddev) {
  const RandomStream stream = target.Stream(0);
  for (int64_t e = 0; e < target.count; ++e) {
    target.weights[e] =
        static_cast<float>(mean + stddev * NormalDouble(stream, static_cast<uint32_t>(e)));
  }
}

void FillTruncatedNormal(const Target& target, double mean, double stddev) {
  for (int64_t e = 0; e < target.count; ++e) {
    double z = 3.0;
    for (uint64_t attempt = 0; std::abs(z) > 2.0; ++attempt) {
      z = NormalDouble(target.Stream(attempt), static_cast<uint32_t>(e));
    }
    target.weights[e] = static_cast<float>(mean + stddev * z);
  }
}

void FillUniform(const Target& target, double low, double high) {
  const RandomStream stream = target.Stream(0);
  for (int64_t begin = 0; begin < target.count; begin += 4) {
    const auto words = stream.Block(static_cast<uint32_t>(begin / 4));
    const int64_t end = std::min(begin + 4, target.count);
    for (int64_t e = begin; e < end; ++e) {
      const double u = UniformDouble(words[static_cast<size_t>(e - begin)]);
      // Not low + (high - low) u: the difference of two representable limits may not be.
      target.weights[e] = static_cast<float>(low * (1.0 - u) + high * u);
    }
  }
}

void FillVarianceScaling(const Target& target, Fans fans, double scale, VarianceScaling::Mode mode,
                         VarianceScaling::Distribution distribution) {
  const double in = static_cast<double>(fans.in);
  const double out = static_cast<double>(fans.out);
  double fan = in;
  if (mode == VarianceScaling::FAN_OUT) fan = out;
  if (mode == VarianceScaling::FAN_AVG) fan = (in + out) / 2.0;
  const double variance = scale / std::max(1.0, fan);
  switch (distribution) {
    case VarianceScaling::UNTRUNCATED_NORMAL:
      return FillNormal(target, 0.0, std::sqrt(variance));
    case VarianceScaling::UNIFORM: {
      const double limit = std::sqrt(3.0 * variance);
      return FillUniform(target, -limit, limit);
    }
    default:
      return FillTruncatedNormal(target, 0.0, std::sqrt(variance) / kTruncatedStddev);
  }
}

}  // namespace

void Initialize(const v1::Initializer& spec, const std::vector<int64_t>& shape, Fans fans,
                uint64_t seed, uint32_t weight_index, float* weights) {
  using Kind = v1::Initializer;
  const int64_t columns = shape.empty() ? 1 : shape.back();
  const int64_t rows = std::accumulate(shape.begin(), shape.end() - (shape.empty() ? 0 : 1),
                                       int64_t{1}, std::multiplies<>());
  const Target target{seed, weight_index, weights, rows * columns};
  switch (spec.kind_case()) {
    case Kind::kZeros:
    case Kind::KIND_NOT_SET:
      return FillConstant(target, 0.0);
    case Kind::kOnes:
      return FillConstant(target, 1.0);
    case Kind::kConstant:
      return FillConstant(target, spec.constant().value());
    case Kind::kIdentity:
      FillConstant(target, 0.0);
      for (int64_t i = 0; i < std::min(rows, columns); ++i) {
        weights[i * columns + i] = static_cast<float>(defaults::Gain(spec.identity()));
      }
      return;
    case Kind::kRandomNormal:
      return FillNormal(target, spec.random_normal().mean(),
                        defaults::Stddev(spec.random_normal()));
    case Kind::kRandomUniform:
      return FillUniform(target, defaults::Minval(spec.random_uniform()),
                         defaults::Maxval(spec.random_uniform()));
    case Kind::kTruncatedNormal:
      return FillTruncatedNormal(target, spec.truncated_normal().mean(),
                                 defaults::Stddev(spec.truncated_normal()));
    case Kind::kVarianceScaling: {
      const VarianceScaling& scaling = spec.variance_scaling();
      return FillVarianceScaling(target, fans, defaults::Scale(scaling), scaling.mode(),
                                 scaling.distribution());
    }
    case Kind::kOrthogonal:
      return FillOrthogonal(target.Stream(0), rows, columns, defaults::Gain(spec.orthogonal()),
                            weights);
    case Kind::kGlorotUniform:
      return FillVarianceScaling(target, fans, 1.0, VarianceScaling::FAN_AVG,
                                 VarianceScaling::UNIFORM);
    case Kind::kGlorotNormal:
      return FillVarianceScaling(target, fans, 1.0, VarianceScaling::FAN_AVG,
                                 VarianceScaling::TRUNCATED_NORMAL);
    case Kind::kHeUniform:
      return FillVarianceScaling(target, fans, 2.0, VarianceScaling::FAN_IN,
                                 VarianceScaling::UNIFORM);
    case Kind::kHeNormal:
      return FillVarianceScaling(target, fans, 2.0, VarianceScaling::FAN_IN,
                                 VarianceScaling::TRUNCATED_NORMAL);
    case Kind::kLecunUniform:
      return FillVarianceScaling(target, fans, 1.0, VarianceScaling::FAN_IN,
                                 VarianceScaling::UNIFORM);
    case Kind::kLecunNormal:
      return FillVarianceScaling(target, fans, 1.0, VarianceScaling::FAN_IN,
                                 VarianceScaling::TRUNCATED_NORMAL);
  }
}

}  // namespace anneal
