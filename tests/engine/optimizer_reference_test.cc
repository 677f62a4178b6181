// The optimizers against others' numbers: a published trace, Keras's, and LibTorch's optimizers.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/optim/adagrad.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/rmsprop.h>
#include <torch/optim/sgd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/optimizer.h"
#include "tests/engine/optimizer_cases.h"

namespace anneal {
namespace {

using internal::CreateOptimizer;

// The published trace. A float near 1 cannot tell steps of 1e-8 apart, so the weight begins at 0
// and 1 is added after.
TEST(Optimizer, NadamTrace) {
  const float gradients[] = {0.1F, -0.2F, 0.3F, 0.05F, 0.1F};
  const double expected[] = {0.998937213, 0.999818878, 0.998987156, 0.998784082, 0.998409759};
  for (const ComputePath path : kPaths) {
    SCOPED_TRACE(Name(path));
    const auto optimizer = CreateOptimizer(Parse("nadam {}"), 1, kCpu, path);
    const auto at_one = CreateOptimizer(Parse("nadam {}"), 1, kCpu, path);
    at::Tensor weight = at::zeros({1});
    at::Tensor weight_at_one = at::ones({1});
    for (int step = 0; step < 5; ++step) {
      optimizer->Step(weight, at::full({1}, gradients[step]));
      at_one->Step(weight_at_one, at::full({1}, gradients[step]));
      EXPECT_NEAR(1.0 + weight.item<float>(), expected[step], 1e-8) << step;
      EXPECT_NEAR(weight_at_one.item<float>(), expected[step], 5 * 3.1e-8) << step;
    }
  }
}

struct KerasReference {
  std::vector<std::vector<double>> gradients;  // [step - 1][parameter]
  struct Trace {
    std::string spec;
    std::vector<double> rates;                // [step]: set after the step
    std::vector<std::vector<double>> values;  // [step][parameter]
  };
  std::map<std::string, Trace> traces;
};

KerasReference ReadKerasReference() {
  KerasReference reference;
  std::ifstream file(ANNEAL_KERAS_REFERENCE "/optimizers.csv");
  EXPECT_TRUE(file.is_open());
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    std::stringstream stream(line);
    std::string name;
    std::string second;
    std::getline(stream, name, ',');
    std::getline(stream, second, ',');
    std::vector<std::string> fields;
    for (std::string field; std::getline(stream, field, ',');) fields.push_back(field);
    if (name == "spec") {
      reference.traces[second].spec = fields.at(0);
      continue;
    }
    std::vector<double> numbers;
    for (const std::string& field : fields) numbers.push_back(std::strtod(field.c_str(), nullptr));
    if (name == "gradient") {
      reference.gradients.push_back(numbers);
    } else {
      reference.traces[name].rates.push_back(numbers.at(0));
      reference.traces[name].values.emplace_back(numbers.begin() + 1, numbers.end());
    }
  }
  return reference;
}

// Every parameter of the reference many times over, so that whole vectors and a remainder are
// computed.
TEST(Optimizer, TracesOfKeras) {
  constexpr int64_t kCount = 333;
  const KerasReference reference = ReadKerasReference();
  ASSERT_EQ(reference.gradients.size(), 20U);
  ASSERT_EQ(reference.traces.size(), 38U);
  const auto spread = [](const std::vector<double>& values) {
    at::Tensor tensor = at::empty({kCount});
    for (int64_t i = 0; i < kCount; ++i) {
      tensor.data_ptr<float>()[i] =
          static_cast<float>(values[static_cast<size_t>(i) % values.size()]);
    }
    return tensor;
  };
  for (const auto& [name, trace] : reference.traces) {
    ASSERT_EQ(trace.values.size(), 21U) << name;
    for (const ComputePath path : kPaths) {
      SCOPED_TRACE(name + ", " + Name(path));
      const auto optimizer = CreateOptimizer(Parse(trace.spec), kCount, kCpu, path);
      EXPECT_EQ(optimizer->learning_rate(), trace.rates[0]);
      at::Tensor parameters = spread(trace.values[0]);
      std::vector<double> largest(trace.values[0].size(),
                                  0.0);  // so far: what float's rounding goes by
      for (size_t step = 1; step <= 20; ++step) {
        optimizer->Step(parameters, spread(reference.gradients[step - 1]));
        optimizer->set_learning_rate(trace.rates[step]);
        for (size_t i = 0; i < largest.size(); ++i) {
          largest[i] = std::max(
              {largest[i], std::abs(trace.values[step - 1][i]), std::abs(trace.values[step][i])});
        }
        for (int64_t i = 0; i < kCount; ++i) {
          const size_t column = static_cast<size_t>(i) % largest.size();
          ASSERT_NEAR(parameters.data_ptr<float>()[i], trace.values[step][column],
                      1e-6 * largest[column])
              << "step " << step << ", parameter " << i;
        }
      }
    }
  }
}

// Where LibTorch's optimizers have the same formula: at a constant rate, and when epsilon does not
// count.
TEST(Optimizer, AgreesWithTorchOptim) {
  constexpr int64_t kCount = 1003;
  const auto sgd = [](double rate, double momentum, bool nesterov) {
    return [=](std::vector<at::Tensor> parameters) -> std::unique_ptr<torch::optim::Optimizer> {
      return std::make_unique<torch::optim::SGD>(
          parameters, torch::optim::SGDOptions(rate).momentum(momentum).nesterov(nesterov));
    };
  };
  const auto adam = [](double rate, double beta_1, double beta_2) {
    return [=](std::vector<at::Tensor> parameters) -> std::unique_ptr<torch::optim::Optimizer> {
      return std::make_unique<torch::optim::Adam>(
          parameters, torch::optim::AdamOptions(rate).betas({beta_1, beta_2}).eps(1e-30));
    };
  };
  const auto rmsprop = [](double rho, double momentum, bool centered) {
    return [=](std::vector<at::Tensor> parameters) -> std::unique_ptr<torch::optim::Optimizer> {
      return std::make_unique<torch::optim::RMSprop>(
          parameters,
          torch::optim::RMSpropOptions(0.001).alpha(rho).eps(1e-30).momentum(momentum).centered(
              centered));
    };
  };
  const auto adagrad =
      [](std::vector<at::Tensor> parameters) -> std::unique_ptr<torch::optim::Optimizer> {
    return std::make_unique<torch::optim::Adagrad>(
        parameters, torch::optim::AdagradOptions(0.001).initial_accumulator_value(0.1).eps(1e-30));
  };
  const auto adamw = [](double decay, bool amsgrad) {
    return [=](std::vector<at::Tensor> parameters) -> std::unique_ptr<torch::optim::Optimizer> {
      return std::make_unique<torch::optim::AdamW>(
          parameters,
          torch::optim::AdamWOptions(0.001).eps(1e-30).weight_decay(decay).amsgrad(amsgrad));
    };
  };
  using Make = std::function<std::unique_ptr<torch::optim::Optimizer>(std::vector<at::Tensor>)>;
  const std::vector<std::pair<std::string, Make>> cases = {
      {"sgd { learning_rate: 0.05 }", sgd(0.05, 0, false)},
      {"sgd { learning_rate: 0.05 momentum: 0.9 }", sgd(0.05, 0.9, false)},
      {"sgd { learning_rate: 0.05 momentum: 0.9 nesterov: true }", sgd(0.05, 0.9, true)},
      {"adam { epsilon: 1e-30 }", adam(0.001, 0.9, 0.999)},
      {"adam { learning_rate: 0.1 beta_1: 0.5 beta_2: 0.7 epsilon: 1e-30 }", adam(0.1, 0.5, 0.7)},
      {"rmsprop { epsilon: 1e-30 }", rmsprop(0.9, 0, false)},
      {"rmsprop { rho: 0.8 momentum: 0.9 epsilon: 1e-30 }", rmsprop(0.8, 0.9, false)},
      {"rmsprop { rho: 0.8 centered: true epsilon: 1e-30 }", rmsprop(0.8, 0, true)},
      {"adagrad { epsilon: 1e-30 }", adagrad},
      {"adamw { epsilon: 1e-30 }", adamw(0.004, false)},
      {"adamw { epsilon: 1e-30 amsgrad: true } weight_decay: 0.5", adamw(0.5, true)},
  };
  for (const auto& [text, make] : cases) {
    SCOPED_TRACE(text);
    const auto ours = Optimizer::Create(Parse(text), kCount, kCpu);
    at::Tensor a = Random(kCount, 1);
    at::Tensor b = a.clone().requires_grad_();
    const auto theirs = make({b});
    at::Tensor largest = a.abs();
    for (uint32_t step = 0; step < 40; ++step) {
      const at::Tensor gradients = Random(kCount, 100 + step);
      ours->Step(a, gradients);
      b.mutable_grad() = gradients.clone();
      theirs->step();
      largest = at::maximum(largest, a.abs());
    }
    EXPECT_GT((a - Random(kCount, 1)).abs().mean().item<float>(), 1e-4F);
    EXPECT_LT(((a - b.detach()).abs() / largest).max().item<float>(), 5e-6F);
  }
}

}  // namespace
}  // namespace anneal
