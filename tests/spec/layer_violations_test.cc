// Layers and weights beyond the basic ones: each field with a value that cannot work.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/spec/validated_spec.h"
#include "tests/spec/single_violation.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Case = ViolationCase;

class LayerViolation : public testing::TestWithParam<Case> {};

TEST_P(LayerViolation, IsReportedAtItsPath) { ExpectSingleViolation(GetParam()); }

// In the place of the dropout behind the hidden layer.
Case Behind(const std::string& name, const std::string& layer, const std::string& field,
            const std::string& text) {
  return {name, kDropout, layer, At(kDropoutPath, field), text};
}

// In front of flatten {}.
Case OnImage(const std::string& name, const std::string& layer, const std::string& field,
             const std::string& text) {
  return {name, kFlatten, "layers { " + layer + " } layers { flatten {} }",
          "training.network.layers[0]." + field, text};
}

Case Conv(const std::string& name, const std::string& fields, const std::string& field,
          const std::string& text) {
  return OnImage(name, "conv2d { filters: 6 kernel_size { height: 3 } " + fields + " }",
                 "conv2d." + field, text);
}

Case Kernel(const std::string& name, const std::string& fields, const std::string& field,
            const std::string& text) {
  return {name, kHiddenUnits, "units: 100 " + fields, At(kHiddenPath, field), text};
}

std::vector<Case> LayerCases() {
  return {
      OnImage("AverageSizeZero", "average_pooling2d { pool_size {} }",
              "average_pooling2d.pool_size.height", "is 0; the height of a pooling window"),
      OnImage("AverageStrides", "average_pooling2d { strides { height: 1 width: 1001 } }",
              "average_pooling2d.strides.width", "is 1001; the width of a stride"),
      OnImage("AverageTooLarge", "average_pooling2d { pool_size { height: 33 } }",
              "average_pooling2d.pool_size", "is 33x33, larger than the 32x32 image"),
      Behind("AverageOnAList", "average_pooling2d {}", "average_pooling2d", "needs an image"),
      Behind("GlobalMaxOnAList", "global_max_pooling2d {}", "global_max_pooling2d",
             "receives [100], a list of features"),
      Behind("GlobalAverageOnAList", "global_average_pooling2d {}", "global_average_pooling2d",
             "needs an image"),
      Behind("SpatialOnAList", "spatial_dropout2d { rate: 0.1 }", "spatial_dropout2d",
             "needs an image"),
      Behind("SharedSlopesOnAList", "prelu { share_height_and_width: true }", "prelu",
             "needs an image"),
      Behind("AlphaRateOne", "alpha_dropout { rate: 1 }", "alpha_dropout.rate", "is 1; a rate is"),
      Behind("AlphaRateNegative", "alpha_dropout { rate: -0.1 }", "alpha_dropout.rate", "is -0.1"),
      OnImage("SpatialRateNan", "spatial_dropout2d { rate: nan }", "spatial_dropout2d.rate",
              "is NaN"),
      Behind("NoiseNegative", "gaussian_noise { stddev: -1 }", "gaussian_noise.stddev", "is -1;"),
      Behind("NoiseInfinite", "gaussian_noise { stddev: inf }", "gaussian_noise.stddev",
             "is Infinity; a standard deviation is a finite number, at least 0"),
      Behind("LayerNormalizationEpsilon", "layer_normalization { epsilon: 0 }",
             "layer_normalization.epsilon", "is 0;"),
      Behind("ReluMaximumZero", "relu { max_value: 0 }", "relu.max_value", "greater than 0"),
      Behind("ReluMaximumInfinite", "relu { max_value: inf }", "relu.max_value", "is Infinity"),
      Behind("ReluSlope", "relu { negative_slope: -0.1 }", "relu.negative_slope", "is -0.1;"),
      Behind("ReluThreshold", "relu { threshold: nan }", "relu.threshold", "is NaN"),
      Behind("ReluThresholdNegative", "relu { threshold: -1 }", "relu.threshold", "at least 0"),
      Behind("ReluMaximumBelowThreshold", "relu { max_value: 2 threshold: 2 }", "relu.max_value",
             "is 2; it is greater than threshold, which is 2"),
      Behind("LeakySlope", "leaky_relu { negative_slope: -1 }", "leaky_relu.negative_slope",
             "is -1;"),
      Behind("RandomSlopeLower", "rrelu { lower: -1 }", "rrelu.lower", "is -1;"),
      Behind("RandomSlopeUpper", "rrelu { upper: inf }", "rrelu.upper", "is Infinity"),
      Behind("RandomSlopesReversed", "rrelu { lower: 0.5 }", "rrelu.upper",
             "(the default); it is at least lower, which is 0.5"),
      Behind("RandomSlopesReversedUpper", "rrelu { upper: 0.1 }", "rrelu.upper",
             "is 0.1; it is at least lower, which is 0.125 (the default)"),
      Behind("EluAlpha", "elu { alpha: 0 }", "elu.alpha", "is 0; an alpha is"),
      Behind("SlopesWithoutKind", "prelu { alpha_initializer {} }", "prelu.alpha_initializer",
             "says no initializer"),
      Behind("SlopesOrthogonal", "prelu { alpha_initializer { orthogonal {} } }",
             "prelu.alpha_initializer.orthogonal", "is for a slope; only a kernel"),
      Conv("Softmax", "activation: SOFTMAX", "activation",
           "add activation { function: SOFTMAX } behind it"),
      Conv("LogSoftmax", "activation: LOG_SOFTMAX", "activation", "is LOG_SOFTMAX"),
      Conv("DilationZero", "dilation_rate {}", "dilation_rate.height",
           "is 0; the height of a dilation rate is from 1 to 1000"),
      Conv("DilationWidth", "dilation_rate { height: 1 width: -2 }", "dilation_rate.width",
           "is -2;"),
      Conv("DilationWithStrides", "strides { height: 2 } dilation_rate { height: 1 width: 2 }",
           "dilation_rate", "is 1x2 with strides of 2x2; a dilated convolution has strides of 1"),
      Conv("DilatedTooLarge", "dilation_rate { height: 16 }", "kernel_size",
           "is 3x3 and spans 33x33, larger than the 32x32 image that reaches conv2d_1"),
      Conv("DilatedTooLargeForAnything", "padding: SAME dilation_rate { height: 500 }",
           "dilation_rate",
           "is 500x500, which makes the 3x3 kernel span 1001x1001; a kernel spans "
           "at most 1000x1000"),
      Conv("GroupsZero", "groups: 0", "groups", "is 0; the number of groups is"),
      Conv("GroupsNegative", "groups: -3", "groups", "is -3;"),
      OnImage("GroupsOfFilters", "conv2d { filters: 8 kernel_size { height: 3 } groups: 3 }",
              "conv2d.groups", "is 3, which does not divide the 8 filters"),
      Conv("GroupsOfChannels", "groups: 2", "groups",
           "is 2, which does not divide the 3 channels that reach conv2d_1"),
  };
}

std::vector<Case> WeightCases() {
  const std::string initializer = kInitializerPath;
  return {
      {"IdentityGain", kHeNormal, "identity { gain: nan }", initializer + ".identity.gain",
       "is NaN; a gain is a finite number"},
      {"OrthogonalGain", kHeNormal, "orthogonal { gain: inf }", initializer + ".orthogonal.gain",
       "is Infinity"},
      Kernel("IdentityBias", "bias_initializer { identity {} }", "bias_initializer.identity",
             "is for a bias; only the kernel of a dense layer has a diagonal"),
      Kernel("OrthogonalBias", "bias_initializer { orthogonal {} }", "bias_initializer.orthogonal",
             "is for a bias; only a kernel is a matrix"),
      Conv("IdentityOfAConvolution", "kernel_initializer { identity {} }",
           "kernel_initializer.identity", "is for the kernel of a convolution"),
      Kernel("RegularizerWithoutKind", "kernel_regularizer {}", "kernel_regularizer",
             "says no regularizer; there are l1, l2, l1_l2"),
      Kernel("L1Negative", "kernel_regularizer { l1 { factor: -0.1 } }",
             "kernel_regularizer.l1.factor", "is -0.1; a regularizer's factor is"),
      Kernel("L2Nan", "bias_regularizer { l2 { factor: nan } }", "bias_regularizer.l2.factor",
             "is NaN"),
      Kernel("BothL1", "kernel_regularizer { l1_l2 { l1: inf } }", "kernel_regularizer.l1_l2.l1",
             "is Infinity"),
      Kernel("BothL2", "bias_regularizer { l1_l2 { l2: -1 } }", "bias_regularizer.l1_l2.l2",
             "is -1;"),
      Kernel("ConstraintWithoutKind", "bias_constraint {}", "bias_constraint",
             "says no constraint; there are max_norm, non_neg, unit_norm"),
      Kernel("MaxNormZero", "kernel_constraint { max_norm { max_value: 0 } }",
             "kernel_constraint.max_norm.max_value", "is 0; a largest norm is"),
      Kernel("MaxNormNegative", "bias_constraint { max_norm { max_value: -2 } }",
             "bias_constraint.max_norm.max_value", "is -2;"),
      Conv("ConvRegularizer", "kernel_regularizer { l2 { factor: -1 } }",
           "kernel_regularizer.l2.factor", "is -1;"),
      Conv("ConvBiasRegularizer", "bias_regularizer {}", "bias_regularizer", "says no regularizer"),
      Conv("ConvConstraint", "kernel_constraint {}", "kernel_constraint", "says no constraint"),
      Conv("ConvBiasConstraint", "bias_constraint { max_norm { max_value: inf } }",
           "bias_constraint.max_norm.max_value", "is Infinity"),
  };
}

INSTANTIATE_TEST_SUITE_P(Layer, LayerViolation, testing::ValuesIn(LayerCases()), CaseName);
INSTANTIATE_TEST_SUITE_P(Weight, LayerViolation, testing::ValuesIn(WeightCases()), CaseName);

TEST(LayerViolationsTest, AverageWindowsAreOfKnownPadding) {
  v1::JobSpec spec =
      ParseJob(GoodJobWith({{kFlatten, "layers { average_pooling2d {} } layers { flatten {} }"}}));
  v1::Network& network = *spec.mutable_training()->mutable_network();
  network.mutable_layers(0)->mutable_average_pooling2d()->set_padding(static_cast<v1::Padding>(7));
  EXPECT_THAT(Fields(Judge(spec)),
              ElementsAre("training.network.layers[0].average_pooling2d.padding"));
}

TEST(LayerViolationsTest, GoesOnBehindALayerThatNeedsAnImage) {
  // The global pooling leaves a list whatever it receives; the dropout keeps what it receives.
  const ValidationResult result = JudgeText(JobWithLayers(R"(
      layers { flatten {} }
      layers { spatial_dropout2d { rate: 0.1 } }
      layers { global_max_pooling2d {} }
      layers { max_pooling2d {} }
      layers { flatten {} }
      layers { dense { units: 9 activation: SOFTMAX } })"));
  ASSERT_THAT(Fields(result), ElementsAre("training.network.layers[1].spatial_dropout2d",
                                          "training.network.layers[2].global_max_pooling2d",
                                          "training.network.layers[3].max_pooling2d",
                                          "training.network.layers[5].dense.units"))
      << Show(result);
  EXPECT_THAT(result.violations[1].description, HasSubstr("receives [3072]"));
}

TEST(LayerViolationsTest, ManyMistakesOfOneLayerAreAllReported) {
  EXPECT_THAT(Fields(JudgeText(JobWithLayers(R"(
                layers { conv2d { filters: 5 strides { height: 2 } dilation_rate { height: 3 }
                                  kernel_size { height: 400 } groups: 2 activation: SOFTMAX
                                  kernel_initializer { identity { gain: nan } } } }
                layers { flatten {} } layers { dense { units: 10 activation: SOFTMAX } })"))),
              ElementsAre("training.network.layers[0].conv2d.activation",
                          "training.network.layers[0].conv2d.dilation_rate",
                          "training.network.layers[0].conv2d.dilation_rate",
                          "training.network.layers[0].conv2d.groups",
                          "training.network.layers[0].conv2d.kernel_initializer.identity",
                          "training.network.layers[0].conv2d.kernel_initializer.identity.gain",
                          "training.network.layers[0].conv2d.groups"));
}

}  // namespace
}  // namespace anneal
