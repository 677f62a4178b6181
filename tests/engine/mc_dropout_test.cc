// Monte Carlo Dropout against passes through the whole network, and against exact expectations.
#include "server/engine/mc_dropout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/prediction_measures.h"
#include "server/engine/thread_settings.h"
#include "server/engine/training_step.h"
#include "server/spec/validated_prediction.h"
#include "tests/engine/small_training.h"

namespace anneal {
namespace {

struct Case {
  const char* name;
  const char* network;
  const char* input;
};

std::ostream& operator<<(std::ostream& out, const Case& which) { return out << which.name; }

constexpr char kRescale[] = "input { rescale { factor: 0.00392156862745098 } }";

const Case kCases[] = {
    {"dense", R"(layers { flatten {} } layers { dense { units: 50 activation: RELU } }
        layers { dropout { rate: 0.3 } } layers { dense { units: 33 activation: ELU } }
        layers { dense { units: 4 activation: SOFTMAX } })", kRescale},
    {"convolutional", R"(layers { conv2d { filters: 8 kernel_size { height: 3 width: 3 } activation: RELU } }
        layers { max_pooling2d {} } layers { spatial_dropout2d { rate: 0.4 } }
        layers { conv2d { filters: 5 kernel_size { height: 2 width: 2 } padding: SAME activation: SELU } }
        layers { flatten {} } layers { dense { units: 4 activation: SOFTMAX } })", kRescale},
    {"batch_normalization", R"(layers { conv2d { filters: 6 kernel_size { height: 3 width: 3 } } }
        layers { batch_normalization {} } layers { activation { function: RELU } }
        layers { dropout { rate: 0.5 } } layers { flatten {} } layers { dense { units: 20 } }
        layers { batch_normalization {} } layers { activation { function: ELU } }
        layers { dense { units: 4 activation: SOFTMAX } })", "input { standardize {} }"},
    {"alpha_dropout", R"(layers { flatten {} }
        layers { repeat { count: 5 layers { dense { units: 40 activation: SELU kernel_initializer { lecun_normal {} } } } } }
        layers { alpha_dropout { rate: 0.1 } } layers { dense { units: 4 activation: SOFTMAX } })",
     "input { standardize {} }"},
    {"several_dropouts", R"(layers { dropout { rate: 0.1 } }
        layers { conv2d { filters: 7 kernel_size { height: 3 width: 3 } padding: SAME activation: SELU } }
        layers { alpha_dropout { rate: 0.2 } } layers { max_pooling2d {} }
        layers { spatial_dropout2d { rate: 0.2 } } layers { flatten {} } layers { dropout { rate: 0.5 } }
        layers { layer_normalization {} } layers { dense { units: 30 activation: GELU } }
        layers { gaussian_noise { stddev: 0.5 } } layers { dropout { rate: 0.25 } }
        layers { dense { units: 4 activation: SOFTMAX } })",
     "input { l2_normalize { axis: 1 } }"},
};

// A network trained a little, so that moving averages are not those of the beginning.
class MonteCarlo : public ::testing::Test {
 protected:
  void Make(const std::string& network, const std::string& input = kRescale) {
    spec_.emplace(SmallSpec("network { " + network + " } " + input +
                            " optimizer { sgd { learning_rate: 0.05 } } batch_size: 16 seed: 5"));
    dataset_ = std::make_shared<Dataset>(SmallDataset());
    step_ = std::make_unique<TrainingStep>(*spec_, spec_->training(),
                                           ChooseSamples(*spec_, *dataset_).train, MakeCpuKernels());
    std::vector<uint32_t> order;
    for (int64_t epoch = 1; epoch <= 3; ++epoch) {
      step_->OrderEpoch(epoch, order);
      for (int64_t done = 0; done < 60; done += 16)
        step_->Run(order.data() + done, std::min<int64_t>(16, 60 - done));
    }
  }

  PredictionSet Set(int64_t samples, uint64_t seed = 11) const {
    PredictionSet set;
    set.class_names = {"a", "b", "c", "d"};
    set.samples = samples;
    set.seed = seed;
    set.keeps_samples = samples > 0;
    set.images = 20;
    return set;
  }

  PredictionChunk Predict(const PredictionSet& set, int64_t begin, int64_t count) {
    MonteCarloDropout network(step_->network(), step_->preparation(), OutputKindOf(*spec_), set);
    PredictionChunk chunk = MakePredictionChunk(set, begin, count);
    const absl::Status predicted =
        network.Predict(*dataset_->FindSplit("test"), [](int64_t) { return true; }, chunk);
    EXPECT_TRUE(predicted.ok()) << predicted;
    return chunk;
  }

  // The naive loop: for each sample a pass of all images, `rows` at a time, through all layers.
  // [images, samples, 4]
  std::vector<float> Naive(const PredictionSet& set, int64_t images, int64_t rows) {
    Network& network = step_->network();
    WorkspacePool pool(network.kernels().device());
    const std::unique_ptr<Workspace> workspace =
        network.MakeWorkspace(rows, Mode::kMonteCarlo, pool);
    at::Tensor probabilities = at::zeros({rows, 4}, at::TensorOptions().dtype(at::kFloat));
    std::vector<uint32_t> indices(static_cast<size_t>(rows));
    std::vector<MonteCarloRow> masks(static_cast<size_t>(rows));
    std::vector<float> all(static_cast<size_t>(images * set.samples * 4));
    for (int64_t sample = 0; sample < set.samples; ++sample) {
      for (int64_t first = 0; first < images; first += rows) {
        for (int64_t n = 0; n < rows; ++n) {
          const auto k = static_cast<size_t>(n);
          indices[k] = static_cast<uint32_t>(std::min(first + n, images - 1));
          masks[k] = {static_cast<uint32_t>(sample), set.consistent_masks ? 0 : indices[k]};
        }
        step_->preparation().Prepare(network.kernels(), *dataset_->FindSplit("test"),
                                     indices.data(), workspace->input());
        StepContext context;
        context.seed = set.seed;
        context.rows = masks.data();
        network.Forward(*workspace, context);
        ToProbabilities(network.kernels(), OutputKindOf(*spec_), workspace->output(),
                        probabilities);
        for (int64_t n = 0; n < std::min(rows, images - first); ++n) {
          const auto* const row = static_cast<const float*>(probabilities.data_ptr()) + n * 4;
          std::copy(row, row + 4,
                    all.begin() + ((first + n) * set.samples + sample) * 4);
        }
      }
    }
    return all;
  }

  const ThreadSettings settings_;
  std::optional<ValidatedSpec> spec_;
  std::shared_ptr<Dataset> dataset_;
  std::unique_ptr<TrainingStep> step_;
};

class MonteCarloCases : public MonteCarlo, public ::testing::WithParamInterface<Case> {
 protected:
  void SetUp() override { Make(GetParam().network, GetParam().input); }
};

TEST_P(MonteCarloCases, KeepingTheFirstLayersGivesTheBitsOfWholePasses) {
  for (const bool consistent : {false, true}) {
    PredictionSet set = Set(37);
    set.consistent_masks = consistent;
    const PredictionChunk chunk = Predict(set, 0, 20);
    EXPECT_EQ(chunk.sample_probabilities, Naive(set, 20, MonteCarloDropout::kRows));
  }
}

TEST_P(MonteCarloCases, AnswersDoNotDependOnTheOtherImages) {
  const PredictionSet set = Set(23);
  const PredictionChunk all = Predict(set, 0, 20);
  for (int64_t image = 0; image < 20; ++image) {
    const PredictionChunk one = Predict(set, image, 1);
    const auto begin = all.sample_probabilities.begin() + image * 23 * 4;
    EXPECT_EQ(one.sample_probabilities, std::vector<float>(begin, begin + 23 * 4)) << image;
    for (const Measure measure : kAllMeasures)
      EXPECT_EQ(one.measure(measure)[0], all.measure(measure)[static_cast<size_t>(image)]);
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, MonteCarloCases, ::testing::ValuesIn(kCases),
                         [](const auto& which) { return std::string(which.param.name); });

// The spec of a case with every dropout switched off but the `kept`-th.
std::string WithOneDropout(std::string network, size_t kept) {
  size_t number = 0;
  for (size_t at = network.find("rate: "); at != std::string::npos;
       at = network.find("rate: ", at + 1), ++number) {
    const size_t end = network.find(' ', at + 6);
    if (number != kept)
      network = absl::StrCat(network.substr(0, at + 6), "0", network.substr(end));
  }
  return network;
}

size_t DropoutCount(const std::string& network) {
  size_t count = 0;
  for (size_t at = network.find("rate: "); at != std::string::npos;
       at = network.find("rate: ", at + 1))
    ++count;
  return count;
}

// The bug that this product must not have: dropout silently off, and every sample the same.
TEST_P(MonteCarloCases, EveryDropoutByItselfMakesSamplesDiffer) {
  const size_t dropouts = DropoutCount(GetParam().network);
  ASSERT_GT(dropouts, 0U);
  for (size_t kept = 0; kept < dropouts; ++kept) {
    Make(WithOneDropout(GetParam().network, kept), GetParam().input);
    const PredictionChunk chunk = Predict(Set(50), 0, 20);
    for (size_t n = 0; n < 20; ++n) {
      const auto first = chunk.deviations.begin() + static_cast<int64_t>(n) * 4;
      EXPECT_GT(*std::max_element(first, first + 4), 0) << "dropout " << kept << ", image " << n;
      EXPECT_GT(chunk.measure(Measure::kMutualInformation)[n], 0) << kept << ", " << n;
    }
  }
}

TEST_P(MonteCarloCases, NormalizationStaysInInferenceMode) {
  const at::Tensor before = step_->network().buffers().clone();
  const at::Tensor weights = step_->network().parameters().clone();
  Predict(Set(10), 0, 20);
  EXPECT_TRUE(at::equal(step_->network().buffers(), before)) << "moving averages have moved";
  EXPECT_TRUE(at::equal(step_->network().parameters(), weights));

  // Without dropout every sample is the inference pass to the last bit. Statistics of the batch,
  // whose rows are other ones in the two, would differ.
  std::string network = WithOneDropout(GetParam().network, 1000);
  Make(network, GetParam().input);
  const PredictionChunk chunk = Predict(Set(3), 0, 20);
  for (size_t n = 0; n < 20; ++n) {
    for (size_t k = 0; k < 12; ++k) {
      EXPECT_EQ(chunk.sample_probabilities[n * 12 + k],
                chunk.deterministic_probabilities[n * 4 + k % 4]);
    }
    for (size_t k = 0; k < 4; ++k) EXPECT_EQ(chunk.deviations[n * 4 + k], 0);
  }
}

TEST_P(MonteCarloCases, MoreSamplesBeginWithTheSameOnes) {
  const PredictionChunk few = Predict(Set(5), 3, 4);
  const PredictionChunk many = Predict(Set(40), 3, 4);
  for (int64_t n = 0; n < 4; ++n) {
    const auto begin = many.sample_probabilities.begin() + n * 40 * 4;
    const auto of_few = few.sample_probabilities.begin() + n * 5 * 4;
    EXPECT_EQ(std::vector<float>(begin, begin + 20), std::vector<float>(of_few, of_few + 20));
  }
}

// Where an activation is large a block has few rows, and kernels take the last few numbers of a
// tensor by other instructions than the rest: no answer may depend on whether it is among them.
TEST_F(MonteCarlo, FewRowsABlockChangeNoBits) {
  Make("layers { conv2d { filters: 17000 kernel_size { height: 1 width: 1 } } } "
       "layers { global_average_pooling2d {} } layers { dense { units: 5 activation: MISH } } "
       "layers { dropout { rate: 0.3 } } layers { dense { units: 5 activation: SILU } } "
       "layers { dense { units: 4 activation: SOFTMAX } }");
  const PredictionSet set = Set(23);
  const PredictionChunk all = Predict(set, 0, 20);
  for (int64_t image = 0; image < 20; ++image) {
    const PredictionChunk one = Predict(set, image, 1);
    const auto begin = all.sample_probabilities.begin() + image * 23 * 4;
    EXPECT_EQ(one.sample_probabilities, std::vector<float>(begin, begin + 23 * 4)) << image;
  }
}

TEST_F(MonteCarlo, AnotherSeedIsAnotherSample) {
  Make(kCases[0].network);
  EXPECT_EQ(Predict(Set(5, 1), 0, 20).sample_probabilities,
            Predict(Set(5, 1), 0, 20).sample_probabilities);
  EXPECT_NE(Predict(Set(5, 1), 0, 20).sample_probabilities,
            Predict(Set(5, 2), 0, 20).sample_probabilities);
}

TEST_F(MonteCarlo, ConsistentMasksAreOneNetworkForAllImages) {
  // Where masks are consistent, two images that are the same give the same samples.
  Make(kCases[0].network);
  DatasetSplit split = *dataset_->FindSplit("test");
  std::copy(split.images.begin(), split.images.begin() + 128, split.images.begin() + 128);
  for (const bool consistent : {false, true}) {
    PredictionSet set = Set(6);
    set.consistent_masks = consistent;
    MonteCarloDropout network(step_->network(), step_->preparation(), OutputKindOf(*spec_), set);
    PredictionChunk chunk = MakePredictionChunk(set, 0, 2);
    ASSERT_TRUE(network.Predict(split, [](int64_t) { return true; }, chunk).ok());
    const auto middle = chunk.sample_probabilities.begin() + 24;
    EXPECT_EQ(std::equal(chunk.sample_probabilities.begin(), middle, middle), consistent);
  }
}

// E p = sum over all masks of P(mask) p(mask), which for six units can be computed.
TEST_F(MonteCarlo, TheMeanConvergesToTheExactExpectation) {
  constexpr int64_t kUnits = 6;
  constexpr int64_t kSamples = 20'000;
  for (const double rate : {0.5, 0.2}) {
    Make("layers { flatten {} } layers { dense { units: 6 activation: ELU } } "
         "layers { dropout { rate: " + std::to_string(rate) + " } } "
         "layers { dense { units: 4 activation: SOFTMAX } }");
    PredictionSet set = Set(kSamples);
    set.keeps_samples = false;
    const PredictionChunk chunk = Predict(set, 0, 3);
    EXPECT_TRUE(chunk.sample_probabilities.empty());

    Network& network = step_->network();
    WorkspacePool pool(network.kernels().device());
    const auto hidden = network.MakeWorkspace(3, Mode::kInference, pool, 0, 2);
    const std::vector<uint32_t> images = {0, 1, 2};
    step_->preparation().Prepare(network.kernels(), *dataset_->FindSplit("test"), images.data(),
                                 hidden->input());
    network.Forward(*hidden, StepContext{});
    const at::Tensor kernel = network.weights()[2].value.to(at::kDouble);
    const at::Tensor bias = network.weights()[3].value.to(at::kDouble);
    for (int64_t image = 0; image < 3; ++image) {
      const at::Tensor units = hidden->output()[image].to(at::kDouble);
      at::Tensor expected = at::zeros({4}, at::TensorOptions().dtype(at::kDouble));
      for (int64_t mask = 0; mask < (1 << kUnits); ++mask) {
        at::Tensor kept = at::zeros({kUnits}, at::TensorOptions().dtype(at::kDouble));
        double probability = 1;
        for (int64_t unit = 0; unit < kUnits; ++unit) {
          const bool keep = (mask >> unit & 1) != 0;
          probability *= keep ? 1 - rate : rate;
          if (keep) kept[unit] = 1 / (1 - rate);
        }
        expected += at::softmax((units * kept).matmul(kernel) + bias, 0) * probability;
      }
      for (int64_t k = 0; k < 4; ++k) {
        const auto entry = static_cast<size_t>(image * 4 + k);
        const double error = chunk.deviations[entry] / std::sqrt(double{kSamples});
        EXPECT_GT(error, 0);
        EXPECT_NEAR(chunk.probabilities[entry], expected[k].item<double>(), 4 * error)
            << "rate " << rate << ", image " << image << ", class " << k;
      }
    }
  }
}

TEST_F(MonteCarlo, WithoutSamplesItIsTheInferencePass) {
  Make(kCases[4].network);
  const PredictionChunk chunk = Predict(Set(0), 0, 20);
  EXPECT_EQ(chunk.probabilities, chunk.deterministic_probabilities);
  EXPECT_EQ(chunk.deterministic_probabilities, Predict(Set(4), 0, 20).deterministic_probabilities);
  EXPECT_EQ(chunk.deviations, std::vector<float>(80, 0.0F));
}

TEST_F(MonteCarlo, StopsBetweenBlocksAndTellsHowFarItIs) {
  Make(kCases[0].network);
  const PredictionSet set = Set(100'000);
  MonteCarloDropout network(step_->network(), step_->preparation(), OutputKindOf(*spec_), set);
  PredictionSet without = set;
  without.keeps_samples = false;
  PredictionChunk chunk = MakePredictionChunk(without, 0, 5);
  int64_t calls = 0;
  int64_t images = 0;
  const absl::Status stopped = network.Predict(
      *dataset_->FindSplit("test"),
      [&](int64_t done) {
        images = done;
        return ++calls < 2000;
      },
      chunk);
  EXPECT_TRUE(absl::IsCancelled(stopped)) << stopped;
  // 2,000 blocks of 128 rows are two images of 100,000 samples and a part of the third.
  EXPECT_EQ(images, 2);
}

TEST_F(MonteCarlo, WhatIsNoNumberNamesTheImage) {
  Make(kCases[0].network);
  step_->network().parameters().fill_(3e38F);
  const PredictionSet set = Set(2);
  MonteCarloDropout network(step_->network(), step_->preparation(), OutputKindOf(*spec_), set);
  PredictionChunk chunk = MakePredictionChunk(set, 7, 3);
  const absl::Status predicted =
      network.Predict(*dataset_->FindSplit("test"), [](int64_t) { return true; }, chunk);
  EXPECT_TRUE(absl::IsOutOfRange(predicted)) << predicted;
  EXPECT_NE(std::string(predicted.message()).find("image 7"), std::string::npos) << predicted;
}

TEST(ToProbabilities, OfEveryKindOfOutput) {
  const std::unique_ptr<Kernels> kernels = MakeCpuKernels();
  const auto floats = at::TensorOptions().dtype(at::kFloat);
  at::Tensor two = at::zeros({2, 2}, floats);
  ToProbabilities(*kernels, OutputKind::kLogits, at::tensor({0.0F, 1.0F, -20.0F, 20.0F}).view({2, 2}),
                  two);
  EXPECT_NEAR(two[0][1].item<double>(), 1 / (1 + std::exp(-1.0)), 1e-6);
  EXPECT_NEAR(two[1][0].item<double>(), std::exp(-40.0), 1e-22);
  ToProbabilities(*kernels, OutputKind::kLogit, at::tensor({2.0F, 30.0F}).view({2, 1}), two);
  EXPECT_NEAR(two[0][1].item<double>(), 1 / (1 + std::exp(-2.0)), 1e-6);
  EXPECT_NEAR(two[0][0].item<double>(), 1 / (1 + std::exp(2.0)), 1e-6);
  EXPECT_NEAR(two[1][0].item<double>(), std::exp(-30.0), 1e-17);
  const at::Tensor same = at::tensor({0.25F, 0.75F, 1.0F, 0.0F}).view({2, 2});
  ToProbabilities(*kernels, OutputKind::kProbabilities, same, two);
  EXPECT_TRUE(at::equal(two, same));
}

}  // namespace
}  // namespace anneal
