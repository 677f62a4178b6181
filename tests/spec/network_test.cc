// Expansion, shapes, parameters, work and memory against numbers worked out by hand.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/spec/validated_spec.h"
#include "tests/spec/job_specs.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::SizeIs;
using Sizes = std::vector<int64_t>;

// `layers` must be accepted.
ValidatedSpec Accepted(const std::string& layers, const std::string& more = "") {
  ValidationResult result = JudgeText(JobWithLayers(layers, more));
  EXPECT_TRUE(result.spec.has_value()) << Show(result);
  return *std::move(result.spec);
}

std::vector<std::string> Names(const ValidatedSpec& spec) {
  std::vector<std::string> names;
  for (const ResolvedLayer& layer : spec.layers()) names.push_back(layer.name);
  return names;
}

TEST(NetworkTest, TheDeepNetworkOfTheReferenceExperiment) {
  const ValidatedSpec spec = Accepted(R"(
      layers { flatten {} }
      layers { repeat { count: 20 layers { dense { units: 100 activation: ELU kernel_initializer { he_normal {} } } } } }
      layers { dense { units: 10 activation: SOFTMAX } })");
  ASSERT_THAT(spec.layers(), SizeIs(22));
  const v1::NetworkSummary& summary = spec.summary();
  EXPECT_EQ(summary.trainable_parameters(), 307300 + 19 * 10100 + 1010);
  EXPECT_EQ(summary.non_trainable_parameters(), 0);
  EXPECT_EQ(summary.flops_per_sample(), 2 * (3072 * 100 + 19 * 100 * 100 + 100 * 10));
  // Weights, gradients and Nadam's two moments; a batch of 32 inputs, and outputs with gradients.
  EXPECT_EQ(summary.memory_bytes(), 4 * (4 * 500210) + 4 * 32 * (3072 + 2 * (20 * 100 + 10)));
  EXPECT_THAT(summary.input_shape(), ElementsAre(32, 32, 3));
  ASSERT_EQ(summary.rows_size(), 22);
  EXPECT_EQ(summary.rows(0).kind(), "Flatten");
  EXPECT_THAT(summary.rows(0).output_shape(), ElementsAre(3072));
  EXPECT_EQ(summary.rows(1).name(), "dense_1");
  EXPECT_EQ(summary.rows(1).kind(), "Dense");
  EXPECT_EQ(summary.rows(1).parameters(), 307300);
  EXPECT_EQ(summary.rows(20).name(), "dense_20");
  EXPECT_EQ(summary.rows(21).parameters(), 1010);
  EXPECT_EQ(spec.layers()[20].path, "training.network.layers[1].repeat.layers[0]");
  EXPECT_EQ(spec.layers()[20].input_shape, Sizes{100});
}

TEST(NetworkTest, TheConvolutionalNetworkOfTheReferenceExperiment) {
  const ValidatedSpec spec = Accepted(R"(
      layers { conv2d { filters: 32 kernel_size { height: 3 } activation: RELU } }
      layers { max_pooling2d {} }
      layers { conv2d { filters: 64 kernel_size { height: 3 } activation: RELU } }
      layers { max_pooling2d {} }
      layers { flatten {} }
      layers { dense { units: 64 activation: RELU } }
      layers { dense { units: 10 activation: SOFTMAX } })");
  const v1::NetworkSummary& summary = spec.summary();
  EXPECT_EQ(summary.trainable_parameters(), 896 + 18496 + 147520 + 650);
  std::vector<int64_t> parameters;
  for (const auto& row : summary.rows()) parameters.push_back(row.parameters());
  EXPECT_THAT(parameters, ElementsAre(896, 0, 18496, 0, 0, 147520, 650));
  EXPECT_THAT(Names(spec), ElementsAre("conv2d_1", "max_pooling2d_1", "conv2d_2", "max_pooling2d_2",
                                       "flatten_1", "dense_1", "dense_2"));
  EXPECT_EQ(spec.layers()[0].output_shape, (Sizes{30, 30, 32}));
  EXPECT_EQ(spec.layers()[1].output_shape, (Sizes{15, 15, 32}));
  EXPECT_EQ(spec.layers()[2].output_shape, (Sizes{13, 13, 64}));
  EXPECT_EQ(spec.layers()[3].output_shape, (Sizes{6, 6, 64}));
  EXPECT_EQ(spec.layers()[4].output_shape, Sizes{2304});
  EXPECT_EQ(summary.flops_per_sample(),
            2 * (9 * 3 * 32 * 30 * 30 + 9 * 32 * 64 * 13 * 13 + 2304 * 64 + 64 * 10));
  EXPECT_EQ(summary.rows(1).kind(), "MaxPooling2D");
  EXPECT_EQ(summary.rows(0).kind(), "Conv2D");
}

TEST(NetworkTest, BatchNormalizationCountsItsMovingAveragesApart) {
  const ValidatedSpec spec = Accepted(R"(
      layers { batch_normalization {} }
      layers { flatten {} }
      layers { dense { units: 50 use_bias: false } }
      layers { batch_normalization { scale: false } }
      layers { activation { function: RELU } }
      layers { batch_normalization { scale: false center: false } }
      layers { dropout { rate: 0.1 } }
      layers { dense { units: 10 activation: SOFTMAX } })");
  EXPECT_EQ(spec.layers()[0].trainable_parameters, 2 * 3);
  EXPECT_EQ(spec.layers()[0].non_trainable_parameters, 2 * 3);
  EXPECT_EQ(spec.layers()[2].trainable_parameters, 3072 * 50);
  EXPECT_EQ(spec.layers()[3].trainable_parameters, 50);
  EXPECT_EQ(spec.layers()[5].trainable_parameters, 0);
  EXPECT_EQ(spec.layers()[5].non_trainable_parameters, 100);
  EXPECT_EQ(spec.summary().non_trainable_parameters(), 6 + 100 + 100);
  EXPECT_EQ(spec.summary().rows(3).parameters(), 150);
  EXPECT_EQ(spec.summary().rows(3).kind(), "BatchNormalization");
  EXPECT_EQ(spec.summary().rows(4).kind(), "Activation");
  EXPECT_EQ(spec.summary().rows(6).kind(), "Dropout");
}

struct WindowCase {
  std::string layer;
  Sizes output;
};

TEST(NetworkTest, WindowsFollowKerassFormulas) {
  // Of a 32x32x3 image. VALID: ceil((32 - K + 1) / S); SAME: ceil(32 / S).
  const std::vector<WindowCase> cases = {
      {"conv2d { filters: 5 kernel_size { height: 3 } }", {30, 30, 5}},
      {"conv2d { filters: 5 kernel_size { height: 3 width: 5 } }", {30, 28, 5}},
      {"conv2d { filters: 5 kernel_size { height: 3 } strides { height: 2 } }", {15, 15, 5}},
      {"conv2d { filters: 5 kernel_size { height: 3 } strides { height: 1 width: 4 } }",
       {30, 8, 5}},
      {"conv2d { filters: 5 kernel_size { height: 32 } }", {1, 1, 5}},
      {"conv2d { filters: 5 kernel_size { height: 3 } padding: SAME }", {32, 32, 5}},
      {"conv2d { filters: 5 kernel_size { height: 4 } padding: SAME strides { height: 3 } }",
       {11, 11, 5}},
      {"conv2d { filters: 5 kernel_size { height: 40 } padding: SAME }", {32, 32, 5}},
      {"conv2d { filters: 5 kernel_size { height: 1 } strides { height: 100 } }", {1, 1, 5}},
      {"max_pooling2d {}", {16, 16, 3}},
      {"max_pooling2d { pool_size { height: 3 } }", {10, 10, 3}},
      {"max_pooling2d { pool_size { height: 3 } padding: SAME }", {11, 11, 3}},
      {"max_pooling2d { pool_size { height: 3 } strides { height: 1 } }", {30, 30, 3}},
      {"max_pooling2d { strides { height: 3 } }", {11, 11, 3}},
      {"max_pooling2d { pool_size { height: 2 width: 5 } }", {16, 6, 3}},
      {"max_pooling2d { pool_size { height: 32 } }", {1, 1, 3}},
      {"max_pooling2d { pool_size { height: 33 } padding: SAME }", {1, 1, 3}},
  };
  for (const WindowCase& test : cases) {
    const ValidatedSpec spec =
        Accepted("layers { " + test.layer +
                 " } layers { flatten {} } layers { dense { units: 10 activation: SOFTMAX } }");
    EXPECT_EQ(spec.layers()[0].output_shape, test.output) << test.layer;
  }
}

TEST(NetworkTest, ConvolutionsWithoutBiasOnWideKernels) {
  const ValidatedSpec spec = Accepted(R"(
      layers { conv2d { filters: 7 kernel_size { height: 3 width: 5 } use_bias: false activation: RELU } }
      layers { flatten {} } layers { dense { units: 10 activation: SOFTMAX } })");
  EXPECT_EQ(spec.layers()[0].trainable_parameters, 3 * 5 * 3 * 7);
}

TEST(NetworkTest, FlattenOfAListIsTheList) {
  const ValidatedSpec spec = Accepted(
      "layers { flatten {} } layers { flatten {} } layers { dense { units: 10 activation: SOFTMAX "
      "} }");
  EXPECT_EQ(spec.layers()[1].output_shape, Sizes{3072});
}

TEST(NetworkTest, NestedRepeatsAreExpandedInOrder) {
  const ValidatedSpec spec = Accepted(R"(
      layers { flatten {} }
      layers { repeat { count: 2
        layers { repeat { count: 2 layers { dense { units: 5 activation: RELU } } layers { dropout { rate: 0.1 } } } }
        layers { batch_normalization {} } } }
      layers { dense { units: 10 activation: SOFTMAX } })");
  EXPECT_THAT(Names(spec), ElementsAre("flatten_1", "dense_1", "dropout_1", "dense_2", "dropout_2",
                                       "batch_normalization_1", "dense_3", "dropout_3", "dense_4",
                                       "dropout_4", "batch_normalization_2", "dense_5"));
  EXPECT_EQ(spec.layers()[9].path, "training.network.layers[1].repeat.layers[0].repeat.layers[1]");
  EXPECT_EQ(spec.layers()[1].layer, spec.layers()[8].layer);
}

TEST(NetworkTest, GivenNamesAreKeptAndNumberedInRepeats) {
  const ValidatedSpec spec = Accepted(R"(
      layers { name: "pixels" flatten {} }
      layers { repeat { count: 3 layers { name: "hidden" dense { units: 5 activation: RELU } } } }
      layers { name: "dense_1" dense { units: 5 activation: RELU } }
      layers { dense { units: 5 activation: RELU } }
      layers { dense { units: 10 activation: SOFTMAX } })");
  EXPECT_THAT(Names(spec), ElementsAre("pixels", "hidden", "hidden_2", "hidden_3", "dense_1",
                                       "dense_2", "dense_3"));
}

TEST(NetworkTest, MemoryFollowsTheOptimizerAndTheBestWeights) {
  const std::string layers =
      "layers { flatten {} } layers { batch_normalization {} } layers { dense { units: 10 "
      "activation: SOFTMAX } }";
  const int64_t trainable = 2 * 3072 + 30730;
  const int64_t all = trainable + 2 * 3072;
  const int64_t activations = 7 * (3072 + 2 * (3072 + 10));
  const auto memory = [&](const std::string& optimizer, const std::string& more) {
    std::string text = JobWithLayers(layers, "batch_size: 7 " + more);
    text.replace(text.find("nadam {}"), 8, optimizer);
    const ValidationResult result = JudgeText(text);
    EXPECT_TRUE(result.spec.has_value()) << Show(result);
    return result.spec->summary().memory_bytes();
  };
  EXPECT_EQ(memory("sgd {}", ""), 4 * (all + trainable + activations));
  EXPECT_EQ(memory("sgd { momentum: 0.5 }", ""), 4 * (all + 2 * trainable + activations));
  EXPECT_EQ(memory("adam {}", ""), 4 * (all + 3 * trainable + activations));
  EXPECT_EQ(memory("nadam {}", ""), 4 * (all + 3 * trainable + activations));
  const std::string stopping =
      "validation { first: 1 } early_stopping { restore_best_weights: true }";
  EXPECT_EQ(memory("sgd {}", stopping), 4 * (2 * all + trainable + activations));
  EXPECT_EQ(memory("sgd {}", "pruning { one_shot { sparsity: 0.5 } }"),
            4 * (all + 2 * trainable + activations));
}

}  // namespace
}  // namespace anneal
