// Whole networks against autograd: the same weights, the same batch, every gradient.
#include "server/engine/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "tests/engine/small_training.h"

namespace anneal {
namespace {

// The network that a spec describes, written with torch's own functions on [N, C, H, W] images; its
// weights are the Network's, as leaves that collect gradients. Dropout multiplies by the masks it
// is given.
class AutogradNetwork {
 public:
  AutogradNetwork(const ValidatedSpec& spec, Network& network) : spec_(spec) {
    for (const NamedWeight& weight : network.weights()) {
      weights_[weight.name] = weight.value.clone().requires_grad_(weight.trainable);
    }
  }

  at::Tensor Weight(const std::string& name) { return weights_.at(name); }

  // x: [N, H, W, C]; returns logits.
  at::Tensor Forward(const at::Tensor& images, const StepContext& step, Mode mode) {
    at::Tensor x = images;
    for (size_t i = 0; i < spec_.layers().size(); ++i) {
      const ResolvedLayer& resolved = spec_.layers()[i];
      const v1::Layer& layer = *resolved.layer;
      const std::string& name = resolved.name;
      if (layer.has_flatten()) {
        x = x.flatten(1);
      } else if (layer.has_dense()) {
        x = torch::matmul(x, weights_.at(name + "/kernel"));
        if (weights_.count(name + "/bias") != 0) x = x + weights_.at(name + "/bias");
        x = Activate(layer.dense().activation(), x);
      } else if (layer.has_conv2d()) {
        const at::Tensor bias =
            weights_.count(name + "/bias") != 0 ? weights_.at(name + "/bias") : at::Tensor();
        const int64_t pad =
            layer.conv2d().padding() == v1::SAME ? layer.conv2d().kernel_size().height() / 2 : 0;
        x = torch::conv2d(x.permute({0, 3, 1, 2}),
                          weights_.at(name + "/kernel").permute({3, 2, 0, 1}), bias, 1, pad)
                .permute({0, 2, 3, 1});
        x = Activate(layer.conv2d().activation(), x);
      } else if (layer.has_max_pooling2d()) {
        x = torch::max_pool2d(x.permute({0, 3, 1, 2}), 2).permute({0, 2, 3, 1});
      } else if (layer.has_activation()) {
        x = Activate(layer.activation().function(), x);
      } else if (layer.has_batch_normalization()) {
        const at::Tensor rows = x.reshape({-1, x.size(-1)});
        const bool training = mode == Mode::kTraining;
        const at::Tensor mean = training ? rows.mean(0) : weights_.at(name + "/moving_mean");
        const at::Tensor variance =
            training ? (rows - mean).pow(2).mean(0) : weights_.at(name + "/moving_variance");
        x = (x - mean) / (variance + 1e-3).sqrt() * weights_.at(name + "/gamma") +
            weights_.at(name + "/beta");
      } else if (layer.has_average_pooling2d()) {
        x = torch::avg_pool2d(x.permute({0, 3, 1, 2}), 2).permute({0, 2, 3, 1});
      } else if (layer.has_global_average_pooling2d()) {
        x = x.mean({1, 2});
      } else if (layer.has_global_max_pooling2d()) {
        x = x.amax({1, 2});
      } else if (layer.has_layer_normalization()) {
        x = torch::layer_norm(x, {x.size(-1)}, weights_.at(name + "/gamma"),
                              weights_.at(name + "/beta"), 1e-3);
      } else if (layer.has_leaky_relu()) {
        x = torch::leaky_relu(x, 0.3);
      } else if (layer.has_elu()) {
        x = torch::elu(x, layer.elu().alpha());
      } else if (layer.has_relu()) {
        const v1::ReLU& relu = layer.relu();
        x = torch::where(x.ge(relu.threshold()), x.clamp_max(relu.max_value()),
                         (x - relu.threshold()) * relu.negative_slope());
      } else if (layer.has_prelu()) {
        x = torch::where(x.gt(0), x, x * weights_.at(name + "/alpha"));
      } else if (layer.has_rrelu() && mode == Mode::kInference) {
        x = torch::leaky_relu(x, (1.0 / 8 + 1.0 / 3) / 2);
      } else if (layer.has_dropout() && mode == Mode::kTraining) {
        x = x * Mask(step, i, layer.dropout().rate(), x.sizes().vec()) /
            (1 - layer.dropout().rate());
      } else if (layer.has_spatial_dropout2d() && mode == Mode::kTraining) {
        x = x * Mask(step, i, layer.spatial_dropout2d().rate(), {x.size(0), 1, 1, x.size(3)}) /
            (1 - layer.spatial_dropout2d().rate());
      } else if (layer.has_alpha_dropout() && mode == Mode::kTraining) {
        // Rate 0.1: a and b as in Klambauer et al., computed by hand.
        const at::Tensor mask = Mask(step, i, layer.alpha_dropout().rate(), x.sizes().vec());
        x = (x * mask + -1.7580993408473766 * (1 - mask)) * 0.92128452 + 0.16197097;
      }
    }
    return x;
  }

 private:
  // 1 where an element is kept.
  static at::Tensor Mask(const StepContext& step, size_t layer, double rate,
                         const std::vector<int64_t>& shape) {
    at::Tensor mask = at::empty(shape);
    MakeCpuKernels()->DropoutMask({step.seed, RandomPurpose::kDropout, static_cast<uint32_t>(layer),
                                   static_cast<uint64_t>(step.step)},
                                  rate, 1.0, mask);
    return mask;
  }

  static at::Tensor Activate(v1::Activation::Function function, const at::Tensor& x) {
    switch (function) {
      case v1::Activation::RELU:
        return torch::relu(x);
      case v1::Activation::ELU:
        return torch::elu(x);
      case v1::Activation::SELU:
        return torch::selu(x);
      case v1::Activation::GELU:
        return torch::gelu(x);
      case v1::Activation::MISH:
        return torch::mish(x);
      case v1::Activation::TANH:
        return torch::tanh(x);
      default:
        return x;  // SOFTMAX: in the loss
    }
  }

  const ValidatedSpec& spec_;
  std::map<std::string, at::Tensor> weights_;
};

constexpr char kDense[] = R"(
  network {
    layers { flatten {} }
    layers { repeat { count: 3 layers { dense { units: 17 activation: ELU kernel_initializer { he_normal {} } } } } }
    layers { dense { units: 9 activation: SELU use_bias: false } }
    layers { dense { units: 4 activation: SOFTMAX } }
  }
  optimizer { sgd {} })";

constexpr char kConvolutional[] = R"(
  network {
    layers { conv2d { filters: 6 kernel_size { height: 3 } activation: RELU padding: SAME } }
    layers { batch_normalization {} }
    layers { max_pooling2d {} }
    layers { dropout { rate: 0.25 } }
    layers { conv2d { filters: 5 kernel_size { height: 3 width: 3 } use_bias: false } }
    layers { activation { function: ELU } }
    layers { flatten {} }
    layers { dense { units: 8 } }
    layers { batch_normalization {} }
    layers { activation { function: RELU } }
    layers { dropout { rate: 0.5 } }
    layers { dense { units: 4 } }
    layers { activation { function: SOFTMAX } }
  }
  optimizer { nadam {} })";

// Everything before the first weights is skipped on the way back.
constexpr char kBeginsWithoutWeights[] = R"(
  network {
    layers { dropout { rate: 0.1 } }
    layers { max_pooling2d {} }
    layers { flatten {} }
    layers { activation { function: SELU } }
    layers { dense { units: 4 activation: SOFTMAX } }
  }
  optimizer { adam {} })";

constexpr char kVocabulary[] = R"(
  network {
    layers { conv2d { filters: 8 kernel_size { height: 3 } padding: SAME activation: GELU } }
    layers { spatial_dropout2d { rate: 0.3 } }
    layers { prelu { alpha_initializer { constant { value: 0.2 } } } }
    layers { average_pooling2d {} }
    layers { layer_normalization {} }
    layers { prelu { share_height_and_width: true alpha_initializer { constant { value: 0.1 } } } }
    layers { conv2d { filters: 6 kernel_size { height: 3 } padding: SAME } }
    layers { leaky_relu {} }
    layers { global_average_pooling2d {} }
    layers { dense { units: 12 activation: MISH kernel_initializer { orthogonal {} } } }
    layers { layer_normalization {} }
    layers { relu { negative_slope: 0.1 max_value: 0.9 threshold: 0.2 } }
    layers { dense { units: 11 activation: SELU } }
    layers { alpha_dropout { rate: 0.1 } }
    layers { elu { alpha: 0.7 } }
    layers { dense { units: 4 activation: SOFTMAX } }
  }
  optimizer { lion {} })";

constexpr char kGlobalMax[] = R"(
  network {
    layers { conv2d { filters: 7 kernel_size { height: 3 } activation: TANH } }
    layers { global_max_pooling2d {} }
    layers { dense { units: 4 activation: SOFTMAX } }
  }
  optimizer { rmsprop {} })";

class NetworkTest : public ::testing::TestWithParam<std::tuple<const char*, bool>> {
 protected:
  static std::unique_ptr<Kernels> MakeKernels() {
    return std::get<1>(GetParam()) ? MakeCpuKernels() : MakeAtenKernels(at::kCPU);
  }
};

TEST_P(NetworkTest, EveryGradientAgreesWithAutograd) {
  const ValidatedSpec spec =
      SmallSpec(std::get<0>(GetParam()) + std::string("seed: 3 batch_size: 12"));
  const auto network = Network::Create(spec, MakeKernels());
  AutogradNetwork oracle(spec, *network);
  WorkspacePool pool(at::kCPU);
  const auto full = network->MakeWorkspace(12, Mode::kTraining, pool);
  const auto partial = network->MakeWorkspace(5, Mode::kTraining, pool);
  const at::Tensor labels_of_12 = at::arange(12, at::kInt).remainder(4).contiguous();

  int64_t step_number = 0;
  for (Workspace* const workspace : {full.get(), partial.get(), full.get()}) {
    const StepContext step{9, step_number++};
    torch::manual_seed(step_number);
    const at::Tensor images = torch::randn({workspace->rows(), 8, 8, 2});
    const at::Tensor labels = labels_of_12.narrow(0, 0, workspace->rows());
    workspace->input().copy_(images);
    network->Forward(*workspace, step);
    const at::Tensor logits = workspace->output().clone();
    const LossSums sums = network->kernels().CrossEntropyAndGradient(workspace->output(), labels,
                                                                     workspace->output_gradient());
    network->Backward(*workspace);

    const at::Tensor expected = oracle.Forward(images, step, Mode::kTraining);
    const at::Tensor loss = torch::nll_loss(torch::log_softmax(expected, 1), labels.to(at::kLong));
    for (const NamedWeight& weight : network->weights()) {
      if (weight.trainable) oracle.Weight(weight.name).mutable_grad().reset();
    }
    loss.backward();
    EXPECT_TRUE(at::allclose(logits, expected.detach(), 1e-4, 1e-5));
    EXPECT_NEAR(sums.loss / static_cast<double>(workspace->rows()), loss.item<double>(), 1e-5);

    int64_t checked = 0;
    int64_t offset = 0;
    for (const NamedWeight& weight : network->weights()) {
      if (!weight.trainable) continue;
      const at::Tensor gradient =
          network->gradients().narrow(0, offset, weight.value.numel()).view(weight.value.sizes());
      offset += (weight.value.numel() + 15) / 16 * 16;
      EXPECT_TRUE(at::allclose(gradient, oracle.Weight(weight.name).grad(), 1e-3, 2e-6))
          << weight.name;
      EXPECT_GT(gradient.abs().max().item<float>(), 0.0F)
          << weight.name << " has no gradient at all";
      ++checked;
    }
    EXPECT_EQ(offset, network->gradients().numel());
    EXPECT_GT(checked, 0);
  }
}

TEST_P(NetworkTest, InferenceAgreesAndLeavesMovingAveragesAlone) {
  const ValidatedSpec spec = SmallSpec(std::get<0>(GetParam()) + std::string("seed: 4"));
  const auto network = Network::Create(spec, MakeKernels());
  if (network->buffers().numel() > 0)
    network->buffers().uniform_(0.5, 1.5, at::detail::createCPUGenerator(5));
  AutogradNetwork oracle(spec, *network);
  WorkspacePool pool(at::kCPU);
  const auto workspace = network->MakeWorkspace(7, Mode::kInference, pool);
  const at::Tensor images = at::randn({7, 8, 8, 2}, at::detail::createCPUGenerator(6));
  const at::Tensor before = network->buffers().clone();
  workspace->input().copy_(images);
  network->Forward(*workspace, StepContext{});
  EXPECT_TRUE(at::allclose(workspace->output(),
                           oracle.Forward(images, {}, Mode::kInference).detach(), 1e-4, 1e-5));
  EXPECT_TRUE(at::equal(before, network->buffers()));
}

INSTANTIATE_TEST_SUITE_P(All, NetworkTest,
                         ::testing::Combine(::testing::Values(kDense, kConvolutional,
                                                              kBeginsWithoutWeights, kVocabulary,
                                                              kGlobalMax),
                                            ::testing::Bool()));

// Noise and random slopes have no oracle in autograd: their definition, and that they are functions
// of the step.
TEST(Network, GaussianNoiseAndRReLUActInTrainingOnly) {
  const ValidatedSpec spec = SmallSpec(R"(
      network { layers { gaussian_noise { stddev: 0.5 } } layers { rrelu { lower: 0.1 upper: 0.3 } } layers { flatten {} }
                layers { dense { units: 4 activation: SOFTMAX kernel_initializer { identity {} } } } }
      optimizer { sgd {} })");
  const auto network = Network::Create(spec, MakeCpuKernels());
  WorkspacePool pool(at::kCPU);
  const auto training = network->MakeWorkspace(50, Mode::kTraining, pool);
  WorkspacePool inference_pool(at::kCPU);
  const auto inference = network->MakeWorkspace(50, Mode::kInference, inference_pool);
  // The identity kernel passes the first four features through.
  training->input().fill_(5.0);
  network->Forward(*training, {1, 0});
  const at::Tensor first = training->output().clone();
  EXPECT_NEAR(first.mean().item<double>(), 5.0, 4 * 0.5 / std::sqrt(200.0));
  EXPECT_NEAR(first.std().item<double>(), 0.5, 0.12);
  network->Forward(*training, {1, 1});
  EXPECT_FALSE(at::equal(first, training->output()));
  network->Forward(*training, {1, 0});
  EXPECT_TRUE(at::equal(first, training->output()));

  training->input().fill_(-1000.0);  // the noise hardly matters, the slope does
  network->Forward(*training, {1, 0});
  const at::Tensor slopes = training->output() / -1000.0;
  EXPECT_GT(slopes.min().item<double>(), 0.099);
  EXPECT_LT(slopes.max().item<double>(), 0.301);
  EXPECT_NEAR(slopes.mean().item<double>(), 0.2, 4 * 0.2 / std::sqrt(12.0 * 200));
  inference->input().fill_(-1000.0);
  network->Forward(*inference, {});
  EXPECT_TRUE(at::allclose(inference->output(), at::full({50, 4}, -200.0F)));
}

TEST(Network, WeightsFollowFromTheSeedAlone) {
  const auto make = [](const std::string& seed) {
    return Network::Create(SmallSpec(kConvolutional + ("seed: " + seed)), MakeCpuKernels());
  };
  const auto a = make("1");
  const auto b = make("1");
  const auto c = make("2");
  EXPECT_TRUE(at::equal(a->parameters(), b->parameters()));
  EXPECT_EQ(a->WeightsSha256(), b->WeightsSha256());
  EXPECT_NE(a->WeightsSha256(), c->WeightsSha256());
  EXPECT_EQ(a->WeightsSha256().size(), 64U);
  a->buffers().add_(1e-3);
  EXPECT_NE(a->WeightsSha256(), b->WeightsSha256()) << "moving averages are part of the model";
}

TEST(Network, WeightsHaveKerasNamesShapesAndOrder) {
  const auto network = Network::Create(SmallSpec(kConvolutional), MakeCpuKernels());
  std::vector<std::string> names;
  for (const NamedWeight& weight : network->weights()) names.push_back(weight.name);
  EXPECT_THAT(names,
              ::testing::ElementsAre(
                  "conv2d_1/kernel", "conv2d_1/bias", "batch_normalization_1/gamma",
                  "batch_normalization_1/beta", "batch_normalization_1/moving_mean",
                  "batch_normalization_1/moving_variance", "conv2d_2/kernel", "dense_1/kernel",
                  "dense_1/bias", "batch_normalization_2/gamma", "batch_normalization_2/beta",
                  "batch_normalization_2/moving_mean", "batch_normalization_2/moving_variance",
                  "dense_2/kernel", "dense_2/bias"));
  EXPECT_EQ(network->weights()[0].value.sizes(), at::IntArrayRef({3, 3, 2, 6}));
  for (const NamedWeight& weight : network->weights()) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(weight.value.data_ptr()) % 64, 0U) << weight.name;
  }
}

}  // namespace
}  // namespace anneal
