#include "server/data/synthetic_shapes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace anneal {
namespace {

constexpr size_t kImageBytes = 32 * 32 * 3;

class SyntheticShapesTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { dataset_ = new Dataset(*SyntheticShapesReader("shapes").Load()); }
  static void TearDownTestSuite() { delete std::exchange(dataset_, nullptr); }

  static const DatasetSplit& Train() { return *dataset_->FindSplit("train"); }
  static const DatasetSplit& Test() { return *dataset_->FindSplit("test"); }

  static Dataset* dataset_;
};

Dataset* SyntheticShapesTest::dataset_ = nullptr;

bool Holds(const DatasetSplit& split, uint64_t index, const SyntheticImage& image) {
  return split.labels[index] == image.label &&
         std::equal(image.pixels.begin(), image.pixels.end(),
                    split.images.begin() + static_cast<std::ptrdiff_t>(index * kImageBytes));
}

TEST_F(SyntheticShapesTest, DescribesWhatItMakes) {
  const absl::StatusOr<DatasetInfo> info = SyntheticShapesReader("shapes").Describe();
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->name, "shapes");
  EXPECT_EQ(info->format, "synthetic-shapes");
  EXPECT_EQ(info->source, "");
  EXPECT_THAT(info->shape, ::testing::ElementsAre(32, 32, 3));
  EXPECT_EQ(std::set<std::string>(info->class_names.begin(), info->class_names.end()).size(), 10u);
  for (const DatasetSplit* split : {&Train(), &Test()}) {
    ASSERT_NE(info->FindSplit(split->name), nullptr);
    EXPECT_EQ(info->FindSplit(split->name)->samples, split->samples());
    EXPECT_EQ(split->images.size(), static_cast<size_t>(split->samples()) * kImageBytes);
  }
  EXPECT_EQ(Train().samples(), 10'000);
  EXPECT_EQ(Test().samples(), 2'000);
}

TEST_F(SyntheticShapesTest, AnImageDependsOnItsIndexOnly) {
  // Alone, in another order, and on other threads, the images are those of the set.
  EXPECT_TRUE(Holds(Train(), 1234, MakeSyntheticImage(SyntheticSplit::kTrain, 1234)));
  EXPECT_TRUE(Holds(Test(), 1234, MakeSyntheticImage(SyntheticSplit::kTest, 1234)));
  std::array<int, 4> wrong = {};
  {
    std::vector<std::jthread> threads;
    for (size_t t = 0; t < wrong.size(); ++t) {
      threads.emplace_back([&wrong, t] {
        for (uint64_t index = 1999 - t; index > 100; index -= 7) {
          if (!Holds(Test(), index, MakeSyntheticImage(SyntheticSplit::kTest, index))) ++wrong[t];
        }
      });
    }
  }
  EXPECT_THAT(wrong, ::testing::Each(0));
}

TEST_F(SyntheticShapesTest, MakesTheSameSetTwice) {
  const Dataset again = *SyntheticShapesReader("other-name").Load();
  EXPECT_EQ(again.FindSplit("train")->images, Train().images);
  EXPECT_EQ(again.FindSplit("train")->labels, Train().labels);
  EXPECT_EQ(again.FindSplit("test")->images, Test().images);
  EXPECT_EQ(again.FindSplit("test")->labels, Test().labels);
}

TEST_F(SyntheticShapesTest, TakesAnyIndex) {
  const SyntheticImage last =
      MakeSyntheticImage(SyntheticSplit::kTrain, std::numeric_limits<uint64_t>::max());
  EXPECT_GE(last.label, 0);
  EXPECT_LT(last.label, 10);
  EXPECT_NE(last.pixels,
            MakeSyntheticImage(SyntheticSplit::kTrain, (uint64_t{1} << 32) - 1).pixels);
}

TEST_F(SyntheticShapesTest, ClassesAreAboutBalanced) {
  for (const DatasetSplit* split : {&Train(), &Test()}) {
    // Each label is drawn with probability 1/10: five standard deviations of the binomial
    // distribution.
    const double expected = static_cast<double>(split->samples()) / 10;
    const double tolerance = 5 * std::sqrt(expected * 0.9);
    for (int label = 0; label < 10; ++label) {
      const auto count = std::count(split->labels.begin(), split->labels.end(), label);
      EXPECT_NEAR(static_cast<double>(count), expected, tolerance) << split->name << " " << label;
    }
    EXPECT_EQ(*std::min_element(split->labels.begin(), split->labels.end()), 0);
    EXPECT_EQ(*std::max_element(split->labels.begin(), split->labels.end()), 9);
  }
}

TEST_F(SyntheticShapesTest, NoTwoImagesAreTheSame) {
  std::set<std::string> seen;
  for (const DatasetSplit* split : {&Train(), &Test()}) {
    for (auto pixel = split->images.begin(); pixel != split->images.end(); pixel += kImageBytes) {
      seen.emplace(pixel, pixel + kImageBytes);
    }
  }
  EXPECT_EQ(seen.size(), 12'000u);
}

TEST_F(SyntheticShapesTest, UsesTheRangeOfPixels) {
  EXPECT_EQ(*std::min_element(Train().images.begin(), Train().images.end()), 0);
  EXPECT_EQ(*std::max_element(Train().images.begin(), Train().images.end()), 255);
  // Few pixels are clipped, and every image has something in it.
  const auto clipped = std::count_if(Train().images.begin(), Train().images.end(),
                                     [](uint8_t pixel) { return pixel == 0 || pixel == 255; });
  EXPECT_LT(static_cast<double>(clipped), 0.05 * static_cast<double>(Train().images.size()));
  for (auto pixel = Train().images.begin(); pixel != Train().images.end(); pixel += kImageBytes) {
    const auto [darkest, lightest] = std::minmax_element(pixel, pixel + kImageBytes);
    EXPECT_GT(*lightest - *darkest, 20);
  }
}

// The simplest classifier there is, the nearest mean image of a class, has to do better than chance
// (the labels belong to the images) and far from well (the task is left to a network).
TEST_F(SyntheticShapesTest, IsNeitherChanceNorTrivial) {
  std::array<std::array<double, kImageBytes>, 10> means = {};
  std::array<double, 10> counts = {};
  for (size_t i = 0; i < Train().labels.size(); ++i) {
    const auto label = static_cast<size_t>(Train().labels[i]);
    counts[label] += 1;
    for (size_t k = 0; k < kImageBytes; ++k) means[label][k] += Train().images[i * kImageBytes + k];
  }
  for (size_t label = 0; label < 10; ++label) {
    for (double& value : means[label]) value /= counts[label];
  }
  int right = 0;
  for (size_t i = 0; i < Test().labels.size(); ++i) {
    std::array<double, 10> distances = {};
    for (size_t label = 0; label < 10; ++label) {
      for (size_t k = 0; k < kImageBytes; ++k) {
        const double difference = Test().images[i * kImageBytes + k] - means[label][k];
        distances[label] += difference * difference;
      }
    }
    const auto nearest = std::min_element(distances.begin(), distances.end()) - distances.begin();
    right += nearest == Test().labels[i] ? 1 : 0;
  }
  const double accuracy = right / static_cast<double>(Test().samples());
  EXPECT_GT(accuracy, 0.15);
  EXPECT_LT(accuracy, 0.60);
}

}  // namespace
}  // namespace anneal
