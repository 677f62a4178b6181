#include "client/progress.h"

#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/parse.h"

namespace anneal::client {
namespace {

v1::Progress HalfWay() {
  return Parse<v1::Progress>(R"(
      epoch: 3 epochs: 30 batch: 782 batches: 1563
      metrics { name: "accuracy" value: 0.3812 } metrics { name: "loss" value: 1.7321 }
      metrics { name: "val_accuracy" value: 0.4 } metrics { name: "val_loss" value: 1.65 }
      samples_per_second: 12345.4 elapsed_us: 30000000 remaining_us: 65000000)");
}

TEST(OrderMetricsTest, TrainingThenValidationThenTestLossFirst) {
  const auto epoch = Parse<v1::EpochMetrics>(R"(
      metrics { name: "accuracy" } metrics { name: "auc" } metrics { name: "loss" } metrics { name: "test_loss" }
      metrics { name: "val_accuracy" } metrics { name: "val_loss" } metrics { name: "learning_rate" })");
  std::vector<std::string> names;
  for (const v1::Metric& metric : OrderMetrics(epoch.metrics())) names.push_back(metric.name());
  EXPECT_THAT(names, testing::ElementsAre("loss", "accuracy", "auc", "learning_rate", "val_loss",
                                          "val_accuracy", "test_loss"));
}

TEST(BarTest, Fills) {
  const Style ascii;
  EXPECT_EQ(Bar(0, 10, 12, ascii), "[          ]");
  EXPECT_EQ(Bar(5, 10, 12, ascii), "[====>     ]");
  EXPECT_EQ(Bar(10, 10, 12, ascii), "[==========]");
  EXPECT_EQ(Bar(20, 10, 12, ascii), "[==========]");
  EXPECT_EQ(Bar(-1, 10, 12, ascii), "[          ]");
  EXPECT_EQ(Bar(1, 0, 12, ascii), "[          ]");
  const Style unicode{.unicode = true};
  EXPECT_EQ(Bar(0, 16, 4, unicode), "[  ]");
  EXPECT_EQ(Bar(1, 16, 4, unicode), "[▏ ]");
  EXPECT_EQ(Bar(8, 16, 4, unicode), "[█ ]");
  EXPECT_EQ(Bar(15, 16, 4, unicode), "[█▉]");  // 15 of 16 eighths: one whole, seven eighths
  EXPECT_EQ(Bar(16, 16, 4, unicode), "[██]");
}

TEST(ProgressLineTest, Wide) {
  EXPECT_EQ(
      ProgressLine(HalfWay(), Style{.columns = 200}),
      "epoch  3/30 [=========>          ] 782/1563  loss 1.7321  accuracy 0.3812  val_loss 1.6500  "
      "val_accuracy 0.4000  12,345/s  ETA 1m 05s");
}

TEST(ProgressLineTest, GivesUpWhatMattersLeast) {
  EXPECT_EQ(ProgressLine(HalfWay(), Style{.columns = 120}),
            "epoch  3/30 782/1563  loss 1.7321  accuracy 0.3812  val_loss 1.6500  val_accuracy "
            "0.4000  12,345/s  "
            "ETA 1m 05s");
  EXPECT_EQ(ProgressLine(HalfWay(), Style{.columns = 80}),
            "epoch  3/30 782/1563  loss 1.7321  accuracy 0.3812  val_loss 1.6500  ETA 1m 05s");
  EXPECT_EQ(ProgressLine(HalfWay(), Style{.columns = 20}), "epoch  3/30 782/15~");
}

TEST(ProgressLineTest, NeverWiderThanTheTerminal) {
  v1::Progress progress = HalfWay();
  progress.set_epochs(std::numeric_limits<int64_t>::max());
  progress.set_samples_per_second(std::numeric_limits<double>::infinity());
  progress.mutable_metrics(0)->set_name("日本語\x1b[2J" + std::string(300, 'x'));
  for (int columns = 0; columns < 300; ++columns) {
    const std::string line = ProgressLine(progress, Style{.unicode = true, .columns = columns});
    EXPECT_LE(DisplayWidth(line), std::max(1, columns - 1));
    EXPECT_THAT(line, testing::Not(testing::HasSubstr("\x1b")));
  }
}

TEST(ProgressLineTest, ARangeTestHasNoEpochs) {
  v1::Progress progress = HalfWay();
  progress.clear_metrics();
  EXPECT_EQ(RangeTestProgressLine(progress, Style{.columns = 80}),
            "range test " + Bar(782, 1563, 22, Style{}) + " 782/1563  12,345/s  ETA 1m 05s");
}

TEST(ProgressLineTest, BeforeTheFirstEpoch) {
  EXPECT_EQ(ProgressLine(v1::Progress(), Style{}), "loading data");
}

TEST(EpochLineTest, AllOfIt) {
  const auto epoch = Parse<v1::EpochMetrics>(R"(
      epoch: 3 duration_us: 14200000 metrics { name: "accuracy" value: 0.3812 } metrics { name: "loss" value: 1.7321 }
      metrics { name: "val_loss" value: nan })");
  EXPECT_EQ(EpochLine(epoch, 30),
            "epoch  3/30  loss 1.7321  accuracy 0.3812  val_loss nan  14.2 s");
  EXPECT_EQ(EpochLine(epoch, 0), "epoch 3  loss 1.7321  accuracy 0.3812  val_loss nan  14.2 s");
}

}  // namespace
}  // namespace anneal::client
