#include "client/recipes.h"

namespace anneal::client {

const Recipe* FindRecipe(std::string_view name) {
  for (const Recipe& recipe : Recipes()) {
    if (recipe.name == name) return &recipe;
  }
  return nullptr;
}

std::string RecipeNames() {
  std::string names;
  for (const Recipe& recipe : Recipes())
    names += (names.empty() ? "" : ", ") + std::string(recipe.name);
  return names;
}

std::string_view RecipeTitle(const Recipe& recipe) {
  std::string_view line = recipe.text.substr(0, recipe.text.find('\n'));
  if (!line.starts_with('#')) return "";
  line.remove_prefix(1);
  while (line.starts_with(' ')) line.remove_prefix(1);
  return line;
}

}  // namespace anneal::client
