#include "server/engine/optimizer.h"

#include <ATen/ATen.h>
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <gtest/gtest.h>
#include <torch/optim/adam.h>
#include <torch/optim/sgd.h>
#include <torch/version.h>

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
#include <type_traits>
#include <utility>
#include <vector>

#include "google/protobuf/text_format.h"

namespace anneal {
namespace {

using internal::CreateOptimizer;
using internal::OptimizerPath;

constexpr OptimizerPath kPaths[] = {OptimizerPath::kFused, OptimizerPath::kAten};
const at::Device kCpu(at::kCPU);

const char* const kEveryKind[] = {
    "sgd {}",
    "sgd { momentum: 0.9 }",
    "sgd { momentum: 0.9 nesterov: true }",
    "adam {}",
    "nadam {}",
    "adam { beta_1: 0.5 beta_2: 0.7 epsilon: 0.1 }",
    "nadam { learning_rate: 0.1 beta_1: 0 beta_2: 0 }",
};

v1::Optimizer Parse(const std::string& text) {
  v1::Optimizer spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
  return spec;
}

const char* Name(OptimizerPath path) { return path == OptimizerPath::kFused ? "fused" : "ATen"; }

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
  for (const OptimizerPath path : kPaths) {
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
  ASSERT_GE(reference.traces.size(), 12U);
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
    for (const OptimizerPath path : kPaths) {
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
    const auto fused = CreateOptimizer(Parse(text), kCount, kCpu, OptimizerPath::kFused);
    const auto aten = CreateOptimizer(Parse(text), kCount, kCpu, OptimizerPath::kAten);
    at::Tensor a = Random(kCount, 1);
    at::Tensor b = a.clone();
    at::Tensor largest = a.abs();
    at::Tensor largest_gradient = at::zeros({kCount});
    for (uint32_t step = 0; step < 50; ++step) {
      const at::Tensor gradients = Random(kCount, 100 + step);
      fused->Step(a, gradients);
      aten->Step(b, gradients);
      largest = at::maximum(largest, a.abs());
      largest_gradient = at::maximum(largest_gradient, gradients.abs());
    }
    EXPECT_GT((a - Random(kCount, 1)).abs().mean().item<float>(), 1e-3F);
    EXPECT_LT(((a - b).abs() / largest).max().item<float>(), 2e-6F);
    ASSERT_EQ(fused->moments().size(), aten->moments().size());
    // m and the velocity are sums in which gradients cancel; v is a sum of squares.
    if (!fused->moments().empty()) {
      const at::Tensor difference = (fused->moments()[0] - aten->moments()[0]).abs();
      EXPECT_LT((difference / largest_gradient).max().item<float>(), 1e-6F);
    }
    if (fused->moments().size() == 2) {
      EXPECT_TRUE(at::allclose(fused->moments()[1], aten->moments()[1], 2e-6, 0));
    }
  }
}

// Where LibTorch's optimizers have the same formula: SGD at a constant rate, and Adam when epsilon
// does not count.
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
  using Make = std::function<std::unique_ptr<torch::optim::Optimizer>(std::vector<at::Tensor>)>;
  const std::vector<std::pair<std::string, Make>> cases = {
      {"sgd { learning_rate: 0.05 }", sgd(0.05, 0, false)},
      {"sgd { learning_rate: 0.05 momentum: 0.9 }", sgd(0.05, 0.9, false)},
      {"sgd { learning_rate: 0.05 momentum: 0.9 nesterov: true }", sgd(0.05, 0.9, true)},
      {"adam { epsilon: 1e-30 }", adam(0.001, 0.9, 0.999)},
      {"adam { learning_rate: 0.1 beta_1: 0.5 beta_2: 0.7 epsilon: 1e-30 }", adam(0.1, 0.5, 0.7)},
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
    EXPECT_GT((a - Random(kCount, 1)).abs().mean().item<float>(), 1e-3F);
    EXPECT_LT(((a - b.detach()).abs() / largest).max().item<float>(), 5e-6F);
  }
}

// What a checkpoint would keep is all there is: a new optimizer given it goes on with the same
// bits.
TEST(Optimizer, StateRestoredIsStateContinued) {
  constexpr int64_t kCount = 100;
  for (const char* text : kEveryKind) {
    for (const OptimizerPath path : kPaths) {
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
  EXPECT_EQ(Optimizer::Create(Parse("adam {}"), 1, kCpu)->learning_rate(), 0.001);
  EXPECT_EQ(Optimizer::Create(Parse("nadam {}"), 1, kCpu)->learning_rate(), 0.001);
}

// A weight whose gradient is always 0 must stay where it is, even if epsilon is lost in float (0 /
// 0).
TEST(Optimizer, ZeroGradientsLeaveWeightsAlone) {
  for (const char* text : {"adam {}", "adam { epsilon: 1e-300 }", "nadam {}",
                           "nadam { epsilon: 1e-300 }", "sgd { momentum: 0.9 nesterov: true }"}) {
    for (const OptimizerPath path : kPaths) {
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
    SCOPED_TRACE(text);
    const auto optimizer = Optimizer::Create(Parse(text), 40, kCpu);
    at::Tensor parameters = Random(40, 1);
    at::Tensor gradients = Random(40, 2);
    gradients[17] = NAN;
    optimizer->Step(parameters, gradients);
    for (int64_t i = 0; i < 40; ++i)
      EXPECT_EQ(std::isnan(parameters.data_ptr<float>()[i]), i == 17) << i;
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
    for (const OptimizerPath path : kPaths) {
      const auto optimizer = CreateOptimizer(Parse(text), 0, kCpu, path);
      at::Tensor parameters = at::zeros({0});
      optimizer->Step(parameters, at::zeros({0}));
      EXPECT_EQ(optimizer->step(), 1);
    }
  }
}

// Told by LibTorch of every buffer it takes on this thread.
class CountingInfo : public c10::MemoryReportingInfoBase {
 public:
  using Total = std::conditional_t<(TORCH_VERSION_MAJOR >= 2), size_t, int64_t>;
  void reportMemoryUsage(void*, int64_t bytes, Total, Total, c10::Device) override {
    allocations += bytes > 0;
    largest_bytes = std::max(largest_bytes, bytes);
  }
  bool memoryProfilingEnabled() const override { return true; }
  int allocations = 0;
  int64_t largest_bytes = 0;
};

TEST(Optimizer, StepAllocatesNothing) {
  for (const char* text : kEveryKind) {
    for (const OptimizerPath path : kPaths) {
      SCOPED_TRACE(std::string(text) + ", " + Name(path));
      const auto optimizer = CreateOptimizer(Parse(text), 1000, kCpu, path);
      at::Tensor parameters = Random(1000, 1);
      const at::Tensor gradients = Random(1000, 2);
      const auto info = std::make_shared<CountingInfo>();
      const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, info);
      for (int step = 0; step < 3; ++step) optimizer->Step(parameters, gradients);
      if (path == OptimizerPath::kFused) {
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
  for (const OptimizerPath path : kPaths) {
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
