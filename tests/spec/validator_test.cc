// The judgement as a whole: several violations at once, what is not reported, what text format
// cannot say.
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/spec/validated_spec.h"
#include "tests/spec/job_specs.h"

namespace anneal {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

TEST(ValidatorTest, AGoodJobHasNoViolationsAndNoWarnings) {
  const ValidationResult result = JudgeText(GoodJob());
  ASSERT_TRUE(result.spec.has_value()) << Show(result);
  EXPECT_THAT(result.violations, IsEmpty());
  EXPECT_THAT(result.warnings, IsEmpty()) << Show(result);
  EXPECT_EQ(result.spec->proto().SerializeAsString(), ParseJob(GoodJob()).SerializeAsString());
  EXPECT_EQ(result.spec->dataset().name, "cifar10");
}

TEST(ValidatorTest, TheResultOutlivesTheSpecItWasMadeFrom) {
  std::optional<ValidatedSpec> spec;
  {
    ValidationResult result = JudgeText(GoodJob());
    spec = result.spec;
  }
  ASSERT_THAT(spec->layers(), SizeIs(4));
  EXPECT_EQ(spec->layers()[1].layer, &spec->training().network().layers(1));
  EXPECT_EQ(spec->layers()[1].layer->dense().units(), 100);
}

TEST(ValidatorTest, AnEmptySpecSaysWhatIsMissing) {
  EXPECT_THAT(Fields(Judge(v1::JobSpec())), ElementsAre("training"));
}

TEST(ValidatorTest, AnEmptyTrainingSaysEverythingThatIsMissing) {
  EXPECT_THAT(Fields(JudgeText("training {}")),
              ElementsAre("training.dataset.name", "training.network.layers", "training.loss",
                          "training.optimizer"));
}

TEST(ValidatorTest, ReportsAllViolationsAtOnce) {
  const ValidationResult result = JudgeText(R"(
    training {
      dataset { name: "cifar10" split: "trian" }
      validation { fraction: 1.5 }
      test { split: "exam" }
      input { rescale {} }
      network {
        layers { flatten {} }
        layers { repeat { count: 2 layers { dense { units: 0 activation: ELU } } layers { dropout { rate: 1 } } } }
        layers { conv2d { filters: 3 kernel_size { height: 3 } } }
        layers { dense { units: 12 } }
      }
      loss { sparse_categorical_crossentropy {} }
      optimizer { nadam { learning_rate: -1 epsilon: nan } }
      batch_size: 0
      epochs: -4
      early_stopping { monitor: "speed" patience: -1 }
      device: "tpu"
    })");
  EXPECT_THAT(
      Fields(result),
      ElementsAre("training.dataset.split", "training.validation.fraction", "training.test.split",
                  "training.input[0].rescale.factor",
                  "training.network.layers[1].repeat.layers[0].dense.units",
                  "training.network.layers[1].repeat.layers[1].dropout.rate",
                  "training.network.layers[2].conv2d", "training.network.layers[3].dense.units",
                  "training.network.layers[3].dense.activation",
                  "training.optimizer.nadam.learning_rate", "training.optimizer.nadam.epsilon",
                  "training.batch_size", "training.epochs", "training.early_stopping.monitor",
                  "training.early_stopping.patience", "training.device"))
      << Show(result);
}

TEST(ValidatorTest, ReportsNothingThatFollowsOnlyFromAnotherViolation) {
  // The kernel's size is not known, so neither is what reaches the pooling, the flatten and the
  // dense layer: only the two sizes are the user's mistakes.
  EXPECT_THAT(Fields(JudgeText(JobWithLayers(R"(
                layers { conv2d { filters: 8 kernel_size {} } }
                layers { repeat { count: 9 layers { max_pooling2d {} } } }
                layers { conv2d { filters: 0 kernel_size { height: 3 } } }
                layers { flatten {} }
                layers { dense { units: 10 activation: SOFTMAX } })"))),
              ElementsAre("training.network.layers[0].conv2d.kernel_size.height",
                          "training.network.layers[2].conv2d.filters"));
}

TEST(ValidatorTest, GoesOnAfterALayerThatDoesNotFit) {
  EXPECT_THAT(
      Fields(JudgeText(JobWithLayers(R"(
                layers { dense { units: 8 activation: RELU } }
                layers { max_pooling2d {} }
                layers { max_pooling2d {} }
                layers { flatten {} }
                layers { dense { units: 7 activation: SOFTMAX } })"))),
      ElementsAre("training.network.layers[0].dense", "training.network.layers[1].max_pooling2d",
                  "training.network.layers[4].dense.units"));
}

TEST(ValidatorTest, AMistakeInsideARepeatIsReportedOnce) {
  EXPECT_THAT(Fields(JudgeText(JobWithLayers(R"(
                layers { repeat { count: 50 layers { dense { units: 10 activation: RELU } }
                                            layers { conv2d { filters: 3 kernel_size { height: 1 } } } } }
                layers { dense { units: 10 activation: SOFTMAX } })"))),
              ElementsAre("training.network.layers[0].repeat.layers[0].dense",
                          "training.network.layers[0].repeat.layers[1].conv2d"));
}

TEST(ValidatorTest, NothingIsSaidOfTheEndWhereItIsNotKnown) {
  EXPECT_THAT(Fields(JudgeText(JobWithLayers("layers { flatten {} } layers { dense { units: 5 } } "
                                             "layers { repeat { count: 2 } }"))),
              ElementsAre("training.network.layers[2].repeat.layers"));
  EXPECT_THAT(Fields(JudgeText(JobWithLayers(
                  "layers { flatten {} } layers { dense { units: 5 } } layers { name: \"x\" }"))),
              ElementsAre("training.network.layers[2]"));
}

TEST(ValidatorTest, AnOutputThatIsAnImageIsReportedAtTheLayerThatMakesIt) {
  const ValidationResult result = JudgeText(JobWithLayers(
      "layers { conv2d { filters: 10 kernel_size { height: 3 } } } layers { activation { function: "
      "SOFTMAX } }"));
  ASSERT_THAT(Fields(result), ElementsAre("training.network.layers[0]")) << Show(result);
  EXPECT_THAT(result.violations[0].description,
              HasSubstr("[30, 30, 10]; data set \"cifar10\" has 10 classes"));
}

TEST(ValidatorTest, ANetworkWithoutWeightsIsRefused) {
  FakeCatalog catalog;
  DatasetInfo info = Cifar10Info();
  info.shape = {1, 5, 2};
  catalog.Add(info);
  const ValidationResult result = Validate(
      ParseJob(JobWithLayers("layers { flatten {} } layers { activation { function: SOFTMAX } }")),
      catalog);
  EXPECT_THAT(Fields(result), ElementsAre("training.network.layers"));
}

TEST(ValidatorTest, TheMonitorIsValLossByDefault) {
  const ValidationResult result =
      JudgeText(GoodJobWith({{"monitor: \"val_loss\"", ""}, {"validation { fraction: 0.1 }", ""}}));
  ASSERT_THAT(Fields(result), ElementsAre("training.early_stopping.monitor"));
  EXPECT_THAT(result.violations[0].description, HasSubstr("is val_loss (the default)"));
}

TEST(ValidatorTest, AnUnreadableDatasetIsToldInTheCatalogsWords) {
  FakeCatalog catalog;
  catalog.AddUnreadable("cifar10",
                        absl::FailedPreconditionError("data_batch_3.bin is 12 bytes\nlong"));
  const ValidationResult result = Validate(ParseJob(GoodJob()), catalog);
  ASSERT_THAT(Fields(result), ElementsAre("training.dataset.name")) << Show(result);
  EXPECT_THAT(result.violations[0].description,
              HasSubstr("cannot be read: data_batch_3.bin is 12 bytes\\x0along"));
}

TEST(ValidatorTest, WithoutDatasetsTheMessageSaysSo) {
  const ValidationResult result = Validate(ParseJob(GoodJob()), FakeCatalog());
  ASSERT_THAT(Fields(result), ElementsAre("training.dataset.name"));
  EXPECT_THAT(result.violations[0].description, HasSubstr("this server has no data sets"));
}

TEST(ValidatorTest, EnumsThatAreNotKnownAreRefused) {
  v1::JobSpec spec = ParseJob(JobWithLayers(R"(
      layers { conv2d { filters: 4 kernel_size { height: 3 } kernel_initializer { variance_scaling {} } } }
      layers { max_pooling2d {} }
      layers { activation {} }
      layers { flatten {} }
      layers { dense { units: 10 activation: SOFTMAX } })",
                                            "validation { fraction: 0.1 } early_stopping {}"));
  v1::Network& network = *spec.mutable_training()->mutable_network();
  v1::Conv2D& conv = *network.mutable_layers(0)->mutable_conv2d();
  conv.set_activation(static_cast<v1::Activation::Function>(77));
  conv.set_padding(static_cast<v1::Padding>(2));
  auto& scaling = *conv.mutable_kernel_initializer()->mutable_variance_scaling();
  scaling.set_mode(static_cast<v1::Initializer::VarianceScaling::Mode>(-1));
  scaling.set_distribution(static_cast<v1::Initializer::VarianceScaling::Distribution>(9));
  network.mutable_layers(1)->mutable_max_pooling2d()->set_padding(static_cast<v1::Padding>(3));
  network.mutable_layers(2)->mutable_activation()->set_function(
      static_cast<v1::Activation::Function>(2147483647));
  network.mutable_layers(4)->mutable_dense()->set_activation(
      static_cast<v1::Activation::Function>(2));
  spec.mutable_training()->mutable_early_stopping()->set_mode(
      static_cast<v1::EarlyStopping::Mode>(3));
  const ValidationResult result = Judge(spec);
  EXPECT_THAT(
      Fields(result),
      ElementsAre(
          "training.network.layers[0].conv2d.padding",
          "training.network.layers[0].conv2d.activation",
          "training.network.layers[0].conv2d.kernel_initializer.variance_scaling.mode",
          "training.network.layers[0].conv2d.kernel_initializer.variance_scaling.distribution",
          "training.network.layers[1].max_pooling2d.padding",
          "training.network.layers[2].activation.function",
          "training.network.layers[4].dense.activation", "training.early_stopping.mode"))
      << Show(result);
  EXPECT_EQ(result.violations[1].description,
            "is 77, which this server does not know; it knows LINEAR, RELU, "
            "RELU6, LEAKY_RELU, ELU, SELU, CELU, GELU, SILU, MISH, SOFTPLUS, SOFTSIGN, TANH, "
            "SIGMOID, HARD_SIGMOID, HARD_SILU, EXPONENTIAL, SOFTMAX, LOG_SOFTMAX");
}

TEST(ValidatorTest, FieldsOfANewerProtocolAreRefused) {
  v1::JobSpec spec = ParseJob(GoodJob());
  v1::Layer& layer = *spec.mutable_training()->mutable_network()->mutable_layers(1);
  layer.GetReflection()->MutableUnknownFields(&layer)->AddVarint(99, 1);
  v1::Sgd& sgd = *spec.mutable_training()->mutable_optimizer()->mutable_sgd();
  sgd.GetReflection()->MutableUnknownFields(&sgd)->AddFixed64(25, 7);
  const ValidationResult result = Judge(spec);
  ASSERT_THAT(Fields(result), ElementsAre("training.network.layers[1]", "training.optimizer.sgd"))
      << Show(result);
  EXPECT_THAT(result.violations[0].description, HasSubstr("field number 99"));
}

TEST(ValidatorTest, TextThatIsNotUtf8IsRefusedAndNeverRepeatedAsItIs) {
  v1::JobSpec spec = ParseJob(GoodJob());
  const std::vector<std::string> bad = {
      "\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "abc\xe2\x82", "\x80"};
  for (const std::string& text : bad) {
    spec.set_name(text);
    spec.mutable_training()->set_device(text);
    const ValidationResult result = Judge(spec);
    ASSERT_THAT(Fields(result), ElementsAre("name", "training.device")) << Show(result);
    EXPECT_THAT(result.violations[0].description, HasSubstr("not valid UTF-8"));
    for (const Violation& violation : result.violations) {
      EXPECT_THAT(violation.description, Not(HasSubstr(text)));
      EXPECT_THAT(violation.description, HasSubstr("\\x"));
    }
  }
}

TEST(ValidatorTest, NamesMayBeInAnyScript) {
  v1::JobSpec spec = ParseJob(GoodJob());
  const std::vector<std::string> names = {"Größe", "層の名前", "🙂", std::string(200, 'x')};
  for (const std::string& name : names) {
    spec.set_name(name);
    EXPECT_TRUE(Judge(spec).spec.has_value()) << name;
  }
}

TEST(ValidatorTest, DevicesThatAreWellFormedAreAccepted) {
  for (const char* const device : {"", "auto", "cpu", "cuda:0", "cuda:7", "cuda:15"}) {
    EXPECT_TRUE(
        JudgeText(GoodJobWith({{"\"cpu\"", absl::StrCat("\"", device, "\"")}})).spec.has_value())
        << device;
  }
}

TEST(ValidatorTest, AbsentOptionalFieldsTakeTheirDefaults) {
  const ValidationResult result = JudgeText(
      JobWithLayers("layers { flatten {} } layers { dense { units: 10 activation: SOFTMAX } }"));
  ASSERT_TRUE(result.spec.has_value()) << Show(result);
  EXPECT_EQ(result.spec->training_samples(), 50000);
  EXPECT_EQ(result.spec->validation_samples(), 0);
}

TEST(ValidatorTest, LogitsNeedNoSoftmax) {
  const ValidationResult result =
      JudgeText(GoodJobWith({{"units: 10 activation: SOFTMAX", "units: 10"},
                             {"sparse_categorical_crossentropy {}",
                              "sparse_categorical_crossentropy { from_logits: true }"}}));
  EXPECT_TRUE(result.spec.has_value()) << Show(result);
}

TEST(ValidatorTest, ASoftmaxLayerEndsTheNetworkAsWell) {
  const ValidationResult result =
      JudgeText(GoodJobWith({{"dense { units: 10 activation: SOFTMAX }",
                              "dense { units: 10 } } layers { activation { function: SOFTMAX }"}}));
  EXPECT_TRUE(result.spec.has_value()) << Show(result);
}

struct HoldOut {
  std::string validation;
  int64_t training_samples;
  int64_t validation_samples;
};

TEST(ValidatorTest, HoldsOutValidationAsKerasDoes) {
  // Keras keeps floor(samples * (1 - fraction)) in double precision: 1 - 0.9 is a little less than
  // 0.1 there, so 4,999 of 50,000 remain.
  const std::vector<HoldOut> cases = {
      {"fraction: 0.1", 45000, 5000},  {"fraction: 0.2", 40000, 10000},
      {"fraction: 0.9", 4999, 45001},  {"fraction: 0.33333", 33333, 16667},
      {"fraction: 0.00001", 49999, 1}, {"first: 5000", 45000, 5000},
      {"first: 49999", 1, 49999},      {"split: \"test\"", 50000, 10000},
  };
  for (const HoldOut& test : cases) {
    const ValidationResult result = JudgeText(GoodJobWith({{"fraction: 0.1", test.validation}}));
    ASSERT_TRUE(result.spec.has_value()) << test.validation << "\n" << Show(result);
    EXPECT_EQ(result.spec->training_samples(), test.training_samples) << test.validation;
    EXPECT_EQ(result.spec->validation_samples(), test.validation_samples) << test.validation;
  }
}

TEST(ValidatorTest, AHundredViolationsAreReportedAndTheRestCounted) {
  std::string layers;
  for (int i = 0; i < 250; ++i) layers += "layers { dropout { rate: 2 } }\n";
  const ValidationResult result = JudgeText(JobWithLayers(
      "layers { flatten {} } " + layers + "layers { dense { units: 10 activation: SOFTMAX } }"));
  ASSERT_THAT(result.violations, SizeIs(101));
  EXPECT_EQ(result.violations[99].field, "training.network.layers[100].dropout.rate");
  EXPECT_EQ(result.violations[100].field, "...");
  EXPECT_EQ(result.violations[100].description, "and 150 more violations");
}

TEST(ValidatorTest, LongValuesAreCutInMessages) {
  v1::JobSpec spec = ParseJob(GoodJob());
  spec.mutable_training()->set_device(std::string(5'000'000, 'x'));
  spec.mutable_training()->mutable_dataset()->set_name(std::string(5'000'000, '\n'));
  const ValidationResult result = Judge(spec);
  ASSERT_THAT(Fields(result), ElementsAre("training.dataset.name", "training.device"));
  for (const Violation& violation : result.violations) {
    EXPECT_LT(violation.description.size(), 300U);
    EXPECT_THAT(violation.description, HasSubstr("...\""));
  }
}

}  // namespace
}  // namespace anneal
