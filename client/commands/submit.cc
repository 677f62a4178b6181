#include "client/commands/commands.h"
#include "client/job_options.h"
#include "client/range_test_job.h"
#include "client/submission.h"

namespace anneal::client {
namespace {

struct Options {
  JobOptions job;
  std::optional<std::string> lr_from;
  SubmissionOptions submission;
};

int RunSubmit(Session& session, const Options& options) {
  absl::StatusOr<v1::JobSpec> spec = LoadJob(session, options.job);
  if (!spec.ok()) return session.UsageError(spec.status());
  absl::StatusOr<v1::CreateJobRequest> request = MakeRequest(session, options.submission.queue);
  if (!request.ok()) return session.UsageError(request.status());
  const int code = ApplyLearningRateFrom(session, options.lr_from, options.job.settings, *spec);
  if (code != kExitDone) return code;
  *request->mutable_spec() = *std::move(spec);
  return Submit(session, *std::move(request), options.submission.watch);
}

}  // namespace

void AddSubmit(CLI::App& app, Action& action) {
  auto [command, options] =
      AddVerb<Options>(app, action, "submit", "Queues a job and prints its id", RunSubmit);
  AddJobOptions(*command, options->job);
  AddLearningRateFrom(*command, options->lr_from);
  AddSubmissionOptions(*command, options->submission);
  command->footer(
      "Examples:\n"
      "  anneal submit recipe:quickstart --watch\n"
      "  anneal submit my.textproto --set training.epochs=3 --set "
      "training.optimizer.nadam.learning_rate=1e-4\n"
      "  anneal submit my.textproto --lr-from 7:steepest\n"
      "  anneal submit my.textproto --priority 5 --label project=thesis --deadline 3d --max-time "
      "12h");
}

}  // namespace anneal::client
