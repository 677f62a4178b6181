// Input steps, losses, metrics, optimizers and schedules: each field with a value that cannot work.
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
using testing::IsEmpty;
using Case = ViolationCase;

class TrainingViolation : public testing::TestWithParam<Case> {};

TEST_P(TrainingViolation, IsReportedAtItsPath) { ExpectSingleViolation(GetParam()); }

Case Optimizer(const std::string& name, const std::string& text, const std::string& field,
               const std::string& description) {
  return {name, kSgd, text, "training.optimizer." + field, description};
}

// `fields` of a schedule of this kind.
Case Schedule(const std::string& name, const std::string& kind, const std::string& fields,
              const std::string& field, const std::string& description) {
  return Optimizer(name, "sgd {} schedule { " + kind + " { " + fields + " } }",
                   "schedule." + kind + "." + field, description);
}

Case Metric(const std::string& name, const std::string& metrics, const std::string& field,
            const std::string& description) {
  return {name, "seed: 1", metrics, field, description};
}

// Two input steps: the good job's and another.
std::string StepAnd(const std::string& step) { return std::string(kStep) + " } input { " + step; }

std::vector<Case> JobCases() {
  const std::string output = kOutput;
  const std::string end = std::string(kOutputPath) + ".activation";
  const auto with_loss = [&](const std::string& name, const std::string& loss,
                             const std::string& field, const std::string& description) {
    return Case{name, kLoss, loss, "training.loss." + field, description};
  };
  return {
      {"L2AxisAbsent", kStep, "l2_normalize {}", "training.input[0].l2_normalize.axis",
       "is 0; an axis is 1 (height), 2 (width), 3 (channels), or -1"},
      {"L2AxisFour", kStep, "l2_normalize { axis: 4 }", "training.input[0].l2_normalize.axis",
       "is 4;"},
      {"L2AxisMinusTwo", kStep, "l2_normalize { axis: -2 }", "training.input[0].l2_normalize.axis",
       "is -2;"},
      {"TranslationHeight", kStep, "random_translation { height_factor: 1.5 }",
       "training.input[0].random_translation.height_factor",
       "is 1.5; a share of the height is from 0 to 1"},
      {"TranslationWidth", kStep, "random_translation { width_factor: -0.1 }",
       "training.input[0].random_translation.width_factor", "is -0.1;"},
      {"TranslationNan", kStep, "random_translation { height_factor: nan }",
       "training.input[0].random_translation.height_factor", "is NaN"},
      with_loss("SmoothingOne", "categorical_crossentropy { label_smoothing: 1 }",
                "categorical_crossentropy.label_smoothing", "is 1; a label smoothing is"),
      with_loss("SmoothingNegative", "categorical_crossentropy { label_smoothing: -0.1 }",
                "categorical_crossentropy.label_smoothing", "is -0.1;"),
      with_loss("CategoricalLogitsOfSoftmax", "categorical_crossentropy { from_logits: true }",
                "categorical_crossentropy.from_logits", "is true, but the network ends in SOFTMAX"),
      with_loss("BinaryLogitsOfSoftmax", "binary_crossentropy { from_logits: true }",
                "binary_crossentropy.from_logits", "whose outputs are probabilities"),
      with_loss("HuberDelta", "huber { delta: 0 }", "huber.delta", "is 0; a delta is"),
      with_loss("HuberNan", "huber { delta: nan }", "huber.delta", "is NaN"),
      {"BinaryOfSoftmax", kLoss, "binary_crossentropy {}", end,
       "is SOFTMAX in the network's last layer; the loss needs probabilities: end the network in "
       "SIGMOID, or set training.loss.binary_crossentropy.from_logits"},
      {"CategoricalOfSigmoid", "activation: SOFTMAX", "activation: SIGMOID", end,
       "is SIGMOID in the network's last layer"},
      {"LogSoftmaxIsNoProbability", "activation: SOFTMAX", "activation: LOG_SOFTMAX", end,
       "is LOG_SOFTMAX"},
      {"EndsInRelu", output, "dense { units: 10 } } layers { relu {}", "training.network.layers[4]",
       "is the network's last layer (relu); the loss needs probabilities"},
      {"OneOutputForTenClasses", output, "dense { units: 1 activation: SOFTMAX }",
       std::string(kOutputPath) + ".units", "units must be 10"},
      Metric("MetricWithoutKind", "metrics {}", "training.metrics[0]",
             "says no kind of metric; there are top_k_accuracy"),
      Metric("TopZero", "metrics { top_k_accuracy { k: 0 } }",
             "training.metrics[0].top_k_accuracy.k", "is 0; k is at least 1"),
      Metric("TopNegative", "metrics { top_k_accuracy { k: -5 } }",
             "training.metrics[0].top_k_accuracy.k", "is -5;"),
      Metric("TopAll", "metrics { top_k_accuracy { k: 10 } }",
             "training.metrics[0].top_k_accuracy.k",
             "is 10; data set \"cifar10\" has 10 classes, and k is below that"),
      Metric("SameTwice", "metrics { top_k_accuracy {} } metrics { top_k_accuracy { k: 5 } }",
             "training.metrics[1]", "is top_5_accuracy, as is training.metrics[0]"),
      Metric("DiagnosticsSamples", "diagnostics { samples: 0 }", "training.diagnostics.samples",
             "is 0; the number of samples is at least 1"),
      Metric("DiagnosticsThreshold", "diagnostics { sparsity { threshold: -1 } }",
             "training.diagnostics.sparsity.threshold", "is -1;"),
      Metric("PruningWithoutSchedule", "pruning {}", "training.pruning", "says no schedule"),
      Metric("OneShotWithoutAmount", "pruning { one_shot {} }", "training.pruning.one_shot",
             "says no amount"),
      Metric("OneShotAll", "pruning { one_shot { sparsity: 1 } }",
             "training.pruning.one_shot.sparsity", "is 1; a sparsity is greater than 0 and below"),
      Metric("OneShotThresholdZero", "pruning { one_shot { threshold: 0 } }",
             "training.pruning.one_shot.threshold", "is 0;"),
      Metric("OneShotAfterTheEnd", "pruning { one_shot { sparsity: 0.5 after_epoch: 30 } }",
             "training.pruning.one_shot.after_epoch",
             "is 30, and training ends after epoch 30; pruning needs at least one epoch after it"),
      Metric("PolynomialNan", "pruning { polynomial { final_sparsity: nan end_step: 10 } }",
             "training.pruning.polynomial.final_sparsity", "is NaN"),
      Metric("PolynomialShrinks",
             "pruning { polynomial { initial_sparsity: 0.9 final_sparsity: 0.5 end_step: 10 } }",
             "training.pruning.polynomial.initial_sparsity",
             "is 0.9, above final_sparsity, which is 0.5"),
      Metric("PolynomialEndsBeforeItBegins",
             "pruning { polynomial { final_sparsity: 0.5 begin_step: 10 end_step: 10 } }",
             "training.pruning.polynomial.end_step", "is 10; it is greater than begin_step"),
      // 45,000 samples in batches of 32, 30 epochs.
      Metric("PolynomialEndsTooLate",
             "pruning { polynomial { final_sparsity: 0.5 end_step: 42210 } }",
             "training.pruning.polynomial.end_step", "is 42210, and the training has 42,210 steps"),
      Metric("PolynomialPower",
             "pruning { polynomial { final_sparsity: 0.5 end_step: 9 power: 0 } }",
             "training.pruning.polynomial.power", "is 0;"),
      Metric("PolynomialFrequency",
             "pruning { polynomial { final_sparsity: 0.5 end_step: 9 frequency: 0 } }",
             "training.pruning.polynomial.frequency", "is 0;"),
      Metric("PrunedLayerUnknown",
             "pruning { one_shot { sparsity: 0.5 } layers: \"dense_1\" layers: \"dense_9\" }",
             "training.pruning.layers[1]", "is \"dense_9\"; layers with a kernel are "),
      Metric("PrunedLayerWithoutKernel",
             "pruning { one_shot { sparsity: 0.5 } layers: \"dropout_1\" }",
             "training.pruning.layers[0]", "a Dropout, which has no kernel"),
      {"SelectionWithoutScore", kStep, StepAnd("select_features { k: 10 }"),
       "training.input[1].select_features.score",
       "is missing; it is VARIANCE, MUTUAL_INFORMATION or F_SCORE"},
      {"SelectionOfNone", kStep, StepAnd("select_features { score: VARIANCE }"),
       "training.input[1].select_features.k", "is 0; the number of features to keep is at least 1"},
      {"SelectionOfMoreThanAll", kStep, StepAnd("select_features { score: F_SCORE k: 3073 }"),
       "training.input[1].select_features.k", "is 3073; data set \"cifar10\" has 3,072 features"},
      {"FlipAfterSelection", kStep,
       StepAnd("select_features { score: VARIANCE k: 10 } } input { random_flip {}"),
       "training.input[2]", "comes after training.input[1].select_features"},
      {"SelectionTwice", kStep,
       StepAnd("select_features { score: VARIANCE k: 10 } } input { select_features { score: "
               "VARIANCE k: 5 }"),
       "training.input[2]", "comes after training.input[1].select_features"},
      {"MonitorNotDeclared", "\"val_loss\"", "\"val_top_3_accuracy\"",
       "training.early_stopping.monitor",
       "loss, accuracy, val_loss, val_accuracy, and what training.metrics adds"},
      {"MonitorTwiceVal", "\"val_loss\"", "\"val_val_loss\"", "training.early_stopping.monitor",
       "is \"val_val_loss\""},
  };
}

std::vector<Case> OptimizerCases() {
  std::vector<Case> cases = {
      Optimizer("SgdRate", "sgd { learning_rate: -1 }", "sgd.learning_rate", "is -1;"),
      Optimizer("RmspropRho", "rmsprop { rho: 1 }", "rmsprop.rho", "is 1; a decay rate is"),
      Optimizer("RmspropMomentum", "rmsprop { momentum: -1 }", "rmsprop.momentum", "is -1;"),
      Optimizer("RmspropEpsilon", "rmsprop { epsilon: 0 }", "rmsprop.epsilon", "is 0;"),
      Optimizer("AdagradStart", "adagrad { initial_accumulator_value: -0.1 }",
                "adagrad.initial_accumulator_value", "is -0.1;"),
      Optimizer("AdagradEpsilon", "adagrad { epsilon: 0 }", "adagrad.epsilon", "is 0;"),
      Optimizer("AdadeltaRho", "adadelta { learning_rate: 1 rho: -0.5 }", "adadelta.rho",
                "is -0.5;"),
      Optimizer("AdadeltaEpsilon", "adadelta { epsilon: nan }", "adadelta.epsilon", "is NaN"),
      Optimizer("LionBeta1Zero", "lion { beta_1: 0 }", "lion.beta_1",
                "is 0; a decay rate is greater than 0 and below 1"),
      Optimizer("LionBeta1One", "lion { beta_1: 1 }", "lion.beta_1", "is 1;"),
      Optimizer("LionBeta2", "lion { beta_2: 1 }", "lion.beta_2", "is 1;"),
      Optimizer("DecayNegative", "adam {} weight_decay: -0.1", "weight_decay",
                "is -0.1; a weight decay is"),
      Optimizer("DecayInfinite", "adamw {} weight_decay: inf", "weight_decay", "is Infinity"),
      Optimizer("ClipnormZero", "adam {} clipnorm: 0", "clipnorm",
                "is 0; a limit of the gradients is a finite number greater than 0"),
      Optimizer("ClipvalueNegative", "adam {} clipvalue: -1", "clipvalue", "is -1;"),
      Optimizer("GlobalClipnormNan", "adam {} global_clipnorm: nan", "global_clipnorm", "is NaN"),
      Optimizer("TwoClippings", "adam {} clipnorm: 1 clipvalue: 1", "clipvalue",
                "is set, and so is clipnorm; at most one"),
      Optimizer("TwoOtherClippings", "adam {} global_clipnorm: 1 clipvalue: 1", "global_clipnorm",
                "is set, and so is clipvalue"),
      Optimizer("ScheduleWithoutKind", "adam {} schedule {}", "schedule",
                "says no schedule; there are exponential_decay,"),
  };
  for (const std::string kind :
       {"rmsprop", "adagrad", "adadelta", "adam", "adamw", "adamax", "nadam", "lion"}) {
    cases.push_back(Optimizer(kind + "Rate", kind + " { learning_rate: 0 }",
                              kind + ".learning_rate", "is 0; a learning rate is"));
  }
  for (const std::string kind : {"adamw", "adamax"}) {
    cases.push_back(Optimizer(kind + "Beta1", kind + " { beta_1: 1 }", kind + ".beta_1", "is 1;"));
    cases.push_back(
        Optimizer(kind + "Beta2", kind + " { beta_2: -1 }", kind + ".beta_2", "is -1;"));
    cases.push_back(
        Optimizer(kind + "Epsilon", kind + " { epsilon: 0 }", kind + ".epsilon", "is 0;"));
  }
  return cases;
}

std::vector<Case> ScheduleCases() {
  std::vector<Case> cases = {
      Schedule("ExponentialSteps", "exponential_decay", "decay_rate: 0.9", "decay_steps",
               "is 0; the number of steps is at least 1"),
      Schedule("ExponentialRate", "exponential_decay", "decay_steps: 9", "decay_rate",
               "is 0; a decay rate is a finite number greater than 0"),
      Schedule("InverseSteps", "inverse_time_decay", "decay_steps: -1 decay_rate: 1", "decay_steps",
               "is -1;"),
      Schedule("InverseRate", "inverse_time_decay", "decay_steps: 9 decay_rate: nan", "decay_rate",
               "is NaN"),
      Schedule("PolynomialSteps", "polynomial_decay", "", "decay_steps", "is 0;"),
      Schedule("PolynomialEnd", "polynomial_decay", "decay_steps: 9 end_learning_rate: -1",
               "end_learning_rate", "is -1; a last learning rate is"),
      Schedule("PolynomialPower", "polynomial_decay", "decay_steps: 9 power: 0", "power", "is 0;"),
      Schedule("PiecewiseEmpty", "piecewise_constant_decay", "", "boundaries", "is empty"),
      Schedule("PiecewiseValuesOnly", "piecewise_constant_decay", "values: 0.1", "boundaries",
               "is empty"),
      Schedule("PiecewiseTooFewValues", "piecewise_constant_decay",
               "boundaries: 1 boundaries: 2 values: 0.1", "values",
               "has 1 entries, and boundaries has 2"),
      Schedule("PiecewiseTooManyValues", "piecewise_constant_decay",
               "boundaries: 1 values: 0.1 values: 0.2", "values", "has 2 entries"),
      Schedule("PiecewiseNegative", "piecewise_constant_decay", "boundaries: -1 values: 0.1",
               "boundaries[0]", "is -1; a boundary is at least 0"),
      Schedule("PiecewiseNotIncreasing", "piecewise_constant_decay",
               "boundaries: 5 boundaries: 5 values: 0.1 values: 0.2", "boundaries[1]",
               "is 5 after 5; boundaries increase"),
      Schedule("PiecewiseValueZero", "piecewise_constant_decay",
               "boundaries: 5 boundaries: 6 values: 0.1 values: 0", "values[1]",
               "is 0; a learning rate is"),
      Schedule("CosineSteps", "cosine_decay", "alpha: 0.1", "decay_steps", "is 0;"),
      Schedule("CosineAlpha", "cosine_decay", "decay_steps: 9 alpha: 1.1", "alpha",
               "is 1.1; an alpha is from 0 to 1"),
      Schedule("CosineWarmupNegative", "cosine_decay",
               "decay_steps: 9 warmup_steps: -1 warmup_target: 0.1", "warmup_steps", "is -1;"),
      Schedule("CosineWarmupNegativeAlone", "cosine_decay", "decay_steps: 9 warmup_steps: -1",
               "warmup_steps", "is -1;"),
      Schedule("CosineWithoutTarget", "cosine_decay", "decay_steps: 9 warmup_steps: 5",
               "warmup_target", "is missing, but warmup_steps is 5"),
      Schedule("CosineWithoutWarmup", "cosine_decay", "decay_steps: 9 warmup_target: 0.1",
               "warmup_steps", "is missing, but warmup_target is 0.1"),
      Schedule("CosineTarget", "cosine_decay", "decay_steps: 9 warmup_steps: 5 warmup_target: -1",
               "warmup_target", "is -1; a learning rate is"),
      Schedule("RestartsSteps", "cosine_decay_restarts", "", "first_decay_steps", "is 0;"),
      Schedule("RestartsLength", "cosine_decay_restarts", "first_decay_steps: 9 t_mul: 0.9",
               "t_mul", "is 0.9; a factor of the length is a finite number, at least 1"),
      Schedule("RestartsHeight", "cosine_decay_restarts", "first_decay_steps: 9 m_mul: 0", "m_mul",
               "is 0;"),
      Schedule("RestartsAlpha", "cosine_decay_restarts", "first_decay_steps: 9 alpha: -0.1",
               "alpha", "is -0.1;"),
      Schedule("PlateauMonitor", "reduce_on_plateau", "monitor: \"speed\"", "monitor",
               "is \"speed\"; it is one of loss, accuracy, val_loss, val_accuracy"),
      Schedule("PlateauPatience", "reduce_on_plateau", "patience: -1", "patience",
               "is -1; a patience is at least 0"),
      Schedule("PlateauDelta", "reduce_on_plateau", "min_delta: -1", "min_delta", "is -1;"),
      Schedule("PlateauCooldown", "reduce_on_plateau", "cooldown: -1", "cooldown", "is -1;"),
      Schedule("PlateauMinimum", "reduce_on_plateau", "min_learning_rate: -1", "min_learning_rate",
               "is -1;"),
  };
  for (const std::string factor : {"0", "1", "-0.5", "nan"}) {
    cases.push_back(Schedule("PlateauFactor" + std::to_string(cases.size()), "reduce_on_plateau",
                             "factor: " + factor, "factor", "greater than 0 and below 1"));
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Job, TrainingViolation, testing::ValuesIn(JobCases()), CaseName);
INSTANTIATE_TEST_SUITE_P(Optimizer, TrainingViolation, testing::ValuesIn(OptimizerCases()),
                         CaseName);
INSTANTIATE_TEST_SUITE_P(Schedule, TrainingViolation, testing::ValuesIn(ScheduleCases()), CaseName);

TEST(TrainingViolationsTest, APlateauNeedsWhatItWatches) {
  const std::string optimizer = "adam {} schedule { reduce_on_plateau {} }";
  const ValidationResult result =
      JudgeText(GoodJobWith({{kSgd, optimizer},
                             {"validation { fraction: 0.1 }", ""},
                             {"monitor: \"val_loss\"", "monitor: \"loss\""}}));
  ASSERT_THAT(Fields(result), ElementsAre("training.optimizer.schedule.reduce_on_plateau.monitor"));
  EXPECT_THAT(result.violations[0].description,
              HasSubstr("is val_loss (the default), which needs validation"));
}

TEST(TrainingViolationsTest, DeclaredMetricsMayBeMonitored) {
  const auto fields = [](const std::string& monitor, const std::string& validation) {
    return Fields(JudgeText(GoodJobWith(
        {{"seed: 1", "metrics { top_k_accuracy { k: 3 } }"},
         {"\"val_loss\"", "\"" + monitor + "\""},
         {"validation { fraction: 0.1 }", validation},
         {kSgd, "adam {} schedule { reduce_on_plateau { monitor: \"" + monitor + "\" } }"}})));
  };
  EXPECT_THAT(fields("top_3_accuracy", ""), IsEmpty());
  EXPECT_THAT(fields("val_top_3_accuracy", "validation { first: 9 }"), IsEmpty());
  const auto both = ElementsAre("training.optimizer.schedule.reduce_on_plateau.monitor",
                                "training.early_stopping.monitor");
  EXPECT_THAT(fields("val_top_3_accuracy", ""), both);
  EXPECT_THAT(fields("top_5_accuracy", ""), both);
}

TEST(TrainingViolationsTest, TooManyBoundariesAreRefused) {
  v1::JobSpec spec = ParseJob(GoodJob());
  auto& decay = *spec.mutable_training()
                     ->mutable_optimizer()
                     ->mutable_schedule()
                     ->mutable_piecewise_constant_decay();
  for (int i = 0; i < 1'000; ++i) {
    decay.add_boundaries(i);
    decay.add_values(0.1);
  }
  EXPECT_THAT(Fields(Judge(spec)), IsEmpty());
  decay.add_boundaries(5);
  EXPECT_THAT(Fields(Judge(spec)),
              ElementsAre("training.optimizer.schedule.piecewise_constant_decay.boundaries"));
}

// More names than a network can have layers are not even looked up.
TEST(TrainingViolationsTest, TooManyPrunedLayersAreRefused) {
  v1::JobSpec spec = ParseJob(GoodJob());
  v1::Pruning& pruning = *spec.mutable_training()->mutable_pruning();
  pruning.mutable_one_shot()->set_sparsity(0.5);
  for (int i = 0; i < 10'000; ++i) pruning.add_layers("dense_1");
  EXPECT_THAT(Fields(Judge(spec)), IsEmpty());
  pruning.add_layers("dense_1");
  const ValidationResult result = Judge(spec);
  ASSERT_THAT(Fields(result), ElementsAre("training.pruning.layers"));
  EXPECT_EQ(result.violations[0].description,
            "has 10,001 names; a network has at most 10,000 layers");
}

TEST(TrainingViolationsTest, StepsOnImagesNeedImages) {
  FakeCatalog catalog;
  DatasetInfo info = Cifar10Info();
  info.shape = {12};
  catalog.Add(info);
  const ValidationResult result = Validate(
      ParseJob(
          GoodJobWith({{"input {",
                        "input { l2_normalize { axis: 1 } } input { random_flip {} } input { "
                        "random_translation {} } input { standardize_per_channel {} } input {"}})),
      catalog);
  ASSERT_THAT(Fields(result),
              ElementsAre("training.input[0].l2_normalize", "training.input[1].random_flip",
                          "training.input[2].random_translation"))
      << Show(result);
  EXPECT_THAT(result.violations[0].description, HasSubstr("data set \"cifar10\" has [12]"));
}

}  // namespace
}  // namespace anneal
