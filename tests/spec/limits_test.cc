// Specs that ask for too much are refused quickly, with a sentence, and without overflow.
#include <ctime>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/spec/validated_spec.h"
#include "tests/spec/job_specs.h"

namespace anneal {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

const char kEnd[] = "layers { dense { units: 10 activation: SOFTMAX } }";

// Processor time, since other programs may be running. A sanitizer makes everything some ten times
// slower.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kQuickSeconds = 5;
#else
constexpr double kQuickSeconds = 0.5;
#endif

double SecondsToJudge(const v1::JobSpec& spec) {
  const std::clock_t begin = std::clock();
  Judge(spec);
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

// `depth` repeats inside of each other, each of `count`.
std::string Nested(int depth, int64_t count, const std::string& inside) {
  std::string text = inside;
  for (int i = 0; i < depth; ++i) {
    text = absl::StrCat("layers { repeat { count: ", count, " ", text, " } }");
  }
  return text;
}

TEST(LimitsTest, TenThousandLayersAreAccepted) {
  const ValidationResult result = JudgeText(JobWithLayers(absl::StrCat(
      "layers { flatten {} } layers { repeat { count: 9998 layers { dropout { rate: 0.1 } } } }",
      kEnd)));
  ASSERT_TRUE(result.spec.has_value()) << Show(result);
  EXPECT_THAT(result.spec->layers(), SizeIs(10000));
  EXPECT_EQ(result.spec->layers()[9998].name, "dropout_9998");
}

TEST(LimitsTest, OneMoreIsNot) {
  const ValidationResult result = JudgeText(JobWithLayers(absl::StrCat(
      "layers { flatten {} } layers { repeat { count: 9999 layers { dropout { rate: 0.1 } } } }",
      kEnd)));
  ASSERT_THAT(Fields(result), ElementsAre("training.network.layers"));
  EXPECT_THAT(result.violations[0].description,
              HasSubstr("are 10,001 once every repeat is expanded"));
}

TEST(LimitsTest, ARepeatsCountIsLimitedByItself) {
  const ValidationResult result =
      JudgeText(JobWithLayers(absl::StrCat("layers { flatten {} } layers { repeat { count: "
                                           "4611686018427387904 layers { flatten {} } } }",
                                           kEnd)));
  ASSERT_THAT(Fields(result), ElementsAre("training.network.layers[1].repeat.count"));
}

TEST(LimitsTest, NestedRepeatsAreMultipliedWithoutOverflow) {
  const ValidationResult result =
      JudgeText(JobWithLayers(absl::StrCat(Nested(8, 10000, "layers { flatten {} }"), kEnd)));
  ASSERT_THAT(Fields(result), ElementsAre("training.network.layers"));
  EXPECT_THAT(result.violations[0].description, HasSubstr("more than 9,000,000,000,000,000,000"));
}

TEST(LimitsTest, RoundsOfNothingAreCountedToo) {
  const v1::JobSpec spec = ParseJob(JobWithLayers(absl::StrCat(Nested(8, 10000, ""), kEnd)));
  EXPECT_THAT(Fields(Judge(spec)), Contains("training.network.layers"));
  EXPECT_LT(SecondsToJudge(spec), kQuickSeconds);
}

TEST(LimitsTest, EightRepeatsInsideOfEachOtherAreAccepted) {
  const ValidationResult result = JudgeText(JobWithLayers(
      absl::StrCat("layers { flatten {} }", Nested(8, 2, "layers { dropout {} }"), kEnd)));
  ASSERT_TRUE(result.spec.has_value()) << Show(result);
  EXPECT_THAT(result.spec->layers(), SizeIs(2 + 256));
}

TEST(LimitsTest, NineAreNot) {
  const ValidationResult result = JudgeText(JobWithLayers(
      absl::StrCat("layers { flatten {} }", Nested(9, 1, "layers { dropout { rate: 7 } }"), kEnd)));
  ASSERT_THAT(result.violations, SizeIs(1)) << Show(result);
  std::string path = "training.network.layers[1].repeat";
  for (int i = 0; i < 8; ++i) path += ".layers[0].repeat";
  EXPECT_EQ(result.violations[0].field, path);
  EXPECT_THAT(result.violations[0].description, HasSubstr("is nested 9 deep"));
}

TEST(LimitsTest, VeryDeepNestingIsNoTrouble) {
  v1::JobSpec spec = ParseJob(JobWithLayers(kEnd));
  v1::Layer* layer = spec.mutable_training()->mutable_network()->add_layers();
  for (int i = 0; i < 2000; ++i) {
    layer->mutable_repeat()->set_count(1);
    layer = layer->mutable_repeat()->add_layers();
  }
  EXPECT_FALSE(Judge(spec).spec.has_value());
}

TEST(LimitsTest, ATrillionParametersAreRefused) {
  const ValidationResult result = JudgeText(JobWithLayers(
      absl::StrCat("layers { flatten {} } layers { dense { units: 1000000 activation: RELU } }"
                   "layers { dense { units: 1000000 use_bias: false activation: RELU } }",
                   kEnd)));
  ASSERT_THAT(Fields(result), ElementsAre("training.network")) << Show(result);
  // 3073 * 10^6 + 10^12 + 10^7 + 10
  EXPECT_THAT(result.violations[0].description, HasSubstr("has 1,003,083,000,010 parameters"));
  EXPECT_THAT(result.violations[0].description,
              HasSubstr("\"dense_2\" (training.network.layers[2]), has 1,000,000,000,000"));
}

TEST(LimitsTest, MoreParametersThanANumberHoldsAreRefused) {
  const ValidationResult result = JudgeText(JobWithLayers(
      absl::StrCat("layers { conv2d { filters: 1000000000 kernel_size { height: 1 } } }"
                   "layers { flatten {} } layers { repeat { count: 50 layers { dense { units: "
                   "1000000000 activation: RELU } } } }",
                   kEnd)));
  ASSERT_THAT(Fields(result), ElementsAre("training.network")) << Show(result);
  EXPECT_THAT(result.violations[0].description,
              HasSubstr("more than 9,000,000,000,000,000,000 parameters"));
}

TEST(LimitsTest, ABillionParametersAreTheMost) {
  // From 3072 to n without bias, then n to 10 with bias: 3082 n + 10.
  const auto job = [](int64_t units) {
    return JobWithLayers(absl::StrCat("layers { flatten {} } layers { dense { units: ", units,
                                      " use_bias: false activation: RELU } }", kEnd));
  };
  const int64_t most = (1'000'000'000 - 10) / 3082;
  const ValidationResult accepted = JudgeText(job(most));
  ASSERT_TRUE(accepted.spec.has_value()) << Show(accepted);
  EXPECT_EQ(accepted.spec->summary().trainable_parameters(), 3082 * most + 10);
  EXPECT_THAT(Fields(JudgeText(job(most + 1))), ElementsAre("training.network"));
}

TEST(LimitsTest, MoreThanATebibyteIsRefused) {
  const ValidationResult result = JudgeText(JobWithLayers(
      absl::StrCat("layers { conv2d { filters: 20000 kernel_size { height: 3 } padding: SAME "
                   "activation: RELU } }"
                   "layers { max_pooling2d { pool_size { height: 32 } } } layers { flatten {} }",
                   kEnd),
      "batch_size: 65536"));
  ASSERT_THAT(Fields(result), ElementsAre("training.batch_size")) << Show(result);
  EXPECT_THAT(result.violations[0].description,
              HasSubstr("is 65536, with which the training needs an estimated "));
  EXPECT_THAT(result.violations[0].description, HasSubstr("TiB"));
}

TEST(LimitsTest, AHundredThousandLayersAreJudgedQuickly) {
  v1::JobSpec spec = ParseJob(JobWithLayers("layers { flatten {} }"));
  v1::Network& network = *spec.mutable_training()->mutable_network();
  for (int i = 0; i < 100'000; ++i) {
    v1::Layer& layer = *network.add_layers();
    layer.set_name(absl::StrCat("layer", i));
    layer.mutable_dense()->set_units(i % 3);
    layer.mutable_dense()->mutable_kernel_initializer()->mutable_random_uniform()->set_minval(1);
  }
  const ValidationResult result = Judge(spec);
  EXPECT_THAT(result.violations, SizeIs(101));
  EXPECT_LT(SecondsToJudge(spec), kQuickSeconds);
}

TEST(LimitsTest, TenThousandLayersWithWarningsAreJudgedQuickly) {
  v1::JobSpec spec = ParseJob(JobWithLayers("layers { flatten {} }"));
  v1::Network& network = *spec.mutable_training()->mutable_network();
  for (int i = 0; i < 9'998; ++i) network.add_layers()->mutable_dense()->set_units(2);
  v1::Dense& last = *network.add_layers()->mutable_dense();
  last.set_units(10);
  last.set_activation(v1::Activation::SOFTMAX);
  const ValidationResult result = Judge(spec);
  ASSERT_TRUE(result.spec.has_value()) << Show(result);
  EXPECT_THAT(result.warnings, SizeIs(101));
  EXPECT_EQ(result.warnings.back(), "...: and 9898 more warnings");
  EXPECT_LT(SecondsToJudge(spec), kQuickSeconds);
}

}  // namespace
}  // namespace anneal
