// Measures of images and of sets against NumPy's, SciPy's and scikit-learn's numbers:
// uncertainty_reference/measures.csv, which record.py makes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "server/core/prediction_measures.h"
#include "server/core/uncertainty.h"

namespace anneal {
namespace {

constexpr int64_t kClasses = 4;
constexpr int64_t kBins = 10;

using Reference = std::map<std::string, std::vector<double>>;

// "name;numbers" a line.
Reference ReadReference() {
  Reference reference;
  std::ifstream file(ANNEAL_UNCERTAINTY_REFERENCE "/measures.csv");
  EXPECT_TRUE(file.good());
  std::string line;
  std::getline(file, line);  // what it was recorded with
  while (std::getline(file, line)) {
    const size_t end = line.find(';');
    std::istringstream numbers(line.substr(end + 1));
    double number = 0;
    while (numbers >> number) reference[line.substr(0, end)].push_back(number);
  }
  return reference;
}

std::vector<float> ToFloats(const std::vector<double>& values) {
  std::vector<float> floats;
  for (const double value : values) floats.push_back(static_cast<float>(value));
  return floats;
}

class UncertaintyReference : public testing::Test {
 protected:
  UncertaintyReference() : reference_(ReadReference()) {
    const std::vector<double>& labels = reference_.at("labels");
    const std::vector<float> deterministic = ToFloats(reference_.at("deterministic"));
    const std::vector<float> sampled = ToFloats(reference_.at("sampled"));
    const auto images = static_cast<int64_t>(labels.size());
    set_.samples = static_cast<int64_t>(sampled.size() / deterministic.size());
    set_.class_names = {"a", "b", "c", "d"};
    chunk_ = MakePredictionChunk(set_, 0, images);
    for (int64_t i = 0; i < images; ++i) {
      MeasureImage({static_cast<int32_t>(labels[static_cast<size_t>(i)]), kClasses,
                    deterministic.data() + i * kClasses, set_.samples,
                    sampled.data() + i * set_.samples * kClasses},
                   i, chunk_);
    }
  }

  void ExpectNear(const std::vector<float>& values, const std::string& name) {
    const std::vector<double>& expected = reference_.at(name);
    ASSERT_EQ(values.size(), expected.size()) << name;
    for (size_t i = 0; i < expected.size(); ++i) {
      // Float32's rounding, of numbers of the size of 1.
      EXPECT_NEAR(static_cast<double>(values[i]), expected[i],
                  1.2e-7 * std::max(1.0, std::abs(expected[i])))
          << name << " of image " << i;
    }
  }

  void ExpectSet(const SetMeasures& measures, const std::string& side, Measure rank_by) {
    const auto expected = [&](const std::string& name) { return reference_.at(side + " " + name); };
    EXPECT_NEAR(measures.accuracy, expected("accuracy")[0], 1e-12);
    EXPECT_NEAR(measures.nll, expected("nll")[0], 1e-6);
    EXPECT_NEAR(measures.brier, expected("brier")[0], 1e-6);
    EXPECT_NEAR(measures.ece, expected("ece")[0], 1e-9);
    for (size_t i = 0; i < static_cast<size_t>(kBins); ++i) {
      const CalibrationBin& bin = measures.bins[i];
      EXPECT_EQ(static_cast<double>(bin.images), expected("bins images")[i]);
      EXPECT_NEAR(bin.accuracy, expected("bins accuracy")[i], 1e-12);
      EXPECT_NEAR(bin.confidence, expected("bins confidence")[i], 1e-9);
    }
    for (const MeasureSummary& summary : measures.measures) {
      const std::string name(MeasureName(summary.measure));
      EXPECT_NEAR(*summary.right, expected("means " + name)[0], 1e-6) << name;
      EXPECT_NEAR(*summary.wrong, expected("means " + name)[1], 1e-6) << name;
      if (!IsKnownWithoutLabel(summary.measure)) continue;
      EXPECT_NEAR(*summary.auroc, expected("auroc " + name)[0], 1e-12) << name;
    }
    const std::string ranked(MeasureName(rank_by));
    EXPECT_NEAR(*measures.aurc, expected("aurc " + ranked)[0], 1e-12) << ranked;
    ASSERT_EQ(measures.coverages.size(), 5u);
    for (size_t i = 0; i < measures.coverages.size(); ++i) {
      const Coverage& coverage = measures.coverages[i];
      EXPECT_NEAR(coverage.accuracy, expected("coverage_accuracy " + ranked)[i], 1e-12) << ranked;
      EXPECT_NEAR(coverage.threshold, expected("thresholds " + ranked)[i], 1e-6) << ranked;
    }
  }

  Reference reference_;
  PredictionSet set_;
  PredictionChunk chunk_;
};

TEST_F(UncertaintyReference, EveryMeasureOfEveryImage) {
  ASSERT_EQ(chunk_.count, 120);
  ASSERT_EQ(set_.samples, 7);
  for (const Measure measure : kAllMeasures) {
    ExpectNear(chunk_.measure(measure), std::string(MeasureName(measure)));
  }
  ExpectNear(chunk_.probabilities, "probabilities");
  ExpectNear(chunk_.deviations, "deviations");
  EXPECT_EQ(chunk_.probabilities, ToFloats(reference_.at("probabilities")));
}

TEST_F(UncertaintyReference, EveryMeasureOfTheSet) {
  for (const Measure rank_by : kAllMeasures) {
    if (!IsKnownWithoutLabel(rank_by)) continue;
    UncertaintyBuilder builder(set_, {kBins, rank_by});
    builder.Add(chunk_);
    const Uncertainty uncertainty = builder.Finish();
    ASSERT_TRUE(uncertainty.monte_carlo.has_value());
    ASSERT_EQ(uncertainty.monte_carlo->measures.size(), kMeasureCount);
    ExpectSet(*uncertainty.monte_carlo, "monte_carlo", rank_by);
    if (NeedsSamples(rank_by)) continue;
    ASSERT_EQ(uncertainty.deterministic.measures.size(), 5u);
    ExpectSet(uncertainty.deterministic, "deterministic", rank_by);
  }
}

}  // namespace
}  // namespace anneal
