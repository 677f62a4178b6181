// The job files that ship: legal, and nothing about them unwise but what a recipe is there to show.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/spec/validated_spec.h"
#include "tests/spec/job_specs.h"

namespace anneal {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Recipes that show an unwise thing, and a word of the warning about it.
const std::map<std::string, std::string> kUnwiseOnPurpose = {
    {"activations-compared", "saturates"},
    {"cifar10-cnn-selu", "alpha dropout"},
    {"momentum-near-one", "close to 1"},
    {"symmetric-weights", "makes all weights equal"},
};

TEST(RecipesTest, EveryRecipeIsAcceptedAndWarnedAboutOnlyOnPurpose) {
  FakeCatalog catalog;
  catalog.Add(Cifar10Info());
  DatasetInfo shapes = Cifar10Info();
  shapes.name = "synthetic-shapes";
  shapes.splits = {{"train", 10'000}, {"test", 2'000}};
  catalog.Add(shapes);
  int recipes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(ANNEAL_RECIPES)) {
    if (entry.path().extension() != ".textproto") continue;
    ++recipes;
    std::ifstream file(entry.path());
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    v1::JobSpec job = ParseJob(text);
    const ValidationResult result = Validate(job, catalog);
    EXPECT_THAT(result.violations, IsEmpty()) << entry.path() << "\n" << Show(result);
    // Every recipe also runs where there is no CIFAR-10, on fewer images.
    job.mutable_training()->mutable_dataset()->set_name("synthetic-shapes");
    const ValidationResult small = Validate(job, catalog);
    EXPECT_THAT(small.violations, IsEmpty()) << entry.path() << "\n" << Show(small);
    const auto unwise = kUnwiseOnPurpose.find(entry.path().stem());
    if (unwise == kUnwiseOnPurpose.end()) {
      EXPECT_THAT(result.warnings, IsEmpty()) << entry.path() << "\n" << Show(result);
    } else {
      EXPECT_THAT(result.warnings, AllOf(Not(IsEmpty()), Each(HasSubstr(unwise->second))))
          << entry.path() << "\n" << Show(result);
    }
  }
  EXPECT_GE(recipes, 20);
}

}  // namespace
}  // namespace anneal
