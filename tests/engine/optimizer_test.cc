#include "server/engine/optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "tests/engine/counting_info.h"
#include "tests/engine/optimizer_cases.h"

namespace anneal {
namespace {

using internal::CreateOptimizer;

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
  at::globalContext().setFlushDenormal(false);  // an earlier test's training has set it
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
