#include "client/commands/commands.h"
#include "client/job_options.h"
#include "client/submission.h"

namespace anneal::client {
namespace {

struct Options {
  JobOptions job;
  SubmissionOptions submission;
};

int RunSubmit(Session& session, const Options& options) {
  const absl::StatusOr<v1::JobSpec> spec = LoadJob(session, options.job);
  if (!spec.ok()) return session.UsageError(spec.status());
  return Submit(session, *spec, options.submission);
}

}  // namespace

void AddSubmit(CLI::App& app, Action& action) {
  auto [command, options] =
      AddVerb<Options>(app, action, "submit", "Queues a job and prints its id", RunSubmit);
  AddJobOptions(*command, options->job);
  AddSubmissionOptions(*command, options->submission);
  command->footer(
      "Examples:\n"
      "  anneal submit recipe:quickstart --watch\n"
      "  anneal submit my.textproto --set training.epochs=3 --set "
      "training.optimizer.nadam.learning_rate=1e-4");
}

}  // namespace anneal::client
