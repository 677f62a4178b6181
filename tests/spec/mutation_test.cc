// Random specs: starting from good ones, fields are set, cleared, duplicated and filled with
// extreme values by reflection. Whatever comes out, the judgement holds what its header promises.
// Seeded, so a failure can be repeated.
#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <unordered_set>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "google/protobuf/message.h"
#include "google/protobuf/stubs/logging.h"
#include "gtest/gtest.h"
#include "server/spec/text.h"
#include "server/spec/validated_spec.h"
#include "tests/spec/job_specs.h"

namespace anneal {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using testing::IsEmpty;

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}

  size_t Below(size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random_);
  }

  // Changes one field of the message or of one inside of it.
  void Mutate(Message& message) {
    const google::protobuf::Descriptor& descriptor = *message.GetDescriptor();
    if (descriptor.field_count() == 0) return;
    const auto field_index = static_cast<int>(Below(static_cast<size_t>(descriptor.field_count())));
    const FieldDescriptor& field = *descriptor.field(field_index);
    const Reflection& reflection = *message.GetReflection();
    if (Below(12) == 0) return reflection.ClearField(&message, &field);
    if (field.is_repeated()) return MutateRepeated(message, field, reflection);
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        const bool other_kind =
            field.containing_oneof() != nullptr && !reflection.HasField(message, &field);
        if (other_kind && Below(4) != 0) {
          // Mostly go into what is there, so that the mutations spread over the whole spec.
          const FieldDescriptor* const present =
              reflection.GetOneofFieldDescriptor(message, field.containing_oneof());
          if (present != nullptr && present->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
            return Mutate(*reflection.MutableMessage(&message, present));
          }
        }
        return Mutate(*reflection.MutableMessage(&message, &field));
      }
      case FieldDescriptor::CPPTYPE_DOUBLE: return reflection.SetDouble(&message, &field, Real());
      case FieldDescriptor::CPPTYPE_INT64: return reflection.SetInt64(&message, &field, Integer());
      case FieldDescriptor::CPPTYPE_UINT64:
        return reflection.SetUInt64(&message, &field, static_cast<uint64_t>(Integer()));
      case FieldDescriptor::CPPTYPE_BOOL:
        return reflection.SetBool(&message, &field, Below(2) == 0);
      case FieldDescriptor::CPPTYPE_ENUM:
        return reflection.SetEnumValue(&message, &field, static_cast<int>(Below(23)) - 1);
      case FieldDescriptor::CPPTYPE_STRING: return reflection.SetString(&message, &field, Text());
      default: FAIL() << "a type of field that this test does not know: " << field.full_name();
    }
  }

 private:
  void MutateRepeated(Message& message, const FieldDescriptor& field,
                      const Reflection& reflection) {
    const int size = reflection.FieldSize(message, &field);
    const size_t choice = Below(10);
    if (size == 0 || choice == 0) return Add(message, field, reflection, size);
    const auto index = static_cast<int>(Below(static_cast<size_t>(size)));
    if (choice == 1) return reflection.RemoveLast(&message, &field);
    if (choice == 2) return reflection.SwapElements(&message, &field, index, size - 1);
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return Mutate(*reflection.MutableRepeatedMessage(&message, &field, index));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return reflection.SetRepeatedDouble(&message, &field, index, Real());
      case FieldDescriptor::CPPTYPE_INT64:
        return reflection.SetRepeatedInt64(&message, &field, index, Integer());
      case FieldDescriptor::CPPTYPE_STRING:
        return reflection.SetRepeatedString(&message, &field, index, Text());
      default: FAIL() << "a type of field that this test does not know: " << field.full_name();
    }
  }

  void Add(Message& message, const FieldDescriptor& field, const Reflection& reflection, int size) {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        Message* const added = reflection.AddMessage(&message, &field);
        if (size > 0)
          added->CopyFrom(reflection.GetRepeatedMessage(
              message, &field, static_cast<int>(Below(static_cast<size_t>(size)))));
        return;
      }
      case FieldDescriptor::CPPTYPE_DOUBLE: return reflection.AddDouble(&message, &field, Real());
      case FieldDescriptor::CPPTYPE_INT64: return reflection.AddInt64(&message, &field, Integer());
      case FieldDescriptor::CPPTYPE_STRING:
        return reflection.AddString(&message, &field, Text());
      default: FAIL() << "a type of field that this test does not know: " << field.full_name();
    }
  }

  double Real() {
    constexpr double kHuge = std::numeric_limits<double>::max();
    const std::array<double, 16> values = {
        0,     -0.0,  0.1,    0.5,    0.9999999999, 1,        -1,        1e-3,
        1e300, kHuge, -kHuge, 5e-324, std::nan(""), HUGE_VAL, -HUGE_VAL, 1e-40};
    return values[Below(values.size())];
  }

  int64_t Integer() {
    constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
    constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
    const std::array<int64_t, 20> values = {
        0,    1,     2,       3,          5,  10,   32,   33,       100,      1000,
        1001, 10000, 1000000, 1000000000, -1, kMax, kMin, kMax / 2, kMax / 3, int64_t{1} << 32};
    return values[Below(values.size())];
  }

  std::string Text() {
    const std::array<std::string, 18> values = {"",
                                                "cifar10",
                                                "train",
                                                "test",
                                                "val_loss",
                                                "loss",
                                                "accuracy",
                                                "val_accuracy",
                                                "cuda:0",
                                                "auto",
                                                "a/b",
                                                "dense_1",
                                                "top_5_accuracy",
                                                "val_top_3_accuracy",
                                                "\xff\xfe",
                                                "a\nb",
                                                "Größe",
                                                std::string(300, 'n')};
    return values[Below(values.size())];
  }

  std::mt19937_64 random_;
};

void ExpectPromisesKept(const ValidationResult& result) {
  ASSERT_EQ(result.spec.has_value(), result.violations.empty());
  for (const Violation& violation : result.violations) {
    EXPECT_FALSE(violation.field.empty());
    EXPECT_FALSE(violation.description.empty());
    EXPECT_THAT(NameProblem(violation.field, 1000), IsEmpty());
    EXPECT_THAT(NameProblem(violation.description, 2000), IsEmpty());
  }
  for (const std::string& warning : result.warnings) {
    EXPECT_TRUE(absl::StartsWith(warning, "training.") || absl::StartsWith(warning, "..."))
        << warning;
    EXPECT_THAT(NameProblem(warning, 2000), IsEmpty());
  }
  if (!result.spec) return;
  EXPECT_GE(result.spec->training_samples(), 1);
  EXPECT_GE(result.spec->validation_samples(), 0);
  EXPECT_LE(result.spec->summary().trainable_parameters(), 1'000'000'000);
  ASSERT_FALSE(result.spec->layers().empty());
  std::unordered_set<std::string> names;
  std::vector<int64_t> shape = result.spec->dataset().shape;
  for (const ResolvedLayer& layer : result.spec->layers()) {
    EXPECT_TRUE(names.insert(layer.name).second) << layer.name;
    EXPECT_EQ(layer.input_shape, shape);
    shape = layer.output_shape;
    for (const int64_t size : shape) EXPECT_GE(size, 1);
  }
  EXPECT_EQ(shape, std::vector<int64_t>{10});
}

// Of every layer but dense and conv2d, which are in all of them.
constexpr const char* kEveryLayer = R"(
  layers { conv2d { filters: 6 kernel_size { height: 3 } dilation_rate { height: 2 } groups: 3
                    kernel_initializer { orthogonal {} } kernel_regularizer { l2 {} }
                    kernel_constraint { max_norm {} } bias_constraint { non_neg {} } } }
  layers { prelu { share_height_and_width: true } }
  layers { average_pooling2d { padding: SAME } }
  layers { spatial_dropout2d { rate: 0.1 } }
  layers { layer_normalization {} }
  layers { repeat { count: 2
    layers { conv2d { filters: 6 kernel_size { height: 2 } padding: SAME bias_regularizer { l1 {} } } }
    layers { leaky_relu {} } layers { gaussian_noise { stddev: 0.1 } } } }
  layers { global_average_pooling2d {} }
  layers { dense { units: 12 activation: SELU kernel_initializer { identity {} }
                   kernel_regularizer { l1_l2 { l1: 0.1 } } kernel_constraint { unit_norm {} } } }
  layers { alpha_dropout { rate: 0.1 } }
  layers { dense { units: 8 } } layers { prelu {} }
  layers { dense { units: 8 } } layers { rrelu {} } layers { elu {} } layers { relu { max_value: 6 } }
  layers { dense { units: 10 activation: SIGMOID } })";

std::string With(std::string text, const std::string& from, const std::string& to) {
  EXPECT_NE(text.find(from), std::string::npos) << from;
  return text.replace(text.find(from), from.size(), to);
}

std::vector<v1::JobSpec> GoodSpecs() {
  std::vector<v1::JobSpec> specs = {
      ParseJob(GoodJob()),
      ParseJob(JobWithLayers(R"(
            layers { conv2d { filters: 4 kernel_size { height: 3 } activation: RELU } }
            layers { max_pooling2d {} }
            layers { repeat { count: 2
              layers { conv2d { filters: 4 kernel_size { height: 3 } padding: SAME use_bias: false } }
              layers { batch_normalization {} }
              layers { activation { function: RELU } } } }
            layers { flatten {} }
            layers { repeat { count: 3 layers { repeat { count: 2 layers { dense { units: 8 activation: SELU } } } } } }
            layers { dense { units: 10 activation: SOFTMAX } })",
                             "validation { first: 100 } early_stopping { patience: 2 }"))};
  const std::string every_layer = With(
      JobWithLayers(kEveryLayer), "sparse_categorical_crossentropy {}", "binary_crossentropy {}");
  const std::vector<std::string> optimizers = {
      "rmsprop {} weight_decay: 0.1 clipnorm: 1 schedule { piecewise_constant_decay { boundaries: "
      "3 "
      "boundaries: 9 values: 0.1 values: 0.01 } }",
      "adadelta {} clipvalue: 1 schedule { exponential_decay { decay_steps: 9 decay_rate: 0.9 } }",
      "adagrad {} schedule { cosine_decay { decay_steps: 100 warmup_steps: 3 warmup_target: 0.1 } "
      "}",
      "lion {} global_clipnorm: 1 schedule { cosine_decay_restarts { first_decay_steps: 9 } }",
      "adamax {} schedule { polynomial_decay { decay_steps: 9 } }",
      "adamw {} schedule { reduce_on_plateau { monitor: \"top_3_accuracy\" } }"};
  for (const std::string& optimizer : optimizers)
    specs.push_back(ParseJob(With(every_layer, "nadam {}", optimizer)));
  v1::TrainingSpec& training = *specs.back().mutable_training();
  training.add_metrics()->mutable_top_k_accuracy();
  training.add_metrics()->mutable_top_k_accuracy()->set_k(3);
  training.mutable_loss()->mutable_huber();
  training.add_input()->mutable_l2_normalize()->set_axis(-1);
  training.add_input()->mutable_random_flip();
  training.add_input()->mutable_random_translation()->set_width_factor(0.1);
  return specs;
}

TEST(MutationTest, ItsSpecsAreGood) {
  for (const v1::JobSpec& spec : GoodSpecs()) {
    const ValidationResult result = Judge(spec);
    EXPECT_TRUE(result.spec.has_value()) << spec.DebugString() << Show(result);
  }
}

TEST(MutationTest, AnySpecIsJudgedWithoutHarm) {
  const std::vector<v1::JobSpec> good = GoodSpecs();
  FakeCatalog catalog;
  catalog.Add(Cifar10Info());
  int accepted = 0;
  constexpr int kSpecs = 20'000;
  for (int seed = 0; seed < kSpecs; ++seed) {
    Mutator mutator(static_cast<uint64_t>(seed));
    v1::JobSpec spec = good[mutator.Below(good.size())];
    for (size_t count = 1 + mutator.Below(8); count > 0; --count) mutator.Mutate(spec);
    const ValidationResult result = Validate(spec, catalog);
    ASSERT_NO_FATAL_FAILURE(ExpectPromisesKept(result)) << "seed " << seed << "\n"
                                                        << spec.DebugString() << Show(result);
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed << "\n"
                                              << spec.DebugString() << Show(result);
    accepted += result.spec ? 1 : 0;
  }
  // The mutations must reach both sides, or this test shows little.
  EXPECT_GT(accepted, kSpecs / 100);
  EXPECT_LT(accepted, kSpecs / 2);
}

TEST(MutationTest, AnyBytesThatParseAreJudgedWithoutHarm) {
  const std::vector<v1::JobSpec> good = GoodSpecs();
  FakeCatalog catalog;
  catalog.Add(Cifar10Info());
  int parsed = 0;
  for (int seed = 0; seed < 20'000; ++seed) {
    Mutator mutator(static_cast<uint64_t>(seed));
    std::string bytes = good[mutator.Below(good.size())].SerializeAsString();
    for (size_t count = 1 + mutator.Below(3); count > 0; --count) {
      bytes[mutator.Below(bytes.size())] = static_cast<char>(mutator.Below(256));
    }
    const google::protobuf::LogSilencer silencer;  // it logs every string that is not UTF-8
    v1::JobSpec spec;
    if (!spec.ParseFromString(bytes)) continue;
    ++parsed;
    const ValidationResult result = Validate(spec, catalog);
    ASSERT_EQ(result.spec.has_value(), result.violations.empty()) << "seed " << seed;
  }
  EXPECT_GT(parsed, 1000);
}

}  // namespace
}  // namespace anneal
