// Each warning with a spec that deserves it and a near one that does not.
#include <ostream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/spec/validated_spec.h"
#include "tests/spec/job_specs.h"

namespace anneal {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// The job must be accepted.
std::vector<std::string> Warnings(const std::string& text) {
  const ValidationResult result = JudgeText(text);
  EXPECT_TRUE(result.spec.has_value()) << Show(result);
  return result.warnings;
}

// Of a network that begins with these layers and ends in an ordinary output layer.
std::vector<std::string> LayerWarnings(const std::string& layers) {
  return Warnings(JobWithLayers("layers { flatten {} } " + layers +
                                " layers { dense { units: 10 activation: SOFTMAX } }"));
}

struct Case {
  std::string name;
  std::string layers;  // between flatten and the output; layers[1] is the first
  std::string field;   // empty: no warning
  std::string text;    // a part of it
};

// For failure messages.
void PrintTo(const Case& test, std::ostream* out) { *out << test.name; }

class LayerWarning : public testing::TestWithParam<Case> {};

TEST_P(LayerWarning, IsGivenWhereItApplies) {
  const Case& test = GetParam();
  const std::vector<std::string> warnings = LayerWarnings(test.layers);
  if (test.field.empty()) {
    EXPECT_THAT(warnings, IsEmpty());
  } else {
    EXPECT_THAT(warnings, ElementsAre(AllOf(StartsWith(test.field + ": "), HasSubstr(test.text))));
  }
}

constexpr const char* kSelu =
    "layers { dense { units: 9 activation: SELU kernel_initializer { lecun_normal {} } } }";

std::string Deep(int count, const std::string& activation, const std::string& initializer) {
  return "layers { repeat { count: " + std::to_string(count) +
         " layers { dense { units: 9 activation: " + activation + " " + initializer + " } } } }";
}

std::vector<Case> Cases() {
  const std::string first = "training.network.layers[1]";
  const std::string second = "training.network.layers[2]";
  const std::string in_repeat = "training.network.layers[1].repeat.layers[0].dense";
  return {
      {"SeluWithDefault", "layers { dense { units: 9 activation: SELU } }",
       first + ".dense.kernel_initializer",
       "is glorot_uniform (the default); SELU normalizes itself only with lecun_normal"},
      {"SeluWithHe",
       "layers { dense { units: 9 activation: SELU kernel_initializer { he_normal {} } } }",
       first + ".dense.kernel_initializer", "is he_normal;"},
      {"SeluLayer", "layers { dense { units: 9 } } layers { activation { function: SELU } }",
       first + ".dense.kernel_initializer", "SELU"},
      {"SeluWithLecun", kSelu, "", ""},
      {"SeluWithLecunUniform",
       "layers { dense { units: 9 activation: SELU kernel_initializer { lecun_uniform {} } } }", "",
       ""},
      {"SeluWithTheSameScaling",
       "layers { dense { units: 9 activation: SELU kernel_initializer { variance_scaling {} } } }",
       "", ""},
      {"SeluWithAnotherScaling",
       "layers { dense { units: 9 activation: SELU kernel_initializer { variance_scaling { scale: "
       "2 } } } }",
       first + ".dense.kernel_initializer", "is variance_scaling;"},
      {"SeluWithDropout", std::string(kSelu) + " layers { dropout { rate: 0.1 } }",
       second + ".dropout", "alpha dropout"},
      {"SeluWithDropoutOfNothing", std::string(kSelu) + " layers { dropout { rate: 0 } }", "", ""},
      {"DropoutAfterElu",
       "layers { dense { units: 9 activation: ELU } } layers { dropout { rate: 0.1 } }", "", ""},
      {"SeluWithNormalization", std::string(kSelu) + " layers { batch_normalization {} }",
       second + ".batch_normalization", "normalizes itself"},
      {"NormalizationBeforeSelu", std::string("layers { batch_normalization {} } ") + kSelu, "",
       ""},
      {"Zeros", "layers { dense { units: 9 activation: RELU kernel_initializer { zeros {} } } }",
       first + ".dense.kernel_initializer",
       "makes all weights equal (0); the neurons of this layer begin identical"},
      {"Constant",
       "layers { dense { units: 9 activation: RELU kernel_initializer { constant { value: 0.5 } } "
       "} }",
       first + ".dense.kernel_initializer", "makes all weights equal (0.5)"},
      {"ConstantBias",
       "layers { dense { units: 9 activation: RELU bias_initializer { ones {} } } }", "", ""},
      {"GlorotInADeepNetwork", Deep(10, "RELU", ""), in_repeat + ".kernel_initializer",
       "is glorot_uniform (the default) with RELU in a network of 11 layers; he_normal"},
      {"GlorotNormalInADeepNetwork", Deep(10, "ELU", "kernel_initializer { glorot_normal {} }"),
       in_repeat + ".kernel_initializer", "is glorot_normal with ELU"},
      {"GlorotInAFlatNetwork", Deep(9, "RELU", ""), "", ""},
      {"HeInADeepNetwork", Deep(30, "RELU", "kernel_initializer { he_uniform {} }"), "", ""},
      {"GlorotBehindNormalization",
       "layers { repeat { count: 20 layers { dense { units: 9 use_bias: false } } layers { "
       "batch_normalization {} } "
       "layers { activation { function: RELU } } } }",
       "", ""},
      {"BiasBeforeNormalization",
       "layers { dense { units: 9 } } layers { batch_normalization {} } layers { activation { "
       "function: RELU } }",
       first + ".dense.use_bias", "takes every bias away"},
      {"BiasBeforeActivation",
       "layers { dense { units: 9 activation: RELU } } layers { batch_normalization {} }", "", ""},
      {"LinearLayers", "layers { dense { units: 9 } }", first + ".dense.activation",
       "no other activation before training.network.layers[2]"},
      {"LinearLayersWithDropoutBetween",
       "layers { dense { units: 9 } } layers { dropout { rate: 0.1 } }",
       first + ".dense.activation", "no more than one linear layer"},
      {"NameOfARepeat", "layers { name: \"block\" repeat { count: 1 layers { dropout {} } } }",
       first + ".name", "is not used"},
  };
}

std::string NameOf(const testing::TestParamInfo<Case>& test) { return test.param.name; }

INSTANTIATE_TEST_SUITE_P(Network, LayerWarning, testing::ValuesIn(Cases()), NameOf);

TEST(WarningsTest, NeuronsWithEqualWeightsOnBothSidesStayIdentical) {
  EXPECT_THAT(Warnings(JobWithLayers(R"(
                layers { flatten {} }
                layers { dense { units: 9 activation: RELU kernel_initializer { ones {} } } }
                layers { dense { units: 10 activation: SOFTMAX kernel_initializer { zeros {} } } })")),
              ElementsAre(AllOf(StartsWith("training.network.layers[1].dense.kernel_initializer: "),
                                HasSubstr("stay identical for ever")),
                          AllOf(StartsWith("training.network.layers[2].dense.kernel_initializer: "),
                                HasSubstr("learn nothing in the first step"))));
}

TEST(WarningsTest, PoolingBetweenConvolutionsIsNotLinear) {
  EXPECT_THAT(Warnings(JobWithLayers(R"(
                layers { conv2d { filters: 4 kernel_size { height: 3 } } }
                layers { max_pooling2d {} }
                layers { flatten {} }
                layers { dense { units: 10 activation: SOFTMAX } })")),
              IsEmpty());
}

TEST(WarningsTest, DropoutBehindTheLastWeights) {
  EXPECT_THAT(Warnings(JobWithLayers(R"(
                layers { flatten {} }
                layers { dense { units: 10 } }
                layers { dropout { rate: 0.1 } }
                layers { activation { function: SOFTMAX } })")),
              ElementsAre(StartsWith(
                  "training.network.layers[2].dropout: comes after the last layer with weights")));
}

TEST(WarningsTest, LogitsWithAnActivation) {
  const std::string logits = "sparse_categorical_crossentropy { from_logits: true }";
  EXPECT_THAT(
      Warnings(GoodJobWith({{"sparse_categorical_crossentropy {}", logits},
                            {"units: 10 activation: SOFTMAX", "units: 10 activation: RELU"}})),
      ElementsAre(StartsWith("training.network.layers[3].dense.activation: is RELU")));
}

TEST(WarningsTest, RawPixels) {
  const std::string step = "input { rescale { factor: 0.00392156862745098 } }";
  EXPECT_THAT(Warnings(GoodJobWith({{step, ""}})),
              ElementsAre(StartsWith("training.input: is empty")));
  EXPECT_THAT(Warnings(GoodJobWith({{step, "input { standardize {} }"}})), IsEmpty());
  EXPECT_THAT(Warnings(GoodJobWith({{step, ""},
                                    {"layers { flatten {} }",
                                     "layers { flatten {} } layers { batch_normalization {} }"}})),
              IsEmpty());
}

TEST(WarningsTest, TestOnDataThatTrainingHasSeen) {
  EXPECT_THAT(
      Warnings(GoodJobWith({{"test { split: \"test\" }", "test { split: \"train\" }"}})),
      ElementsAre(AllOf(StartsWith("training.test.split: is \"train\""), HasSubstr("trained on"))));
  EXPECT_THAT(Warnings(GoodJobWith({{"fraction: 0.1", "split: \"test\""}})),
              ElementsAre(AllOf(StartsWith("training.test.split: is \"test\""),
                                HasSubstr("early stopping"))));
}

TEST(WarningsTest, HighMomentumAndLearningRate) {
  const std::string sgd = "sgd { learning_rate: 0.01 momentum: 0.9 }";
  EXPECT_THAT(Warnings(GoodJobWith({{sgd, "sgd { momentum: 0.99 }"}})),
              ElementsAre(StartsWith("training.optimizer.sgd.momentum: is 0.99;")));
  EXPECT_THAT(Warnings(GoodJobWith({{sgd, "sgd { momentum: 0.98 }"}})), IsEmpty());
  EXPECT_THAT(Warnings(GoodJobWith({{sgd, "sgd { learning_rate: 1.5 }"}})),
              ElementsAre(StartsWith("training.optimizer.sgd.learning_rate: is 1.5, above 1")));
  EXPECT_THAT(Warnings(GoodJobWith({{sgd, "adam { learning_rate: 2 }"}})),
              ElementsAre(StartsWith("training.optimizer.adam.learning_rate: is 2,")));
  EXPECT_THAT(Warnings(GoodJobWith({{sgd, "nadam { learning_rate: 3 }"}})),
              ElementsAre(StartsWith("training.optimizer.nadam.learning_rate: is 3,")));
  EXPECT_THAT(Warnings(GoodJobWith({{sgd, "adam { learning_rate: 1 }"}})), IsEmpty());
}

TEST(WarningsTest, ABatchOfMoreThanAllSamples) {
  const auto with_first = [](int first) {
    return GoodJobWith({{"fraction: 0.1", "first: " + std::to_string(first)}});
  };
  EXPECT_THAT(Warnings(with_first(49969)),
              ElementsAre(StartsWith("training.batch_size: is 32, more than the 31")));
  EXPECT_THAT(Warnings(with_first(49968)), IsEmpty());
}

TEST(WarningsTest, ABatchOfOneWithBatchNormalization) {
  const std::string dropout = "dropout { rate: 0.5 }";
  EXPECT_THAT(Warnings(GoodJobWith(
                  {{dropout, "batch_normalization {}"}, {"batch_size: 32", "batch_size: 1"}})),
              ElementsAre(AllOf(StartsWith("training.batch_size: is 1, over which"),
                                HasSubstr("training.network.layers[2].batch_normalization"))));
  EXPECT_THAT(Warnings(GoodJobWith({{"batch_size: 32", "batch_size: 1"}})), IsEmpty());
}

TEST(WarningsTest, EarlyStopping) {
  EXPECT_THAT(Warnings(GoodJobWith({{"validation { fraction: 0.1 }", ""}, {"val_loss", "loss"}})),
              ElementsAre(StartsWith(
                  "training.early_stopping.monitor: is loss, measured on the training data")));
  EXPECT_THAT(Warnings(GoodJobWith({{"restore_best_weights: true", ""}})),
              ElementsAre(StartsWith("training.early_stopping.restore_best_weights: is false")));
  EXPECT_THAT(Warnings(GoodJobWith({{"patience: 5", "patience: 30"}})),
              ElementsAre(StartsWith("training.early_stopping.patience: is 30, too long")));
  EXPECT_THAT(Warnings(GoodJobWith({{"patience: 5", "patience: 29"}})), IsEmpty());
  EXPECT_THAT(
      Warnings(GoodJobWith({{"patience: 5", "patience: 9223372036854775807 start_from_epoch: 1"}})),
      ElementsAre(StartsWith("training.early_stopping.patience: ")));
  EXPECT_THAT(Warnings(GoodJobWith({{"patience: 5", "patience: 20 start_from_epoch: 10"}})),
              ElementsAre(StartsWith("training.early_stopping.patience: is 20")));
  EXPECT_THAT(Warnings(GoodJobWith({{"patience: 5", "patience: 5 start_from_epoch: 30"}})),
              ElementsAre(StartsWith("training.early_stopping.start_from_epoch: is 30")));
  EXPECT_THAT(Warnings(GoodJobWith({{"patience: 5", "patience: 5 mode: MAX"}})),
              ElementsAre(StartsWith("training.early_stopping.mode: is MAX")));
  EXPECT_THAT(Warnings(GoodJobWith({{"patience: 5", "patience: 5 mode: MIN"}})), IsEmpty());
  EXPECT_THAT(Warnings(GoodJobWith(
                  {{"patience: 5", "patience: 5 mode: MIN"}, {"val_loss", "val_accuracy"}})),
              ElementsAre(StartsWith("training.early_stopping.mode: is MIN")));
}

}  // namespace
}  // namespace anneal
