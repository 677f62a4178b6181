#include "client/commands/commands.h"
#include "client/job_changes.h"

namespace anneal::client {
namespace {

struct Options {
  std::vector<std::string> jobs;
};

int RunPause(Session& session, const Options& options) {
  return ChangeJobs(session, options.jobs, &v1::JobService::Stub::PauseJob);
}

}  // namespace

void AddPause(CLI::App& app, Action& action) {
  auto [command, options] = AddVerb<Options>(
      app, action, "pause",
      "Lets jobs wait: a running one keeps its state within one batch and frees its worker", RunPause);
  command->add_option("JOB", options->jobs, "Ids of jobs")->required()->type_name("");
  command->footer(
      "A paused job stays so, also over a restart of the daemon, until it is resumed or cancelled.\n"
      "Example:\n  anneal pause 7");
}

}  // namespace anneal::client
