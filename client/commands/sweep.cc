#include "client/commands/commands.h"
#include "client/job_options.h"
#include "client/range_test_job.h"
#include "client/submission.h"
#include "client/sweep_options.h"

namespace anneal::client {
namespace {

struct Options {
  JobOptions job;
  std::optional<std::string> lr_from;
  SweepOptions sweep;
  SubmissionOptions submission;
};

int RunSweep(Session& session, const Options& options) {
  absl::StatusOr<v1::JobSpec> spec = LoadJob(session, options.job);
  if (!spec.ok()) return session.UsageError(spec.status());
  if (const absl::Status trains = RequireTraining(*spec, "sweep"); !trains.ok())
    return session.UsageError(trains);
  if (const absl::Status applied = ApplySweepOptions(options.sweep, *spec); !applied.ok())
    return session.UsageError(applied);
  absl::StatusOr<v1::CreateJobRequest> request = MakeRequest(session, options.submission.queue);
  if (!request.ok()) return session.UsageError(request.status());
  const int code = ApplyLearningRateFrom(session, options.lr_from, options.job.settings, *spec);
  if (code != kExitDone) return code;
  *request->mutable_spec() = *std::move(spec);
  return Submit(session, *std::move(request), options.submission.watch);
}

}  // namespace

void AddSweep(CLI::App& app, Action& action) {
  auto [command, options] = AddVerb<Options>(
      app, action, "sweep", "Queues variants of a job file as trials and ranks them", RunSweep);
  AddJobOptions(*command, options->job);
  AddLearningRateFrom(*command, options->lr_from);
  AddSweepOptions(*command, options->sweep);
  AddSubmissionOptions(*command, options->submission);
  command->footer(
      "The options make the job file's `sweep` block or replace what it says; a file that has one "
      "needs none.\n"
      "Prints the sweep's id. Each trial is a job of its own; the sweep ends with the last of "
      "them.\n"
      "Examples:\n"
      "  anneal sweep recipe:quickstart --watch \\\n"
      "      --grid training.optimizer.nadam.learning_rate=1e-4,1e-3,1e-2 --grid "
      "training.batch_size=32,64\n"
      "  anneal sweep my.textproto --trials 20 --seed 1 --monitor val_accuracy \\\n"
      "      --random training.optimizer.sgd.learning_rate=log_uniform:1e-4:1 \\\n"
      "      --random 'training.network.layers[1].dense.units=uniform:16:256' \\\n"
      "      --random 'training.early_stopping=choice:{patience: 3},{patience: 10}'\n"
      "  anneal show 7             # the ranking so far\n"
      "  anneal jobs --sweep 7     # its trials");
}

}  // namespace anneal::client
