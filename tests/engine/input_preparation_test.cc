#include "server/engine/input_preparation.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "server/core/random.h"

namespace anneal {
namespace {

google::protobuf::RepeatedPtrField<v1::InputStep> Steps(const std::string& text) {
  v1::TrainingSpec spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec));
  return spec.input();
}

// What sample `sample` of `split` is prepared to, as a flat row.
at::Tensor Prepared(const InputPreparation& preparation, const DatasetSplit& split, uint32_t sample,
                    const std::vector<int64_t>& shape,
                    const AugmentationContext* augmentation = nullptr) {
  at::Tensor images = at::empty({1, shape[0], shape[1], shape[2]});
  preparation.Prepare(*MakeCpuKernels(), split, &sample, images, augmentation);
  return images.flatten();
}

DatasetSplit Split(std::vector<uint8_t> images, int64_t samples) {
  DatasetSplit split;
  split.name = "train";
  split.images = std::move(images);
  split.labels.resize(static_cast<size_t>(samples));
  return split;
}

TEST(InputPreparation, NothingAskedIsTheRawByte) {
  const DatasetSplit split = Split({1, 255}, 1);
  const InputPreparation preparation = InputPreparation::Fit({}, {1, 1, 2}, {&split, 0, 1});
  EXPECT_TRUE(at::equal(Prepared(preparation, split, 0, {1, 1, 2}), at::tensor({1.0F, 255.0F})));
}

TEST(InputPreparation, StandardizesEachFeatureOnTheTrainingSamplesOnly) {
  // Three features, four samples; the first and the last are held out.
  const DatasetSplit split = Split({255, 255, 255, 10, 7, 0, 30, 7, 200, 0, 0, 0}, 4);
  const InputPreparation preparation = InputPreparation::Fit(
      Steps("input { rescale { factor: 0.5 offset: 3 } } input { standardize {} }"), {1, 1, 3},
      {&split, 1, 2});
  const auto apply = [&](size_t feature, double byte) {
    return byte * preparation.scale()[static_cast<int64_t>(feature)].item<float>() +
           preparation.shift()[static_cast<int64_t>(feature)].item<float>();
  };
  EXPECT_NEAR(apply(0, 10), -1, 1e-6);  // mean 20, deviation 10
  EXPECT_NEAR(apply(0, 30), 1, 1e-6);
  EXPECT_NEAR(apply(0, 255), 23.5, 1e-4);
  EXPECT_NEAR(apply(1, 7), 0,
              1e-6);  // never changes: only centred, in the units of the step before
  EXPECT_NEAR(apply(1, 9), 1, 1e-6);
  EXPECT_NEAR(apply(2, 0), -1, 1e-6);
  EXPECT_NEAR(apply(2, 200), 1, 1e-6);
}

TEST(InputPreparation, RescaleAfterStandardize) {
  const DatasetSplit split = Split({0, 10, 4, 20}, 2);
  const InputPreparation preparation = InputPreparation::Fit(
      Steps("input { standardize {} } input { rescale { factor: 2 offset: 1 } }"), {1, 1, 2},
      {&split, 0, 2});
  EXPECT_NEAR(0 * preparation.scale()[0].item<float>() + preparation.shift()[0].item<float>(), -1,
              1e-6);
  EXPECT_NEAR(20 * preparation.scale()[1].item<float>() + preparation.shift()[1].item<float>(), 3,
              1e-6);
}

// 40 images of 3x4x2 random bytes.
DatasetSplit RandomSplit() {
  std::vector<uint8_t> images;
  for (uint32_t k = 0; k < 40 * 24; ++k) {
    images.push_back(
        static_cast<uint8_t>(RandomStream{5, RandomPurpose::kSynthetic, 0, 0}.Block(k)[0] >> 24));
  }
  return Split(std::move(images), 40);
}

TEST(InputPreparation, StandardizesEachChannelOverAllItsPixels) {
  const DatasetSplit split = RandomSplit();
  const InputPreparation preparation = InputPreparation::Fit(
      Steps("input { rescale { factor: 0.1 } } input { standardize_per_channel {} }"), {3, 4, 2},
      {&split, 5, 30});
  std::vector<at::Tensor> rows;
  for (uint32_t n = 5; n < 35; ++n)
    rows.push_back(Prepared(preparation, split, n, {3, 4, 2}).view({12, 2}));
  const at::Tensor all = at::cat(rows).to(at::kDouble);
  EXPECT_LT(all.mean(0).abs().max().item<double>(), 1e-6);
  EXPECT_LT((all.std(0, /*unbiased=*/false) - 1).abs().max().item<double>(), 1e-6);
  // One map for all pixels of a channel, so differences between pixels keep their sign.
  EXPECT_FALSE(
      at::allclose(all.view({30, 12, 2}).mean(0), at::zeros({12, 2}, at::kDouble), 0, 1e-3));
}

TEST(InputPreparation, L2NormalizesAlongTheAxisOfTheBatch) {
  const DatasetSplit split = RandomSplit();
  for (const int64_t axis : {1, 2, 3, -1}) {
    const InputPreparation preparation = InputPreparation::Fit(
        Steps("input { l2_normalize { axis: " + std::to_string(axis) + " } }"), {3, 4, 2},
        {&split, 0, 40});
    const at::Tensor image = Prepared(preparation, split, 7, {3, 4, 2}).view({1, 3, 4, 2});
    EXPECT_LT((image.square().sum(axis) - 1).abs().max().item<double>(), 1e-5) << axis;
  }
  const DatasetSplit black = Split({0, 0}, 1);
  const InputPreparation preparation =
      InputPreparation::Fit(Steps("input { l2_normalize { axis: 3 } }"), {1, 1, 2}, {&black, 0, 1});
  EXPECT_TRUE(at::equal(Prepared(preparation, black, 0, {1, 1, 2}), at::zeros({2})));
}

TEST(InputPreparation, StandardizeAfterL2NormalizeIsFittedOnWhatReachesIt) {
  const DatasetSplit split = RandomSplit();
  const InputPreparation preparation =
      InputPreparation::Fit(Steps("input { l2_normalize { axis: 1 } } input { standardize {} }"),
                            {3, 4, 2}, {&split, 0, 40});
  std::vector<at::Tensor> rows;
  for (uint32_t n = 0; n < 40; ++n) rows.push_back(Prepared(preparation, split, n, {3, 4, 2}));
  const at::Tensor all = at::stack(rows).to(at::kDouble);
  EXPECT_LT(all.mean(0).abs().max().item<double>(), 1e-5);
  EXPECT_LT((all.std(0, /*unbiased=*/false) - 1).abs().max().item<double>(), 1e-5);
}

TEST(InputPreparation, AugmentationActsInTrainingOnlyAndIsAFunctionOfTheStep) {
  const DatasetSplit split = RandomSplit();
  const InputPreparation preparation = InputPreparation::Fit(
      Steps("input { random_flip {} } input { random_translation { height_factor: 0.4 "
            "width_factor: 0.3 } }"),
      {3, 4, 2}, {&split, 0, 40});
  const at::Tensor plain = Prepared(preparation, split, 3, {3, 4, 2}).view({3, 4, 2});
  EXPECT_TRUE(
      at::equal(plain.flatten(),
                at::from_blob(const_cast<uint8_t*>(split.images.data()) + 72, {24}, at::kByte)
                    .to(at::kFloat)));
  int flipped = 0;
  int moved = 0;
  for (int64_t step = 0; step < 200; ++step) {
    const AugmentationContext context{9, step};
    const at::Tensor image = Prepared(preparation, split, 3, {3, 4, 2}, &context).view({3, 4, 2});
    EXPECT_TRUE(at::equal(image.flatten(), Prepared(preparation, split, 3, {3, 4, 2}, &context)));
    // It is one of the images that the definition allows: flipped or not, moved by -1 .. 1 either
    // way.
    bool found = false;
    for (const bool flip : {false, true}) {
      for (int64_t down = -1; down <= 1; ++down) {
        for (int64_t right = -1; right <= 1; ++right) {
          const at::Tensor base = flip ? plain.flip(1) : plain;
          const at::Tensor rows = (at::arange(3, at::kLong) - down).clamp(0, 2);
          const at::Tensor columns = (at::arange(4, at::kLong) - right).clamp(0, 3);
          if (!at::equal(image, base.index_select(0, rows).index_select(1, columns))) continue;
          found = true;
          flipped += flip ? 1 : 0;
          moved += down != 0 || right != 0 ? 1 : 0;
        }
      }
    }
    EXPECT_TRUE(found) << "step " << step;
  }
  EXPECT_NEAR(flipped, 100, 4 * 7.1);          // four standard deviations of 200 fair coins
  EXPECT_NEAR(moved, 200 * 8.0 / 9, 4 * 4.5);  // all nine shifts are equally likely
}

}  // namespace
}  // namespace anneal
