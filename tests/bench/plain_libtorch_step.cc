// What our training step is measured against: the network of
// client/recipes/cifar10-deep-elu.textproto as anyone would write it with LibTorch's C++ frontend,
// torch::nn and torch::optim::Adam with their defaults, one thread, the allocator as it comes. A
// step is forward, loss, backward and optimizer; its batch is a slice of images that are floats
// already, which costs nothing (our own step gathers and converts its batch from bytes).
//
// usage: plain_libtorch_step [ROUNDS [STEPS_A_ROUND]]
#include <torch/torch.h>

#include <cstdio>
#include <cstdlib>

#include "tests/bench/meter.h"

namespace {

constexpr int64_t kFeatures = 32 * 32 * 3;
constexpr int64_t kClasses = 10;
constexpr int64_t kBatch = 32;
constexpr int64_t kSamples = 100 * kBatch;

torch::nn::Sequential MakeNetwork() {
  torch::nn::Sequential network;
  int64_t inputs = kFeatures;
  for (int layer = 0; layer < 20; ++layer) {
    network->push_back(torch::nn::Linear(inputs, 100));
    network->push_back(torch::nn::ELU());
    inputs = 100;
  }
  network->push_back(torch::nn::Linear(inputs, kClasses));
  for (auto& parameter : network->parameters()) {
    if (parameter.dim() == 2) {
      torch::nn::init::kaiming_normal_(parameter);
    } else {
      torch::nn::init::zeros_(parameter);
    }
  }
  return network;
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 3;
  const int steps = argc > 2 ? std::atoi(argv[2]) : 300;
  if (rounds < 1 || steps < 1) {
    std::fprintf(stderr, "usage: %s [ROUNDS [STEPS_A_ROUND]]\n", argv[0]);
    return 2;
  }
  torch::manual_seed(1);
  torch::set_num_threads(1);
  const torch::Tensor images = torch::rand({kSamples, kFeatures});
  const torch::Tensor labels = torch::randint(kClasses, {kSamples}, torch::kLong);
  torch::nn::Sequential network = MakeNetwork();
  torch::optim::Adam optimizer(network->parameters());

  double loss_sum = 0;
  int64_t begin = 0;
  const auto step = [&] {
    const torch::Tensor batch = images.narrow(0, begin, kBatch);
    const torch::Tensor label = labels.narrow(0, begin, kBatch);
    begin = (begin + kBatch) % kSamples;
    optimizer.zero_grad();
    torch::Tensor loss = torch::nn::functional::cross_entropy(network->forward(batch), label);
    loss.backward();
    optimizer.step();
    loss_sum += loss.item<double>();
  };

  anneal::bench::Meter meter(static_cast<size_t>(rounds));
  for (int i = 0; i < steps; ++i) step();  // warm
  for (int round = 0; round < rounds; ++round) {
    meter.Begin();
    for (int i = 0; i < steps; ++i) step();
    meter.End(steps);
  }
  if (!(loss_sum > 0)) {
    std::fprintf(stderr, "the loss became %f: these were not training steps\n", loss_sum);
    return 1;
  }
  meter.Print("plain_libtorch_step");
  return 0;
}
