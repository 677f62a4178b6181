// One table: a change to a good job, and the one violation that it must cause.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/spec/single_violation.h"

namespace anneal {
namespace {

using Case = ViolationCase;

class SingleViolation : public testing::TestWithParam<Case> {};

TEST_P(SingleViolation, IsReportedAtItsPath) { ExpectSingleViolation(GetParam()); }

std::vector<Case> JobCases() {
  return {
      {"NameTooLong", "\"good\"", "\"" + std::string(201, 'x') + "\"", "name", "is 201 bytes long"},
      {"NameWithLineBreak", "\"good\"", R"("a\nb")", "name", R"("a\x0ab")"},
      {"NameWithDelete", "\"good\"", R"("a\177b")", "name", "control characters"},
      {"NameWithLatin1Control", "\"good\"", R"("a\302\205b")", "name", "control characters"},
      {"DatasetMissing", "name: \"cifar10\"", "", "training.dataset.name", "\"cifar10\""},
      {"DatasetUnknown", "name: \"cifar10\"", "name: \"cifar100\"", "training.dataset.name",
       "is \"cifar100\"; this server has \"cifar10\""},
      {"TrainSplitUnknown", "split: \"train\"", "split: \"trian\"", "training.dataset.split",
       "\"train\", \"test\""},
      {"ValidationWithoutSource", "fraction: 0.1", "", "training.validation",
       "fraction, first, split"},
      {"FractionZero", "fraction: 0.1", "fraction: 0", "training.validation.fraction", "is 0;"},
      {"FractionOne", "fraction: 0.1", "fraction: 1", "training.validation.fraction", "is 1;"},
      {"FractionNegative", "fraction: 0.1", "fraction: -0.1", "training.validation.fraction",
       "greater than 0 and below 1"},
      {"FractionNan", "fraction: 0.1", "fraction: nan", "training.validation.fraction", "is NaN"},
      {"FractionTooSmall", "fraction: 0.1", "fraction: 0.99999999", "training.validation.fraction",
       "in single precision is 1"},
      {"FractionLeavesNothing", "fraction: 0.1", "fraction: 0.99999",
       "training.validation.fraction", "0 for training and 50,000 for validation"},
      {"FirstZero", "fraction: 0.1", "first: 0", "training.validation.first", "at least 1"},
      {"FirstNegative", "fraction: 0.1", "first: -5", "training.validation.first", "is -5"},
      {"FirstAll", "fraction: 0.1", "first: 50000", "training.validation.first", "50,000 samples"},
      {"FirstHuge", "fraction: 0.1", "first: 9223372036854775807", "training.validation.first",
       "leaves nothing to train on"},
      {"ValidationSplitUnknown", "fraction: 0.1", "split: \"dev\"", "training.validation.split",
       "is \"dev\""},
      {"ValidationOnTraining", "fraction: 0.1", "split: \"train\"", "training.validation.split",
       "the split that is trained on"},
      {"TestWithoutSplit", "split: \"test\"", "", "training.test.split", "is missing"},
      {"TestSplitUnknown", "split: \"test\"", "split: \"tset\"", "training.test.split",
       "is \"tset\""},
      {"InputWithoutKind", "rescale { factor: 0.00392156862745098 }", "", "training.input[0]",
       "rescale, standardize"},
      {"FactorAbsent", "factor: 0.00392156862745098", "", "training.input[0].rescale.factor",
       "is 0, which makes every input the same"},
      {"FactorVanishes", "factor: 0.00392156862745098", "factor: 1e-60",
       "training.input[0].rescale.factor", "is 1e-60"},
      {"FactorInfinite", "factor: 0.00392156862745098", "factor: inf",
       "training.input[0].rescale.factor", "is Infinity; a factor is a finite number"},
      {"OffsetNan", "factor: 0.00392156862745098", "factor: 1 offset: nan",
       "training.input[0].rescale.offset", "is NaN"},
      {"SecondStep", "input {", "input { standardize {} } input {} input {", "training.input[1]",
       "says no kind of step"},
      {"LossMissing", "loss { sparse_categorical_crossentropy {} }", "", "training.loss",
       "sparse_categorical_crossentropy"},
      {"BatchSizeZero", "batch_size: 32", "batch_size: 0", "training.batch_size",
       "is 0; a batch size is from 1 to 65536"},
      {"BatchSizeNegative", "batch_size: 32", "batch_size: -1", "training.batch_size", "is -1"},
      {"BatchSizeHuge", "batch_size: 32", "batch_size: 65537", "training.batch_size", "is 65537"},
      {"EpochsZero", "epochs: 30", "epochs: 0", "training.epochs", "from 1 to 1000000"},
      {"EpochsHuge", "epochs: 30", "epochs: 1000001", "training.epochs", "is 1000001"},
      {"MonitorUnknown", "monitor: \"val_loss\"", "monitor: \"val_acc\"",
       "training.early_stopping.monitor", "loss, accuracy, val_loss, val_accuracy"},
      {"MonitorWithoutValidation", "validation { fraction: 0.1 }", "",
       "training.early_stopping.monitor", "is val_loss, which needs validation"},
      {"MinDeltaNegative", "patience: 5", "patience: 5 min_delta: -0.1",
       "training.early_stopping.min_delta", "is -0.1"},
      {"MinDeltaInfinite", "patience: 5", "patience: 5 min_delta: inf",
       "training.early_stopping.min_delta", "is Infinity"},
      {"PatienceNegative", "patience: 5", "patience: -1", "training.early_stopping.patience",
       "is -1; a patience is at least 0"},
      {"StartNegative", "patience: 5", "patience: 5 start_from_epoch: -1",
       "training.early_stopping.start_from_epoch", "at least 0"},
      {"DeviceUnknown", "\"cpu\"", "\"gpu\"", "training.device", "auto, cpu, or cuda:N"},
      {"DeviceWithoutNumber", "\"cpu\"", "\"cuda\"", "training.device", "cuda:0"},
      {"DeviceEmptyNumber", "\"cpu\"", "\"cuda:\"", "training.device", "is \"cuda:\""},
      {"DeviceNegative", "\"cpu\"", "\"cuda:-1\"", "training.device", "is \"cuda:-1\""},
      {"DeviceLeadingZero", "\"cpu\"", "\"cuda:01\"", "training.device", "is \"cuda:01\""},
      {"DeviceHugeNumber", "\"cpu\"", "\"cuda:99999999999999999999\"", "training.device", "is "},
      {"DeviceWithSpace", "\"cpu\"", "\" cpu\"", "training.device", "is \" cpu\""},
  };
}

std::vector<Case> OptimizerCases() {
  const std::string path = "training.optimizer";
  return {
      {"OptimizerMissing", kSgd, "", path, "there are sgd, rmsprop, adagrad,"},
      {"SgdRateZero", kSgd, "sgd { learning_rate: 0 }", path + ".sgd.learning_rate", "is 0;"},
      {"SgdRateNan", kSgd, "sgd { learning_rate: nan }", path + ".sgd.learning_rate", "is NaN"},
      {"SgdRateHuge", kSgd, "sgd { learning_rate: 1e300 }", path + ".sgd.learning_rate",
       "in single precision is Infinity"},
      {"SgdRateVanishes", kSgd, "sgd { learning_rate: 1e-300 }", path + ".sgd.learning_rate",
       "in single precision is 0"},
      {"SgdMomentumOne", kSgd, "sgd { momentum: 1 }", path + ".sgd.momentum",
       "at least 0 and below 1"},
      {"SgdMomentumNegative", kSgd, "sgd { momentum: -0.9 }", path + ".sgd.momentum", "is -0.9"},
      {"SgdNesterovAlone", kSgd, "sgd { nesterov: true }", path + ".sgd.nesterov", "momentum is 0"},
      {"AdamRateNegative", kSgd, "adam { learning_rate: -1e-3 }", path + ".adam.learning_rate",
       "is -0.001; a learning rate is a finite number greater than 0"},
      {"AdamBeta1", kSgd, "adam { beta_1: 1 }", path + ".adam.beta_1", "is 1;"},
      {"AdamBeta2", kSgd, "adam { beta_2: 1.5 }", path + ".adam.beta_2", "is 1.5;"},
      {"AdamEpsilon", kSgd, "adam { epsilon: 0 }", path + ".adam.epsilon", "greater than 0"},
      {"NadamRate", kSgd, "nadam { learning_rate: -inf }", path + ".nadam.learning_rate",
       "is -Infinity"},
      {"NadamBeta1", kSgd, "nadam { beta_1: -0.1 }", path + ".nadam.beta_1", "is -0.1"},
      {"NadamBeta2", kSgd, "nadam { beta_2: nan }", path + ".nadam.beta_2", "is NaN"},
      {"NadamEpsilon", kSgd, "nadam { epsilon: -1 }", path + ".nadam.epsilon", "is -1"},
  };
}

std::vector<Case> LayerCases() {
  const auto with_conv_of = [](const std::string& fields) {
    return "layers { conv2d { " + fields + " } } layers { flatten {} }";
  };
  const auto with_conv = [&](const std::string& more) {
    return with_conv_of("filters: 8 kernel_size { height: 3 } " + more);
  };
  const std::string conv_path = "training.network.layers[0].conv2d";
  const std::string pool_path = "training.network.layers[0].max_pooling2d";
  const auto with_pool = [](const std::string& fields) {
    return "layers { max_pooling2d { " + fields + " } } layers { flatten {} }";
  };
  const std::string initializer = kInitializerPath;
  return {
      {"LayerWithoutKind", kDropout, "", kDropoutPath, "says no kind of layer"},
      {"LayerNameTooLong", kDropout,
       "dropout { rate: 0.5 } name: \"" + std::string(101, 'x') + "\"", At(kDropoutPath, "name"),
       "at most 100"},
      {"LayerNameControl", kDropout, R"(dropout { rate: 0.5 } name: "a\tb")",
       At(kDropoutPath, "name"), "control characters"},
      {"LayerNameSlash", kDropout, R"(dropout { rate: 0.5 } name: "a/b")", At(kDropoutPath, "name"),
       "no slashes"},
      {"UnitsAbsent", kHiddenUnits, "", At(kHiddenPath, "units"), "is 0;"},
      {"UnitsNegative", kHiddenUnits, "units: -7", At(kHiddenPath, "units"), "is -7;"},
      {"UnitsHuge", kHiddenUnits, "units: 4611686018427387904", At(kHiddenPath, "units"),
       "is 4611686018427387904; the number of units is from 1 to 1000000000"},
      {"UnitsLargest", kHiddenUnits, "units: 9223372036854775807", At(kHiddenPath, "units"),
       "is 9223372036854775807"},
      {"UnitsSmallest", kHiddenUnits, "units: -9223372036854775808", At(kHiddenPath, "units"),
       "is -9223372036854775808"},
      {"RateOne", kDropout, "dropout { rate: 1 }", At(kDropoutPath, "dropout.rate"), "is 1;"},
      {"RateNegative", kDropout, "dropout { rate: -0.5 }", At(kDropoutPath, "dropout.rate"),
       "is -0.5; a rate is at least 0 and below 1"},
      {"RateNan", kDropout, "dropout { rate: nan }", At(kDropoutPath, "dropout.rate"), "is NaN"},
      {"RateAlmostOne", kDropout, "dropout { rate: 0.999999999999 }",
       At(kDropoutPath, "dropout.rate"), "is 0.999999999999, which in single precision is 1"},
      {"NormalizationMomentum", kDropout, "batch_normalization { momentum: 1 }",
       At(kDropoutPath, "batch_normalization.momentum"), "is 1;"},
      {"NormalizationEpsilon", kDropout, "batch_normalization { epsilon: 0 }",
       At(kDropoutPath, "batch_normalization.epsilon"), "is 0;"},
      {"InitializerWithoutKind", kHeNormal, "", initializer, "zeros, ones, constant"},
      {"ConstantInfinite", kHeNormal, "constant { value: inf }", initializer + ".constant.value",
       "is Infinity"},
      {"NormalMean", kHeNormal, "random_normal { mean: nan }", initializer + ".random_normal.mean",
       "is NaN"},
      {"NormalDeviation", kHeNormal, "random_normal { stddev: 0 }",
       initializer + ".random_normal.stddev", "is 0;"},
      {"TruncatedMean", kHeNormal, "truncated_normal { mean: -inf }",
       initializer + ".truncated_normal.mean", "is -Infinity"},
      {"TruncatedDeviation", kHeNormal, "truncated_normal { stddev: -1 }",
       initializer + ".truncated_normal.stddev", "is -1;"},
      {"UniformMinimum", kHeNormal, "random_uniform { minval: nan }",
       initializer + ".random_uniform.minval", "is NaN"},
      {"UniformMaximum", kHeNormal, "random_uniform { maxval: inf }",
       initializer + ".random_uniform.maxval", "is Infinity"},
      {"UniformReversed", kHeNormal, "random_uniform { minval: 0.1 }",
       initializer + ".random_uniform.maxval", "is 0.05 (the default); it is greater than minval"},
      {"ScalingScale", kHeNormal, "variance_scaling { scale: 0 }",
       initializer + ".variance_scaling.scale", "is 0;"},
      {"BiasInitializer", kHiddenUnits, "units: 100 bias_initializer { constant { value: nan } }",
       At(kHiddenPath, "bias_initializer.constant.value"), "is NaN"},
      {"ConvFilters", kFlatten, with_conv_of("filters: 0 kernel_size { height: 3 }"),
       conv_path + ".filters", "is 0;"},
      {"ConvFiltersHuge", kFlatten, with_conv_of("filters: 1000000001 kernel_size { height: 3 }"),
       conv_path + ".filters", "is 1000000001"},
      {"ConvKernelHeight", kFlatten, with_conv_of("filters: 8 kernel_size { height: 0 }"),
       conv_path + ".kernel_size.height", "is 0;"},
      {"ConvKernelWidth", kFlatten, with_conv_of("filters: 8 kernel_size { height: 3 width: -3 }"),
       conv_path + ".kernel_size.width", "the width of a kernel is from 1 to 1000"},
      {"ConvKernelMissing", kFlatten, "layers { conv2d { filters: 8 } } layers { flatten {} }",
       conv_path + ".kernel_size", "is missing"},
      {"ConvStrides", kFlatten, with_conv("strides { height: -1 }"), conv_path + ".strides.height",
       "is -1;"},
      {"ConvStridesHuge", kFlatten, with_conv("strides { height: 1 width: 1001 }"),
       conv_path + ".strides.width", "is 1001;"},
      {"ConvInitializer", kFlatten, with_conv("kernel_initializer {}"),
       conv_path + ".kernel_initializer", "says no initializer"},
      {"ConvBiasInitializer", kFlatten, with_conv("bias_initializer {}"),
       conv_path + ".bias_initializer", "says no initializer"},
      {"PoolSizeZero", kFlatten, with_pool("pool_size {}"), pool_path + ".pool_size.height",
       "is 0;"},
      {"PoolSizeHuge", kFlatten, with_pool("pool_size { height: 4611686018427387904 }"),
       pool_path + ".pool_size.height", "is 4611686018427387904"},
      {"PoolStrides", kFlatten, with_pool("strides { height: 2 width: -2 }"),
       pool_path + ".strides.width", "is -2;"},
      {"RepeatCount", kHidden, std::string("repeat { count: 0 layers { ") + kHidden + "} }",
       "training.network.layers[1].repeat.count", "is 0; a repeat's count is from 1 to 10000"},
      {"RepeatCountNegative", kHidden,
       std::string("repeat { count: -2 layers { ") + kHidden + "} }",
       "training.network.layers[1].repeat.count", "is -2;"},
      {"RepeatEmpty", kHidden, "repeat { count: 3 }", "training.network.layers[1].repeat.layers",
       "is empty"},
      {"InsideARepeat", kHidden,
       "repeat { count: 3 layers { dense { units: -1 activation: ELU } } }",
       "training.network.layers[1].repeat.layers[0].dense.units", "is -1;"},
      {"InsideNestedRepeats", kHidden,
       "repeat { count: 3 layers { flatten {} } layers { repeat { count: 2 layers { dropout { "
       "rate: "
       "2 } } } } }",
       "training.network.layers[1].repeat.layers[1].repeat.layers[0].dropout.rate", "is 2;"},
  };
}

std::vector<Case> FitCases() {
  const std::string output = "dense { units: 10 activation: SOFTMAX }";
  const std::string output_path = "training.network.layers[3].dense";
  const std::string last = "layers { dense { units: 10 activation: SOFTMAX } }";
  return {
      {"DenseOnAnImage", kFlatten, "layers { activation { function: RELU } }", kHiddenPath,
       "receives an image of [32, 32, 3]; a dense layer needs a list of features: add flatten {} "
       "before it"},
      {"ConvAfterFlatten", kHidden, "conv2d { filters: 8 kernel_size { height: 3 } }",
       "training.network.layers[1].conv2d", "receives [3072], a list of features"},
      {"PoolingAfterFlatten", kHidden, "max_pooling2d {}",
       "training.network.layers[1].max_pooling2d", "needs an image"},
      {"KernelTooLarge", kFlatten,
       "layers { conv2d { filters: 8 kernel_size { height: 33 } } } layers { flatten {} }",
       "training.network.layers[0].conv2d.kernel_size",
       "is 33x33, larger than the 32x32 image that reaches conv2d_1"},
      {"KernelTooWide", kFlatten,
       "layers { conv2d { filters: 8 kernel_size { height: 1 width: 33 } } } layers { flatten {} }",
       "training.network.layers[0].conv2d.kernel_size", "is 1x33"},
      {"PoolingTooLarge", kFlatten,
       "layers { max_pooling2d { pool_size { height: 33 width: 2 } } } layers { flatten {} }",
       "training.network.layers[0].max_pooling2d.pool_size", "is 33x2"},
      {"PoolingTooOften", kFlatten,
       "layers { repeat { count: 6 layers { max_pooling2d {} } } } layers { flatten {} }",
       "training.network.layers[0].repeat.layers[0].max_pooling2d.pool_size",
       "is 2x2 (the default), larger than the 1x1 image that reaches max_pooling2d_6"},
      {"TooManyOutputs", output, "dense { units: 11 activation: SOFTMAX }", output_path + ".units",
       "is 11, which makes the network's output [11]; data set \"cifar10\" has 10 classes: units "
       "must "
       "be 10"},
      {"OutputIsNotDense", last, "layers { activation { function: SOFTMAX } }",
       kHiddenPath + std::string(".units"), "is 100"},
      {"OutputBehindNormalization", output,
       "dense { units: 9 } } layers { batch_normalization {} } layers { activation { function: "
       "SOFTMAX }",
       output_path + ".units", "is 9"},
      {"NoSoftmax", output, "dense { units: 10 }", output_path + ".activation",
       "is LINEAR in the network's last layer"},
      {"ReluAtTheEnd", output, "dense { units: 10 activation: RELU }", output_path + ".activation",
       "is RELU"},
      {"LinearLayerAtTheEnd", output, "dense { units: 10 } } layers { activation {}",
       "training.network.layers[4].activation.function", "is LINEAR"},
      {"NormalizationAtTheEnd", output, "dense { units: 10 } } layers { batch_normalization {}",
       "training.network.layers[4]", "is the network's last layer (batch_normalization)"},
      {"DropoutAfterSoftmax", output, output + " } layers { dropout { rate: 0.1 }",
       "training.network.layers[4]", "is the network's last layer (dropout)"},
      {"SoftmaxAndLogits", "sparse_categorical_crossentropy {}",
       "sparse_categorical_crossentropy { from_logits: true }",
       "training.loss.sparse_categorical_crossentropy.from_logits",
       "the network ends in SOFTMAX (training.network.layers[3].dense.activation)"},
      {"SameNameTwice", kHidden,
       std::string(kHidden) + " name: \"a\" } layers { name: \"a\" dropout {}",
       "training.network.layers[2].name", "is \"a\", as is the name of training.network.layers[1]"},
      {"NameOfARound", kHidden,
       "name: \"a_2\" dropout {} } layers { repeat { count: 2 layers { name: \"a\" " +
           std::string(kHidden) + " } }",
       "training.network.layers[2].repeat.layers[0].name",
       "is \"a_2\" in round 2 of its repeat, as is the name of training.network.layers[1]"},
  };
}

INSTANTIATE_TEST_SUITE_P(Job, SingleViolation, testing::ValuesIn(JobCases()), CaseName);
INSTANTIATE_TEST_SUITE_P(Optimizer, SingleViolation, testing::ValuesIn(OptimizerCases()), CaseName);
INSTANTIATE_TEST_SUITE_P(Layer, SingleViolation, testing::ValuesIn(LayerCases()), CaseName);
INSTANTIATE_TEST_SUITE_P(Fit, SingleViolation, testing::ValuesIn(FitCases()), CaseName);

}  // namespace
}  // namespace anneal
