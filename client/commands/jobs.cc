#include <algorithm>
#include <cctype>

#include "absl/strings/numbers.h"
#include "anneal/v1/job_service.grpc.pb.h"
#include "client/commands/commands.h"
#include "client/job_text.h"
#include "client/progress.h"

namespace anneal::client {
namespace {

constexpr int64_t kPageSize = 1000;
constexpr int kNameColumns = 40;

struct Options {
  std::vector<std::string> states;
  std::string filter;
  std::string sweep;
  std::string model;
  int64_t limit = 50;
};

absl::StatusOr<v1::Job::State> ParseState(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  v1::Job::State state = v1::Job::STATE_UNSPECIFIED;
  if (v1::Job::State_Parse(text, &state) && state != v1::Job::STATE_UNSPECIFIED) return state;
  std::string names;
  for (int i = v1::Job::State_MIN + 1; i <= v1::Job::State_MAX; ++i) {
    names += (names.empty() ? "" : ", ") + StateName(static_cast<v1::Job::State>(i));
  }
  return absl::InvalidArgumentError("--state: there is no state \"" + Escape(text) +
                                    "\"; there are: " + names);
}

// What says most about how good a job is.
std::string BestKnownMetric(const v1::Job& job) {
  if (job.kind() == v1::Job::LR_RANGE_TEST) return "";  // a mean over all learning rates
  const auto& metrics = job.progress().metrics();
  for (const char* name : {"val_accuracy", "val_loss", "accuracy", "loss"}) {
    for (const v1::Metric& metric : metrics) {
      if (metric.name() == name) return metric.name() + " " + FormatMetric(metric.value());
    }
  }
  return "";
}

// From the start to the end, or to now.
std::string RunTime(const v1::Job& job, int64_t now_us) {
  if (!job.has_start_time()) return "";
  const int64_t end_us = job.has_end_time() ? TimestampUs(job.end_time()) : now_us;
  return FormatDuration(end_us - TimestampUs(job.start_time()));
}

// "3/30", or "3" where it is not said how many were asked; of a prediction "512/10,000 images".
std::string ProgressText(const v1::Job& job) {
  if (job.kind() == v1::Job::LR_RANGE_TEST) return "";
  const v1::Progress& progress = job.progress();
  if (job.kind() == v1::Job::PREDICTION) {
    if (progress.batches() == 0) return "";
    return FormatCount(progress.batch()) + "/" + FormatCount(progress.batches()) + " images";
  }
  if (progress.epochs() == 0) return progress.epoch() > 0 ? std::to_string(progress.epoch()) : "";
  return std::to_string(progress.epoch()) + "/" + std::to_string(progress.epochs());
}

// The state, and what there is to say about it.
std::string StateText(const v1::Job& job) {
  std::string state = StateName(job.state());
  if (job.state() == v1::Job::QUEUED && job.queue_position() > 0) {
    state += " #" + std::to_string(job.queue_position());
  } else if (job.stop_reason() != v1::Job::STOP_REASON_UNSPECIFIED &&
             job.stop_reason() != v1::Job::COMPLETED) {
    state += " (" + StopReasonName(job.stop_reason()) + ")";
  }
  return state;
}

// "sweep", "trial of 7", "lr range test", "prediction"
std::string KindText(const v1::Job& job) {
  if (job.has_trial()) return "trial of " + job.trial().sweep_id();
  if (job.kind() == v1::Job::LR_RANGE_TEST) return "lr range test";
  if (job.kind() == v1::Job::PREDICTION) return "prediction";
  return job.kind() == v1::Job::SWEEP ? "sweep" : "";
}

void PrintJobs(Session& session, const v1::ListJobsResponse& answer) {
  if (answer.jobs().empty()) {
    session.out() << "no jobs\n";
    return;
  }
  const Style style = session.style();
  const int64_t now_us = session.environment().clock->NowUs();
  const bool progress = std::any_of(answer.jobs().begin(), answer.jobs().end(),
                                    [](const v1::Job& job) { return job.has_progress(); });
  const bool kinds = std::any_of(answer.jobs().begin(), answer.jobs().end(),
                                 [](const v1::Job& job) { return !KindText(job).empty(); });
  const bool images = std::any_of(answer.jobs().begin(), answer.jobs().end(), [](const auto& job) {
    return job.kind() == v1::Job::PREDICTION && job.has_progress();
  });
  Table table;
  table.AddColumn("ID", Table::Align::kRight);
  table.AddColumn("NAME");
  if (kinds) table.AddColumn("KIND");
  table.AddColumn("STATE");
  if (progress) table.AddColumn(images ? "PROGRESS" : "EPOCH", Table::Align::kRight);
  if (progress) table.AddColumn("METRIC");
  table.AddColumn("CREATED");
  table.AddColumn("RAN", Table::Align::kRight);
  for (const v1::Job& job : answer.jobs()) {
    std::vector<Table::Cell> row;
    row.emplace_back(job.id());
    row.emplace_back(Shorten(Escape(job.name()), kNameColumns, style));
    if (kinds) row.emplace_back(KindText(job));
    row.emplace_back(StateText(job), StateColor(job.state()));
    if (progress) row.emplace_back(ProgressText(job));
    if (progress) row.emplace_back(BestKnownMetric(job));
    row.emplace_back(FormatTime(job.create_time()));
    row.emplace_back(RunTime(job, now_us));
    table.AddRow(std::move(row));
  }
  session.out() << table.ToString(style);
}

int RunJobs(Session& session, const Options& options) {
  v1::ListJobsRequest request;
  for (const std::string& text : options.states) {
    const absl::StatusOr<v1::Job::State> state = ParseState(text);
    if (!state.ok()) return session.UsageError(state.status());
    request.add_states(*state);
  }
  if (!IsUtf8(options.filter))
    return session.UsageError(absl::InvalidArgumentError("--filter: is not UTF-8"));
  request.set_name_contains(options.filter);
  request.set_sweep_id(Escape(options.sweep));
  request.set_model_job_id(Escape(options.model));

  v1::ListJobsResponse jobs;
  while (options.limit == 0 || jobs.jobs_size() < options.limit) {
    const int64_t wanted = options.limit == 0 ? kPageSize : options.limit - jobs.jobs_size();
    request.set_page_size(static_cast<int32_t>(std::min(wanted, kPageSize)));
    v1::ListJobsResponse page;
    const grpc::Status status = session.Call(&v1::JobService::Stub::ListJobs, request, &page);
    if (!status.ok()) return session.Fail(status);
    for (v1::Job& job : *page.mutable_jobs()) *jobs.add_jobs() = std::move(job);
    jobs.set_next_page_token(page.next_page_token());
    request.set_page_token(page.next_page_token());
    if (page.next_page_token().empty()) break;
  }
  if (session.json()) {
    session.PrintJson(jobs);
    return kExitDone;
  }
  PrintJobs(session, jobs);
  if (!jobs.next_page_token().empty()) {
    session.out() << std::flush;
    session.err() << "anneal: there are more; --limit 0 shows all\n";
  }
  return kExitDone;
}

}  // namespace

void AddJobs(CLI::App& app, Action& action) {
  auto [command, options] =
      AddVerb<Options>(app, action, "jobs", "Lists jobs, newest first", RunJobs);
  command
      ->add_option("--state", options->states,
                   "Only jobs in this state; may be repeated, or several with commas")
      ->type_name("STATE")
      ->delimiter(',')
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
  command
      ->add_option("--filter", options->filter, "Only jobs whose name contains this (case matters)")
      ->type_name("TEXT");
  command->add_option("--sweep", options->sweep, "Only the trials of this sweep")->type_name("JOB");
  command->add_option("--model", options->model, "Only the predictions by this training")
      ->type_name("JOB");
  command->add_option("--limit", options->limit, "At most so many (default 50; 0: all)")
      ->type_name("N")
      ->check([](const std::string& given) {
        int64_t limit = 0;
        return absl::SimpleAtoi(given, &limit) && limit >= 0 ? std::string()
                                                             : "a limit is a whole number from 0";
      });
  command->footer(
      "Examples:\n  anneal jobs --state running,queued\n  anneal jobs --filter cnn --limit 5 "
      "--output json\n  anneal jobs --sweep 7 --limit 0\n  anneal jobs --model 7");
}

}  // namespace anneal::client
