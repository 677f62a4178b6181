// What the losses accept: how many outputs, and what ends the network.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/spec/validated_spec.h"
#include "tests/spec/job_specs.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Of a data set with so many classes, a network that ends in `output` and a loss.
ValidationResult Judge(int classes, const std::string& output, const std::string& loss,
                       const std::string& more = "") {
  FakeCatalog catalog;
  DatasetInfo info = Cifar10Info();
  info.class_names.clear();
  for (int i = 0; i < classes; ++i) info.class_names.push_back("class" + std::to_string(i));
  catalog.Add(info);
  std::string text =
      JobWithLayers("layers { flatten {} } layers { dense { " + output + " } }", more);
  const std::string standard = "sparse_categorical_crossentropy {}";
  text.replace(text.find(standard), standard.size(), loss);
  return Validate(ParseJob(text), catalog);
}

TEST(LossTest, CategoricalLossesEndInSoftmaxOrLogits) {
  for (const std::string loss : {"sparse_categorical_crossentropy", "categorical_crossentropy"}) {
    const std::string logits = loss + " { from_logits: true }";
    EXPECT_THAT(Fields(Judge(10, "units: 10 activation: SOFTMAX", loss + " {}")), IsEmpty());
    EXPECT_THAT(Fields(Judge(10, "units: 10", logits)), IsEmpty());
    EXPECT_THAT(Fields(Judge(10, "units: 10", loss + " {}")),
                ElementsAre("training.network.layers[1].dense.activation"));
    EXPECT_THAT(Fields(Judge(10, "units: 10 activation: SOFTMAX", logits)),
                ElementsAre("training.loss." + loss + ".from_logits"));
    EXPECT_THAT(Fields(Judge(2, "units: 1 activation: SOFTMAX", loss + " {}")),
                ElementsAre("training.network.layers[1].dense.units"));
  }
}

TEST(LossTest, BinaryCrossentropyTakesOneOutputForTwoClassesOrOneForEach) {
  const std::string loss = "binary_crossentropy {}";
  const std::string logits = "binary_crossentropy { from_logits: true label_smoothing: 0.1 }";
  for (const std::string units : {"units: 1", "units: 2"}) {
    EXPECT_THAT(Fields(Judge(2, units + " activation: SIGMOID", loss)), IsEmpty());
    EXPECT_THAT(Fields(Judge(2, units, logits)), IsEmpty());
    EXPECT_THAT(Fields(Judge(2, units, loss)),
                ElementsAre("training.network.layers[1].dense.activation"));
    EXPECT_THAT(Fields(Judge(2, units + " activation: SIGMOID", logits)),
                ElementsAre("training.loss.binary_crossentropy.from_logits"));
  }
  EXPECT_THAT(Fields(Judge(3, "units: 3 activation: SIGMOID", loss)), IsEmpty());
  EXPECT_THAT(Fields(Judge(3, "units: 1 activation: SIGMOID", loss)),
              ElementsAre("training.network.layers[1].dense.units"));
  const ValidationResult three = Judge(2, "units: 3 activation: SIGMOID", loss);
  ASSERT_THAT(Fields(three), ElementsAre("training.network.layers[1].dense.units"));
  EXPECT_THAT(three.violations[0].description, HasSubstr("units must be 1 or 2"));
  EXPECT_THAT(Fields(Judge(1, "units: 1 activation: SIGMOID", loss)),
              ElementsAre("training.loss.binary_crossentropy"));
}

TEST(LossTest, DistancesTakeAnyEndWithOneOutputForEachClass) {
  for (const std::string loss :
       {"mean_squared_error {}", "mean_absolute_error {}", "huber {}", "huber { delta: 0.5 }"}) {
    for (const std::string activation : {"LINEAR", "SOFTMAX", "SIGMOID", "RELU", "LOG_SOFTMAX"}) {
      const std::string output = "units: 4 activation: " + activation;
      EXPECT_THAT(Fields(Judge(4, output, loss)), IsEmpty()) << loss << " " << activation;
    }
    EXPECT_THAT(Fields(Judge(2, "units: 1", loss)),
                ElementsAre("training.network.layers[1].dense.units"));
  }
}

TEST(LossTest, OneOutputHasNoRanks) {
  const std::string metric = "metrics { top_k_accuracy { k: 1 } }";
  const std::string loss = "binary_crossentropy {}";
  EXPECT_THAT(Fields(Judge(2, "units: 1 activation: SIGMOID", loss, metric)),
              ElementsAre("training.metrics[0]"));
  EXPECT_THAT(Fields(Judge(2, "units: 2 activation: SIGMOID", loss, metric)), IsEmpty());
}

TEST(LossTest, TopKIsBelowTheClasses) {
  const std::string output = "units: 5 activation: SOFTMAX";
  const std::string loss = "sparse_categorical_crossentropy {}";
  EXPECT_THAT(Fields(Judge(5, output, loss, "metrics { top_k_accuracy { k: 4 } }")), IsEmpty());
  const ValidationResult result = Judge(5, output, loss, "metrics { top_k_accuracy {} }");
  ASSERT_THAT(Fields(result), ElementsAre("training.metrics[0].top_k_accuracy.k"));
  EXPECT_THAT(result.violations[0].description, HasSubstr("is 5 (the default)"));
}

TEST(LossTest, TheLastSoftmaxMayFollowAnother) {
  const ValidationResult result = JudgeText(JobWithLayers(R"(
      layers { conv2d { filters: 4 kernel_size { height: 3 } } }
      layers { activation { function: SOFTMAX } }
      layers { global_average_pooling2d {} }
      layers { dense { units: 10 activation: LOG_SOFTMAX } }
      layers { activation { function: SOFTMAX } })"));
  EXPECT_THAT(Fields(result), IsEmpty());
  EXPECT_THAT(result.warnings,
              ElementsAre(HasSubstr("layers[1].activation.function: is SOFTMAX before"),
                          HasSubstr("layers[3].dense.activation: is LOG_SOFTMAX before")));
}

TEST(LossTest, EveryActivationIsAcceptedOnEveryLayerThatHasOne) {
  const auto* const functions = v1::Activation::Function_descriptor();
  for (int i = 0; i < functions->value_count(); ++i) {
    const std::string name = functions->value(i)->name();
    const bool is_softmax = name == "SOFTMAX" || name == "LOG_SOFTMAX";
    const ValidationResult result = JudgeText(JobWithLayers(
        "layers { conv2d { filters: 4 kernel_size { height: 3 } activation: " +
        (is_softmax ? "RELU" : name) + " } } layers { activation { function: " + name +
        " } } layers { flatten {} } layers { dense { units: 4 activation: " + name +
        " } } layers { dense { units: 10 activation: SOFTMAX } }"));
    EXPECT_THAT(Fields(result), IsEmpty()) << name;
  }
}

}  // namespace
}  // namespace anneal
