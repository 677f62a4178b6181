#include "client/comparison.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"

namespace anneal::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Jobs and their epochs, one second each unless told otherwise.
class Jobs {
 public:
  v1::Job& Add(const std::string& id) {
    v1::Job& job = jobs_.emplace_back();
    job.set_id(id);
    job.set_state(v1::Job::SUCCEEDED);
    return job;
  }

  // The curves by metric, as long as the longest; all begin in epoch 1.
  v1::Job& Add(const std::string& id, const std::map<std::string, std::vector<double>>& curves,
               int64_t duration_us = 1'000'000) {
    size_t epochs = 0;
    for (const auto& [metric, values] : curves) epochs = std::max(epochs, values.size());
    for (size_t i = 0; i < epochs; ++i) {
      v1::EpochMetrics* epoch = epochs_.Add();
      epoch->set_job_id(id);
      epoch->set_epoch(static_cast<int64_t>(i) + 1);
      epoch->set_duration_us(duration_us);
      for (const auto& [name, values] : curves) {
        if (i >= values.size()) continue;
        v1::Metric* metric = epoch->add_metrics();
        metric->set_name(name);
        metric->set_value(values[i]);
      }
    }
    return Add(id);
  }

  v1::Comparison Compare() const { return client::Compare(jobs_, epochs_); }

 private:
  std::vector<v1::Job> jobs_;
  google::protobuf::RepeatedPtrField<v1::EpochMetrics> epochs_;
};

// "9 epochs, 18000000 us", "never", "-"
std::string ReachOf(const v1::Comparison& comparison, const std::string& metric,
                    const std::string& job, const std::string& target) {
  const v1::Comparison::Reach* reach = FindReach(comparison, metric, job, target);
  if (reach == nullptr) return "-";
  if (!reach->reached()) return "never";
  return std::to_string(reach->epochs()) + " epochs, " + std::to_string(reach->duration_us()) +
         " us";
}

std::vector<std::string> Ranking(const v1::Comparison& comparison) {
  return {comparison.verdict().ranking().begin(), comparison.verdict().ranking().end()};
}

TEST(ComparisonTest, BestValuesAndHowLongTheOthersTakeToReachThem) {
  Jobs jobs;
  jobs.Add("12", {{"val_loss", {2.0, 1.5, 1.2, 1.3}}, {"val_accuracy", {0.2, 0.4, 0.5, 0.5}}},
           2'000'000);
  jobs.Add("13", {{"val_loss", {1.9, 1.4, 1.6}}, {"val_accuracy", {0.3, 0.3, 0.45}}}, 500'000);
  const v1::Comparison comparison = jobs.Compare();
  EXPECT_EQ(comparison.loss_metric(), "val_loss");
  EXPECT_EQ(comparison.accuracy_metric(), "val_accuracy");
  ASSERT_EQ(comparison.jobs_size(), 2);
  const v1::Comparison::ComparedJob& first = comparison.jobs(0);
  EXPECT_EQ(first.id(), "12");
  EXPECT_EQ(first.epochs(), 4);
  EXPECT_EQ(first.mean_epoch_us(), 2'000'000);
  EXPECT_EQ(first.total_us(), 8'000'000);
  EXPECT_EQ(first.best_loss().value(), 1.2);
  EXPECT_EQ(first.best_loss().epoch(), 3);
  EXPECT_EQ(first.best_accuracy().value(), 0.5);
  EXPECT_EQ(first.best_accuracy().epoch(), 3);  // the first of two that are equal
  EXPECT_EQ(comparison.jobs(1).best_loss().epoch(), 2);
  EXPECT_EQ(comparison.jobs(1).best_accuracy().epoch(), 3);

  EXPECT_EQ(comparison.reaches_size(), 8);
  EXPECT_EQ(ReachOf(comparison, "val_loss", "12", "12"), "3 epochs, 6000000 us");
  EXPECT_EQ(ReachOf(comparison, "val_loss", "12", "13"), "3 epochs, 6000000 us");
  EXPECT_EQ(ReachOf(comparison, "val_loss", "13", "12"), "never");
  EXPECT_EQ(ReachOf(comparison, "val_loss", "13", "13"), "2 epochs, 1000000 us");
  EXPECT_EQ(ReachOf(comparison, "val_accuracy", "12", "13"), "3 epochs, 6000000 us");
  EXPECT_EQ(ReachOf(comparison, "val_accuracy", "13", "12"), "never");
  EXPECT_EQ(FindReach(comparison, "val_accuracy", "12", "13")->target_value(), 0.45);

  EXPECT_EQ(comparison.verdict().metric(), "val_accuracy");
  EXPECT_THAT(Ranking(comparison), ElementsAre("12", "13"));
  EXPECT_THAT(comparison.notes(), IsEmpty());
}

TEST(ComparisonTest, NothingThatIsNotFiniteIsEverBestOrReached) {
  Jobs jobs;
  jobs.Add("1", {{"val_loss", {kNan, -kInfinity, 3.0, kNan, 2.0, kInfinity}},
                 {"val_accuracy", {kInfinity, kNan, 0.1, kNan, 0.2, kNan}}});
  jobs.Add("2", {{"val_loss", {kNan, kNan}}, {"val_accuracy", {kNan, kNan}}});
  jobs.Add("3", {{"val_loss", {2.5}}, {"val_accuracy", {0.15}}});
  const v1::Comparison comparison = jobs.Compare();
  EXPECT_EQ(comparison.jobs(0).best_loss().value(), 2.0);
  EXPECT_EQ(comparison.jobs(0).best_accuracy().value(), 0.2);
  EXPECT_EQ(comparison.jobs(0).best_accuracy().epoch(), 5);
  EXPECT_FALSE(comparison.jobs(1).has_best_loss());
  EXPECT_FALSE(comparison.jobs(1).has_best_accuracy());
  EXPECT_EQ(ReachOf(comparison, "val_loss", "1", "3"), "5 epochs, 5000000 us");
  EXPECT_EQ(ReachOf(comparison, "val_accuracy", "1", "3"), "5 epochs, 5000000 us");
  EXPECT_EQ(ReachOf(comparison, "val_loss", "2", "1"), "never");
  EXPECT_EQ(ReachOf(comparison, "val_loss", "1", "2"), "-");
  EXPECT_THAT(Ranking(comparison), ElementsAre("1", "3"));
}

TEST(ComparisonTest, TrainingMetricsWhereAJobWasNotValidated) {
  Jobs jobs;
  jobs.Add("1", {{"loss", {1.0, 0.5}}, {"val_loss", {0.1, 0.2}}, {"val_accuracy", {0.9}}});
  jobs.Add("2", {{"loss", {0.8}}});
  const v1::Comparison comparison = jobs.Compare();
  EXPECT_EQ(comparison.loss_metric(), "loss");
  EXPECT_EQ(comparison.jobs(0).best_loss().value(), 0.5);
  EXPECT_EQ(ReachOf(comparison, "loss", "1", "2"), "2 epochs, 2000000 us");
  // Job 2 measured no accuracy at all: that of job 1 is still known, but does not judge.
  EXPECT_EQ(comparison.accuracy_metric(), "val_accuracy");
  EXPECT_FALSE(comparison.jobs(1).has_best_accuracy());
  EXPECT_EQ(ReachOf(comparison, "val_accuracy", "2", "1"), "never");
  EXPECT_EQ(comparison.verdict().metric(), "loss");
  EXPECT_THAT(Ranking(comparison), ElementsAre("1", "2"));
  ASSERT_EQ(comparison.notes_size(), 1);
  EXPECT_THAT(comparison.notes(0), HasSubstr("training metrics"));
}

TEST(ComparisonTest, EqualOnesKeepTheirOrder) {
  Jobs jobs;
  jobs.Add("5", {{"val_accuracy", {0.5}}});
  jobs.Add("3", {{"val_accuracy", {0.7}}});
  jobs.Add("4", {{"val_accuracy", {0.1, 0.7}}});
  const v1::Comparison comparison = jobs.Compare();
  EXPECT_THAT(Ranking(comparison), ElementsAre("3", "4", "5"));
  EXPECT_EQ(comparison.loss_metric(), "");
  EXPECT_EQ(ReachOf(comparison, "val_accuracy", "4", "3"), "2 epochs, 2000000 us");
}

TEST(ComparisonTest, JobsWithoutEpochs) {
  Jobs jobs;
  jobs.Add("1").set_state(v1::Job::QUEUED);
  jobs.Add("2", {{"val_loss", {1.0}}});
  v1::Comparison comparison = jobs.Compare();
  EXPECT_EQ(comparison.jobs(0).epochs(), 0);
  EXPECT_EQ(comparison.jobs(0).mean_epoch_us(), 0);
  EXPECT_EQ(ReachOf(comparison, "val_loss", "1", "2"), "-");
  EXPECT_FALSE(comparison.has_verdict());
  ASSERT_EQ(comparison.notes_size(), 1);
  EXPECT_THAT(comparison.notes(0), HasSubstr("Not ended yet: job 1."));
  jobs.Add("3", {{"val_loss", {2.0}}});
  comparison = jobs.Compare();
  EXPECT_THAT(Ranking(comparison), ElementsAre("2", "3"));

  Jobs empty;
  empty.Add("1");
  empty.Add("2");
  comparison = empty.Compare();
  EXPECT_EQ(comparison.loss_metric(), "");
  EXPECT_THAT(comparison.reaches(), IsEmpty());
  EXPECT_FALSE(comparison.has_verdict());
  EXPECT_EQ(Jobs().Compare().jobs_size(), 0);
}

TEST(ComparisonTest, ParametersAndTestAccuracy) {
  Jobs jobs;
  v1::Job& job = jobs.Add("1", {{"val_loss", {1.0}}});
  job.mutable_summary()->set_trainable_parameters(1000);
  job.mutable_summary()->set_non_trainable_parameters(24);
  v1::Metric* metric = job.mutable_result()->add_metrics();
  metric->set_name("test_accuracy");
  metric->set_value(0.625);
  jobs.Add("2", {{"val_loss", {1.0}}});
  const v1::Comparison comparison = jobs.Compare();
  EXPECT_EQ(comparison.jobs(0).parameters(), 1024);
  EXPECT_EQ(comparison.jobs(0).test_accuracy(), 0.625);
  EXPECT_FALSE(comparison.jobs(1).has_parameters());
  EXPECT_FALSE(comparison.jobs(1).has_test_accuracy());
}

TEST(ComparisonTest, SumsOfHostileDurationsStayInRange) {
  Jobs jobs;
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  jobs.Add("1", {{"val_loss", {3.0, 2.0, 1.0}}}, kMost);
  jobs.Add("2", {{"val_loss", {3.0, 2.0, 1.0}}}, std::numeric_limits<int64_t>::min());
  const v1::Comparison comparison = jobs.Compare();
  EXPECT_EQ(comparison.jobs(0).total_us(), kMost);
  EXPECT_EQ(FindReach(comparison, "val_loss", "1", "2")->duration_us(), kMost);
  EXPECT_EQ(comparison.jobs(1).total_us(), 0);
}

TEST(ComparisonTest, NotesSayWhatDoesNotCompare) {
  const auto spec = [](const std::string& text) {
    v1::JobSpec parsed;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &parsed)) << text;
    return parsed;
  };
  const std::map<std::string, std::vector<double>> curves = {{"val_loss", {1.0}}};
  const std::string base = "training { dataset { name: 'cifar10' } validation { fraction: 0.1 } ";
  const auto notes = [&](const std::string& other, const std::string& fingerprint = "cpu") {
    Jobs jobs;
    v1::Job& first = jobs.Add("1", curves);
    *first.mutable_spec() =
        spec(base + "loss { sparse_categorical_crossentropy { from_logits: true } } }");
    first.add_attempts()->set_fingerprint("cpu");
    v1::Job& added = jobs.Add("2", curves);
    *added.mutable_spec() = spec(other);
    added.add_attempts()->set_fingerprint("old");
    added.add_attempts()->set_fingerprint(fingerprint);
    const v1::Comparison comparison = jobs.Compare();
    return std::vector<std::string>(comparison.notes().begin(), comparison.notes().end());
  };
  const std::string loss = "loss { sparse_categorical_crossentropy {} } }";
  EXPECT_THAT(notes(base + loss), IsEmpty());
  EXPECT_THAT(notes("training { dataset { name: 'cifar10' split: 'train' } "
                    "validation { fraction: 0.1 } " +
                    loss),
              IsEmpty());
  EXPECT_THAT(notes("training { dataset { name: 'mnist' } validation { fraction: 0.1 } " + loss),
              ElementsAre("Other training data than job 1: job 2. The values do not compare."));
  EXPECT_THAT(notes("training { dataset { name: 'cifar10' } validation { split: 'test' } " + loss),
              ElementsAre("Validated on other samples than job 1: job 2."));
  EXPECT_THAT(notes(base + "loss { huber {} } }"),
              ElementsAre("Another loss function than job 1: job 2. The losses do not compare."));
  EXPECT_THAT(notes(base + loss, "gpu"),
              ElementsAre("Another machine, device or build than job 1: job 2. The seconds do not "
                          "compare."));
}

TEST(ComparisonTest, NotesNameTheJobThatOthersDifferFrom) {
  Jobs jobs;
  jobs.Add("1");  // has never run
  jobs.Add("2", {{"val_loss", {1.0}}}).add_attempts()->set_fingerprint("cpu");
  jobs.Add("3", {{"val_loss", {1.0}}}).add_attempts()->set_fingerprint("gpu");
  EXPECT_THAT(jobs.Compare().notes(),
              ElementsAre("Another machine, device or build than job 2: job 3. The seconds do not "
                          "compare."));
}

TEST(ComparisonTest, SweepsAndRangeTestsHaveNoEpochsToCompare) {
  Jobs jobs;
  v1::Job& sweep = jobs.Add("1");
  sweep.mutable_spec()->mutable_sweep();
  sweep.add_attempts()->set_fingerprint("sweep");
  v1::Job& range_test = jobs.Add("2");
  range_test.mutable_spec()->mutable_lr_range_test();
  range_test.add_attempts()->set_fingerprint("gpu");
  jobs.Add("3", {{"val_loss", {1.0}}}).add_attempts()->set_fingerprint("cpu");
  EXPECT_THAT(jobs.Compare().notes(),
              ElementsAre("Without epochs of their own: job 1, a sweep, whose trials compare, and "
                          "job 2, a range test."));
}

TEST(ComparisonTest, LossesOfDifferentFunctionsDoNotJudge) {
  Jobs jobs;
  jobs.Add("1", {{"val_loss", {1.0}}})
      .mutable_spec()
      ->mutable_training()
      ->mutable_loss()
      ->mutable_huber();
  jobs.Add("2", {{"val_loss", {0.5}}})
      .mutable_spec()
      ->mutable_training()
      ->mutable_loss()
      ->mutable_mean_squared_error();
  const v1::Comparison comparison = jobs.Compare();
  EXPECT_FALSE(comparison.has_verdict());
  EXPECT_EQ(ReachOf(comparison, "val_loss", "2", "1"), "1 epochs, 1000000 us");
}

}  // namespace
}  // namespace anneal::client
