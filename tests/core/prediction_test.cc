#include "server/core/prediction.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace anneal {
namespace {

TEST(MeasureName, EveryMeasureHasOneThatIsReadBack) {
  std::set<std::string> names;
  for (size_t i = 0; i < kMeasureCount; ++i) {
    EXPECT_EQ(static_cast<size_t>(kAllMeasures[i]), i);
    const std::string name(MeasureName(kAllMeasures[i]));
    EXPECT_EQ(ParseMeasure(name), kAllMeasures[i]) << name;
    names.insert(name);
  }
  EXPECT_EQ(names.size(), kMeasureCount);
  EXPECT_EQ(names.count("mutual_information"), 1u);
}

TEST(ImageFactName, EveryFactHasOneThatIsReadBack) {
  std::set<std::string> names;
  for (size_t i = 0; i < kImageFactCount; ++i) {
    EXPECT_EQ(static_cast<size_t>(kAllImageFacts[i]), i);
    const std::string name(ImageFactName(kAllImageFacts[i]));
    EXPECT_EQ(ParseImageFact(name), kAllImageFacts[i]) << name;
    names.insert(name);
  }
  EXPECT_EQ(names.size(), kImageFactCount);
  EXPECT_EQ(names.count("deterministic_predicted"), 1u);
}

TEST(ParseMeasure, NothingForOtherNames) {
  for (const char* name : {"", "Entropy", "entropy ", "label", "mutual information"}) {
    EXPECT_FALSE(ParseMeasure(name).has_value()) << name;
    EXPECT_FALSE(name != std::string("label") && ParseImageFact(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace anneal
