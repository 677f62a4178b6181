#include "client/recipes.h"

#include "client/commands/commands.h"
#include "nlohmann/json.hpp"

namespace anneal::client {
namespace {

struct Options {
  std::string name;
};

int RunRecipes(Session& session, const Options& options) {
  if (!options.name.empty()) {
    const Recipe* recipe = FindRecipe(options.name);
    if (recipe == nullptr) {
      return session.UsageError(absl::InvalidArgumentError(
          "there is no recipe \"" + Escape(options.name) + "\"; there are: " + RecipeNames()));
    }
    if (session.json()) {
      session.out() << nlohmann::json{{"name", recipe->name}, {"text", recipe->text}}.dump()
                    << "\n";
    } else {
      session.out() << recipe->text;
    }
    return kExitDone;
  }
  Table table;
  table.AddColumn("RECIPE");
  table.AddColumn("WHAT");
  for (const Recipe& recipe : Recipes()) {
    if (session.json()) {
      session.out() << nlohmann::json{{"name", recipe.name}, {"title", RecipeTitle(recipe)}}.dump()
                    << "\n";
    }
    table.AddRow({std::string(recipe.name), std::string(RecipeTitle(recipe))});
  }
  if (!session.json()) session.out() << table.ToString(session.style());
  return kExitDone;
}

}  // namespace

void AddRecipes(CLI::App& app, Action& action) {
  auto [command, options] = AddVerb<Options>(
      app, action, "recipes", "Lists the job files that ship with the client, or prints one",
      RunRecipes, /*needs_server=*/false);
  command->add_option("NAME", options->name, "The one to print")->type_name("");
  command->footer(
      "Examples:\n  anneal recipes\n  anneal recipes quickstart > mine.textproto\n  anneal submit "
      "recipe:quickstart");
}

}  // namespace anneal::client
