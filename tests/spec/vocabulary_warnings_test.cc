// The warnings about layers, losses, optimizers and schedules beyond the basic ones, each with a
// spec that deserves it and a near one that does not.
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

std::vector<std::string> Warnings(const std::string& text) {
  const ValidationResult result = JudgeText(text);
  EXPECT_TRUE(result.spec.has_value()) << Show(result);
  return result.warnings;
}

// layers[0] is flatten {}, and the output layer is the last.
std::vector<std::string> Between(const std::string& layers) {
  return Warnings(JobWithLayers("layers { flatten {} } " + layers +
                                " layers { dense { units: 10 activation: SOFTMAX } }"));
}

auto Warns(const std::string& field, const std::string& text) {
  return ElementsAre(AllOf(StartsWith(field + ": "), HasSubstr(text)));
}

std::string Dense(const std::string& fields) {
  return "layers { dense { units: 9 " + fields + " } } ";
}

std::string Hidden(int count, const std::string& layers) {
  return "layers { repeat { count: " + std::to_string(count) + " " + layers + " } }";
}

constexpr const char* kFirst = "training.network.layers[1]";
constexpr const char* kSecond = "training.network.layers[2]";
constexpr const char* kLecunSelu = "activation: SELU kernel_initializer { lecun_normal {} }";

TEST(VocabularyWarningsTest, AlphaDropoutBelongsToSelu) {
  const std::string alpha = "layers { alpha_dropout { rate: 0.1 } }";
  const std::string path = std::string(kSecond) + ".alpha_dropout";
  EXPECT_THAT(Between(Dense("activation: ELU") + alpha), Warns(path, "follows ELU; alpha dropout"));
  EXPECT_THAT(Between(Dense("") + "layers { prelu {} } " + alpha),
              Warns("training.network.layers[3].alpha_dropout", "follows prelu;"));
  EXPECT_THAT(Between(Dense(kLecunSelu) + alpha), IsEmpty());
  EXPECT_THAT(Between(alpha + Dense(kLecunSelu)), IsEmpty());
  EXPECT_THAT(Between(alpha + Dense("activation: ELU")),
              Warns(std::string(kFirst) + ".alpha_dropout", "is in a network without SELU"));
  EXPECT_THAT(Between(Dense("activation: ELU") + "layers { alpha_dropout {} }"), IsEmpty());
}

TEST(VocabularyWarningsTest, OtherDropoutsDoNot) {
  EXPECT_THAT(Warnings(JobWithLayers(R"(
                layers { conv2d { filters: 4 kernel_size { height: 3 } activation: SELU
                                  kernel_initializer { lecun_normal {} } } }
                layers { spatial_dropout2d { rate: 0.1 } }
                layers { flatten {} } layers { dense { units: 10 activation: SOFTMAX } })")),
              Warns("training.network.layers[1].spatial_dropout2d", "follows SELU"));
  EXPECT_THAT(Between(Dense(kLecunSelu) + "layers { gaussian_noise { stddev: 0.1 } }"), IsEmpty());
}

TEST(VocabularyWarningsTest, HighRates) {
  const auto with = [](const std::string& layer) {
    return Between(Dense("activation: ELU") + "layers { " + layer + " }");
  };
  EXPECT_THAT(with("dropout { rate: 0.8 }"),
              Warns(std::string(kSecond) + ".dropout.rate", "is 0.8, which leaves little"));
  EXPECT_THAT(with("dropout { rate: 0.79 }"), IsEmpty());
  EXPECT_THAT(with("gaussian_noise { stddev: 0.9 }"), IsEmpty());
  EXPECT_THAT(Between(Dense(kLecunSelu) + "layers { alpha_dropout { rate: 0.9 } }"),
              Warns(std::string(kSecond) + ".alpha_dropout.rate", "is 0.9"));
}

TEST(VocabularyWarningsTest, NoiseOnTheAnswers) {
  const auto at_the_end = [](const std::string& layer) {
    return Warnings(JobWithLayers("layers { flatten {} } layers { dense { units: 10 } } layers { " +
                                  layer + " } layers { activation { function: SOFTMAX } }"));
  };
  EXPECT_THAT(at_the_end("gaussian_noise { stddev: 1 }"),
              Warns(std::string(kSecond) + ".gaussian_noise", "disturbs the network's answers"));
  EXPECT_THAT(at_the_end("gaussian_noise {}"), IsEmpty());
}

TEST(VocabularyWarningsTest, NormalizationOfSelu) {
  const std::string normalization = "layers { layer_normalization {} }";
  EXPECT_THAT(Between(Dense(kLecunSelu) + normalization),
              Warns(std::string(kSecond) + ".layer_normalization", "normalizes itself"));
  EXPECT_THAT(Between(Dense("activation: ELU") + normalization), IsEmpty());
}

TEST(VocabularyWarningsTest, ActivationsThatDoNotSuitHiddenLayers) {
  EXPECT_THAT(Between(Dense("activation: EXPONENTIAL")),
              Warns(std::string(kFirst) + ".dense.activation", "is EXPONENTIAL in a hidden layer"));
  EXPECT_THAT(Between(Dense("activation: SOFTMAX")),
              Warns(std::string(kFirst) + ".dense.activation", "made for the last layer"));
  EXPECT_THAT(Between(Dense("") + "layers { activation { function: LOG_SOFTMAX } }"),
              Warns(std::string(kSecond) + ".activation.function", "is LOG_SOFTMAX before"));
}

TEST(VocabularyWarningsTest, SaturationInDeepNetworks) {
  const std::string path = "training.network.layers[1].repeat.layers[0].dense.activation";
  for (const std::string name : {"SIGMOID", "TANH", "HARD_SIGMOID"}) {
    const std::string layer = Dense("activation: " + name);
    EXPECT_THAT(Between(Hidden(6, layer)),
                Warns(path, "is " + name + " in a network of 6 hidden layers; it saturates"));
    EXPECT_THAT(Between(Hidden(5, layer)), IsEmpty());
  }
  EXPECT_THAT(Between(Hidden(6, Dense("activation: SOFTSIGN"))), IsEmpty());
  EXPECT_THAT(Between(Hidden(6, Dense("use_bias: false") +
                                    "layers { batch_normalization {} } layers { activation { "
                                    "function: TANH } }")),
              IsEmpty());
}

TEST(VocabularyWarningsTest, InitializersThatDoNotSuitTheActivation) {
  const std::string path = std::string(kFirst) + ".dense.kernel_initializer";
  EXPECT_THAT(Between(Dense("activation: TANH kernel_initializer { he_normal {} }")),
              Warns(path, "is he_normal with TANH, for which its weights are too large"));
  EXPECT_THAT(Between(Dense("activation: SELU kernel_initializer { he_uniform {} }")),
              Warns(path, "is he_uniform; SELU"));
  EXPECT_THAT(Between(Dense("activation: SELU kernel_initializer { orthogonal {} }")),
              Warns(path, "is orthogonal; SELU"));
  EXPECT_THAT(Between(Dense("activation: RELU kernel_initializer { identity { gain: 0 } }")),
              Warns(path, "makes all weights equal (0)"));
  EXPECT_THAT(Between(Dense("activation: RELU kernel_initializer { orthogonal { gain: 0 } }")),
              Warns(path, "makes all weights equal (0)"));
  EXPECT_THAT(Between(Dense("activation: RELU kernel_initializer { identity {} }")), IsEmpty());
  EXPECT_THAT(Between(Hidden(10, Dense("") + "layers { leaky_relu {} }")),
              Warns("training.network.layers[1].repeat.layers[0].dense.kernel_initializer",
                    "is glorot_uniform (the default) with leaky_relu in a network of 11 layers"));
  EXPECT_THAT(
      Between(Hidden(10, Dense("activation: GELU"))),
      Warns("training.network.layers[1].repeat.layers[0].dense.kernel_initializer", "with GELU"));
}

TEST(VocabularyWarningsTest, LayersThatAreNotLinear) {
  for (const std::string layer :
       {"relu {}", "leaky_relu {}", "prelu {}", "rrelu {}", "elu {}", "layer_normalization {}"}) {
    EXPECT_THAT(Between(Dense("") + "layers { " + layer + " }"), IsEmpty()) << layer;
  }
  EXPECT_THAT(Between(Dense("") + "layers { gaussian_noise { stddev: 1 } }"),
              Warns(std::string(kFirst) + ".dense.activation", "no more than one linear layer"));
  const auto pooled = [](const std::string& fields, const std::string& pooling) {
    return Warnings(JobWithLayers("layers { conv2d { filters: 3 kernel_size { height: 3 } " +
                                  fields + " } } layers { " + pooling +
                                  " {} } layers { dense { units: 10 activation: SOFTMAX } }"));
  };
  EXPECT_THAT(pooled("", "global_average_pooling2d"),
              Warns("training.network.layers[0].conv2d.activation", "is LINEAR"));
  EXPECT_THAT(pooled("", "global_max_pooling2d"), IsEmpty());
  EXPECT_THAT(pooled("groups: 3", "global_average_pooling2d"), IsEmpty());
}

TEST(VocabularyWarningsTest, FieldsOfABiasThatIsNotThere) {
  const std::string path = std::string(kFirst) + ".dense.";
  for (const std::string field : {"bias_initializer { ones {} }", "bias_regularizer { l2 {} }",
                                  "bias_constraint { non_neg {} }"}) {
    const std::string name = field.substr(0, field.find(' '));
    EXPECT_THAT(Between(Dense("activation: ELU use_bias: false " + field)),
                Warns(path + name, "is not used"));
    EXPECT_THAT(Between(Dense("activation: ELU " + field)), IsEmpty());
  }
}

TEST(VocabularyWarningsTest, DistancesBetweenProbabilities) {
  const auto with = [](const std::string& loss, const std::string& activation) {
    return Warnings(GoodJobWith({{"sparse_categorical_crossentropy {}", loss},
                                 {"activation: SOFTMAX", "activation: " + activation}}));
  };
  EXPECT_THAT(with("mean_squared_error {}", "SOFTMAX"),
              Warns("training.loss", "sparse_categorical_crossentropy does not"));
  EXPECT_THAT(with("huber {}", "SIGMOID"), Warns("training.loss", "binary_crossentropy does not"));
  EXPECT_THAT(with("mean_absolute_error {}", "LINEAR"), IsEmpty());
  EXPECT_THAT(with("categorical_crossentropy { from_logits: true }", "RELU"),
              Warns("training.network.layers[3].dense.activation", "logits are LINEAR"));
  EXPECT_THAT(with("binary_crossentropy {}", "SIGMOID"), IsEmpty());
}

TEST(VocabularyWarningsTest, InputSteps) {
  const auto with = [](const std::string& input) {
    return Warnings(GoodJobWith({{"input { rescale { factor: 0.00392156862745098 } }", input}}));
  };
  EXPECT_THAT(with("input { random_flip {} }"),
              Warns("training.input", "scales nothing, so pixels go in as 0 to 255"));
  EXPECT_THAT(with("input { random_flip {} } input { l2_normalize { axis: 1 } }"), IsEmpty());
  EXPECT_THAT(with("input { random_flip {} } input { standardize_per_channel {} }"), IsEmpty());
  EXPECT_THAT(with("input { standardize {} } input { random_translation {} }"),
              Warns("training.input[1].random_translation", "shifts nothing"));
  EXPECT_THAT(with("input { standardize {} } input { random_translation { width_factor: 1 } }"),
              IsEmpty());
}

TEST(VocabularyWarningsTest, Optimizers) {
  const auto with = [](const std::string& optimizer) {
    return Warnings(GoodJobWith({{"sgd { learning_rate: 0.01 momentum: 0.9 }", optimizer}}));
  };
  EXPECT_THAT(with("rmsprop { momentum: 0.995 }"),
              Warns("training.optimizer.rmsprop.momentum", "is 0.995; so close to 1"));
  EXPECT_THAT(with("rmsprop { momentum: 0.9 }"), IsEmpty());
  EXPECT_THAT(with("lion { learning_rate: 1.5 }"),
              Warns("training.optimizer.lion.learning_rate", "above 1"));
  EXPECT_THAT(with("adadelta {}"),
              Warns("training.optimizer.adadelta.learning_rate", "is 0.001 (the default)"));
  EXPECT_THAT(with("adadelta { learning_rate: 1 }"), IsEmpty());
  EXPECT_THAT(with("sgd { learning_rate: 0.5 } weight_decay: 2"),
              Warns("training.optimizer.weight_decay", "takes all of every weight"));
  EXPECT_THAT(with("sgd { learning_rate: 0.5 } weight_decay: 0.1"), IsEmpty());
  EXPECT_THAT(with("adam {} global_clipnorm: 1e30"), IsEmpty());
}

// 45,000 samples in batches of 32 are 1,407 steps an epoch; 30 epochs of them are 42,210.
TEST(VocabularyWarningsTest, Schedules) {
  const std::string path = "training.optimizer.schedule.";
  const auto with = [](const std::string& schedule) {
    return Warnings(GoodJobWith({{"sgd { learning_rate: 0.01 momentum: 0.9 }",
                                  "sgd { learning_rate: 0.01 } schedule { " + schedule + " }"}}));
  };
  EXPECT_THAT(with("exponential_decay { decay_steps: 9 decay_rate: 1.1 }"),
              Warns(path + "exponential_decay.decay_rate", "grows without bound"));
  EXPECT_THAT(with("exponential_decay { decay_steps: 9 decay_rate: 1 }"), IsEmpty());
  EXPECT_THAT(with("polynomial_decay { decay_steps: 9 end_learning_rate: 0.1 }"),
              Warns(path + "polynomial_decay.end_learning_rate", "rises"));
  EXPECT_THAT(with("polynomial_decay { decay_steps: 42209 end_learning_rate: 0 }"),
              Warns(path + "polynomial_decay.decay_steps",
                    "is 0 from step 42,209 on; training has "
                    "42,210 steps"));
  EXPECT_THAT(with("polynomial_decay { decay_steps: 42210 end_learning_rate: 0 }"), IsEmpty());
  EXPECT_THAT(with("polynomial_decay { decay_steps: 30 end_learning_rate: 0 cycle: true }"),
              IsEmpty());
  EXPECT_THAT(with("polynomial_decay { decay_steps: 30 }"), IsEmpty());
  EXPECT_THAT(with("cosine_decay { decay_steps: 30 }"),
              Warns(path + "cosine_decay.decay_steps", "learns nothing in the rest"));
  EXPECT_THAT(with("cosine_decay { decay_steps: 30 alpha: 0.01 }"), IsEmpty());
  EXPECT_THAT(with("cosine_decay { decay_steps: 42000 warmup_steps: 210 warmup_target: 0.1 }"),
              IsEmpty());
  EXPECT_THAT(with("cosine_decay { decay_steps: 42000 warmup_steps: 210 warmup_target: 2 }"),
              Warns(path + "cosine_decay.warmup_target", "is 2, above 1"));
  EXPECT_THAT(with("cosine_decay { decay_steps: 9223372036854775807 warmup_steps: "
                   "9223372036854775807 warmup_target: 0.1 }"),
              IsEmpty());
  EXPECT_THAT(with("piecewise_constant_decay { boundaries: 9 boundaries: 42209 values: 0.1 values: "
                   "0.2 }"),
              Warns(path + "piecewise_constant_decay.boundaries[1]", "values[1] is never used"));
  EXPECT_THAT(with("piecewise_constant_decay { boundaries: 42208 values: 0.1 }"), IsEmpty());
  EXPECT_THAT(with("one_cycle {}"), IsEmpty());
  EXPECT_THAT(with("reduce_on_plateau { patience: 2 min_learning_rate: 0.01 }"),
              Warns(path + "reduce_on_plateau.min_learning_rate", "never reduced"));
  EXPECT_THAT(with("reduce_on_plateau { patience: 30 }"),
              Warns(path + "reduce_on_plateau.patience", "too long to reduce anything"));
  EXPECT_THAT(with("reduce_on_plateau {}"),
              Warns(path + "reduce_on_plateau.patience",
                    "is 10 (the default); early stopping watches val_loss too"));
  EXPECT_THAT(with("reduce_on_plateau { patience: 4 }"), IsEmpty());
  EXPECT_THAT(with("reduce_on_plateau { monitor: \"val_accuracy\" }"), IsEmpty());
}

TEST(VocabularyWarningsTest, MonitorsThatAreAccuraciesRise) {
  EXPECT_THAT(Warnings(GoodJobWith({{"seed: 1", "metrics { top_k_accuracy { k: 2 } }"},
                                    {"\"val_loss\"", "\"val_top_2_accuracy\" mode: MIN"}})),
              Warns("training.early_stopping.mode", "waits for val_top_2_accuracy to fall"));
}

}  // namespace
}  // namespace anneal
