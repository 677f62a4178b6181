#include "client/commands/commands.h"
#include "client/job_changes.h"

namespace anneal::client {
namespace {

struct Options {
  std::vector<std::string> jobs;
};

int RunResume(Session& session, const Options& options) {
  return ChangeJobs(session, options.jobs, &v1::JobService::Stub::ResumeJob);
}

}  // namespace

void AddResume(CLI::App& app, Action& action) {
  auto [command, options] = AddVerb<Options>(
      app, action, "resume",
      "Queues paused jobs again: they go on where they were", RunResume);
  command->add_option("JOB", options->jobs, "Ids of jobs")->required()->type_name("");
  command->footer(
      "A training ends with the weights, to the last bit, that it would have had without the pause.\n"
      "Example:\n  anneal resume 7");
}

}  // namespace anneal::client
