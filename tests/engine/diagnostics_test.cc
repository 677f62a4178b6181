#include "server/engine/diagnostics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "server/engine/gradient_norms.h"
#include "server/engine/trainer.h"
#include "tests/engine/small_training.h"
#include "tests/engine/weight_ranges.h"

namespace anneal {
namespace {

using ::testing::Contains;
using ::testing::UnorderedElementsAre;

double Value(const std::vector<MetricValue>& metrics, const std::string& name) {
  for (const MetricValue& metric : metrics) {
    if (metric.name == name) return metric.value;
  }
  ADD_FAILURE() << "no " << name;
  return std::nan("");
}

std::vector<std::string> Names(const std::vector<MetricValue>& metrics) {
  std::vector<std::string> names;
  for (const MetricValue& metric : metrics) names.push_back(metric.name);
  return names;
}

// A network as it is before training, and what is measured of it.
struct Measured {
  explicit Measured(const std::string& fields, const std::stop_token& stop = {})
      : spec(SmallSpec("input { rescale { factor: 0.01 } } optimizer { sgd {} } " + fields)),
        network(Network::Create(spec, MakeCpuKernels())),
        samples{data.FindSplit("train"), 0, spec.training_samples()},
        preparation(InputPreparation::Fit(spec.training().input(), data.info().shape, samples)) {
    status = Diagnostics(spec, *network, preparation, samples).Measure(stop, metrics);
  }

  const Dataset data = SmallDataset();
  const ValidatedSpec spec;
  const std::unique_ptr<Network> network;
  const SampleRange samples;
  const InputPreparation preparation;
  std::vector<MetricValue> metrics;
  absl::Status status;
};

at::Tensor Images(const Dataset& data, int64_t count) {
  return at::from_blob(const_cast<uint8_t*>(data.FindSplit("train")->images.data()), {count, 128},
                       at::kByte)
             .to(at::kDouble) *
         0.01;
}

TEST(Diagnostics, ActivationsAreThoseOfTheFirstSamplesWithoutDropout) {
  const Measured measured(R"(
      network {
        layers { flatten {} }
        layers { dense { units: 12 activation: ELU bias_initializer { constant { value: 0.3 } } } }
        layers { dropout { rate: 0.5 } }
        layers { dense { units: 7 activation: RELU } }
        layers { dense { units: 4 activation: SOFTMAX } }
      }
      diagnostics { activations: true samples: 50 })");
  std::vector<at::Tensor> w;
  for (const NamedWeight& weight : measured.network->weights())
    w.push_back(weight.value.to(at::kDouble));
  const at::Tensor first = at::elu(Images(measured.data, 50).matmul(w[0]) + w[1]);
  const at::Tensor second = at::relu(first.matmul(w[2]) + w[3]);
  const at::Tensor logits = second.matmul(w[4]) + w[5];
  const auto check = [&](const std::string& layer, const at::Tensor& y) {
    EXPECT_NEAR(Value(measured.metrics, layer + "/activation_mean"), y.mean().item<double>(), 1e-5);
    EXPECT_NEAR(Value(measured.metrics, layer + "/activation_std"), y.std(false).item<double>(),
                1e-5);
    EXPECT_EQ(Value(measured.metrics, layer + "/dead_units"),
              (y == 0).all(0).to(at::kDouble).mean().item<double>());
  };
  check("dense_1", first);
  check("dense_2", second);
  check("dense_3", logits);
  EXPECT_EQ(measured.metrics.size(), 9U);  // nothing of flatten and dropout
}

TEST(Diagnostics, StopsWhenAsked) {
  std::stop_source source;
  source.request_stop();
  const Measured measured(
      "network { layers { flatten {} } layers { dense { units: 4 activation: SOFTMAX } } } "
      "diagnostics { activations: true }",
      source.get_token());
  EXPECT_TRUE(absl::IsCancelled(measured.status)) << measured.status;
}

TEST(Diagnostics, DeadUnitsAreZeroEverywhere) {
  // Biases of -100 keep every ReLU shut; in a convolution a unit is a filter.
  const Measured measured(R"(
      network {
        layers { conv2d { filters: 6 kernel_size { height: 3 } activation: RELU
                          bias_initializer { constant { value: -100 } } } }
        layers { max_pooling2d {} }
        layers { flatten {} }
        layers { dense { units: 8 activation: RELU bias_initializer { constant { value: 1 } } } }
        layers { dense { units: 4 activation: SOFTMAX } }
      }
      diagnostics { activations: true })");
  EXPECT_EQ(Value(measured.metrics, "conv2d_1/dead_units"), 1.0);
  EXPECT_EQ(Value(measured.metrics, "conv2d_1/activation_mean"), 0.0);
  EXPECT_EQ(Value(measured.metrics, "conv2d_1/activation_std"), 0.0);
  EXPECT_EQ(Value(measured.metrics, "max_pooling2d_1/dead_units"), 1.0);
  EXPECT_EQ(Value(measured.metrics, "dense_1/dead_units"), 0.0);
  EXPECT_EQ(Value(measured.metrics, "dense_1/activation_mean"), 1.0);
}

TEST(Diagnostics, WeightNormsSparsityAndDistinctUnits) {
  const Measured measured(R"(
      network {
        layers { flatten {} }
        layers { dense { units: 6 kernel_initializer { constant { value: 0.5 } } } }
        layers { dense { units: 5 kernel_initializer { identity {} } bias_initializer { ones {} } } }
        layers { dense { units: 4 activation: SOFTMAX kernel_initializer { random_uniform { minval: -1 maxval: 1 } } } }
      }
      diagnostics { weight_norm: true distinct_units: true sparsity { threshold: 0.25 } })");
  EXPECT_NEAR(Value(measured.metrics, "dense_1/weight_norm"), 0.5 * std::sqrt(128 * 6), 1e-12);
  EXPECT_NEAR(Value(measured.metrics, "dense_2/weight_norm"), std::sqrt(5 + 5), 1e-12);
  const double last = Value(measured.metrics, "dense_3/weight_norm");
  EXPECT_NEAR(Value(measured.metrics, "weight_norm"), std::sqrt(0.25 * 128 * 6 + 10 + last * last),
              1e-12);
  EXPECT_EQ(Value(measured.metrics, "dense_1/distinct_units"), 1.0);
  EXPECT_EQ(Value(measured.metrics, "dense_2/distinct_units"), 5.0);
  EXPECT_EQ(Value(measured.metrics, "dense_3/distinct_units"), 4.0);
  EXPECT_EQ(Value(measured.metrics, "dense_1/sparsity"), 0.0);
  EXPECT_EQ(Value(measured.metrics, "dense_2/sparsity"), 25.0 / 30);
  const at::Tensor kernel = measured.network->weights()[4].value;
  const double small = (kernel.abs() <= 0.25).sum().item<double>();
  EXPECT_GT(small, 0);
  EXPECT_EQ(Value(measured.metrics, "dense_3/sparsity"), small / 20);
  EXPECT_EQ(Value(measured.metrics, "sparsity"), (25 + small) / (128 * 6 + 30 + 20));
}

// The bias belongs to the unit.
TEST(Diagnostics, UnitsWithDifferentBiasesAreDistinct) {
  const Measured measured(R"(
      network {
        layers { flatten {} }
        layers { dense { units: 6 kernel_initializer { ones {} } bias_initializer { random_normal {} } } }
        layers { dense { units: 4 activation: SOFTMAX } }
      }
      diagnostics { distinct_units: true })");
  EXPECT_EQ(Value(measured.metrics, "dense_1/distinct_units"), 6.0);
}

TEST(GradientNorms, AreMeansOverSteps) {
  std::vector<WeightRange> ranges(3);
  ranges[0] = {"a/kernel", 0, 2, {1, 2}};
  ranges[1] = {"a/bias", 16, 1, Shape{1}};
  ranges[2] = {"b/kernel", 32, 2, {2, 1}};
  at::Tensor gradients = at::zeros({48});
  const auto set = [&](float a0, float a1, float bias, float b0, float b1) {
    gradients[0] = a0;
    gradients[1] = a1;
    gradients[16] = bias;
    gradients[32] = b0;
    gradients[33] = b1;
  };
  for (const ComputePath path : {ComputePath::kFused, ComputePath::kAten}) {
    GradientNorms norms(true, ranges, path);
    set(1, 2, 2, 4, 0);  // 3, 4, together 5
    norms.Add(gradients);
    set(0, 0, 0, 6, 8);  // 0, 10
    norms.Add(gradients);
    std::vector<MetricValue> metrics;
    norms.Take(metrics);
    EXPECT_NEAR(Value(metrics, "gradient_norm"), 7.5, 1e-12);
    EXPECT_NEAR(Value(metrics, "a/gradient_norm"), 1.5, 1e-12);
    EXPECT_NEAR(Value(metrics, "b/gradient_norm"), 7.0, 1e-12);
    metrics.clear();
    norms.Take(metrics);
    EXPECT_TRUE(metrics.empty());
    norms.Add(gradients);
    norms.Take(metrics);
    EXPECT_NEAR(Value(metrics, "gradient_norm"), 10.0, 1e-12);
  }
  GradientNorms off(false, ranges, ComputePath::kFused);
  off.Add(gradients);
  std::vector<MetricValue> metrics;
  off.Take(metrics);
  EXPECT_TRUE(metrics.empty());
}

absl::StatusOr<TrainingOutcome> Train(const std::string& fields, RecordingObserver& observer) {
  ProgressCell progress;
  const SystemClock clock;
  return RunTraining(SmallSpec(R"(
      input { rescale { factor: 0.00392156862745098 } }
      network { layers { flatten {} } layers { dense { units: 4 activation: SOFTMAX } } }
      batch_size: 8 seed: 3 epochs: 3 )" +
                               fields),
                     std::make_shared<Dataset>(SmallDataset()), MakeCpuKernels(), "", {}, clock,
                     observer.stop.get_token(), observer, progress);
}

TEST(Diagnostics, ATrainingStoresWhatIsAskedAndTrainsTheSame) {
  RecordingObserver with;
  RecordingObserver without;
  const std::string fields =
      "optimizer { sgd { learning_rate: 0.1 } schedule { exponential_decay { decay_steps: 8 "
      "decay_rate: 0.5 } } global_clipnorm: 1e-6 }";
  const auto measured = Train(fields +
                                  "diagnostics { gradient_norm: true learning_rate: true timing: "
                                  "true activations: true weight_norm: true }",
                              with);
  const auto plain = Train(fields, without);
  ASSERT_TRUE(measured.ok() && plain.ok());
  EXPECT_EQ(measured->result.weights_sha256, plain->result.weights_sha256);
  EXPECT_THAT(Names(without.records[0].metrics), UnorderedElementsAre("accuracy", "loss"));
  const std::vector<MetricValue>& metrics = with.records[1].metrics;
  EXPECT_TRUE(std::is_sorted(metrics.begin(), metrics.end(),
                             [](const auto& a, const auto& b) { return a.name < b.name; }));
  EXPECT_THAT(Names(metrics),
              UnorderedElementsAre("accuracy", "loss", "gradient_norm", "dense_1/gradient_norm",
                                   "learning_rate", "epoch_seconds", "samples_per_second",
                                   "dense_1/activation_mean", "dense_1/activation_std",
                                   "dense_1/dead_units", "weight_norm", "dense_1/weight_norm"));
  // Before clipping, which allows a millionth.
  EXPECT_GT(Value(metrics, "gradient_norm"), 0.01);
  EXPECT_EQ(Value(metrics, "gradient_norm"), Value(metrics, "dense_1/gradient_norm"));
  // Of step 15, the last of the second epoch.
  EXPECT_NEAR(Value(metrics, "learning_rate"), 0.1 * std::pow(0.5, 15.0 / 8), 1e-9);
  EXPECT_GT(Value(metrics, "epoch_seconds"), 0);
  EXPECT_NEAR(Value(metrics, "epoch_seconds"),
              static_cast<double>(with.records[1].duration_us) * 1e-6, 1e-9);
  EXPECT_GT(Value(metrics, "samples_per_second"), 60 / Value(metrics, "epoch_seconds") * 0.999);
}

}  // namespace
}  // namespace anneal
