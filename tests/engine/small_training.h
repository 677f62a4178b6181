// Small data and specs for the engine's tests.
#pragma once

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "server/core/random.h"
#include "server/data/dataset.h"
#include "server/engine/engine.h"
#include "server/spec/validated_spec.h"
#include "tests/support/fake_catalog.h"

namespace anneal {

// Data set "small": 8x8x2 images of four classes, 60 to train and 20 to test. Class k brightens one
// quarter of the image, among noise, so that a network can learn it.
inline Dataset SmallDataset() {
  DatasetInfo info;
  info.name = "small";
  info.format = "test";
  info.shape = {8, 8, 2};
  info.class_names = {"a", "b", "c", "d"};
  info.splits = {{"train", 60}, {"test", 20}};
  std::vector<DatasetSplit> splits;
  uint32_t block = 0;
  for (const SplitInfo& split_info : info.splits) {
    DatasetSplit split;
    split.name = split_info.name;
    for (int64_t n = 0; n < split_info.samples; ++n) {
      const auto label = static_cast<int32_t>(n % 4);
      split.labels.push_back(label);
      for (int32_t pixel = 0; pixel < 128; ++pixel) {
        const uint32_t noise =
            RandomStream{7, RandomPurpose::kSynthetic, 0, 0}.Block(block++)[0] % 100;
        const int32_t h = pixel / 16;
        const int32_t w = pixel / 2 % 8;
        const bool inside = (h < 4) == (label < 2) && (w < 4) == (label % 2 == 0);
        split.images.push_back(static_cast<uint8_t>(noise + (inside ? 100 : 0)));
      }
    }
    splits.push_back(std::move(split));
  }
  return Dataset(info, std::move(splits));
}

// A spec on "small" with `fields` (text proto) inside `training` and `beside` next to it, and what
// every spec needs: the loss is sparse_categorical_crossentropy where they name none. Must be
// valid.
inline ValidatedSpec SmallSpec(const std::string& fields, const std::string& beside = "") {
  v1::JobSpec spec;
  const std::string text = "name: 'test' training { dataset { name: 'small' } " + fields + " } " +
                           beside;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
  if (!spec.training().has_loss()) {
    spec.mutable_training()->mutable_loss()->mutable_sparse_categorical_crossentropy();
  }
  FakeCatalog catalog;
  catalog.Add(SmallDataset().info());
  ValidationResult result = Validate(spec, catalog);
  for (const Violation& violation : result.violations) {
    ADD_FAILURE() << violation.field << ": " << violation.description;
  }
  return *result.spec;
}

// Keeps what it is told; can fail, and can ask for a stop after an epoch.
class RecordingObserver final : public TrainingObserver {
 public:
  absl::Status OnEpoch(const EpochRecord& record) override {
    if (fail_at_epoch == record.epoch) return absl::ResourceExhaustedError("disk full");
    records.push_back(record);
    if (stop_after_epoch == record.epoch) stop.request_stop();
    return absl::OkStatus();
  }
  void OnState(const TrainingState& state, bool stopping) override {
    if (states_folder.empty()) return;
    const std::string path = states_folder + "/" + std::to_string(states.size());
    const absl::StatusOr<TrainingStateInfo> written = state.Write(path);
    ASSERT_TRUE(written.ok()) << written.status();
    states.insert(states.begin(), {path, *written});
    if (stopping) ++stopping_states;
  }
  absl::Status OnFinalWeights(const FinalWeights& weights) override {
    if (fail_final_weights) return absl::ResourceExhaustedError("disk full");
    if (weights_path.empty()) return absl::OkStatus();
    absl::StatusOr<CheckpointInfo> written = weights.Write(weights_path);
    if (!written.ok()) return written.status();
    checkpoint = *std::move(written);
    return absl::OkStatus();
  }
  void OnWarning(const std::string& text) override { warnings.push_back(text); }

  // NaN where the metric is absent.
  double Metric(size_t epoch_index, const std::string& name) const {
    for (const MetricValue& metric : records.at(epoch_index).metrics) {
      if (metric.name == name) return metric.value;
    }
    return std::numeric_limits<double>::quiet_NaN();
  }

  std::vector<EpochRecord> records;
  std::vector<std::string> warnings;
  std::string states_folder;         // where states go; "": nowhere
  std::vector<ResumePoint> states;   // newest first
  int64_t stopping_states = 0;       // those of a stop
  std::string weights_path;  // where final weights go; "": nowhere
  CheckpointInfo checkpoint;
  bool fail_final_weights = false;
  int64_t fail_at_epoch = 0;
  int64_t stop_after_epoch = 0;
  std::stop_source stop;
};

}  // namespace anneal
