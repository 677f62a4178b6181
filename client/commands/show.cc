#include "anneal/v1/job_service.grpc.pb.h"
#include "client/commands/commands.h"
#include "client/job_text.h"
#include "client/prediction_text.h"
#include "client/progress.h"
#include "client/queue_text.h"
#include "client/range_test_text.h"
#include "client/sweep_text.h"
#include "google/protobuf/text_format.h"

namespace anneal::client {
namespace {

struct Options {
  std::string job;
  bool spec = false;
};

// Text format, one field a line: a job file again. Strings are escaped by the printer.
std::string JobFileText(const v1::JobSpec& spec) {
  google::protobuf::TextFormat::Printer printer;
  std::string text;
  printer.PrintToString(spec, &text);
  return text;
}

std::string TimesText(const v1::Job& job, int64_t now_us) {
  std::string text = FormatTime(job.start_time());
  if (job.has_end_time()) {
    text += " to " + FormatTime(job.end_time()) + ", " +
            FormatDuration(TimestampUs(job.end_time()) - TimestampUs(job.start_time()));
  } else {
    text += ", " + FormatDuration(now_us - TimestampUs(job.start_time())) + " ago";
  }
  return text;
}

void PrintAttempts(Session& session, const v1::Job& job) {
  session.out() << "\n";
  Table table;
  table.AddColumn("ATTEMPT", Table::Align::kRight);
  table.AddColumn("STARTED");
  table.AddColumn("RAN", Table::Align::kRight);
  table.AddColumn("OUTCOME");
  table.AddColumn("FINGERPRINT");
  for (const v1::Attempt& attempt : job.attempts()) {
    const std::string ran =
        attempt.has_end_time()
            ? FormatDuration(TimestampUs(attempt.end_time()) - TimestampUs(attempt.start_time()))
            : "";
    table.AddRow({std::to_string(attempt.number()), FormatTime(attempt.start_time()), ran,
                  attempt.outcome().empty() ? "under way" : attempt.outcome(),
                  attempt.fingerprint()});
  }
  session.out() << table.ToString(session.style());
}

// What the queue goes by, and what it says.
void AddQueueRows(const v1::Job& job, int64_t now_us, Table& table) {
  if (!job.waiting_for().empty()) table.AddRow({"waits for", job.waiting_for()});
  if (job.has_estimated_start_time())
    table.AddRow({"starts", EstimatedStartText(job, now_us)});
  if (job.priority() != 0) table.AddRow({"priority", std::to_string(job.priority())});
  if (!job.owner().empty()) table.AddRow({"owner", job.owner()});
  if (!job.labels().empty()) table.AddRow({"labels", LabelsText(job)});
  if (job.has_deadline()) {
    const Color color = IsDeadlineNear(job, now_us) ? Color::kYellow : Color::kNone;
    table.AddRow({"deadline", {DeadlineText(job, now_us), color}});
  }
  if (job.has_max_run_time()) table.AddRow({"max time", MaxRunTimeText(job, now_us)});
  if (job.memory_bytes() > 0) {
    table.AddRow(
        {"memory", FormatBytes(job.memory_bytes()) + " (estimate, without the data set)"});
  }
}

// How far the job is, and what was measured of it last. Of a prediction the rest tells of the
// images.
void AddProgressRows(const v1::Job& job, Table& table) {
  const v1::Progress& progress = job.progress();
  std::string remaining;
  if (progress.remaining_us() > 0)
    remaining = "about " + FormatDuration(progress.remaining_us()) + " to go";
  if (job.spec().has_prediction()) {
    if (!remaining.empty()) table.AddRow({"time", remaining});
    if (job.has_result()) return;  // has the same metrics, of all images
  } else if (job.spec().has_lr_range_test()) {
    if (progress.batches() > 0) {
      table.AddRow(
          {"step", std::to_string(progress.batch()) + " of " + std::to_string(progress.batches())});
    }
  } else if (progress.epochs() > 0) {
    std::string text =
        std::to_string(progress.epoch()) + " of " + std::to_string(progress.epochs());
    if (progress.batches() > 0 && !IsTerminal(job.state())) {
      text += ", batch " + std::to_string(progress.batch()) + " of " +
              std::to_string(progress.batches());
    }
    if (!remaining.empty()) text += ", " + remaining;
    table.AddRow({"epoch", text});
  }
  for (const v1::Metric& metric : OrderMetrics(progress.metrics())) {
    table.AddRow({metric.name(), FormatMetric(metric.value())});
  }
}

void AddResultRows(const v1::Job& job, Table& table) {
  const v1::TrainingResult& result = job.result();
  if (job.spec().has_prediction()) return AddPredictionMetricRows(result, table);
  for (const v1::Metric& metric : OrderMetrics(result.metrics())) {
    table.AddRow({metric.name(), FormatMetric(metric.value())});
  }
  if (result.best_epoch() > 0) table.AddRow({"best epoch", std::to_string(result.best_epoch())});
  if (!result.weights_sha256().empty())
    table.AddRow({"weights", "sha256 " + result.weights_sha256()});
}

void PrintJob(Session& session, const v1::Job& job) {
  const Style style = session.style();
  Table table;
  table.AddColumn("");
  table.AddColumn("");
  table.AddRow({"job", job.id()});
  table.AddRow({"name", job.name()});
  if (job.spec().has_lr_range_test()) table.AddRow({"kind", "learning-rate range test"});
  if (job.spec().has_prediction()) table.AddRow({"kind", "prediction"});
  std::string state = StateName(job.state());
  if (job.stop_reason() != v1::Job::STOP_REASON_UNSPECIFIED)
    state += " (" + StopReasonName(job.stop_reason()) + ")";
  state += PlaceText(job);
  table.AddRow({"state", {state, StateColor(job.state())}});
  if (!job.message().empty()) table.AddRow({"message", job.message()});
  AddQueueRows(job, session.environment().clock->NowUs(), table);
  table.AddRow({"created", FormatTime(job.create_time())});
  if (job.has_start_time()) {
    table.AddRow({"started", TimesText(job, session.environment().clock->NowUs())});
  }
  if (job.has_trial()) {
    table.AddRow(
        {"sweep", job.trial().sweep_id() + ", trial " + std::to_string(job.trial().number())});
    for (const v1::TrialSetting& setting : job.trial().settings())
      table.AddRow({"", setting.path() + "=" + setting.value()});
  }
  if (job.has_sweep_result()) table.AddRow({"trials", EndedText(job.sweep_result())});
  if (job.spec().has_prediction()) AddPredictionRows(job, table);
  AddProgressRows(job, table);
  if (job.has_result()) AddResultRows(job, table);
  if (job.has_checkpoint()) {
    table.AddRow({"checkpoint", "epoch " + std::to_string(job.checkpoint().epoch()) + ", " +
                                    FormatBytes(job.checkpoint().bytes()) + ", sha256 " +
                                    job.checkpoint().sha256()});
  }
  if (!job.spec_sha256().empty()) table.AddRow({"spec", "sha256 " + job.spec_sha256()});
  session.out() << table.ToString(style);
  if (job.has_sweep_result()) {
    session.out() << "\n" << RankingTable(job.sweep_result(), style);
  } else if (!job.attempts().empty()) {
    PrintAttempts(session, job);
  }
  if (job.has_lr_range_test_result()) {
    session.out() << "\n"
                  << SuggestionsText(job.lr_range_test_result(), style)
                  << RangeTestAdvice(session.CommandLine("submit FILE --lr-from " + job.id()),
                                     job.lr_range_test_result());
  }
  if (job.prediction().stored() > 0) session.out() << "\n" << PredictionAdvice(session, job.id());
}

int RunShow(Session& session, const Options& options) {
  v1::GetJobRequest request;
  request.set_id(Escape(options.job));
  v1::Job job;
  const grpc::Status status = session.Call(&v1::JobService::Stub::GetJob, request, &job);
  if (!status.ok()) return session.Fail(status);
  if (session.json()) {
    session.PrintJson(options.spec ? static_cast<const google::protobuf::Message&>(job.spec())
                                   : job);
  } else if (options.spec) {
    session.out() << JobFileText(job.spec());
  } else {
    PrintJob(session, job);
  }
  return kExitDone;
}

}  // namespace

void AddShow(CLI::App& app, Action& action) {
  auto [command, options] = AddVerb<Options>(
      app, action, "show", "Shows all that is known of a job; of a sweep, its ranking", RunShow);
  command->add_option("JOB", options->job, "The job's id")->required()->type_name("");
  command->add_flag("--spec", options->spec,
                    "Prints the job's own job file instead, ready to be submitted again");
  command->footer("Examples:\n  anneal show 7\n  anneal show 7 --spec > again.textproto");
}

}  // namespace anneal::client
