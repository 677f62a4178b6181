#include "client/recipes.h"

#include <set>
#include <string>

#include "client/job_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace anneal::client {
namespace {

TEST(RecipesTest, EachParsesAndSaysWhatItIs) {
  std::set<std::string> names;
  for (const Recipe& recipe : Recipes()) {
    SCOPED_TRACE(recipe.name);
    const auto spec = ParseJobText(std::string(recipe.text), std::string(recipe.name));
    ASSERT_TRUE(spec.ok()) << spec.status();
    EXPECT_EQ(spec->name(), recipe.name);
    EXPECT_FALSE(RecipeTitle(recipe).empty());
    EXPECT_THAT(std::string(recipe.text), testing::AllOf(testing::HasSubstr("# Look at: "),
                                                         testing::HasSubstr("# Expect: ")));
    names.emplace(recipe.name);
  }
  EXPECT_THAT(names, testing::IsSupersetOf({"quickstart", "cifar10-deep-elu", "cifar10-cnn"}));
}

v1::TrainingSpec Training(const char* name) {
  const Recipe* recipe = FindRecipe(name);
  EXPECT_NE(recipe, nullptr);
  return ParseJobText(std::string(recipe->text), name)->training();
}

TEST(RecipesTest, DeepElu) {
  const v1::TrainingSpec spec = Training("cifar10-deep-elu");
  EXPECT_EQ(spec.dataset().name(), "cifar10");
  EXPECT_EQ(spec.validation().split(), "test");
  EXPECT_EQ(spec.epochs(), 30);
  EXPECT_EQ(spec.network().layers(1).repeat().count(), 20);
  EXPECT_EQ(spec.network().layers(1).repeat().layers(0).dense().units(), 100);
  EXPECT_EQ(spec.optimizer().nadam().learning_rate(), 1e-3);
}

TEST(RecipesTest, Cnn) {
  const v1::TrainingSpec spec = Training("cifar10-cnn");
  EXPECT_EQ(spec.validation().fraction(), 0.1);
  EXPECT_EQ(spec.test().split(), "test");
  EXPECT_EQ(spec.epochs(), 50);
  EXPECT_EQ(spec.early_stopping().patience(), 3);
  EXPECT_TRUE(spec.early_stopping().restore_best_weights());
}

TEST(RecipesTest, UnknownNamesAreNotFound) {
  EXPECT_EQ(FindRecipe(""), nullptr);
  EXPECT_EQ(FindRecipe("quickstart.textproto"), nullptr);
}

}  // namespace
}  // namespace anneal::client
