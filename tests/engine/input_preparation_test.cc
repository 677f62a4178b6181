#include "server/engine/input_preparation.h"

#include <gtest/gtest.h>
#include <google/protobuf/text_format.h>

#include <string>
#include <utility>
#include <vector>

namespace anneal {
namespace {

google::protobuf::RepeatedPtrField<v1::InputStep> Steps(const std::string& text) {
  v1::TrainingSpec spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec));
  return spec.input();
}

DatasetSplit Split(std::vector<uint8_t> images, int64_t samples) {
  DatasetSplit split;
  split.name = "train";
  split.images = std::move(images);
  split.labels.resize(static_cast<size_t>(samples));
  return split;
}

TEST(InputPreparation, NothingAskedIsTheRawByte) {
  const InputPreparation preparation = FitInputPreparation({}, Split({1, 2}, 1), 2, 0, 1);
  EXPECT_EQ(preparation.scale.numel(), 1);
  EXPECT_EQ(preparation.scale.item<float>(), 1.0F);
  EXPECT_EQ(preparation.shift.item<float>(), 0.0F);
}

TEST(InputPreparation, StandardizesEachFeatureOnTheTrainingSamplesOnly) {
  // Three features, four samples; the first and the last are held out.
  const DatasetSplit split = Split({255, 255, 255, 10, 7, 0, 30, 7, 200, 0, 0, 0}, 4);
  const InputPreparation preparation = FitInputPreparation(
      Steps("input { rescale { factor: 0.5 offset: 3 } } input { standardize {} }"), split, 3, 1, 2);
  const auto apply = [&](size_t feature, double byte) {
    return byte * preparation.scale[static_cast<int64_t>(feature)].item<float>() +
           preparation.shift[static_cast<int64_t>(feature)].item<float>();
  };
  EXPECT_NEAR(apply(0, 10), -1, 1e-6);  // mean 20, deviation 10
  EXPECT_NEAR(apply(0, 30), 1, 1e-6);
  EXPECT_NEAR(apply(0, 255), 23.5, 1e-4);
  EXPECT_NEAR(apply(1, 7), 0, 1e-6);    // never changes: only centred, in the units of the step before
  EXPECT_NEAR(apply(1, 9), 1, 1e-6);
  EXPECT_NEAR(apply(2, 0), -1, 1e-6);
  EXPECT_NEAR(apply(2, 200), 1, 1e-6);
}

TEST(InputPreparation, RescaleAfterStandardize) {
  const DatasetSplit split = Split({0, 10, 4, 20}, 2);
  const InputPreparation preparation =
      FitInputPreparation(Steps("input { standardize {} } input { rescale { factor: 2 offset: 1 } }"), split, 2, 0, 2);
  EXPECT_NEAR(0 * preparation.scale[0].item<float>() + preparation.shift[0].item<float>(), -1, 1e-6);
  EXPECT_NEAR(20 * preparation.scale[1].item<float>() + preparation.shift[1].item<float>(), 3, 1e-6);
}

}  // namespace
}  // namespace anneal
