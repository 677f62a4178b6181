#include "client/cli.h"

#include <exception>
#include <ostream>
#include <set>

#include "client/channel.h"
#include "client/commands/commands.h"
#include "client/session.h"
#include "server/core/version.h"

namespace anneal::client {
namespace {

constexpr char kFooter[] =
    "A first session:\n"
    "  anneal submit recipe:quickstart --watch\n"
    "  anneal jobs\n"
    "  anneal metrics 1\n"
    "\n"
    "JSON is the proto3 JSON of the daemon's answer on one line (lowerCamelCase names, 64-bit "
    "numbers as text, fields\n"
    "at their default left out); streams are one object a line.\n"
    "\n"
    "Exit codes: 0 done; 1 the job failed or was cancelled (watch, --watch, lr-find); 2 wrong "
    "usage, "
    "a job file that does\n"
    "not parse, or output that cannot be written; 3 the server refused; 4 the server cannot be "
    "reached; 130 Ctrl-C while\n"
    "watching (the job goes on).";

void AddVerbs(CLI::App& app, Action& action) {
  AddSubmit(app, action);
  AddSweep(app, action);
  AddLrFind(app, action);
  AddValidate(app, action);
  AddJobs(app, action);
  AddShow(app, action);
  AddWatch(app, action);
  AddMetrics(app, action);
  AddCompare(app, action);
  AddPredict(app, action);
  AddPredictions(app, action);
  AddUncertainty(app, action);
  AddUpdate(app, action);
  AddCancel(app, action);
  AddPause(app, action);
  AddResume(app, action);
  AddDelete(app, action);
  AddDatasets(app, action);
  AddRecipes(app, action);
  AddServer(app, action);
  AddHealth(app, action);
  AddVersion(app, action);
}

int Run(const std::vector<std::string>& arguments, Environment& environment) {
  CLI::App app("The command line client of Anneal, a training service.", "anneal");
  std::string server = environment.variable("ANNEAL_SERVER").value_or("");
  if (server.empty()) server = kDefaultAddress;
  std::string output = "text";
  Action action;
  app.add_option(
         "--server", server,
         "The daemon: HOST:PORT or unix:PATH. Default: $ANNEAL_SERVER, then localhost:50551")
      ->type_name("ADDR")
      ->take_last();
  app.add_option("--output", output, "text for people, json for programs")
      ->type_name("text|json")
      ->take_last()
      ->check(CLI::IsMember(std::set<std::string>{"text", "json"}));
  app.set_version_flag("--version", std::string("anneal ") + kVersion);
  app.require_subcommand(0, 1);
  app.fallthrough();  // verbs inherit it: global flags may follow the verb
  app.get_formatter()->column_width(34);
  app.footer(kFooter);
  app.failure_message([](const CLI::App* failed, const CLI::Error& error) {
    const auto* verb =
        failed->get_subcommands().empty() ? nullptr : failed->get_subcommands().front();
    return "anneal: " + Escape(error.what()) + "\n  See: anneal " +
           (verb == nullptr ? std::string() : verb->get_name() + " ") + "--help\n";
  });
  AddVerbs(app, action);

  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    const std::vector<std::string> unknown = app.remaining();
    if (app.get_subcommands().empty() && !unknown.empty() && !unknown[0].starts_with('-')) {
      *environment.err << "anneal: there is no verb \"" << Escape(unknown[0])
                       << "\"\n  See: anneal --help\n";
      return kExitUsage;
    }
    return app.exit(error, *environment.out, *environment.err) == 0 ? kExitDone : kExitUsage;
  }
  if (!action.run) {
    *environment.err << app.help();
    return kExitUsage;
  }
  absl::StatusOr<Address> address = ParseAddress(action.needs_server ? server : kDefaultAddress);
  if (!address.ok()) {
    *environment.err << "anneal: " << std::string(address.status().message()) << "\n";
    return kExitUsage;
  }
  Session session(environment, *std::move(address), output == "json");
  return action.run(session);
}

}  // namespace

int RunCli(const std::vector<std::string>& arguments, Environment& environment) {
  int code = kExitUsage;
  try {
    code = Run(arguments, environment);
  } catch (const std::exception& error) {
    *environment.err << "anneal: " << Escape(error.what()) << "\n";
  }
  environment.out->flush();
  if (!*environment.out) {
    *environment.err << "anneal: the output cannot be written\n";
    return code == kExitDone || code == kExitInterrupted ? kExitUsage : code;
  }
  return code;
}

}  // namespace anneal::client
