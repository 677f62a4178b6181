#include "client/commands/commands.h"
#include "client/job_changes.h"

namespace anneal::client {
namespace {

struct Options {
  std::vector<std::string> jobs;
};

int RunCancel(Session& session, const Options& options) {
  return ChangeJobs(session, options.jobs, &v1::JobService::Stub::CancelJob);
}

}  // namespace

void AddCancel(CLI::App& app, Action& action) {
  auto [command, options] = AddVerb<Options>(
      app, action, "cancel",
      "Stops jobs: a queued one at once, a running one within one batch", RunCancel);
  command->add_option("JOB", options->jobs, "Ids of jobs")->required()->type_name("");
  command->footer(
      "Example:\n  anneal cancel 7");
}

}  // namespace anneal::client
