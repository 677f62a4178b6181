#include "server/engine/optimizer.h"

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
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "google/protobuf/text_format.h"
#include "tests/engine/counting_info.h"

namespace anneal {
namespace {

using internal::CreateOptimizer;

constexpr ComputePath kPaths[] = {ComputePath::kFused, ComputePath::kAten};
const at::Device kCpu(at::kCPU);

const char* const kEveryKind[] = {
    "sgd {}",
    "sgd { momentum: 0.9 }",
    "sgd { momentum: 0.9 nesterov: true }",
    "adam {}",
    "nadam {}",
    "adam { beta_1: 0.5 beta_2: 0.7 epsilon: 0.1 }",
    "nadam { learning_rate: 0.1 beta_1: 0 beta_2: 0 }",
    "rmsprop {}",
    "rmsprop { momentum: 0.5 }",
    "rmsprop { centered: true }",
    "rmsprop { learning_rate: 0.01 rho: 0.5 momentum: 0.9 centered: true } weight_decay: 0.1",
    "adagrad {}",
    "adagrad { learning_rate: 0.1 initial_accumulator_value: 0 }",
    "adadelta {}",
    "adadelta { learning_rate: 1 rho: 0.5 epsilon: 0.001 }",
    "adam { amsgrad: true }",
    "adamw {}",
    "adamw { beta_2: 0.5 amsgrad: true } weight_decay: 0.5",
    "adamax {}",
    "adamax { beta_1: 0.5 beta_2: 0.7 }",
    "lion {}",
    "lion { learning_rate: 0.01 beta_1: 0.5 } weight_decay: 0.5",
    "sgd { momentum: 0.9 } weight_decay: 0.1",
};

v1::Optimizer Parse(const std::string& text) {
  v1::Optimizer spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
  return spec;
}

const char* Name(ComputePath path) { return path == ComputePath::kFused ? "fused" : "ATen"; }

// The same numbers in every process, of sizes from 1e-4 to 1e2.
at::Tensor Random(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  at::Tensor values = at::empty({count});
  for (int64_t i = 0; i < count; ++i) {
    values.data_ptr<float>()[i] =
        normal(random) * std::pow(10.0F, static_cast<float>(i % 7) - 4.0F);
  }
  return values;
}

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

TEST(Optimizer, BothPathsAgree) {
  constexpr int64_t kCount = 10'007;
  for (const char* text : kEveryKind) {
    SCOPED_TRACE(text);
    const auto fused = CreateOptimizer(Parse(text), kCount, kCpu, ComputePath::kFused);
    const auto aten = CreateOptimizer(Parse(text), kCount, kCpu, ComputePath::kAten);
    at::Tensor a = Random(kCount, 1);
    at::Tensor b = a.clone();
    at::Tensor largest = a.abs();
    ASSERT_EQ(fused->moments().size(), aten->moments().size());
    // Sums in which gradients cancel are as exact as what they are made of.
    std::vector<at::Tensor> largest_moments;
    for (const at::Tensor& moment : fused->moments()) largest_moments.push_back(moment.clone());
    for (uint32_t step = 0; step < 50; ++step) {
      const at::Tensor gradients = Random(kCount, 100 + step);
      fused->Step(a, gradients);
      aten->Step(b, gradients);
      largest = at::maximum(largest, a.abs());
      for (size_t i = 0; i < largest_moments.size(); ++i) {
        largest_moments[i] = at::maximum(largest_moments[i], fused->moments()[i].abs());
      }
    }
    EXPECT_GT((a - Random(kCount, 1)).abs().mean().item<float>(), 1e-6F);
    EXPECT_LT(((a - b).abs() / largest).max().item<float>(), 2e-6F);
    for (size_t i = 0; i < largest_moments.size(); ++i) {
      const at::Tensor difference = (fused->moments()[i] - aten->moments()[i]).abs();
      EXPECT_LT((difference / largest_moments[i]).max().item<float>(), 2e-6F) << i;
      EXPECT_GT(fused->moments()[i].abs().min().item<float>(), 0.0F) << i;
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

// What a checkpoint would keep is all there is: a new optimizer given it goes on with the same
// bits.
TEST(Optimizer, StateRestoredIsStateContinued) {
  constexpr int64_t kCount = 100;
  for (const char* text : kEveryKind) {
    for (const ComputePath path : kPaths) {
      SCOPED_TRACE(std::string(text) + ", " + Name(path));
      const auto whole = CreateOptimizer(Parse(text), kCount, kCpu, path);
      at::Tensor parameters = Random(kCount, 1);
      for (uint32_t step = 0; step < 5; ++step) whole->Step(parameters, Random(kCount, 100 + step));
      whole->set_learning_rate(0.025);

      const auto resumed = CreateOptimizer(Parse(text), kCount, kCpu, path);
      for (size_t i = 0; i < whole->moments().size(); ++i)
        resumed->moments()[i].copy_(whole->moments()[i]);
      resumed->set_step(whole->step());
      resumed->set_momentum_product(whole->momentum_product());
      resumed->set_learning_rate(whole->learning_rate());
      at::Tensor resumed_parameters = parameters.clone();
      EXPECT_EQ(resumed->step(), 5);

      for (uint32_t step = 5; step < 10; ++step) {
        whole->Step(parameters, Random(kCount, 100 + step));
        resumed->Step(resumed_parameters, Random(kCount, 100 + step));
      }
      EXPECT_TRUE(at::equal(parameters, resumed_parameters));
      EXPECT_EQ(whole->step(), 10);
      EXPECT_EQ(whole->momentum_product(), resumed->momentum_product());
    }
  }
}

TEST(Optimizer, MomentumProductIsNadamsSchedule) {
  const auto nadam = Optimizer::Create(Parse("nadam { beta_1: 0.8 }"), 1, kCpu);
  const auto adam = Optimizer::Create(Parse("adam {}"), 1, kCpu);
  at::Tensor weight = at::zeros({1});
  double product = 1.0;
  for (int t = 1; t <= 6; ++t) {
    nadam->Step(weight, at::ones({1}));
    adam->Step(weight, at::ones({1}));
    product *= 0.8 * (1 - 0.5 * std::pow(0.96, t));
    EXPECT_DOUBLE_EQ(nadam->momentum_product(), product);
    EXPECT_EQ(adam->momentum_product(), 1.0);
  }
}

TEST(Optimizer, DefaultLearningRates) {
  EXPECT_EQ(Optimizer::Create(Parse("sgd {}"), 1, kCpu)->learning_rate(), 0.01);
  for (const char* text : {"rmsprop {}", "adagrad {}", "adadelta {}", "adam {}", "adamw {}",
                           "adamax {}", "nadam {}", "lion {}"}) {
    EXPECT_EQ(Optimizer::Create(Parse(text), 1, kCpu)->learning_rate(), 0.001) << text;
  }
}

// A weight whose gradient is always 0 must stay where it is, even if epsilon is lost in float (0 /
// 0).
TEST(Optimizer, ZeroGradientsLeaveWeightsAlone) {
  for (const char* text : {"adam {}", "adam { epsilon: 1e-300 }", "nadam {}",
                           "nadam { epsilon: 1e-300 }", "sgd { momentum: 0.9 nesterov: true }",
                           "rmsprop { momentum: 0.9 centered: true epsilon: 1e-300 }",
                           "adagrad { initial_accumulator_value: 0 epsilon: 1e-300 }",
                           "adadelta { epsilon: 1e-300 }", "adamax { epsilon: 1e-300 }",
                           "adamw { amsgrad: true epsilon: 1e-300 } weight_decay: 0", "lion {}"}) {
    for (const ComputePath path : kPaths) {
      SCOPED_TRACE(std::string(text) + ", " + Name(path));
      const auto optimizer = CreateOptimizer(Parse(text), 50, kCpu, path);
      at::Tensor parameters = Random(50, 1);
      for (int step = 0; step < 3; ++step) optimizer->Step(parameters, at::zeros({50}));
      EXPECT_TRUE(at::equal(parameters, Random(50, 1)));
    }
  }
}

// A diverging gradient must show in the weights, not be hidden.
TEST(Optimizer, NanGradientsReachOnlyTheirOwnWeights) {
  for (const char* text : kEveryKind) {
    for (const ComputePath path : kPaths) {
      SCOPED_TRACE(std::string(text) + ", " + Name(path));
      const auto optimizer = CreateOptimizer(Parse(text), 40, kCpu, path);
      at::Tensor parameters = Random(40, 1);
      at::Tensor gradients = Random(40, 2);
      gradients[17] = NAN;
      optimizer->Step(parameters, gradients);
      optimizer->Step(parameters, Random(40, 3));
      for (int64_t i = 0; i < 40; ++i)
        EXPECT_EQ(std::isnan(parameters.data_ptr<float>()[i]), i == 17) << i;
    }
  }
}

// All that remains of the variance of gradients that hardly change. The difference of the mean
// square and the squared mean is rounding of the size of g^2 here, often below zero.
TEST(Optimizer, CenteredRmsPropOfAConstantGradient) {
  for (const ComputePath path : kPaths) {
    SCOPED_TRACE(Name(path));
    const auto optimizer =
        CreateOptimizer(Parse("rmsprop { centered: true epsilon: 1e-6 }"), 1, kCpu, path);
    at::Tensor weight = at::zeros({1});
    double expected = 0;
    double rho_t = 1;
    for (int step = 0; step < 300; ++step) {
      optimizer->Step(weight, at::full({1}, 100.0F));
      rho_t *= 0.9;
      expected -= 0.001 * 100 / std::sqrt(1e4 * (1 - rho_t) * rho_t + 1e-6);
      ASSERT_NEAR(weight.item<float>(), expected, 1e-3 * std::abs(expected)) << step;
    }
    EXPECT_LT(expected, -1e3);
  }
}

// However small: LibTorch's denormal numbers included.
TEST(Optimizer, LionTakesTheSignOfEveryNumber) {
  const std::vector<float> gradients = {0.0F,  -0.0F, 1e-45F, -1e-45F,  1e-38F,
                                        -1.0F, 3e38F, -3e38F, HUGE_VALF};
  const std::vector<float> expected = {0, 0, -1, 1, -1, 1, -1, 1, -1};
  for (const ComputePath path : kPaths) {
    SCOPED_TRACE(Name(path));
    const int64_t count = static_cast<int64_t>(gradients.size());
    const auto optimizer =
        CreateOptimizer(Parse("lion { learning_rate: 1 beta_1: 0.1 }"), count, kCpu, path);
    at::Tensor weights = at::zeros({count});
    optimizer->Step(weights, at::tensor(gradients));
    for (size_t i = 0; i < gradients.size(); ++i) {
      EXPECT_EQ(weights.data_ptr<float>()[i], expected[i]) << gradients[i];
    }
  }
}

TEST(Optimizer, WeightDecayDoesNotDependOnTheGradient) {
  for (const char* kind : {"sgd { learning_rate: 0.1 }", "rmsprop { learning_rate: 0.1 }",
                           "adagrad { learning_rate: 0.1 }", "adadelta { learning_rate: 0.1 }",
                           "adam { learning_rate: 0.1 }", "adamw { learning_rate: 0.1 }",
                           "adamax { learning_rate: 0.1 }", "nadam { learning_rate: 0.1 }",
                           "lion { learning_rate: 0.1 }"}) {
    for (const ComputePath path : kPaths) {
      SCOPED_TRACE(std::string(kind) + ", " + Name(path));
      const auto optimizer =
          CreateOptimizer(Parse(std::string(kind) + " weight_decay: 0.25"), 50, kCpu, path);
      at::Tensor weights = Random(50, 1);
      optimizer->Step(weights, at::zeros({50}));
      optimizer->set_learning_rate(0.2);
      optimizer->Step(weights, at::zeros({50}));
      const at::Tensor expected = Random(50, 1) * (0.975 * 0.95);
      EXPECT_TRUE(at::allclose(weights, expected, 3e-7, 0));
    }
  }
}

TEST(Optimizer, RefusesBuffersOfAnotherKind) {
  const auto optimizer = Optimizer::Create(Parse("adam {}"), 8, kCpu);
  at::Tensor good = at::zeros({8});
  at::Tensor empty = at::zeros({0});
  at::Tensor square = at::zeros({4, 2});
  at::Tensor longer = at::zeros({9});
  at::Tensor strided = at::zeros({16}).slice(0, 0, 16, 2);
  at::Tensor wide = at::zeros({8}, at::kDouble);
  for (at::Tensor& bad : std::vector<at::Tensor>{empty, square, longer, strided, wide}) {
    EXPECT_THROW(optimizer->Step(bad, good), c10::Error);
    EXPECT_THROW(optimizer->Step(good, bad), c10::Error);
  }
  EXPECT_EQ(optimizer->step(), 0);
  EXPECT_THROW(Optimizer::Create(v1::Optimizer(), 8, kCpu), c10::Error);
}

TEST(Optimizer, NoParametersAtAll) {
  for (const char* text : kEveryKind) {
    for (const ComputePath path : kPaths) {
      const auto optimizer = CreateOptimizer(Parse(text), 0, kCpu, path);
      at::Tensor parameters = at::zeros({0});
      optimizer->Step(parameters, at::zeros({0}));
      EXPECT_EQ(optimizer->step(), 1);
    }
  }
}

TEST(Optimizer, StepAllocatesNothing) {
  for (const char* text : kEveryKind) {
    for (const ComputePath path : kPaths) {
      SCOPED_TRACE(std::string(text) + ", " + Name(path));
      const auto optimizer = CreateOptimizer(Parse(text), 1000, kCpu, path);
      at::Tensor parameters = Random(1000, 1);
      const at::Tensor gradients = Random(1000, 2);
      const auto info = std::make_shared<CountingInfo>();
      const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, info);
      for (int step = 0; step < 3; ++step) optimizer->Step(parameters, gradients);
      if (path == ComputePath::kFused) {
        EXPECT_EQ(info->allocations, 0);
      } else {
        EXPECT_LE(info->largest_bytes, 8);  // scalars
      }
      const int before = info->allocations;
      at::empty({10});
      EXPECT_EQ(info->allocations, before + 1);  // the counter counts
    }
  }
}

// Keras's own form of v in float32 makes 0 of this v, and the second step a thousand times too
// long.
TEST(Optimizer, SmallGradientAfterALargeOne) {
  for (const ComputePath path : kPaths) {
    const auto optimizer = CreateOptimizer(Parse("adam { beta_1: 0 beta_2: 0 }"), 1, kCpu, path);
    at::Tensor weight = at::zeros({1});
    optimizer->Step(weight, at::full({1}, 10.0F));
    weight.zero_();
    optimizer->Step(weight, at::full({1}, 1e-4F));
    EXPECT_NEAR(weight.item<float>(), -0.001 * 1e-4 / (1e-4 + 1e-7), 1e-9);
  }
}

}  // namespace
}  // namespace anneal
