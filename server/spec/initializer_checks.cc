#include "server/spec/initializer_checks.h"

#include "absl/strings/str_cat.h"
#include "server/spec/defaults.h"
#include "server/spec/text.h"

namespace anneal {
namespace {

template <typename Normal>
void CheckNormal(const FieldChecks& checks, const Normal& normal) {
  checks.Real("mean", normal.mean(), kFinite, "a mean");
  checks.Real("stddev", defaults::Stddev(normal), kPositive, "a standard deviation");
}

void CheckUniform(const FieldChecks& checks, const v1::Initializer::RandomUniform& uniform) {
  const double low = defaults::Minval(uniform);
  const double high = defaults::Maxval(uniform);
  const bool low_is_finite = checks.Real("minval", low, kFinite, "the lower end");
  const bool high_is_finite = checks.Real("maxval", high, kFinite, "the upper end");
  if (low_is_finite && high_is_finite && !(static_cast<float>(low) < static_cast<float>(high))) {
    checks.Add("maxval",
               absl::StrCat("is ", FormatReal(high), uniform.has_maxval() ? "" : " (the default)",
                            "; it is greater than minval, which is ", FormatReal(low),
                            uniform.has_minval() ? "" : " (the default)"));
  }
}

void CheckVarianceScaling(const FieldChecks& checks,
                          const v1::Initializer::VarianceScaling& scaling) {
  checks.Real("scale", defaults::Scale(scaling), kPositive, "a scale");
  checks.Enum("mode", scaling.mode(), v1::Initializer::VarianceScaling::Mode_descriptor());
  checks.Enum("distribution", scaling.distribution(),
              v1::Initializer::VarianceScaling::Distribution_descriptor());
}

const char* Describe(WeightKind weight) {
  switch (weight) {
    case WeightKind::kDenseKernel: return "the kernel of a dense layer";
    case WeightKind::kConvKernel: return "the kernel of a convolution";
    case WeightKind::kBias: return "a bias";
    case WeightKind::kSlope: return "a slope";
  }
  return "";
}

template <typename Matrix>
void CheckMatrix(const FieldChecks& checks, const Matrix& matrix, WeightKind weight, bool fits,
                 const char* right) {
  if (!fits) checks.Add("", absl::StrCat("is for ", Describe(weight), "; ", right));
  checks.Real("gain", defaults::Gain(matrix), kFinite, "a gain");
}

}  // namespace

void CheckInitializer(const FieldChecks& checks, const v1::Initializer& initializer,
                      WeightKind weight) {
  const bool is_dense = weight == WeightKind::kDenseKernel;
  switch (initializer.kind_case()) {
    case v1::Initializer::kConstant:
      checks.In("constant").Real("value", initializer.constant().value(), kFinite, "a constant");
      break;
    case v1::Initializer::kRandomNormal:
      CheckNormal(checks.In("random_normal"), initializer.random_normal());
      break;
    case v1::Initializer::kTruncatedNormal:
      CheckNormal(checks.In("truncated_normal"), initializer.truncated_normal());
      break;
    case v1::Initializer::kRandomUniform:
      CheckUniform(checks.In("random_uniform"), initializer.random_uniform());
      break;
    case v1::Initializer::kVarianceScaling:
      CheckVarianceScaling(checks.In("variance_scaling"), initializer.variance_scaling());
      break;
    case v1::Initializer::kIdentity:
      CheckMatrix(checks.In("identity"), initializer.identity(), weight, is_dense,
                  "only the kernel of a dense layer has a diagonal");
      break;
    case v1::Initializer::kOrthogonal:
      CheckMatrix(checks.In("orthogonal"), initializer.orthogonal(), weight,
                  is_dense || weight == WeightKind::kConvKernel,
                  "only a kernel is a matrix that can be orthogonal");
      break;
    case v1::Initializer::kZeros:
    case v1::Initializer::kOnes:
    case v1::Initializer::kGlorotUniform:
    case v1::Initializer::kGlorotNormal:
    case v1::Initializer::kHeUniform:
    case v1::Initializer::kHeNormal:
    case v1::Initializer::kLecunUniform:
    case v1::Initializer::kLecunNormal: break;
    case v1::Initializer::KIND_NOT_SET:
      checks.MissingKind("", v1::Initializer::descriptor()->FindOneofByName("kind"), "initializer");
      break;
  }
}

}  // namespace anneal
