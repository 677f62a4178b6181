// One function a verb: it adds the verb to the command line, and, when the verb is chosen, sets the
// action to be done.
#pragma once

#include <functional>

#include "CLI/CLI.hpp"
#include "client/session.h"

namespace anneal::client {

struct Action {
  std::function<int(Session&)> run;  // the exit code
};

void AddSubmit(CLI::App& app, Action& action);
void AddValidate(CLI::App& app, Action& action);
void AddJobs(CLI::App& app, Action& action);
void AddShow(CLI::App& app, Action& action);
void AddWatch(CLI::App& app, Action& action);
void AddMetrics(CLI::App& app, Action& action);
void AddCancel(CLI::App& app, Action& action);
void AddDelete(CLI::App& app, Action& action);
void AddDatasets(CLI::App& app, Action& action);
void AddRecipes(CLI::App& app, Action& action);
void AddServer(CLI::App& app, Action& action);
void AddHealth(CLI::App& app, Action& action);
void AddVersion(CLI::App& app, Action& action);

// Options are shared with the callback, which outlives this function.
//   auto options = AddVerb<Options>(app, action, "show", "...", RunShow);
// makes the subcommand, and has it run `run(session, options)`; returns both, for the options to be
// added.
template <typename Options>
struct Verb {
  CLI::App* command;
  std::shared_ptr<Options> options;
};

template <typename Options>
Verb<Options> AddVerb(CLI::App& app, Action& action, const std::string& name,
                      const std::string& description, int (*run)(Session&, const Options&)) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(name, description);
  command->callback([&action, options, run] {
    action.run = [options, run](Session& session) { return run(session, *options); };
  });
  return {command, options};
}

}  // namespace anneal::client
