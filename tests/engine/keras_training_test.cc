// Whole trainings against Keras's, step by step: keras_reference/training.csv, which
// record_training.py makes (Keras in float64; here float32). Images, initial weights and the order
// of batches are the same on both sides, so every difference is arithmetic.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/network.h"
#include "server/engine/trainer.h"
#include "tests/engine/small_training.h"
#include "tests/engine/watched_kernels.h"

namespace anneal {
namespace {

// As record_training.py has them.
constexpr int64_t kEpochs = 3;
constexpr int64_t kSamples = 60;
constexpr int64_t kBatchSize = 16;
constexpr char kRun[] =
    " batch_size: 16 epochs: 3 seed: 9 shuffle: false validation { split: 'test' }";

struct KerasTraining {
  std::string fields;                                                // of `training`
  std::vector<std::vector<double>> losses;                           // [epoch][step]
  std::map<std::string, std::vector<double>> metrics;                // [epoch]
  std::vector<std::pair<std::string, std::vector<double>>> weights;  // "kernel", in order
};

std::map<std::string, KerasTraining> ReadKerasTrainings() {
  std::map<std::string, KerasTraining> trainings;
  KerasTraining* training = nullptr;
  std::ifstream file(ANNEAL_KERAS_REFERENCE "/training.csv");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    std::stringstream stream(line);
    std::string kind;
    std::string name;
    std::string rest;
    std::getline(stream, kind, ';');
    std::getline(stream, name, ';');
    std::getline(stream, rest);
    if (kind == "case") {
      training = &trainings[name];
      training->fields = rest;
      continue;
    }
    std::vector<double> numbers;
    std::stringstream values(rest);
    for (std::string value; values >> value;)
      numbers.push_back(std::strtod(value.c_str(), nullptr));
    if (kind == "steps") training->losses.push_back(std::move(numbers));
    if (kind == "metric") training->metrics[name] = std::move(numbers);
    if (kind == "weight") training->weights.emplace_back(name, std::move(numbers));
  }
  return trainings;
}

// The loss of every step, from the progress that the training shows between its batches.
class StepLosses {
 public:
  explicit StepLosses(const ProgressCell& progress) : progress_(progress) {}

  // Between two batches, also of an evaluation.
  void Look() {
    const ProgressSnapshot snapshot = progress_.Snapshot(1);
    if (snapshot.epoch != static_cast<int64_t>(losses_.size())) {
      losses_.emplace_back();
      sum_ = 0;
    }
    if (snapshot.batch == static_cast<int64_t>(losses_.back().size())) return;
    const int64_t samples = std::min(snapshot.batch * kBatchSize, kSamples);
    double mean = 0;
    for (const MetricValue& metric : snapshot.metrics) {
      if (metric.name == "loss") mean = metric.value;
    }
    const double sum = mean * static_cast<double>(samples);
    losses_.back().push_back((sum - sum_) /
                             static_cast<double>(samples - (snapshot.batch - 1) * kBatchSize));
    sum_ = sum;
  }

  const std::vector<std::vector<double>>& losses() const { return losses_; }

 private:
  const ProgressCell& progress_;
  std::vector<std::vector<double>> losses_;  // [epoch][step]
  double sum_ = 0;
};

// Everything that the storage of `view` holds, where `view` is one.
void CopyStorage(const at::Tensor& view, at::Tensor& to) {
  if (to.numel() == 0) return;
  ASSERT_TRUE(view.defined());
  const at::Tensor all = at::empty({0}).set_(view.storage(), 0, to.sizes());
  to.copy_(all);
}

// Four to ten times what was seen when they were chosen, here and with other kernels.
constexpr double kLossTolerance = 4e-6;    // relative; of losses and metrics
constexpr double kWeightTolerance = 1e-5;  // of the weight's largest element

class KerasTrainings : public ::testing::TestWithParam<const char*> {};

TEST_P(KerasTrainings, AgreeStepByStep) {
  const bool aten = std::string(GetParam()) == "Aten";
  const auto trainings = ReadKerasTrainings();
  ASSERT_EQ(trainings.size(), 10U);
  for (const auto& [name, keras] : trainings) {
    SCOPED_TRACE(name);
    const ValidatedSpec spec = SmallSpec(keras.fields + kRun);
    ProgressCell progress;
    StepLosses steps(progress);
    WatchedTraining watched;
    watched.before_batch = [&] { steps.Look(); };
    RecordingObserver observer;
    const SystemClock clock;
    const auto outcome =
        RunTraining(spec, std::make_shared<Dataset>(SmallDataset()),
                    std::make_unique<WatchedKernels>(
                        aten ? MakeAtenKernels(at::kCPU) : MakeCpuKernels(), watched),
                    "", {}, clock, std::stop_token(), observer, progress);
    ASSERT_TRUE(outcome.ok()) << outcome.status();

    ASSERT_EQ(steps.losses().size(), keras.losses.size());
    ASSERT_EQ(keras.losses.size(), static_cast<size_t>(kEpochs));
    for (size_t epoch = 0; epoch < keras.losses.size(); ++epoch) {
      ASSERT_EQ(steps.losses()[epoch].size(), keras.losses[epoch].size());
      ASSERT_EQ(keras.losses[epoch].size(), 4U);
      for (size_t step = 0; step < 4; ++step) {
        EXPECT_NEAR(steps.losses()[epoch][step], keras.losses[epoch][step],
                    kLossTolerance * keras.losses[epoch][step])
            << "epoch " << epoch + 1 << ", step " << step + 1;
      }
      ASSERT_EQ(observer.records[epoch].metrics.size(), keras.metrics.size());
      for (const auto& [metric, values] : keras.metrics) {
        EXPECT_NEAR(observer.Metric(epoch, metric), values.at(epoch),
                    kLossTolerance * values.at(epoch))
            << metric << " of epoch " << epoch + 1;
      }
    }

    // The weights at the end, in the layout of a network of the same spec: all of them, as their
    // hash shows.
    const auto network = Network::Create(spec, MakeCpuKernels());
    CopyStorage(watched.dense_kernel, network->parameters());
    CopyStorage(watched.moving_mean, network->buffers());
    ASSERT_EQ(network->WeightsSha256(), outcome->result.weights_sha256);
    ASSERT_EQ(network->weights().size(), keras.weights.size());
    for (size_t k = 0; k < keras.weights.size(); ++k) {
      const auto& [weight_name, expected] = keras.weights[k];
      const NamedWeight& weight = network->weights()[k];
      SCOPED_TRACE(weight.name);
      EXPECT_TRUE(weight.name.ends_with("/" + weight_name));
      const at::Tensor values = weight.value.contiguous();
      ASSERT_EQ(static_cast<size_t>(values.numel()), expected.size());
      double largest = 0;
      for (const double value : expected) largest = std::max(largest, std::abs(value));
      for (size_t i = 0; i < expected.size(); ++i) {
        EXPECT_NEAR(values.data_ptr<float>()[i], expected[i], kWeightTolerance * largest) << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, KerasTrainings, ::testing::Values("Cpu", "Aten"),
                         [](const auto& parameter) { return std::string(parameter.param); });

}  // namespace
}  // namespace anneal
