// The job files that ship with the client, compiled into it from client/recipes/ (see
// embed_recipes.cmake).
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace anneal::client {

struct Recipe {
  std::string_view name;  // the file's, without ".textproto"
  std::string_view text;
};

// By name.
std::span<const Recipe> Recipes();

// Null where there is none.
const Recipe* FindRecipe(std::string_view name);

// "cifar10-cnn, quickstart"
std::string RecipeNames();

// The first comment line, without its "# ".
std::string_view RecipeTitle(const Recipe& recipe);

}  // namespace anneal::client
