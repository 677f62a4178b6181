// What a prediction may ask for, and what is said where it may not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/spec/model_description.h"
#include "server/spec/validated_prediction.h"
#include "tests/spec/job_specs.h"

namespace anneal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

class FakeModels final : public ModelCatalog {
 public:
  absl::StatusOr<CheckpointInfo> FindModel(JobId id) const override {
    const auto found = models.find(id);
    if (found == models.end()) return absl::NotFoundError("there is no such job");
    return found->second;
  }
  std::map<JobId, absl::StatusOr<CheckpointInfo>> models;
};

class PredictionSpecTest : public ::testing::Test {
 protected:
  PredictionSpecTest() {
    catalog_.Add(Cifar10Info());
    DatasetInfo other = Cifar10Info();
    other.name = "other-names";
    other.class_names[3] = "tiger";
    catalog_.Add(other);
    DatasetInfo small = Cifar10Info();
    small.name = "small";
    small.shape = {28, 28, 1};
    small.class_names.pop_back();
    small.splits = {{"train", 10}, {"holdout", 5}};
    catalog_.Add(small);
    catalog_.AddUnreadable("broken", absl::FailedPreconditionError("test_batch.bin is missing"));
    AddModel(1, GoodJob());
  }

  void AddModel(JobId id, const std::string& job) {
    const ValidationResult valid = Validate(ParseJob(job), catalog_);
    ASSERT_TRUE(valid.spec.has_value())
        << valid.violations[0].field << " " << valid.violations[0].description;
    CheckpointInfo info;
    info.sha256 = "abc";
    info.description = DescribeModel(*valid.spec, 3, "w", "f").SerializeAsString();
    models_.models.insert_or_assign(id, info);
  }

  PredictionValidation Judge(const std::string& block, const std::string& beside = "") {
    return ValidatePrediction(ParseJob("prediction { " + block + " } " + beside), models_, catalog_);
  }

  // The one violation; a failure where there is not one.
  std::pair<std::string, std::string> Violated(const std::string& block,
                                               const std::string& beside = "") {
    const PredictionValidation judged = Judge(block, beside);
    EXPECT_FALSE(judged.prediction.has_value());
    EXPECT_THAT(judged.violations, SizeIs(1)) << block;
    if (judged.violations.empty()) return {};
    return {judged.violations[0].field, judged.violations[0].description};
  }

  FakeCatalog catalog_;
  FakeModels models_;
};

TEST_F(PredictionSpecTest, HasTheDefaultsOfItsTraining) {
  const PredictionValidation judged = Judge("job_id: '1'");
  ASSERT_TRUE(judged.prediction.has_value());
  EXPECT_THAT(judged.warnings, IsEmpty());
  const PredictionSet& set = judged.prediction->set();
  EXPECT_EQ(set.model_job_id, 1);
  EXPECT_EQ(set.checkpoint_sha256, "abc");
  EXPECT_EQ(set.dataset, "cifar10");
  EXPECT_EQ(set.split, "test");
  EXPECT_EQ(set.samples, 100);
  EXPECT_EQ(set.seed, 0U);
  EXPECT_EQ(set.begin, 0);
  EXPECT_EQ(set.images, 10'000);
  EXPECT_EQ(set.classes(), 10);
  EXPECT_FALSE(set.keeps_samples);
  EXPECT_EQ(judged.prediction->model().layers().size(), 4U);
}

TEST_F(PredictionSpecTest, TakesWhatIsAsked) {
  const PredictionValidation judged =
      Judge("job_id: '1' dataset: 'other-names' split: 'train' samples: 7 seed: 18446744073709551615 "
            "consistent_masks: true keep_samples: true images { begin: 49999 count: 1 } device: 'cpu'");
  ASSERT_TRUE(judged.prediction.has_value());
  const PredictionSet& set = judged.prediction->set();
  EXPECT_EQ(set.dataset, "other-names");
  EXPECT_EQ(set.samples, 7);
  EXPECT_EQ(set.seed, 18446744073709551615U);
  EXPECT_TRUE(set.consistent_masks);
  EXPECT_TRUE(set.keeps_samples);
  EXPECT_EQ(set.begin, 49'999);
  EXPECT_EQ(set.images, 1);
  EXPECT_EQ(set.class_names[3], "tiger");
  EXPECT_THAT(judged.warnings, ElementsAre(HasSubstr("have other names")));
}

TEST_F(PredictionSpecTest, NamesEveryViolationAtOnce) {
  const PredictionValidation judged = Judge(
      "job_id: '1' dataset: 'small' samples: -1 device: 'tpu' images { begin: -1 count: 0 }",
      "name: 'a\\nb' lr_range_test {}");
  std::vector<std::pair<std::string, std::string>> found;
  for (const Violation& violation : judged.violations)
    found.emplace_back(violation.field, violation.description);
  EXPECT_THAT(found,
              ElementsAre(Pair("name", HasSubstr("control")), Pair("lr_range_test", HasSubstr("leave it out")),
                          Pair("prediction.samples", "is -1; the number of samples is from 0 to 100000"),
                          Pair("prediction.dataset", "is \"small\", whose images are [28, 28, 1]; the "
                                                     "network takes [32, 32, 3]"),
                          Pair("prediction.dataset", "is \"small\", which has 9 classes; the network has 10"),
                          Pair("prediction.split", "is \"test\" (the default); data set \"small\" has "
                                                   "\"train\", \"holdout\""),
                          Pair("prediction.device", HasSubstr("\"tpu\""))));
}

TEST_F(PredictionSpecTest, TheTrainingMustHaveLeftWeights) {
  EXPECT_THAT(Violated(""), Pair("prediction.job_id", HasSubstr("is missing")));
  EXPECT_THAT(Violated("job_id: 'seven'"), Pair("prediction.job_id", HasSubstr("\"seven\", which is no job id")));
  EXPECT_THAT(Violated("job_id: '9'"), Pair("prediction.job_id", "is 9; there is no such job"));
  models_.models.insert_or_assign(2, absl::FailedPreconditionError("it has not finished: it is RUNNING"));
  EXPECT_THAT(Violated("job_id: '2'"), Pair("prediction.job_id", "is 2; it has not finished: it is RUNNING"));
  CheckpointInfo unknown;
  unknown.description = "\x08\x63";
  models_.models.insert_or_assign(3, unknown);
  EXPECT_THAT(Violated("job_id: '3'"), Pair("prediction.job_id", HasSubstr("has format 99; this server knows format 1")));
}

TEST_F(PredictionSpecTest, AStoreThatCannotBeAskedIsNoViolation) {
  models_.models.insert_or_assign(2, absl::UnavailableError("busy"));
  const PredictionValidation judged = Judge("job_id: '2' device: 'tpu'");
  EXPECT_TRUE(absl::IsUnavailable(judged.status)) << judged.status;
  EXPECT_THAT(judged.violations, IsEmpty());
  EXPECT_FALSE(judged.prediction.has_value());
}

TEST_F(PredictionSpecTest, WithoutDropoutThereIsNothingToSample) {
  AddModel(2, GoodJobWith({{"layers { dropout { rate: 0.5 } }", ""}}));
  AddModel(3, GoodJobWith({{"rate: 0.5", "rate: 0"}}));
  AddModel(4, GoodJobWith({{"dropout { rate: 0.5 }", "gaussian_noise { stddev: 0.5 }"}}));
  for (const char* const job : {"2", "3", "4"}) {
    const std::string id = absl::StrCat("job_id: '", job, "' ");
    EXPECT_THAT(Violated(id),
                Pair("prediction.samples",
                     absl::StrCat("is 100 (the default), but the network of job ", job,
                                  " has no dropout, so every sample would be the same; ask for "
                                  "samples: 0, plain predictions")));
    EXPECT_TRUE(Judge(id + "samples: 0").prediction.has_value());
  }
  AddModel(5, GoodJobWith({{"dropout { rate: 0.5 }", "alpha_dropout { rate: 0.5 }"}}));
  EXPECT_TRUE(Judge("job_id: '5'").prediction.has_value());
}

TEST_F(PredictionSpecTest, TheNumberOfSamplesHasALimit) {
  EXPECT_THAT(Violated("job_id: '1' samples: 1000000"),
              Pair("prediction.samples", "is 1000000; the number of samples is from 0 to 100000"));
  EXPECT_TRUE(Judge("job_id: '1' samples: 100000").prediction.has_value());
  EXPECT_THAT(Judge("job_id: '1' samples: 100000 keep_samples: true").warnings,
              ElementsAre(HasSubstr("37.3 GiB of the database")));
  DatasetInfo wide = Cifar10Info();
  wide.name = "wide";
  for (int k = 10; k < 1000; ++k) wide.class_names.push_back(absl::StrCat("class ", k));
  catalog_.Add(wide);
  AddModel(8, GoodJobWith({{"name: \"cifar10\"", "name: \"wide\""}, {"units: 10 ", "units: 1000 "}}));
  EXPECT_TRUE(Judge("job_id: '8' samples: 20000").prediction.has_value());
  EXPECT_THAT(Violated("job_id: '8' samples: 20001"),
              Pair("prediction.samples", HasSubstr("at most 20,000 samples are taken")));
  EXPECT_THAT(Violated("job_id: '8' samples: 20000 keep_samples: true"),
              Pair("prediction.samples", HasSubstr("at most 10,000 samples are kept")));
  EXPECT_THAT(Judge("job_id: '1' samples: 1").warnings, ElementsAre(HasSubstr("no spread")));
  EXPECT_THAT(Judge("job_id: '1' samples: 0 keep_samples: true").warnings,
              ElementsAre(HasSubstr("there are none")));
}

TEST_F(PredictionSpecTest, TheOutputMustBeADistribution) {
  const std::vector<std::pair<std::string, std::string>> mse = {
      {"loss { sparse_categorical_crossentropy {} }", "loss { mean_squared_error {} }"}};
  AddModel(2, GoodJobWith(mse));
  EXPECT_TRUE(Judge("job_id: '2'").prediction.has_value());
  AddModel(3, GoodJobWith({mse[0], {"SOFTMAX", "LINEAR"}}));
  EXPECT_THAT(Violated("job_id: '3'"), Pair("prediction.job_id", HasSubstr("does not give class probabilities")));
  AddModel(4, GoodJobWith({{"loss { sparse_categorical_crossentropy {} }", "loss { binary_crossentropy {} }"},
                           {"SOFTMAX", "SIGMOID"}}));
  EXPECT_THAT(Violated("job_id: '4'"), Pair("prediction.job_id", HasSubstr("does not give class probabilities")));
  AddModel(5, GoodJobWith({{"sparse_categorical_crossentropy {}", "categorical_crossentropy { from_logits: true }"},
                           {"SOFTMAX", "LINEAR"}}));
  EXPECT_TRUE(Judge("job_id: '5'").prediction.has_value());
}

TEST_F(PredictionSpecTest, ImagesLieWithinTheSplit) {
  EXPECT_THAT(Violated("job_id: '1' images { begin: 10000 count: 1 }"),
              Pair("prediction.images.begin", HasSubstr("from 0 to 9999")));
  EXPECT_THAT(Violated("job_id: '1' images { begin: 9990 count: 11 }"),
              Pair("prediction.images.count", HasSubstr("from 1 to 10")));
  EXPECT_THAT(Violated("job_id: '1' images { begin: 5 }"),
              Pair("prediction.images.count", HasSubstr("is 0")));
  EXPECT_THAT(Violated("job_id: '1' images { begin: 9223372036854775807 count: 9223372036854775807 }"),
              Pair("prediction.images.begin", HasSubstr("is 9223372036854775807")));
}

TEST_F(PredictionSpecTest, TheDataSetMustBeThereNowButNotAsItWas) {
  EXPECT_THAT(Violated("job_id: '1' dataset: 'nope'"),
              Pair("prediction.dataset", HasSubstr("this server has \"broken\", \"cifar10\"")));
  EXPECT_THAT(Violated("job_id: '1' dataset: 'broken'"),
              Pair("prediction.dataset", HasSubstr("test_batch.bin is missing")));
  // A model outlives the data set it was trained on.
  FakeCatalog without;
  DatasetInfo renamed = Cifar10Info();
  renamed.name = "renamed";
  without.Add(renamed);
  EXPECT_TRUE(ValidatePrediction(ParseJob("prediction { job_id: '1' dataset: 'renamed' }"), models_, without)
                  .prediction.has_value());
  const PredictionValidation gone = ValidatePrediction(ParseJob("prediction { job_id: '1' }"), models_, without);
  ASSERT_THAT(gone.violations, SizeIs(1));
  EXPECT_THAT(gone.violations[0].description,
              HasSubstr("is \"cifar10\", which the network was trained on; this server has \"renamed\""));
}

TEST_F(PredictionSpecTest, WarnsOfTheTrainingData) {
  EXPECT_THAT(Judge("job_id: '1' split: 'train'").warnings, ElementsAre(HasSubstr("prediction.split")));
}

TEST_F(PredictionSpecTest, AJobIsATrainingOrAPrediction) {
  const ValidationResult judged = Validate(ParseJob("prediction { job_id: '1' }"), catalog_);
  ASSERT_THAT(judged.violations, SizeIs(1));
  EXPECT_EQ(judged.violations[0].field, "training");
}

TEST_F(PredictionSpecTest, UnknownFieldsAreNotLeftOutInSilence) {
  v1::JobSpec spec = ParseJob("prediction { job_id: '1' }");
  spec.mutable_prediction()->GetReflection()->MutableUnknownFields(spec.mutable_prediction())->AddVarint(77, 1);
  const PredictionValidation judged = ValidatePrediction(spec, models_, catalog_);
  ASSERT_THAT(judged.violations, SizeIs(1));
  EXPECT_THAT(judged.violations[0].description, HasSubstr("field number 77"));
}

}  // namespace
}  // namespace anneal
