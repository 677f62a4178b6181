// Shapes, parameter counts, names and work of every layer beyond the basic ones, by hand.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/spec/defaults.h"
#include "server/spec/metric_names.h"
#include "server/spec/validated_spec.h"
#include "tests/spec/job_specs.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using Sizes = std::vector<int64_t>;

ValidatedSpec Accepted(const std::string& text) {
  ValidationResult result = JudgeText(text);
  EXPECT_TRUE(result.spec.has_value()) << Show(result);
  return *std::move(result.spec);
}

struct LayerCase {
  std::string layer;
  std::string kind;
  Sizes output;
  int64_t trainable;
  int64_t flops = 0;
};

// Each behind a layer that changes nothing, so that it is layers()[1] and never the first.
void ExpectAll(const std::string& before, const std::vector<LayerCase>& cases) {
  for (const LayerCase& test : cases) {
    const ValidatedSpec spec = Accepted(JobWithLayers(
        "layers { " + before + " } layers { " + test.layer +
        " } layers { flatten {} } layers { dense { units: 10 activation: SOFTMAX } }"));
    const ResolvedLayer& layer = spec.layers()[1];
    EXPECT_EQ(layer.output_shape, test.output) << test.layer;
    EXPECT_EQ(layer.trainable_parameters, test.trainable) << test.layer;
    EXPECT_EQ(layer.non_trainable_parameters, 0) << test.layer;
    EXPECT_EQ(spec.summary().rows(1).kind(), test.kind) << test.layer;
    EXPECT_EQ(spec.summary().rows(1).name(), test.layer.substr(0, test.layer.find(' ')) + "_1");
    const ResolvedLayer& end = spec.layers().back();
    EXPECT_EQ(spec.summary().flops_per_sample(), test.flops + 2 * end.input_shape[0] * 10)
        << test.layer;
  }
}

TEST(LayersTest, OnAnImage) {
  const Sizes same = {32, 32, 3};
  ExpectAll("activation {}",
            {{"average_pooling2d {}", "AveragePooling2D", {16, 16, 3}, 0},
             {"average_pooling2d { pool_size { height: 3 } strides { height: 1 } padding: SAME }",
              "AveragePooling2D",
              {32, 32, 3},
              0},
             {"average_pooling2d { pool_size { height: 5 width: 2 } }",
              "AveragePooling2D",
              {6, 16, 3},
              0},
             {"global_max_pooling2d {}", "GlobalMaxPooling2D", {3}, 0},
             {"global_average_pooling2d {}", "GlobalAveragePooling2D", {3}, 0},
             {"alpha_dropout { rate: 0.1 }", "AlphaDropout", same, 0},
             {"spatial_dropout2d { rate: 0.1 }", "SpatialDropout2D", same, 0},
             {"gaussian_noise { stddev: 0.1 }", "GaussianNoise", same, 0},
             {"layer_normalization {}", "LayerNormalization", same, 6},
             {"layer_normalization { center: false }", "LayerNormalization", same, 3},
             {"layer_normalization { center: false scale: false }", "LayerNormalization", same, 0},
             {"relu { max_value: 6 threshold: 1 }", "ReLU", same, 0},
             {"leaky_relu {}", "LeakyReLU", same, 0},
             {"prelu {}", "PReLU", same, 32 * 32 * 3},
             {"prelu { share_height_and_width: true }", "PReLU", same, 3},
             {"rrelu { lower: 0.1 upper: 0.1 }", "RReLU", same, 0},
             {"elu {}", "ELU", same, 0}});
}

TEST(LayersTest, OnAList) {
  const Sizes same = {3072};
  ExpectAll("flatten {}", {{"alpha_dropout {}", "AlphaDropout", same, 0},
                           {"gaussian_noise {}", "GaussianNoise", same, 0},
                           {"layer_normalization {}", "LayerNormalization", same, 2 * 3072},
                           {"relu {}", "ReLU", same, 0},
                           {"prelu {}", "PReLU", same, 3072},
                           {"rrelu {}", "RReLU", same, 0}});
}

TEST(LayersTest, DilatedConvolutionsSpanMore) {
  // VALID: 32 - ((K - 1) d + 1) + 1; the weights and the work are those of K.
  ExpectAll("activation {}",
            {{"conv2d { filters: 4 kernel_size { height: 3 } dilation_rate { height: 2 } }",
              "Conv2D",
              {28, 28, 4},
              9 * 3 * 4 + 4,
              2 * 9 * 3 * 4 * 28 * 28},
             {"conv2d { filters: 4 kernel_size { height: 3 width: 2 } dilation_rate { height: 1 "
              "width: 31 } }",
              "Conv2D",
              {30, 1, 4},
              6 * 3 * 4 + 4,
              2 * 6 * 3 * 4 * 30},
             {"conv2d { filters: 4 kernel_size { height: 3 } dilation_rate { height: 20 } padding: "
              "SAME }",
              "Conv2D",
              {32, 32, 4},
              9 * 3 * 4 + 4,
              2 * 9 * 3 * 4 * 32 * 32},
             {"conv2d { filters: 4 kernel_size { height: 1 } dilation_rate { height: 1000 } }",
              "Conv2D",
              {32, 32, 4},
              3 * 4 + 4,
              2 * 3 * 4 * 32 * 32}});
}

TEST(LayersTest, GroupsShareTheChannels) {
  // Each filter sees channels / groups channels.
  ExpectAll("activation {}",
            {{"conv2d { filters: 6 kernel_size { height: 3 } groups: 3 }",
              "Conv2D",
              {30, 30, 6},
              9 * 1 * 6 + 6,
              2 * 9 * 1 * 6 * 30 * 30},
             {"conv2d { filters: 6 kernel_size { height: 3 } groups: 1 use_bias: false }",
              "Conv2D",
              {30, 30, 6},
              9 * 3 * 6,
              2 * 9 * 3 * 6 * 30 * 30}});
}

TEST(LayersTest, WeightsInLayersOtherThanKernelsCanBeTrained) {
  const auto network = [](const std::string& layer) {
    return JobWithLayers(
        "layers { conv2d { filters: 10 kernel_size { height: 32 } } } layers { flatten {} } layers "
        "{ " +
        layer + " } layers { activation { function: SOFTMAX } }");
  };
  EXPECT_EQ(Accepted(network("prelu {}")).summary().trainable_parameters(),
            32 * 32 * 3 * 10 + 10 + 10);
  FakeCatalog catalog;
  DatasetInfo info = Cifar10Info();
  info.shape = {1, 1, 10};
  catalog.Add(info);
  const auto fields = [&](const std::string& layer) {
    return Fields(
        Validate(ParseJob(JobWithLayers("layers { flatten {} } layers { " + layer +
                                        " } layers { activation { function: SOFTMAX } }")),
                 catalog));
  };
  EXPECT_THAT(fields("prelu {}"), ElementsAre());
  EXPECT_THAT(fields("layer_normalization { center: false }"), ElementsAre());
  EXPECT_THAT(fields("layer_normalization { center: false scale: false }"),
              ElementsAre("training.network.layers"));
  EXPECT_THAT(fields("leaky_relu {}"), ElementsAre("training.network.layers"));
}

TEST(LayersTest, MemoryFollowsWhatEachOptimizerKeeps) {
  const int64_t weights = 30730;
  const int64_t activations = 32 * (3072 + 2 * 10);
  const auto moments = [&](const std::string& optimizer) {
    std::string text =
        JobWithLayers("layers { flatten {} } layers { dense { units: 10 activation: SOFTMAX } }");
    text.replace(text.find("nadam {}"), 8, optimizer);
    const int64_t bytes = Accepted(text).summary().memory_bytes();
    const int64_t kept = bytes / 4 - activations - 2 * weights;
    EXPECT_EQ(kept % weights, 0);
    return kept / weights;
  };
  EXPECT_EQ(moments("rmsprop {}"), 1);
  EXPECT_EQ(moments("rmsprop { momentum: 0.5 }"), 2);
  EXPECT_EQ(moments("rmsprop { momentum: 0.5 centered: true }"), 3);
  EXPECT_EQ(moments("adagrad {}"), 1);
  EXPECT_EQ(moments("adadelta {}"), 2);
  EXPECT_EQ(moments("adam { amsgrad: true }"), 3);
  EXPECT_EQ(moments("adamw {}"), 2);
  EXPECT_EQ(moments("adamw { amsgrad: true }"), 3);
  EXPECT_EQ(moments("adamax {}"), 2);
  EXPECT_EQ(moments("lion {}"), 1);
}

TEST(LayersTest, MetricsAreNamedByTheirK) {
  const v1::JobSpec spec = ParseJob(GoodJobWith(
      {{"seed: 1", "metrics { top_k_accuracy {} } metrics { top_k_accuracy { k: 3 } }"}}));
  EXPECT_THAT(EpochMetricNames(spec.training()),
              ElementsAre("loss", "accuracy", "top_5_accuracy", "top_3_accuracy"));
}

TEST(LayersTest, AbsentFieldsHaveKerassDefaults) {
  EXPECT_EQ(defaults::LearningRate(v1::Sgd()), 0.01);
  EXPECT_EQ(defaults::LearningRate(v1::Lion()), 0.001);
  EXPECT_EQ(defaults::Rho(v1::RmsProp()), 0.9);
  EXPECT_EQ(defaults::Rho(v1::Adadelta()), 0.95);
  EXPECT_EQ(defaults::InitialAccumulatorValue(v1::Adagrad()), 0.1);
  EXPECT_EQ(defaults::Beta1(v1::Lion()), 0.9);
  EXPECT_EQ(defaults::Beta2(v1::Lion()), 0.99);
  EXPECT_EQ(defaults::Beta2(v1::Adamax()), 0.999);
  EXPECT_EQ(defaults::OptimizerEpsilon(v1::RmsProp()), 1e-7);
  v1::Optimizer optimizer;
  optimizer.mutable_adam();
  EXPECT_EQ(defaults::WeightDecay(optimizer), 0);
  optimizer.mutable_adamw();
  EXPECT_EQ(defaults::WeightDecay(optimizer), 0.004);
  optimizer.set_weight_decay(0);
  EXPECT_EQ(defaults::WeightDecay(optimizer), 0);
  EXPECT_EQ(defaults::NegativeSlope(v1::LeakyReLU()), 0.3);
  EXPECT_EQ(defaults::Lower(v1::RReLU()), 0.125);
  EXPECT_EQ(defaults::Upper(v1::RReLU()), 1.0 / 3);
  EXPECT_EQ(defaults::Epsilon(v1::LayerNormalization()), 1e-3);
  EXPECT_EQ(defaults::MaxValue(v1::Constraint::MaxNorm()), 2);
  EXPECT_EQ(defaults::Factor(v1::Regularizer::L2()), 0.01);
  EXPECT_TRUE(defaults::AlphaInitializer(v1::PReLU()).has_zeros());
  const v1::LearningRateSchedule::ReduceOnPlateau plateau;
  EXPECT_EQ(defaults::Factor(plateau), 0.1);
  EXPECT_EQ(defaults::Patience(plateau), 10);
  EXPECT_EQ(defaults::MinDelta(plateau), 1e-4);
}

}  // namespace
}  // namespace anneal
