// What selecting features makes of the network's input.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/spec/job_specs.h"
#include "tests/spec/single_violation.h"

namespace anneal {
namespace {

using testing::ElementsAre;

constexpr char kSelection[] =
    "rescale { factor: 0.00392156862745098 } } input { select_features { score: F_SCORE k: 300 }";

TEST(SelectFeatures, TheNetworkSeesAVectorOfK) {
  const ValidationResult result = JudgeText(GoodJobWith({{kStep, kSelection}}));
  ASSERT_TRUE(result.spec.has_value()) << Show(result);
  EXPECT_THAT(result.spec->layers().front().input_shape, ElementsAre(300));
  EXPECT_THAT(result.spec->summary().input_shape(), ElementsAre(300));
  // The first Dense: 300 inputs and a bias for each of 100 units.
  EXPECT_EQ(result.spec->layers()[1].trainable_parameters, 301 * 100);
  EXPECT_THAT(result.spec->dataset().shape, ElementsAre(32, 32, 3));
}

TEST(SelectFeatures, AConvolutionNeedsTheImage) {
  const ValidationResult result =
      JudgeText(GoodJobWith({{kStep, kSelection},
                             {kFlatten,
                              "layers { conv2d { filters: 4 kernel_size { height: 3 } } } "
                              "layers { flatten {} }"}}));
  EXPECT_FALSE(result.spec.has_value());
  EXPECT_THAT(Fields(result), ElementsAre("training.network.layers[0].conv2d"));
}

TEST(SelectFeatures, MayBeFollowedByScaling) {
  const ValidationResult result = JudgeText(GoodJobWith(
      {{kStep,
        "select_features { score: VARIANCE k: 3072 } } input { standardize {} } input { "
        "rescale { factor: 2 }"}}));
  EXPECT_TRUE(result.spec.has_value()) << Show(result);
}

}  // namespace
}  // namespace anneal
