#include <optional>
#include <set>

#include "anneal/v1/job_service.grpc.pb.h"
#include "client/commands/commands.h"
#include "client/job_options.h"
#include "client/job_text.h"
#include "client/range_test_job.h"
#include "client/range_test_text.h"
#include "client/submission.h"
#include "client/watch_printer.h"

namespace anneal::client {
namespace {

struct Options {
  JobOptions job;
  std::optional<double> lowest;
  std::optional<double> highest;
  std::optional<int64_t> steps;
  QueueOptions queue;
  bool detach = false;
  std::string format;
  std::optional<std::string> id;
};

bool IsAboutANewTest(const Options& options) {
  return !options.job.file.empty() || !options.job.settings.empty() || !options.job.name.empty() ||
         options.lowest || options.highest || options.steps || options.queue != QueueOptions() ||
         options.detach;
}

absl::Status ApplyRangeTest(const Options& options, v1::JobSpec& spec) {
  if (spec.has_sweep()) {
    return absl::InvalidArgumentError(
        "the job file has a sweep block, and a range test is of one training; take the block out, "
        "or sweep after it with --lr-from");
  }
  v1::LearningRateRangeTest& test = *spec.mutable_lr_range_test();
  if (options.lowest) test.set_min_learning_rate(*options.lowest);
  if (options.highest) test.set_max_learning_rate(*options.highest);
  if (options.steps) test.set_steps(*options.steps);
  return absl::OkStatus();
}

void PrintResult(Session& session, const v1::Job& job, const std::string& format) {
  const v1::LearningRateRangeTestResult& result = job.lr_range_test_result();
  if (format == "json") {
    session.PrintJson(job);
  } else if (format == "csv") {
    session.out() << RangeTestCsv(job.id(), result) << std::flush;
  } else {
    session.out() << RangeTestText(result, session.style())
                  << RangeTestAdvice(
                         session.CommandLine("submit FILE --lr-from " + Escape(job.id())), result)
                  << std::flush;
  }
}

// Queues, follows without a word, and prints nothing but the result.
int RunSilently(Session& session, v1::CreateJobRequest request, const std::string& format) {
  v1::CreateJobResponse response;
  if (const grpc::Status status = CreateJob(session, std::move(request), &response); !status.ok())
    return session.Fail(status);
  PrintWarnings(session, response);
  const std::string& id = response.job().id();
  const auto printer = MakeSilentPrinter(session);
  const FollowResult followed =
      Follow(session, id, /*progress=*/false, /*reached_before=*/true, *printer);
  if (const std::optional<int> code = CutShort(session, id, followed); code) return *code;
  v1::GetJobRequest get;
  get.set_id(id);
  v1::Job job;
  const grpc::Status status = session.Call(&v1::JobService::Stub::GetJob, get, &job);
  if (!status.ok()) return session.Fail(status);
  if (format == "json" || job.has_lr_range_test_result()) PrintResult(session, job, format);
  if (followed.final.state() == v1::Job::SUCCEEDED) return kExitDone;
  session.err() << "anneal: " << StateLine(id, followed.final, {}) << "\n";
  return kExitJobFailed;
}

int RunLrFind(Session& session, const Options& options) {
  const std::string format = !options.format.empty() ? options.format
                             : session.json()        ? "json"
                                                     : "table";
  if (options.detach && !options.format.empty()) {
    return session.UsageError(absl::InvalidArgumentError(
        "--detach: prints the id alone, and --format is for the result; leave one of them out"));
  }
  if (options.id) {
    if (IsAboutANewTest(options)) {
      return session.UsageError(absl::InvalidArgumentError(
          "--job: prints a test that has ended; a job file and options for another one do not go "
          "with it"));
    }
    v1::Job job;
    const int code = FetchRangeTest(session, "--job " + Escape(*options.id), *options.id, &job);
    if (code == kExitDone) PrintResult(session, job, format);
    return code;
  }
  if (options.job.file.empty()) {
    return session.UsageError(absl::InvalidArgumentError(
        "lr-find: name a job file, or a range test that has ended with --job"));
  }
  absl::StatusOr<v1::JobSpec> spec = LoadJob(session, options.job);
  if (!spec.ok()) return session.UsageError(spec.status());
  if (const absl::Status trains = RequireTraining(*spec, "lr-find"); !trains.ok())
    return session.UsageError(trains);
  if (const absl::Status applied = ApplyRangeTest(options, *spec); !applied.ok())
    return session.UsageError(applied);
  absl::StatusOr<v1::CreateJobRequest> request = MakeRequest(session, options.queue);
  if (!request.ok()) return session.UsageError(request.status());
  *request->mutable_spec() = *std::move(spec);
  if (options.detach || (format == "table" && !session.json()))
    return Submit(session, *std::move(request), /*watch=*/!options.detach);
  return RunSilently(session, *std::move(request), format);
}

}  // namespace

void AddLrFind(CLI::App& app, Action& action) {
  auto [command, options] = AddVerb<Options>(
      app, action, "lr-find",
      "Finds learning rates for a job file: trains while the rate grows, draws the "
      "loss, suggests",
      RunLrFind);
  AddJobOptions(*command, options->job);
  command->get_option("FILE")->required(false);
  command
      ->add_option("--min", options->lowest, "The learning rate of the first step (default 1e-5)")
      ->type_name("LR");
  command->add_option("--max", options->highest, "Of the last step (default 10)")->type_name("LR");
  command
      ->add_option("--steps", options->steps,
                   "How many steps, 10 to 100,000 (default: the batches of one epoch)")
      ->type_name("N");
  AddQueueOptions(*command, options->queue);
  command->add_flag("--detach", options->detach, "Only queues the test and prints its id");
  command
      ->add_option("--format", options->format,
                   "table (the default) with a chart; csv with the columns "
                   "job,step,learning_rate,loss,smoothed_loss; json, as anneal.v1.Job")
      ->type_name("table|csv|json")
      ->check(CLI::IsMember(std::set<std::string>{"table", "csv", "json"}));
  command
      ->add_option("--job", options->id,
                   "Prints the result of this range test, which has ended, and queues nothing")
      ->type_name("JOB");
  command->footer(
      "The test (Smith 2017) takes a step with each of N learning rates, which grow exponentially, "
      "and ends\n"
      "early where the loss diverges. Schedule, early stopping, pruning and validation are left "
      "out. The\n"
      "options change the job file's `lr_range_test` block; its other fields are changed by --set\n"
      "lr_range_test.smoothing=0.9 and the like. Ctrl-C leaves the test running; anneal watch "
      "shows "
      "the result\n"
      "too. The exit code tells how it ended: 0 SUCCEEDED, 1 FAILED or CANCELLED.\n"
      "Examples:\n"
      "  anneal lr-find recipe:quickstart\n"
      "  anneal submit recipe:quickstart --lr-from 7          # 7: the id that lr-find printed\n"
      "  anneal lr-find my.textproto --min 1e-6 --max 1 --steps 500 --format csv > curve.csv\n"
      "  anneal lr-find --job 7");
}

}  // namespace anneal::client
