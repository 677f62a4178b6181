// Whole trainings on small data.
#include "server/engine/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/engine/network.h"
#include "tests/engine/small_training.h"

namespace anneal {
namespace {

constexpr char kNetwork[] = R"(
  input { rescale { factor: 0.00392156862745098 } }
  network {
    layers { conv2d { filters: 4 kernel_size { height: 3 } activation: RELU } }
    layers { max_pooling2d {} }
    layers { flatten {} }
    layers { dropout { rate: 0.2 } }
    layers { dense { units: 16 activation: ELU } }
    layers { batch_normalization {} }
    layers { dense { units: 4 activation: SOFTMAX } }
  }
)";

absl::StatusOr<TrainingOutcome> Train(const std::string& fields, RecordingObserver& observer) {
  ProgressCell progress;
  const SystemClock clock;
  return RunTraining(SmallSpec(fields), std::make_shared<Dataset>(SmallDataset()), MakeCpuKernels(), "", {},
                     clock, observer.stop.get_token(), observer, progress);
}

TEST(Trainer, LearnsAndStoresEveryEpoch) {
  RecordingObserver observer;
  const auto outcome = Train(std::string(kNetwork) + R"(
      optimizer { nadam { learning_rate: 0.01 } } batch_size: 8 epochs: 15 seed: 1
      validation { split: 'test' } test { split: 'test' })",
                             observer);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->stop_reason, StopReason::kCompleted);
  EXPECT_EQ(outcome->result.epochs, 15);
  ASSERT_EQ(observer.records.size(), 15U);
  for (size_t k = 0; k < 15; ++k) {
    EXPECT_EQ(observer.records[k].epoch, static_cast<int64_t>(k) + 1);
    std::vector<std::string> names;
    for (const MetricValue& metric : observer.records[k].metrics) names.push_back(metric.name);
    EXPECT_THAT(names, ::testing::ElementsAre("accuracy", "loss", "val_accuracy", "val_loss"));
    EXPECT_GT(observer.records[k].duration_us, 0);
  }
  EXPECT_LT(observer.Metric(14, "loss"), 0.5 * observer.Metric(0, "loss"));
  EXPECT_GT(observer.Metric(14, "val_accuracy"), 0.9);
  // The test split is the validation split here, and nothing changed the weights after the last
  // epoch.
  ASSERT_EQ(outcome->result.metrics.size(), 2U);
  EXPECT_EQ(outcome->result.metrics[0].name, "test_accuracy");
  EXPECT_EQ(outcome->result.metrics[0].value, observer.Metric(14, "val_accuracy"));
  EXPECT_EQ(outcome->result.metrics[1].value, observer.Metric(14, "val_loss"));
}

// Two epochs of SGD with momentum, step by step with autograd: the same losses.
TEST(Trainer, AgreesWithAPlainAutogradLoop) {
  const std::string fields = R"(
      input { rescale { factor: 0.00392156862745098 } }
      network { layers { flatten {} } layers { dense { units: 12 activation: ELU } } layers { dense { units: 4 activation: SOFTMAX } } }
      optimizer { sgd { learning_rate: 0.1 momentum: 0.9 } } batch_size: 16 epochs: 2 seed: 5 shuffle: false
      validation { fraction: 0.1 })";
  RecordingObserver observer;
  ASSERT_TRUE(Train(fields, observer).ok());

  const Dataset data = SmallDataset();
  const DatasetSplit& train = *data.FindSplit("train");
  const at::Tensor images =
      at::from_blob(const_cast<uint8_t*>(train.images.data()), {60, 128}, at::kByte)
          .to(at::kFloat) /
      255.0;
  const at::Tensor labels =
      at::from_blob(const_cast<int32_t*>(train.labels.data()), {60}, at::kInt).to(at::kLong);
  const auto network = Network::Create(SmallSpec(fields), MakeCpuKernels());
  std::vector<at::Tensor> weights;
  std::vector<at::Tensor> velocities;
  for (const NamedWeight& weight : network->weights()) {
    weights.push_back(weight.value.clone().requires_grad_());
    velocities.push_back(at::zeros_like(weight.value));
  }
  const auto forward = [&](const at::Tensor& x) {
    return torch::matmul(torch::elu(torch::matmul(x, weights[0]) + weights[1]), weights[2]) +
           weights[3];
  };
  const auto mean_loss = [&](int64_t begin, int64_t count) {
    return torch::nll_loss(torch::log_softmax(forward(images.narrow(0, begin, count)), 1),
                           labels.narrow(0, begin, count));
  };
  for (size_t epoch = 0; epoch < 2; ++epoch) {
    double sum = 0;
    for (int64_t begin = 0; begin < 54; begin += 16) {  // 54: the last tenth is held out
      const int64_t count = std::min<int64_t>(16, 54 - begin);
      const at::Tensor loss = mean_loss(begin, count);
      sum += loss.item<double>() * static_cast<double>(count);
      loss.backward();
      const torch::NoGradGuard guard;
      for (size_t k = 0; k < weights.size(); ++k) {
        velocities[k].mul_(0.9).sub_(weights[k].grad(), 0.1);
        weights[k].add_(velocities[k]);
        weights[k].mutable_grad().reset();
      }
    }
    EXPECT_NEAR(observer.Metric(epoch, "loss"), sum / 54, 1e-5);
    EXPECT_NEAR(observer.Metric(epoch, "val_loss"), mean_loss(54, 6).item<double>(), 1e-5);
  }
}

TEST(Trainer, TheSameSeedGivesTheSameBitsAlsoBesideAnotherTraining) {
  const std::string fields =
      std::string(kNetwork) +
      "optimizer { adam {} } batch_size: 7 epochs: 4 seed: 11 validation { first: 10 }";
  RecordingObserver alone;
  const auto first = Train(fields, alone);
  ASSERT_TRUE(first.ok());
  std::vector<std::string> hashes(3);
  std::vector<RecordingObserver> observers(3);
  std::vector<std::thread> threads;
  for (size_t k = 0; k < 3; ++k) {
    threads.emplace_back([&, k] {
      const auto outcome = Train(fields, observers[k]);
      if (outcome.ok()) hashes[k] = outcome->result.weights_sha256;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t k = 0; k < 3; ++k) {
    EXPECT_EQ(hashes[k], first->result.weights_sha256);
    for (size_t epoch = 0; epoch < 4; ++epoch) {
      EXPECT_EQ(observers[k].records[epoch].metrics, alone.records[epoch].metrics);
    }
  }
  RecordingObserver other;
  const auto different =
      Train(std::string(kNetwork) +
                "optimizer { adam {} } batch_size: 7 epochs: 4 seed: 12 validation { first: 10 }",
            other);
  EXPECT_NE(different->result.weights_sha256, first->result.weights_sha256);
}

TEST(Trainer, EarlyStoppingRestoresTheBestWeights) {
  // A learning rate so large that the loss goes up and down.
  const std::string fields = std::string(kNetwork) + R"(
      optimizer { sgd { learning_rate: 0.5 momentum: 0.9 } } batch_size: 8 epochs: 60 seed: 2
      validation { split: 'test' } test { split: 'test' }
      early_stopping { patience: 3 restore_best_weights: )";
  RecordingObserver with;
  const auto restored = Train(fields + "true }", with);
  ASSERT_TRUE(restored.ok());
  ASSERT_EQ(restored->stop_reason, StopReason::kEarlyStopped) << restored->message;
  const auto best = static_cast<size_t>(restored->result.best_epoch);
  ASSERT_GT(best, 0U);
  EXPECT_EQ(with.records.size(), best + 3);
  for (size_t k = 0; k < with.records.size(); ++k) {
    EXPECT_GE(with.Metric(k, "val_loss"), with.Metric(best - 1, "val_loss"));
  }
  EXPECT_EQ(restored->result.metrics[1].value, with.Metric(best - 1, "val_loss"));
  EXPECT_THAT(restored->message, ::testing::HasSubstr("val_loss"));

  RecordingObserver without;
  const auto last = Train(fields + "false }", without);
  ASSERT_EQ(without.records.size(), with.records.size());
  EXPECT_EQ(last->result.metrics[1].value, without.Metric(without.records.size() - 1, "val_loss"));
  EXPECT_NE(last->result.weights_sha256, restored->result.weights_sha256);
}

TEST(Trainer, TheBestWeightsAreRestoredAlsoWhenEpochsRunOut) {
  RecordingObserver observer;
  const auto outcome = Train(std::string(kNetwork) + R"(
      optimizer { sgd { learning_rate: 0.5 momentum: 0.9 } } batch_size: 8 epochs: 9 seed: 2
      validation { split: 'test' } test { split: 'test' }
      early_stopping { patience: 100 restore_best_weights: true })",
                             observer);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->stop_reason, StopReason::kCompleted);
  EXPECT_EQ(outcome->result.epochs, 9);
  EXPECT_EQ(outcome->result.metrics[1].value,
            observer.Metric(static_cast<size_t>(outcome->result.best_epoch) - 1, "val_loss"));
}

constexpr char kLinear[] = R"(
  input { rescale { factor: 0.00392156862745098 } }
  network { layers { flatten {} } layers { dense { units: 4 activation: SOFTMAX } } } seed: 6 shuffle: false )";

TEST(Trainer, ASchedulesRateIsThatOfTheStep) {
  // A rate that falls to nothing after the first epoch's eight steps: the second epoch changes no
  // weight.
  RecordingObserver observer;
  ASSERT_TRUE(Train(std::string(kLinear) + R"(batch_size: 8 epochs: 3 validation { split: 'test' }
      optimizer { sgd { learning_rate: 0.1 } schedule { piecewise_constant_decay { boundaries: 7 values: 1e-30 } } })",
                    observer)
                  .ok());
  EXPECT_NE(observer.Metric(0, "loss"), observer.Metric(1, "loss"));
  EXPECT_EQ(observer.Metric(1, "loss"), observer.Metric(2, "loss"));
  EXPECT_EQ(observer.Metric(0, "val_loss"), observer.Metric(2, "val_loss"));
}

TEST(Trainer, ReduceOnPlateauStopsWhatDoesNotImprove) {
  // Too large a rate; the monitored loss must get worse once, and then the rate is as good as zero.
  RecordingObserver observer;
  ASSERT_TRUE(Train(std::string(kLinear) + R"(batch_size: 8 epochs: 40 validation { split: 'test' }
      optimizer { sgd { learning_rate: 2 momentum: 0.9 }
                  schedule { reduce_on_plateau { factor: 1e-30 patience: 1 } } })",
                    observer)
                  .ok());
  size_t worse = 1;
  while (worse < 40 && observer.Metric(worse, "val_loss") < observer.Metric(worse - 1, "val_loss"))
    ++worse;
  ASSERT_LT(worse, 38U);
  // Momentum carries the weights on for a while, each epoch less.
  EXPECT_EQ(observer.Metric(39, "val_loss"), observer.Metric(38, "val_loss"));
}

TEST(Trainer, PenaltiesCountInLossAndValLossAndPullWeightsIn) {
  const auto loss_with = [](const std::string& regularizer, RecordingObserver& observer) {
    EXPECT_TRUE(
        Train(R"(seed: 6 shuffle: false network { layers { flatten {} } layers { dense { units: 4
        activation: SOFTMAX kernel_initializer { constant { value: 0.5 } } )" +
                  regularizer + R"( } } }
        batch_size: 60 epochs: 1 validation { split: 'test' } optimizer { sgd { learning_rate: 1e-30 } })",
              observer)
            .ok());
  };
  RecordingObserver without;
  RecordingObserver with;
  loss_with("", without);
  loss_with("kernel_regularizer { l1_l2 { l1: 0.01 l2: 0.02 } }", with);
  // 128 * 4 weights of 0.5: l1 512 * 0.5 * 0.01 = 2.56, l2 512 * 0.25 * 0.02 = 2.56.
  EXPECT_NEAR(with.Metric(0, "loss") - without.Metric(0, "loss"), 5.12, 1e-4);
  EXPECT_NEAR(with.Metric(0, "val_loss") - without.Metric(0, "val_loss"), 5.12, 1e-4);
}

TEST(Trainer, ClippingAndWeightDecayActOnEveryStep) {
  RecordingObserver observer;
  const auto hash = [&](const std::string& fields) {
    return Train(std::string(kLinear) + "batch_size: 8 epochs: 2 " + fields, observer)
        ->result.weights_sha256;
  };
  const std::string plain = hash("optimizer { sgd { learning_rate: 0.1 } }");
  EXPECT_EQ(hash("optimizer { sgd { learning_rate: 0.1 } clipvalue: 1e6 }"), plain);
  for (const char* const clipping :
       {"clipvalue: 1e-4", "clipnorm: 1e-3", "global_clipnorm: 1e-3", "weight_decay: 0.1"}) {
    EXPECT_NE(hash(std::string("optimizer { sgd { learning_rate: 0.1 } ") + clipping + " }"), plain)
        << clipping;
  }
}

TEST(Trainer, ConstraintsHoldAfterEveryStep) {
  const auto val_loss = [](const std::string& constraint) {
    RecordingObserver observer;
    EXPECT_TRUE(Train(R"(input { rescale { factor: 0.004 } } seed: 6 batch_size: 8 epochs: 2
        validation { split: 'test' } optimizer { sgd { learning_rate: 0.1 } }
        network { layers { flatten {} } layers { dense { units: 4 activation: SOFTMAX use_bias: false )" +
                          constraint + " } } }",
                      observer)
                    .ok());
    return observer.Metric(1, "val_loss");
  };
  // Weights of norm 1e-6 say nothing: every class is equally likely. Without the constraint, or
  // with it in force only before the last step, the network has learned something.
  EXPECT_NEAR(val_loss("kernel_constraint { max_norm { max_value: 1e-6 } }"), std::log(4.0), 1e-4);
  EXPECT_LT(val_loss(""), std::log(4.0) - 0.1);
}

TEST(Trainer, TopKAccuracyIsMeasuredEverywhere) {
  RecordingObserver observer;
  const auto outcome =
      Train(std::string(kLinear) + R"(batch_size: 8 epochs: 2 validation { split: 'test' }
      test { split: 'test' } metrics { top_k_accuracy { k: 2 } } optimizer { adam {} })",
            observer);
  ASSERT_TRUE(outcome.ok());
  for (const char* const prefix : {"", "val_"}) {
    const double top = observer.Metric(1, std::string(prefix) + "top_2_accuracy");
    EXPECT_GE(top, observer.Metric(1, std::string(prefix) + "accuracy"));
    EXPECT_LE(top, 1.0);
  }
  ASSERT_EQ(outcome->result.metrics.size(), 3U);
  EXPECT_EQ(outcome->result.metrics[2].name, "test_top_2_accuracy");
  EXPECT_EQ(outcome->result.metrics[2].value, observer.Metric(1, "val_top_2_accuracy"));
}

TEST(Trainer, EveryLossLearns) {
  for (const char* const loss :
       {"categorical_crossentropy { label_smoothing: 0.1 }", "binary_crossentropy {}",
        "mean_squared_error {}", "mean_absolute_error {}", "huber {}"}) {
    v1::JobSpec spec;
    const bool sigmoid = std::string(loss).rfind("binary", 0) == 0;
    const bool probabilities = std::string(loss).rfind("categorical", 0) == 0;
    const std::string end = sigmoid ? "SIGMOID" : probabilities ? "SOFTMAX" : "LINEAR";
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
        "name: 'loss' training { dataset { name: 'small' } input { rescale { factor: 0.004 } } "
        "network { layers { flatten {} } "
        "layers { dense { units: 4 activation: " +
            end +
            " } } } optimizer { adam { learning_rate: 0.01 } } batch_size: 8 "
            "epochs: 20 loss { " +
            loss + " } }",
        &spec));
    FakeCatalog catalog;
    catalog.Add(SmallDataset().info());
    const ValidationResult valid = Validate(spec, catalog);
    for (const Violation& violation : valid.violations)
      ADD_FAILURE() << violation.field << violation.description;
    RecordingObserver observer;
    ProgressCell progress;
    const SystemClock clock;
    const auto outcome =
        RunTraining(*valid.spec, std::make_shared<Dataset>(SmallDataset()), MakeCpuKernels(), "", {}, clock,
                    std::stop_token(), observer, progress);
    ASSERT_TRUE(outcome.ok());
    EXPECT_LT(observer.Metric(19, "loss"), observer.Metric(0, "loss")) << loss;
    EXPECT_GT(observer.Metric(19, "accuracy"), 0.9) << loss;
  }
}

TEST(Trainer, ADivergingRunEndsWithItsReason) {
  RecordingObserver observer;
  const auto outcome = Train(R"(
      network { layers { flatten {} } layers { dense { units: 4 activation: SOFTMAX } } }
      optimizer { sgd { learning_rate: 1e38 } } batch_size: 8 epochs: 50 seed: 1)",
                             observer);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->stop_reason, StopReason::kDiverged);
  EXPECT_FALSE(outcome->succeeded());
  EXPECT_THAT(outcome->message, ::testing::HasSubstr("epoch 1"));
  EXPECT_EQ(static_cast<int64_t>(observer.records.size()), outcome->result.epochs);
}

TEST(Trainer, StopsWithinABatchWhenAsked) {
  RecordingObserver observer;
  observer.stop_after_epoch = 2;
  const auto outcome =
      Train(std::string(kNetwork) + "optimizer { adam {} } epochs: 1000000", observer);
  EXPECT_EQ(outcome.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(observer.records.size(), 2U);
}

TEST(Trainer, AnEpochThatCannotBeStoredEndsTheTraining) {
  RecordingObserver observer;
  observer.fail_at_epoch = 3;
  const auto outcome = Train(std::string(kNetwork) + "optimizer { adam {} } epochs: 10", observer);
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->stop_reason, StopReason::kStorage);
  EXPECT_THAT(outcome->message, ::testing::HasSubstr("disk full"));
  EXPECT_EQ(outcome->result.epochs, 2);
}

TEST(Trainer, HeldOutSamplesAreNotTrainedOn) {
  // Validation by fraction and by `first` on the whole set must see exactly the samples that
  // training does not: with one epoch of a rate of almost zero, loss and val_loss are means over
  // the two parts of the same untrained network.
  const auto losses = [](const std::string& validation) {
    RecordingObserver observer;
    EXPECT_TRUE(Train(R"(input { rescale { factor: 0.01 } }
        network { layers { flatten {} } layers { dense { units: 4 activation: SOFTMAX } } }
        optimizer { sgd { learning_rate: 1e-30 } } batch_size: 9 epochs: 1 seed: 8 )" +
                          validation,
                      observer)
                    .ok());
    return std::make_pair(observer.Metric(0, "loss"), observer.Metric(0, "val_loss"));
  };
  const double all = losses("").first;
  const auto [rest_of_last, last] = losses("validation { fraction: 0.2 }");
  const auto [rest_of_first, first] = losses("validation { first: 12 }");
  EXPECT_NEAR((48 * rest_of_last + 12 * last) / 60, all, 1e-6);
  EXPECT_NEAR((48 * rest_of_first + 12 * first) / 60, all, 1e-6);
  EXPECT_GT(std::abs(first - last), 1e-6);
}

TEST(Trainer, ABatchLargerThanTheDataIsOneBatch) {
  RecordingObserver observer;
  const auto outcome =
      Train(std::string(kNetwork) + "optimizer { adam {} } batch_size: 4096 epochs: 2", observer);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->result.epochs, 2);
}

TEST(Trainer, AWarmStepMakesNoPageFaults) {
  // Faults of this thread from the end of epoch 2 to the end of epoch 6: evaluation, epochs'
  // records and all.
  class Counting final : public TrainingObserver {
   public:
    absl::Status OnEpoch(const EpochRecord& record) override {
      rusage usage{};
      getrusage(RUSAGE_THREAD, &usage);
      if (record.epoch == 2) begin = usage.ru_minflt;
      if (record.epoch == 6) end = usage.ru_minflt;
      return absl::OkStatus();
    }
    void OnState(const TrainingState&, bool) override {}
    absl::Status OnFinalWeights(const FinalWeights&) override { return absl::OkStatus(); }
    void OnWarning(const std::string&) override {}
    int64_t begin = 0;
    int64_t end = 0;
  };
  Counting observer;
  ProgressCell progress;
  const SystemClock clock;
  ASSERT_TRUE(
      RunTraining(
          SmallSpec(std::string(kNetwork) +
                    "optimizer { nadam {} } batch_size: 8 epochs: 6 validation { split: 'test' }"),
          std::make_shared<Dataset>(SmallDataset()), MakeCpuKernels(), "", {}, clock, std::stop_token(),
          observer, progress)
          .ok());
  EXPECT_LE(observer.end - observer.begin, 4) << "in 32 steps and 4 evaluations";
}

}  // namespace
}  // namespace anneal
