// The job files that ship: legal, and nothing about them unwise.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/spec/validated_spec.h"
#include "tests/spec/job_specs.h"

namespace anneal {
namespace {

using testing::IsEmpty;

TEST(RecipesTest, EveryRecipeIsAcceptedWithoutWarnings) {
  FakeCatalog catalog;
  catalog.Add(Cifar10Info());
  DatasetInfo shapes = Cifar10Info();
  shapes.name = "synthetic-shapes";
  catalog.Add(shapes);
  int recipes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(ANNEAL_RECIPES)) {
    if (entry.path().extension() != ".textproto") continue;
    ++recipes;
    std::ifstream file(entry.path());
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const ValidationResult result = Validate(ParseJob(text), catalog);
    EXPECT_THAT(result.violations, IsEmpty()) << entry.path() << "\n" << Show(result);
    EXPECT_THAT(result.warnings, IsEmpty()) << entry.path() << "\n" << Show(result);
  }
  EXPECT_GE(recipes, 3);
}

}  // namespace
}  // namespace anneal
