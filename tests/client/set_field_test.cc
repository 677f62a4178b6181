#include "client/set_field.h"

#include <cmath>
#include <string>

#include "anneal/v1/job.pb.h"
#include "anneal/v1/job_service.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace anneal::client {
namespace {

using testing::AllOf;
using testing::HasSubstr;

v1::JobSpec ThreeLayers() {
  v1::JobSpec spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(R"(
      name: "base"
      training {
        network {
          layers { flatten {} }
          layers { repeat { count: 2 layers { dense { units: 7 } } } }
          layers { dense { units: 10 activation: SOFTMAX } }
        }
        optimizer { adam { learning_rate: 0.5 beta_1: 0.8 } }
      })",
                                                            &spec));
  return spec;
}

std::string Set(v1::JobSpec& spec, const std::string& setting) {
  return std::string(SetField(spec, setting).message());
}

// The error of a setting, which must leave the spec as it was.
std::string ErrorOf(const std::string& setting) {
  v1::JobSpec spec = ThreeLayers();
  const std::string before = spec.SerializeAsString();
  const std::string message = Set(spec, setting);
  EXPECT_NE(message, "") << setting;
  EXPECT_EQ(spec.SerializeAsString(), before) << setting;
  return message;
}

TEST(SetFieldTest, Numbers) {
  v1::JobSpec spec = ThreeLayers();
  EXPECT_EQ(Set(spec, "training.epochs=3"), "");
  EXPECT_EQ(spec.training().epochs(), 3);
  EXPECT_EQ(Set(spec, "training.epochs=-9223372036854775808"), "");
  EXPECT_EQ(spec.training().epochs(), INT64_MIN);
  EXPECT_EQ(Set(spec, "training.seed=18446744073709551615"), "");
  EXPECT_EQ(spec.training().seed(), UINT64_MAX);
  EXPECT_EQ(Set(spec, "training.validation.fraction=1e-1"), "");
  EXPECT_EQ(spec.training().validation().fraction(), 0.1);
  EXPECT_EQ(Set(spec, "training.validation.fraction=nan"), "");
  EXPECT_TRUE(std::isnan(spec.training().validation().fraction()));
  EXPECT_EQ(Set(spec, "training.validation.fraction=-inf"), "");
  EXPECT_EQ(spec.training().validation().fraction(), -INFINITY);
  EXPECT_EQ(Set(spec, "training.batch_size=+64"), "");
  EXPECT_EQ(spec.training().batch_size(), 64);
}

TEST(SetFieldTest, Int32) {
  v1::CreateJobRequest request;
  EXPECT_TRUE(SetField(request, "priority=-2147483648").ok());
  EXPECT_EQ(request.priority(), INT32_MIN);
  EXPECT_FALSE(SetField(request, "priority=2147483648").ok());
}

TEST(SetFieldTest, BoolEnumAndText) {
  v1::JobSpec spec = ThreeLayers();
  EXPECT_EQ(Set(spec, "training.shuffle=false"), "");
  EXPECT_TRUE(spec.training().has_shuffle());
  EXPECT_FALSE(spec.training().shuffle());
  EXPECT_EQ(Set(spec, "training.network.layers[2].dense.activation=ELU"), "");
  EXPECT_EQ(spec.training().network().layers(2).dense().activation(), v1::Activation::ELU);
  EXPECT_EQ(Set(spec, "name=a = b, \"c\" {}"), "");
  EXPECT_EQ(spec.name(), "a = b, \"c\" {}");
  EXPECT_EQ(Set(spec, "name=\"two\\nlines\""), "");
  EXPECT_EQ(spec.name(), "two\nlines");
  EXPECT_EQ(Set(spec, "name="), "");
  EXPECT_EQ(spec.name(), "");
}

TEST(SetFieldTest, APathChoosesTheMemberOfAOneof) {
  v1::JobSpec spec = ThreeLayers();
  EXPECT_EQ(Set(spec, "training.optimizer.nadam.learning_rate=1e-4"), "");
  ASSERT_TRUE(spec.training().optimizer().has_nadam());
  EXPECT_EQ(spec.training().optimizer().nadam().learning_rate(), 1e-4);
  // The same member keeps its other fields.
  EXPECT_EQ(Set(spec, "training.optimizer.nadam.beta_1=0.7"), "");
  EXPECT_EQ(spec.training().optimizer().nadam().learning_rate(), 1e-4);
}

TEST(SetFieldTest, ListsAndTheirElements) {
  v1::JobSpec spec = ThreeLayers();
  EXPECT_EQ(Set(spec, "training.network.layers[1].repeat.count=5"), "");
  EXPECT_EQ(Set(spec, "training.network.layers[1].repeat.layers[0].dense.units=50"), "");
  EXPECT_EQ(spec.training().network().layers(1).repeat().count(), 5);
  EXPECT_EQ(spec.training().network().layers(1).repeat().layers(0).dense().units(), 50);
  EXPECT_EQ(Set(spec, "training.network.layers[0]={dropout {rate: 0.5}}"), "");
  EXPECT_EQ(spec.training().network().layers(0).dropout().rate(), 0.5);
  EXPECT_FALSE(spec.training().network().layers(0).has_flatten());
  EXPECT_EQ(Set(spec, "training.input=[{rescale {factor: 2}}, {standardize {}}]"), "");
  EXPECT_EQ(spec.training().input_size(), 2);
  EXPECT_EQ(Set(spec, "training.input=[]"), "");
  EXPECT_EQ(spec.training().input_size(), 0);
}

TEST(SetFieldTest, ScalarLists) {
  v1::ListJobsRequest request;
  EXPECT_TRUE(SetField(request, "states=[RUNNING, FAILED]").ok());
  ASSERT_EQ(request.states_size(), 2);
  EXPECT_TRUE(SetField(request, "states[1]=QUEUED").ok());
  EXPECT_EQ(request.states(1), v1::Job::QUEUED);
  v1::ListEpochMetricsRequest epochs;
  EXPECT_TRUE(SetField(epochs, "job_ids=[\"1\", \"2\"]").ok());
  EXPECT_TRUE(SetField(epochs, "job_ids[0]=9").ok());
  EXPECT_EQ(epochs.job_ids(0), "9");
  EXPECT_TRUE(SetField(epochs, "job_ids[1]=\"x\\ty\"").ok());
  EXPECT_EQ(epochs.job_ids(1), "x\ty");
}

TEST(SetFieldTest, ABlockIsReplacedAsAWhole) {
  v1::JobSpec spec = ThreeLayers();
  EXPECT_EQ(Set(spec, "training.optimizer.adam={learning_rate: 2}"), "");
  EXPECT_EQ(spec.training().optimizer().adam().learning_rate(), 2);
  EXPECT_FALSE(spec.training().optimizer().adam().has_beta_1());
  EXPECT_EQ(Set(spec, "training.optimizer= { sgd {} } "), "");
  EXPECT_TRUE(spec.training().optimizer().has_sgd());
  EXPECT_EQ(Set(spec, "training.early_stopping={}"), "");
  EXPECT_TRUE(spec.training().has_early_stopping());
}

TEST(SetFieldTest, UnknownNamesSayWhatThereIs) {
  EXPECT_THAT(ErrorOf("training.epoch=3"),
              AllOf(HasSubstr("--set training.epoch:"), HasSubstr("no \"epoch\" in \"training\""),
                    HasSubstr("did you mean \"epochs\"?"), HasSubstr("batch_size, epochs, seed")));
  EXPECT_THAT(ErrorOf("trainin.epochs=3"),
              AllOf(HasSubstr("in a job file"), HasSubstr("did you mean \"training\"?")));
  EXPECT_THAT(
      ErrorOf("training.optimizer.zzzzzzzz.x=1"),
      AllOf(HasSubstr("it has: sgd, rmsprop, adagrad"), testing::Not(HasSubstr("did you mean"))));
  EXPECT_THAT(ErrorOf("training.network.layers[0].flatten.x=1"),
              HasSubstr("it has: none (it is empty)"));
}

TEST(SetFieldTest, BadPaths) {
  EXPECT_THAT(ErrorOf("training.network.layers[3].dense.units=1"),
              AllOf(HasSubstr("no [3] in \"training.network.layers\""),
                    HasSubstr("3 elements: [0] to [2]")));
  EXPECT_THAT(ErrorOf("training.input[0].rescale.factor=1"), HasSubstr("which is empty"));
  EXPECT_THAT(ErrorOf("training.network.layers[1].repeat.layers[1]={}"),
              HasSubstr("has 1 element: [0]"));
  EXPECT_THAT(ErrorOf("training.network.layers.dense.units=1"), HasSubstr("is a list"));
  EXPECT_THAT(ErrorOf("training.network.layers=1"), HasSubstr("is a list"));
  EXPECT_THAT(ErrorOf("training[0].epochs=1"), HasSubstr("is not a list"));
  EXPECT_THAT(ErrorOf("training.epochs.x=1"), HasSubstr("is a single value"));
  EXPECT_THAT(ErrorOf("training..epochs=1"), HasSubstr("empty"));
  EXPECT_THAT(ErrorOf("training.network.layers[-1]={}"), HasSubstr("whole number"));
  EXPECT_THAT(ErrorOf("training.network.layers[x]={}"), HasSubstr("whole number"));
  EXPECT_THAT(ErrorOf("training.network.layers[1={}"), HasSubstr("whole number"));
  EXPECT_THAT(ErrorOf("training.network.layers[01]={}"), HasSubstr("without zeros before it"));
  EXPECT_THAT(ErrorOf("training.network.layers[00]={}"), HasSubstr("without zeros before it"));
  EXPECT_THAT(ErrorOf("training.network.layers[99999999999999999999]={}"),
              HasSubstr("whole number"));
  EXPECT_THAT(ErrorOf("training.epochs"), HasSubstr("PATH=VALUE"));
  EXPECT_THAT(ErrorOf("=3"), HasSubstr("PATH=VALUE"));
  EXPECT_THAT(ErrorOf(""), HasSubstr("PATH=VALUE"));
}

TEST(SetFieldTest, BadValues) {
  for (const char* value : {"", "three", "3.5", "1e3", "9223372036854775808", " 3", "0x10", "3 "}) {
    EXPECT_THAT(
        ErrorOf(std::string("training.epochs=") + value),
        HasSubstr("is not a whole number from -9223372036854775808 to 9223372036854775807"));
  }
  EXPECT_THAT(ErrorOf("training.seed=-1"), HasSubstr("from 0 to 18446744073709551615"));
  for (const char* value : {"", "x", "1,5", "1 ", "1e"}) {
    EXPECT_THAT(ErrorOf(std::string("training.validation.fraction=") + value),
                HasSubstr("is not a number"));
  }
  EXPECT_THAT(ErrorOf("training.shuffle=yes"), HasSubstr("true or false"));
  EXPECT_THAT(ErrorOf("training.network.layers[2].dense.activation=relu"),
              HasSubstr("one of LINEAR, RELU, RELU6, LEAKY_RELU"));
  EXPECT_THAT(ErrorOf("training.optimizer=adam"),
              AllOf(HasSubstr("in braces"), HasSubstr("sgd, rmsprop, adagrad")));
  EXPECT_THAT(ErrorOf("training.optimizer={adam {x: 1}}"), HasSubstr("no field named \"x\""));
  EXPECT_THAT(ErrorOf("training.input=[{rescale}]"), HasSubstr("is not a list in text format"));
  EXPECT_THAT(ErrorOf("name=\"a\"b\""), HasSubstr("text in double quotes"));
}

TEST(SetFieldTest, HostileSettingsAreShownEscaped) {
  EXPECT_THAT(ErrorOf("training.\x1b[31m=1"), testing::Not(HasSubstr("\x1b")));
  EXPECT_THAT(ErrorOf("training.epochs=\x1b[2J"),
              AllOf(HasSubstr("\\x1b[2J"), testing::Not(HasSubstr("\x1b"))));
  EXPECT_THAT(ErrorOf("training." + std::string(100'000, 'x') + "=1"), HasSubstr("there is no"));
  std::string deep = "training.network";
  for (int i = 0; i < 200; ++i) deep += ".layers[0].repeat";
  EXPECT_THAT(ErrorOf(deep + "={}"), HasSubstr("more than 100 parts"));
  std::string nested;
  for (int i = 0; i < 5000; ++i) nested += "layers {repeat {";
  EXPECT_THAT(ErrorOf("training.network={" + nested + "}"), HasSubstr("recursion limit"));
}

}  // namespace
}  // namespace anneal::client
