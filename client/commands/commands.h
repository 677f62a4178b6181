// One function a verb: it adds the verb to the command line, and, when the verb is chosen, sets the
// action to be done.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "client/session.h"

namespace anneal::client {

struct Action {
  std::function<int(Session&)> run;  // the exit code
  bool needs_server = true;          // and so an address that makes sense
};

void AddSubmit(CLI::App& app, Action& action);
void AddSweep(CLI::App& app, Action& action);
void AddLrFind(CLI::App& app, Action& action);
void AddValidate(CLI::App& app, Action& action);
void AddJobs(CLI::App& app, Action& action);
void AddShow(CLI::App& app, Action& action);
void AddWatch(CLI::App& app, Action& action);
void AddMetrics(CLI::App& app, Action& action);
void AddCompare(CLI::App& app, Action& action);
void AddPredict(CLI::App& app, Action& action);
void AddPredictions(CLI::App& app, Action& action);
void AddUncertainty(CLI::App& app, Action& action);
void AddUpdate(CLI::App& app, Action& action);
void AddCancel(CLI::App& app, Action& action);
void AddPause(CLI::App& app, Action& action);
void AddResume(CLI::App& app, Action& action);
void AddDelete(CLI::App& app, Action& action);
void AddDatasets(CLI::App& app, Action& action);
void AddRecipes(CLI::App& app, Action& action);
void AddServer(CLI::App& app, Action& action);
void AddHealth(CLI::App& app, Action& action);
void AddVersion(CLI::App& app, Action& action);

// A subcommand, and where its options are stored; they live as long as the action.
template <typename Options>
struct Verb {
  CLI::App* command;
  std::shared_ptr<Options> options;
};

// Adds the subcommand `name`, which has the action run `run` with its options. The caller adds the
// options.
template <typename Options>
Verb<Options> AddVerb(CLI::App& app, Action& action, const std::string& name,
                      const std::string& description, int (*run)(Session&, const Options&),
                      bool needs_server = true) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(name, description);
  command->callback([&action, options, run, needs_server] {
    action.needs_server = needs_server;
    action.run = [options, run](Session& session) { return run(session, *options); };
  });
  return {command, options};
}

}  // namespace anneal::client
