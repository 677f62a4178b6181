#include "server/engine/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "server/engine/training_step.h"
#include "server/spec/model_description.h"
#include "tests/engine/small_training.h"
#include "tests/support/temp_folder.h"

namespace anneal {
namespace {

using ::testing::HasSubstr;

constexpr char kNetwork[] = R"(network {
    layers { conv2d { filters: 4 kernel_size { height: 3 width: 3 } } } layers { batch_normalization {} }
    layers { prelu {} } layers { flatten {} } layers { layer_normalization {} }
    layers { dense { units: 4 activation: SOFTMAX } } } optimizer { adam {} } batch_size: 16 seed: 3 )";
constexpr char kDenseNetwork[] = R"(network { layers { flatten {} } layers { dense { units: 4 activation: SOFTMAX } } }
    optimizer { adam {} } batch_size: 16 seed: 3 )";
constexpr char kVectorNetwork[] = R"(network { layers { dense { units: 4 activation: SOFTMAX } } }
    optimizer { adam {} } batch_size: 16 seed: 3 )";

std::string Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

void Overwrite(const std::string& path, const std::string& contents) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << contents;
}

class CheckpointTest : public ::testing::Test {
 protected:
  // A training of a few steps, written.
  void Make(const std::string& fields) {
    spec_.emplace(SmallSpec(fields));
    const SampleRange samples = ChooseSamples(*spec_, dataset_).train;
    step_ = std::make_unique<TrainingStep>(*spec_, spec_->training(), samples, MakeCpuKernels());
    std::vector<uint32_t> order;
    step_->OrderEpoch(1, order);
    for (int64_t done = 0; done < 48; done += 16) step_->Run(order.data() + done, 16);
    const Checkpoint checkpoint(
        step_->network(), step_->preparation(),
        DescribeModel(*spec_, 7, step_->network().WeightsSha256(), "this machine"));
    const auto written = checkpoint.Write(path_);
    ASSERT_TRUE(written.ok()) << written.status();
    info_ = *written;
  }

  absl::StatusOr<TrainedModel> Load() {
    return LoadCheckpoint(path_, info_, *spec_, MakeCpuKernels());
  }

  at::Tensor Prepared(const InputPreparation& preparation, const std::vector<int64_t>& shape) {
    at::Tensor images = at::zeros(shape, at::TensorOptions().dtype(at::kFloat));
    std::vector<uint32_t> indices(static_cast<size_t>(shape[0]));
    for (size_t n = 0; n < indices.size(); ++n) indices[n] = static_cast<uint32_t>(n);
    const std::unique_ptr<Kernels> kernels = MakeCpuKernels();
    preparation.Prepare(*kernels, *dataset_.FindSplit("test"), indices.data(), images);
    return images;
  }

  const TempFolder folder_;
  const std::string path_ = folder_.path() + "/a/b/final.safetensors";
  const Dataset dataset_ = SmallDataset();
  std::optional<ValidatedSpec> spec_;
  std::unique_ptr<TrainingStep> step_;
  CheckpointInfo info_;
};

TEST_F(CheckpointTest, GivesTheSameWeightsBack) {
  Make(kNetwork);
  EXPECT_EQ(info_.epoch, 7);
  EXPECT_EQ(info_.bytes, static_cast<int64_t>(std::filesystem::file_size(path_)));
  const auto model = Load();
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->network->WeightsSha256(), step_->network().WeightsSha256());
  EXPECT_TRUE(at::equal(model->network->buffers(), step_->network().buffers()));
}

TEST_F(CheckpointTest, SaysWhatItIsOf) {
  Make(kNetwork);
  v1::ModelDescription description;
  ASSERT_TRUE(description.ParseFromString(info_.description));
  EXPECT_EQ(description.epoch(), 7);
  EXPECT_EQ(description.weights_sha256(), step_->network().WeightsSha256());
  EXPECT_EQ(description.fingerprint(), "this machine");
  const auto spec = SpecOfModel(info_.description);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->training().SerializeAsString(), spec_->training().SerializeAsString());
  EXPECT_EQ(spec->dataset().class_names, spec_->dataset().class_names);
}

// Every order of steps in which something is fitted, some of which change nothing.
TEST_F(CheckpointTest, GivesTheSamePreparationBack) {
  constexpr char kRescale[] = "input { rescale { factor: 0.0039 offset: -0.5 } } ";
  constexpr char kNothing[] = "input { rescale { factor: 1 } } ";
  constexpr char kStandardize[] = "input { standardize {} } ";
  constexpr char kPerChannel[] = "input { standardize_per_channel {} } ";
  constexpr char kNormalize[] = "input { l2_normalize { axis: 1 } } ";
  constexpr char kFlip[] = "input { random_flip {} } ";
  constexpr char kSelect[] = "input { select_features { score: VARIANCE k: 50 } } ";
  const std::vector<std::vector<const char*>> whole = {
      {},
      {kRescale},
      {kStandardize},
      {kPerChannel},
      {kNormalize, kStandardize},
      {kRescale, kNormalize, kPerChannel, kNormalize, kNothing, kFlip},
      {kNormalize, kNothing, kNormalize, kStandardize}};
  const std::vector<std::vector<const char*>> selected = {
      {kSelect, kStandardize},
      {kNormalize, kSelect, kRescale},
      {kNormalize, kNothing, kSelect, kStandardize},
      {kStandardize, kSelect}};
  const auto check = [&](const std::vector<const char*>& steps, const char* network,
                         const std::vector<int64_t>& shape) {
    std::string fields = network;
    for (const char* const step : steps) fields += step;
    SCOPED_TRACE(fields);
    Make(fields);
    const auto model = Load();
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_TRUE(
        at::equal(Prepared(model->preparation, shape), Prepared(step_->preparation(), shape)));
  };
  for (const auto& steps : whole) check(steps, kDenseNetwork, {20, 8, 8, 2});
  for (const auto& steps : selected) check(steps, kVectorNetwork, {20, 50});
}

TEST_F(CheckpointTest, AnyChangedBitIsFound) {
  Make(kDenseNetwork);
  const std::string good = Contents(path_);
  for (size_t at = 0; at < good.size(); at += 97) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    Overwrite(path_, bad);
    const auto model = Load();
    ASSERT_TRUE(absl::IsDataLoss(model.status())) << "byte " << at << ": " << model.status();
    EXPECT_THAT(std::string(model.status().message()), HasSubstr("has changed"));
  }
  Overwrite(path_, good);
  EXPECT_TRUE(Load().ok());
}

TEST_F(CheckpointTest, ATruncatedLongerOrMissingFileIsFound) {
  Make(kDenseNetwork);
  const std::string good = Contents(path_);
  for (const size_t length : {size_t{0}, size_t{7}, size_t{100}, good.size() - 1}) {
    Overwrite(path_, good.substr(0, length));
    const auto model = Load();
    ASSERT_TRUE(absl::IsDataLoss(model.status())) << length;
    EXPECT_THAT(std::string(model.status().message()), HasSubstr("bytes and was written with"));
  }
  Overwrite(path_, good + "x");
  EXPECT_TRUE(absl::IsDataLoss(Load().status()));
  std::filesystem::remove(path_);
  const auto missing = Load();
  EXPECT_TRUE(absl::IsDataLoss(missing.status()));
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("No such file"));
  std::filesystem::create_directory(path_);
  EXPECT_TRUE(absl::IsDataLoss(Load().status()));
  std::filesystem::remove(path_);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);  // nobody writes: who waits for it waits for ever
  const auto pipe = Load();
  EXPECT_TRUE(absl::IsDataLoss(pipe.status()));
  EXPECT_THAT(std::string(pipe.status().message()), HasSubstr("is no file"));
}

TEST_F(CheckpointTest, OfAnotherNetworkIsFound) {
  Make(kDenseNetwork);
  spec_.emplace(SmallSpec(kNetwork));
  const auto model = Load();
  EXPECT_TRUE(absl::IsDataLoss(model.status()));
  EXPECT_THAT(std::string(model.status().message()), HasSubstr("has no weight conv2d_1/kernel"));
}

TEST_F(CheckpointTest, ADescriptionThatIsNoneIsAnError) {
  EXPECT_TRUE(absl::IsInvalidArgument(SpecOfModel("\x08\x07").status()));   // format 7
  EXPECT_TRUE(absl::IsInvalidArgument(SpecOfModel("\xff\xff").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(SpecOfModel("").status()));
}

}  // namespace
}  // namespace anneal
